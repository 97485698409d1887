"""Files outside of artifacts that may quote a forgotten page: reports, and copies of remote files."""

import time
from collections.abc import Collection, Iterator
from pathlib import Path

from storage.forget import marks
from storage.forget.holders import Holders
from storage.forget.tombstones import entries
from storage.lake import Lake
from storage.remote.mirror import mirror_folder
from storage.runs import all_runs
from storage.schemas.documents import FORGOTTEN


def quoting_files(lake: Lake, found: Holders | None = None) -> list[Path]:
    """Reports that show what an artifact said that holds forgotten text, and copies of remote files in which a
    forgotten document stands. `found`: what is about to be forgotten counts too.

    Copies in a cache of the user's own (GRISTMILL_CACHE) are not the lake's, and are left to the user.
    """
    written = [entry.written for entry in entries(lake)]
    holding = [mark.artifact for mark in marks.all_marks(lake) if mark.mark == "holds"]
    if found is not None and found.deleted:
        written.append(time.time())
        holding += found.deleted
    named = found.doc_ids if found is not None else ()
    if not written:
        return []
    shown = {f"{one.stage}/{one.fingerprint}" for one in holding}
    return [*_reports(lake, shown, written[-1]), *_copies(lake, named)]


def _reports(lake: Lake, holding: set[str], newest: float) -> Iterator[Path]:
    of_run = {about["run"]: set(about["artifacts"]) for about in all_runs(lake)}
    for path in sorted((lake.root / "reports").glob("*.html")):
        shown = of_run.get(path.stem)
        # one whose run said nothing of its artifacts may show any of that time
        if shown & holding if shown else path.stat().st_mtime <= newest:
            yield path


def _copies(lake: Lake, named: Collection[str]) -> Iterator[Path]:
    folder = mirror_folder(lake.root)
    if not folder.is_relative_to(lake.root) or not folder.exists():
        return
    files: set[str] = set()
    for one in lake.artifacts(kind="documents"):
        for batch in one.batches(["doc_id", "file_sha256", "extractor"]):
            rows = zip(*(column.to_pylist() for column in batch.columns), strict=True)
            files.update(sha256[:32] for doc_id, sha256, extractor in rows if extractor == FORGOTTEN or doc_id in named)
    for place in sorted(folder.glob("*/*")):
        if place.is_dir() and place.name in files:
            yield place
