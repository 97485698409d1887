"""Compiled loops: what several processes need at once is compiled by one of them."""

import json
import os
import subprocess
import sys
from pathlib import Path

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
