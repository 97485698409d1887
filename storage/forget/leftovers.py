"""Files outside of artifacts that may quote a forgotten page: reports, tracebacks, work that was cut off, copies."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from storage.artifact import MANIFEST
from storage.forget import marks
from storage.forget.holders import Holders, find_holders, mark_holders
from storage.forget.tombstones import entries
from storage.lake import Lake
from storage.remote.mirror import mirror_folder
from storage.runs import all_runs


def find_leftovers(lake: Lake) -> list[Path]:
    """Reports that show what a marked artifact said; tracebacks and unfinished work from before the newest tombstone;
    copies of remote files that a forgotten document stands in.

    What a living process works at is left out.
    """
    known = entries(lake)
    if not known:
        return []
    newest = known[-1].written
    found = [*_reports(lake, newest), *_copies(lake)]
    found += [path for path in sorted((lake.root / "logs").glob("*.txt")) if path.stat().st_mtime <= newest]
    for work in sorted(lake.root.glob("*/.staging/*")):
        if work.is_dir() and not _busy(work) and _begun(work) <= newest:
            found.append(work)
    return found


def _reports(lake: Lake, newest: float) -> Iterator[Path]:
    marked = {f"{one.artifact.stage}/{one.artifact.fingerprint}" for one in marks.all_marks(lake)}
    of_run = {about["run"]: set(about["artifacts"]) for about in all_runs(lake)}
    for path in sorted((lake.root / "reports").glob("*.html")):
        shown = of_run.get(path.stem)
        if shown & marked if shown else path.stat().st_mtime <= newest:
            yield path


def _copies(lake: Lake) -> Iterator[Path]:
    """Copies of remote files, below the lake's own cache, in which a forgotten document stands."""
    folder = mirror_folder(lake.root)
    if not folder.is_relative_to(lake.root) or not folder.exists():
        return
    files: set[str] = set()
    for one in lake.artifacts(kind="documents"):
        for batch in one.batches(["file_sha256", "extractor"]):
            rows = zip(*(batch.column(name).to_pylist() for name in ("file_sha256", "extractor")), strict=True)
            files.update(sha256[:32] for sha256, extractor in rows if extractor == "forgotten")
    for place in sorted(folder.glob("*/*")):
        if place.is_dir() and place.name in files:
            yield place


def _lock(work: Path) -> Path:
    return work.parent / f"{work.name.removesuffix('.work')}.lock"


def _busy(work: Path) -> bool:
    """Whether a living process holds the lock of this work."""
    if not _lock(work).exists():
        return False
    lock = os.open(_lock(work), os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _begun(work: Path) -> float:
    return min((path.stat().st_mtime for path in [work, *work.rglob("*")]), default=0.0)


def purge(lake: Lake) -> tuple[Holders, list[Path]]:
    """Delete every artifact that holds forgotten text, whoever uses or names it, and every leftover.

    They are marked first, so that what was made from them is known when they are gone. Killed at any instant and
    called again, it goes on. Returns what was found.
    """
    holders = find_holders(lake)
    mark_holders(lake, holders)
    for artifact in holders.deleted:
        # without its manifest it is no artifact any more, whatever else is left of it
        (artifact.folder / MANIFEST).unlink(missing_ok=True)
        lake.registry.remove(artifact.fingerprint)
        shutil.rmtree(artifact.folder)
    for folder in lake.root.glob("*/[0-9a-f]*"):
        if folder.is_dir() and len(folder.name) == 32 and not (folder / MANIFEST).exists() and _marked(lake, folder):
            shutil.rmtree(folder)  # a purge was killed within it
    leftovers = find_leftovers(lake)
    for path in leftovers:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return holders, leftovers


def _marked(lake: Lake, folder: Path) -> bool:
    return (lake.root / marks.FOLDER / folder.name).exists()
