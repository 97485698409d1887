"""What running processes use, so that `gc` leaves it: one file a process below `.holds/`, under a lock that the kernel
lets go when the process ends.

A run adds a line for each artifact that it finds, is given or commits. A command that reads through SQL views may open
any file of the lake and holds everything. Both do so under the gate, which many may share; `gc` takes the gate alone
while it looks at who holds what and moves the rest away: so what a run has found stays, and what was moved is not
found.
"""

import contextlib
import fcntl
import json
import os
import socket
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from storage.artifact import MANIFEST, Artifact

HOLDS = ".holds"
EVERYTHING = "*"


@contextlib.contextmanager
def gate(root: Path, alone: bool = False) -> Iterator[None]:
    """Pass the gate of the lake at `root`, beside others or alone. Held for moments."""
    folder = root / HOLDS
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / "gate.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
    finally:
        os.close(lock)


class Hold:
    """What this process uses of a lake, from now until `release` or the end of the process."""

    def __init__(self, root: Path, everything: bool = False) -> None:
        self.root, self._held = root, set[Artifact]()
        self.path = root / HOLDS / f"{uuid.uuid4().hex}.txt"
        about = {"host": socket.gethostname(), "process": os.getpid(), "command": " ".join(sys.argv[:4])}
        with gate(root):
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            fcntl.flock(self._file, fcntl.LOCK_EX)
            os.write(self._file, (json.dumps(about) + "\n" + (f"{EVERYTHING}\n" if everything else "")).encode())

    def add(self, artifact: Artifact) -> bool:
        """Hold an artifact if it is there; whether it is."""
        if artifact in self._held:
            return True
        with gate(self.root):
            if not (artifact.folder / MANIFEST).exists():
                return False
            self._write(artifact)
        return True

    def add_everything(self) -> None:
        """Hold whatever the lake has."""
        with gate(self.root):
            os.write(self._file, f"{EVERYTHING}\n".encode())

    def announce(self, artifact: Artifact) -> None:
        """Hold an artifact that is about to be committed."""
        if artifact not in self._held:
            with gate(self.root):
                self._write(artifact)

    def _write(self, artifact: Artifact) -> None:
        os.write(self._file, f"{artifact.stage}/{artifact.fingerprint}\n".encode())
        self._held.add(artifact)

    def release(self) -> None:
        """Hold nothing any more."""
        self.path.unlink(missing_ok=True)
        os.close(self._file)


@dataclass(frozen=True)
class Holder:
    """A process that uses artifacts: `everything`, or those it named."""

    host: str
    process: int
    command: str
    everything: bool
    artifacts: tuple[Artifact, ...]

    def __str__(self) -> str:
        return f"process {self.process} on {self.host} ({self.command})"


def read_holds(root: Path) -> list[Holder]:
    """Who uses what, this process apart. Called with the gate held alone, so that no file is half begun.

    The files of processes that have ended are deleted.
    """
    found = []
    for path in sorted((root / HOLDS).glob("*.txt")):
        file = os.open(path, os.O_RDWR)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
        except BlockingIOError:
            found.append(_read(root, path))
        finally:
            os.close(file)
    here = (socket.gethostname(), os.getpid())
    return [holder for holder in found if (holder.host, holder.process) != here]


def _read(root: Path, path: Path) -> Holder:
    first, *lines = path.read_text(encoding="utf-8").splitlines()
    named = [line.split("/") for line in lines if line != EVERYTHING]
    artifacts = tuple(Artifact(lake=str(root), stage=stage, fingerprint=fingerprint) for stage, fingerprint in named)
    return Holder(**json.loads(first), everything=EVERYTHING in lines, artifacts=artifacts)
