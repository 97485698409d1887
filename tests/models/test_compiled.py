"""Compiled loops: what several processes need at once is compiled by one of them."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.acceptance.drive import ROOT

COUNT = """
import json
from tasks import sign_kernels as kernels
functions = [kernels.mix, kernels.hash_shingles, kernels.sign_shingles, kernels.hash_bands]
print(json.dumps([sum(one.stats.cache_misses.values()) for one in functions]))
"""


def test_processes_that_start_together_compile_each_loop_once(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", COUNT]
    started = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    compiled = [json.loads(one.communicate()[0]) for one in started]
    assert [sum(of) for of in zip(*compiled, strict=True)] == [1, 1, 1, 1]


def test_code_is_compiled_again_once_a_file_changes_that_its_own_file_imports(tmp_path: Path):
    package = tmp_path / "mill"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "limits.py").write_text("FIRST = 3\n")
    callee = "from mill.limits import FIRST\nfrom models.compiled import compiled\n\n\n"
    callee += "@compiled('int64(int64)')\ndef turn(n):\n    return n + FIRST\n"
    (package / "inner.py").write_text(callee)
    caller = "from mill import (\n    inner,\n)\nfrom models.compiled import compiled\n\nturn = inner.turn\n\n\n"
    caller += "@compiled('int64(int64)')\ndef grind(n):\n    return 2 * turn(n)\n\n\n"
    caller += "print(grind(1), sum(grind.stats.cache_hits.values()))\n"
    (package / "outer.py").write_text(caller)

    def run() -> list[int]:
        done = subprocess.run(
            [sys.executable, "-c", "import mill.outer"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
            capture_output=True,
            text=True,
            check=True,
        )
        return [int(one) for one in done.stdout.split()]

    assert run() == [8, 0]
    assert run() == [8, 1]
    (package / "limits.py").write_text("FIRST = 5\n")
    assert run() == [12, 0]
    (package / "inner.py").write_text(callee.replace("n + FIRST", "n - FIRST"))
    assert run() == [-8, 0]
    assert run() == [-8, 1]
