"""What killed processes left in a lake and nobody goes on with: staging folders, half-written files, spilled queries.

A staging folder is what a run after a kill goes on from, so one whose lock is free is left alone for some days; unless
it is older than the newest artifact that was superseded, because it may hold what was to go.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from storage.artifact import MANIFEST
from storage.locks import try_lock
from storage.remote.mirror import unfinished

STAGING = ".staging"
TEMPORARY_SECONDS = 3600
"""A temporary file is written in moments; one that is older than this is nobody's."""


@dataclass(frozen=True)
class Leftover:
    """A file or folder that nobody uses, its size in bytes, and why it is one."""

    path: Path
    bytes: int
    why: str


def find_leftovers(root: Path, before: float, superseded: float) -> list[Leftover]:
    """What is left over: staging last touched before `before`, or before `superseded`, and temporary files; locks of
    artifacts that are committed. Nothing, where nobody could delete it.
    """
    found = []
    if not os.access(root, os.W_OK):
        return found
    for folder in sorted(root.glob(f"[!.]*/{STAGING}")):
        found += _staging(folder, before, superseded)
    now = time.time()
    for pattern in (".tmp-*", ".index/.tmp-*", "names/**/.tmp-*", "runs/*/.tmp-*", "superseded/.tmp-*"):
        found += [
            _leftover(path, "half written") for path in root.glob(pattern) if now - touched(path) > TEMPORARY_SECONDS
        ]
    found += [
        _leftover(path, "fetched in part and abandoned")
        for path in unfinished(root / ".cache" / "remote")
        if touched(path) < max(before, superseded)
    ]
    spilled = [path for path in root.glob(".cache/spill/*") if now - touched(path) > TEMPORARY_SECONDS]
    found += [_leftover(path, "spilled by a query") for path in spilled]
    written = [path for path in root.glob("logs/*.txt") if touched(path) < superseded]
    return found + [_leftover(path, "a traceback older than what was superseded") for path in written]


def _staging(folder: Path, before: float, superseded: float) -> Iterator[Leftover]:
    """The unfinished work of one stage, each under the lock of its artifact."""
    for key in sorted({path.name.split(".")[0] for path in folder.iterdir() if not path.name.startswith(".")}):
        paths = [path for path in (folder / key, folder / f"{key}.work", folder / f"{key}.lock") if path.exists()]
        lock = try_lock(folder / f"{key}.lock")
        if lock is None:
            continue  # somebody is at it
        try:
            work = [path for path in paths if path.suffix != ".lock"] or paths
            last = max((touched(path) for path in work), default=0.0)
            done = (folder.parent / key / MANIFEST).exists()
            if done or last < max(before, superseded):
                why = "work on what is committed" if done else "abandoned work"
                yield from (_leftover(path, why) for path in paths)
        finally:
            os.close(lock)


def touched(path: Path) -> float:
    """When a file, or anything in a folder, was last written; 0 if it is gone."""
    try:
        inside = [touched(one) for one in path.iterdir()] if path.is_dir() else []
        return max([path.stat().st_mtime, *inside])
    except FileNotFoundError:
        return 0.0


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; what vanishes meanwhile counts nothing."""
    try:
        return sum(size_of(one) for one in path.iterdir()) if path.is_dir() else path.stat().st_size
    except FileNotFoundError:
        return 0


def _leftover(path: Path, why: str) -> Leftover:
    return Leftover(path, size_of(path), why)
