"""Files outside of artifacts that hold a forgotten text, or may: reports, copies of remote files, the user's own."""

import time
from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from storage.artifact import Artifact
from storage.catalog.leftovers import touched
from storage.forget import marks
from storage.forget.rows import READ, forgotten_rows
from storage.forget.tombstones import entries
from storage.hashes import HashCache
from storage.lake import Lake
from storage.remote.mirror import copies, mirror_folder
from storage.runs import all_runs


def quoting_reports(lake: Lake, holding: Collection[Artifact] = ()) -> list[Path]:
    """Reports that show what an artifact said that holds forgotten text. `holding`: what is about to be set aside."""
    written = [entry.written for entry in entries(lake)] + ([time.time()] if holding else [])
    if not written:
        return []
    marked = [mark.artifact for mark in marks.all_marks(lake) if mark.mark == "holds"]
    shown = {f"{one.stage}/{one.fingerprint}" for one in (*marked, *holding)}
    of_run = {about["run"]: set(about["artifacts"]) for about in all_runs(lake)}
    found = []
    for path in sorted((lake.root / "reports").glob("*.html")):
        of_this = of_run.get(path.stem)
        # one whose run said nothing of its artifacts may show any of that time
        if of_this & shown if of_this else path.stat().st_mtime <= written[-1]:
            found.append(path)
    return found


def forgotten_copies(lake: Lake) -> list[Path]:
    """The folders of copies of remote files in which a forgotten row stands; and of those that nobody has read since
    before the newest tombstone, for what stands in them is not known.

    Copies in a cache of the user's own (GRISTMILL_CACHE) are not the lake's, and are left to the user.
    """
    written = max((entry.written for entry in entries(lake)), default=0.0)
    there = [path for path in copies(mirror_folder(lake.root)) if path.is_relative_to(lake.root)] if written else []
    if not there:
        return []
    read, hashes = files_read(lake), HashCache(lake.root)
    of_copy = {path: read.get(hashes.sha256(path)[0]) for path in there}
    return [path.parent for path, rows in of_copy.items() if (rows if rows is not None else touched(path) < written)]


def files_read(lake: Lake, named: Collection[str] = ()) -> Mapping[str, set[str]]:
    """The SHA-256 of every file that rows were read from, with the ids of its rows that are forgotten, or `named`."""
    found: dict[str, set[str]] = defaultdict(set)
    for one in lake.artifacts():
        kind = one.manifest.kind
        for batch in one.batches([READ[kind].id, "file_sha256", READ[kind].known_by]) if kind in READ else ():
            ids, files = batch.column(READ[kind].id), batch.column("file_sha256")
            found |= {file: found[file] for file in files.unique().to_pylist()}
            wanted = pc.is_in(ids, value_set=pa.array(sorted(named), pa.string()))  # type: ignore[attr-defined]
            chosen = pc.or_(wanted, pa.array(forgotten_rows(kind, batch)))  # type: ignore[attr-defined]
            for row, file in zip(ids.filter(chosen).to_pylist(), files.filter(chosen).to_pylist(), strict=True):
                found[file].add(row)
    return found
