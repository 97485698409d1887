"""The processes below `gristmill up`: started in groups of their own, ended in order, none left."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from flows.serve.launcher import PARENT

LAUNCHER = (sys.executable, "-m", "flows.serve.launcher")
IMPORTS = {
    # The folder that `gristmill up` is called from may hold a `models` or a `tasks` of its own: ours are meant.
    "PYTHONSAFEPATH": "1",
    "PYTHONPATH": os.pathsep.join(
        filter(None, [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH")])
    ),
}


class ServeFailed(RuntimeError):
    """`gristmill up` cannot start or go on: why, and what to do."""


class Child:
    """A long-lived command, its output in a log file. It ends when this process does, however that ends."""

    def __init__(self, name: str, command: Sequence[str], log: Path, environment: dict[str, str] | None = None) -> None:
        self.name, self.log = name, log
        around = os.environ | (environment or {}) | IMPORTS | {PARENT: str(os.getpid())}
        with log.open("wb") as stream:
            self.process = subprocess.Popen(
                [*LAUNCHER, *command],
                env=around,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def check(self) -> None:
        """Raises ServeFailed with the end of its log if it has ended."""
        code = self.process.poll()
        if code is not None:
            how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
            raise ServeFailed(f"The {self.name} {how}. The end of {self.log}:\n{self.tail()}")

    def tail(self, lines: int = 15) -> str:
        """The last lines of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    def descendants(self, recursive: bool = True) -> list[psutil.Process]:
        """All processes below it, its own not among them; without `recursive`, those that it started itself."""
        try:
            return psutil.Process(self.process.pid).children(recursive=recursive)
        except psutil.NoSuchProcess:
            return []

    def stop(self, grace: float) -> None:
        """End it: SIGTERM, and SIGKILL to its group and all below it after `grace` seconds."""
        below = self.descendants()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(grace)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        end(below, grace=0)


def end(processes: Sequence[psutil.Process], grace: float) -> None:
    """SIGTERM to each process, SIGKILL after `grace` seconds to those that are left; returns when all are gone."""
    if grace > 0:
        _signal(processes, signal.SIGTERM)
        _, processes = psutil.wait_procs(processes, timeout=grace)
    deadline = time.monotonic() + 10
    while processes and time.monotonic() < deadline:
        _signal(processes, signal.SIGKILL)
        _, processes = psutil.wait_procs(processes, timeout=1)


def _signal(processes: Sequence[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue
