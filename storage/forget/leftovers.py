"""Files outside of artifacts that may quote a forgotten page: reports, and copies of remote files."""

from collections.abc import Iterator
from pathlib import Path

from storage.forget import marks
from storage.forget.tombstones import entries
from storage.lake import Lake
from storage.remote.mirror import mirror_folder
from storage.runs import all_runs
from storage.schemas.documents import FORGOTTEN


def quoting_files(lake: Lake) -> list[Path]:
    """Reports that show what a marked artifact said, and copies of remote files in which a forgotten document stands.

    Copies in a cache of the user's own (GRISTMILL_CACHE) are not the lake's, and are left to the user.
    """
    known = entries(lake)
    return [*_reports(lake, known[-1].written), *_copies(lake)] if known else []


def _reports(lake: Lake, newest: float) -> Iterator[Path]:
    marked = {f"{one.artifact.stage}/{one.artifact.fingerprint}" for one in marks.all_marks(lake)}
    of_run = {about["run"]: set(about["artifacts"]) for about in all_runs(lake)}
    for path in sorted((lake.root / "reports").glob("*.html")):
        shown = of_run.get(path.stem)
        # one whose run said nothing of its artifacts may show any of that time
        if shown & marked if shown else path.stat().st_mtime <= newest:
            yield path


def _copies(lake: Lake) -> Iterator[Path]:
    folder = mirror_folder(lake.root)
    if not folder.is_relative_to(lake.root) or not folder.exists():
        return
    files: set[str] = set()
    for one in lake.artifacts(kind="documents"):
        for batch in one.batches(["file_sha256", "extractor"]):
            rows = zip(*(batch.column(name).to_pylist() for name in ("file_sha256", "extractor")), strict=True)
            files.update(sha256[:32] for sha256, extractor in rows if extractor == FORGOTTEN)
    for place in sorted(folder.glob("*/*")):
        if place.is_dir() and place.name in files:
            yield place
