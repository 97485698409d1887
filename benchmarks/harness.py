"""Contests: contestants on the same input, each run a process of its own, rounds interleaved, medians.

What counts is the ratio within one run of the program: the machine may be shared and its speed drift.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
PEERS = REPOSITORY / ".bench" / "peers"
"""The peers' virtual environment."""
SHORT, SHORT_RUNS = 2.0, 3
"""A run of fewer CPU seconds is made so often in a round: in what state it finds the memory weighs more there."""


@dataclass(frozen=True)
class Contestant:
    """`function` of the contest's module, or of `benchmarks.peers.<contest>` if `peer`. See `benchmarks.child`."""

    name: str
    function: str
    peer: bool = False


@dataclass(frozen=True)
class Contest:
    """What is measured.

    `prepare(folder)` writes the inputs once. `compare(outputs)` gives lines of Markdown on how the contestants' outputs
    agree, from the path of each one's output by its name. `notes`: lines that say what the contest shows and asks for.
    `unit`: what is counted, in the plural. `baseline`: whose speed is 1.
    """

    name: str
    title: str
    unit: str
    contestants: Sequence[Contestant]
    prepare: Callable[[Path], None]
    baseline: str
    compare: Callable[[Mapping[str, Path]], list[str]] = field(default=lambda outputs: [])
    notes: str = ""
    rounds: int = 3


@dataclass(frozen=True)
class Measured:
    """Medians of a contestant's runs."""

    name: str
    units: int
    per_cpu_second: float
    cpu_seconds: float
    peak_bytes: int


def run(contest: Contest, rounds: int | None = None, say: Callable[[str], None] = print) -> str:
    """Run a contest and give its section of the results in Markdown."""
    with tempfile.TemporaryDirectory(prefix=f"gristmill-bench-{contest.name}-") as name:
        folder, outputs = Path(name) / "inputs", Path(name) / "outputs"
        folder.mkdir()
        outputs.mkdir()
        contest.prepare(folder)
        paths = {one.name: outputs / str(number) for number, one in enumerate(contest.contestants)}
        runs: dict[str, list[dict[str, Any]]] = {one.name: [] for one in contest.contestants}
        for number in range(rounds or contest.rounds):
            for one in contest.contestants:
                found = [_run_once(contest, one, folder, paths[one.name])]
                while found[0]["cpu_seconds"] < SHORT and len(found) < SHORT_RUNS:
                    found.append(_run_once(contest, one, folder, paths[one.name]))
                runs[one.name] += found
                rates = [f"{run['units'] / max(run['cpu_seconds'], 1e-9):,.0f}" for run in found]
                say(f"{contest.name}: round {number + 1}, {one.name}: {', '.join(rates)} {contest.unit}/CPU s")
        measured = [_median(name, of) for name, of in runs.items()]
        return _section(contest, measured, contest.compare(paths))


def _run_once(contest: Contest, one: Contestant, folder: Path, output: Path) -> dict[str, Any]:
    python = str(PEERS / "bin" / "python") if one.peer else sys.executable
    module = f"benchmarks.{'peers' if one.peer else 'contests'}.{contest.name}"
    command = [python, "-m", "benchmarks.child", module, one.function, str(folder), str(output)]
    # Without huge pages of memory: to find one may cost a tenth of a second, by what other programs have left.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MIMALLOC_ALLOW_THP": "0", "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{contest.name}, {one.name}: exit status {done.returncode}\n{done.stderr[-4000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def _median(name: str, runs: list[dict[str, Any]]) -> Measured:
    units = runs[0]["units"]
    cpu = statistics.median(run["cpu_seconds"] for run in runs)
    return Measured(name, units, units / max(cpu, 1e-9), cpu, max(run["peak_bytes"] for run in runs))


def _section(contest: Contest, measured: list[Measured], agreement: list[str]) -> str:
    base = next(one.per_cpu_second for one in measured if one.name == contest.baseline)
    lines = [f"## {contest.title}", "", *([contest.notes.strip(), ""] if contest.notes else [])]
    lines += [
        f"| who | {contest.unit} | {contest.unit} per CPU second | times {contest.baseline} | peak memory |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {one.name} | {one.units:,} | {_rate(one.per_cpu_second)} | {one.per_cpu_second / base:.2f} | "
        f"{one.peak_bytes / 1e6:,.0f} MB |"
        for one in measured
    ]
    return "\n".join([*lines, *(["", *agreement] if agreement else [])])


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
