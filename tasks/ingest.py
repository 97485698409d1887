"""Ingest: a snapshot lists those files of a source that none of its earlier snapshots holds.

Snapshots never overlap. A changed file is a new file; a vanished one stays. A file's hash is
remembered by path, size and time, so that a known file is not read again.
"""

import glob
import hashlib
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from pydantic import Field

from storage.artifact import Artifact
from storage.commit import ShardOutput, locked, tidy
from storage.files import canonical_json
from storage.hashes import ChangedMeanwhile, HashCache
from storage.lake import Lake, NotFound
from storage.schemas.documents import FILES
from storage.sources import SourceError
from tasks.config import StageConfig
from tasks.executor import Watch
from tasks.run import current_run
from tasks.stage import Shard, Stage

Format = Literal["documents", "conversations", "questions", "benchmarks"]


class Source(StageConfig):
    """Where records come from: a folder or a glob, and what is known of it."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", description="Name of the source; part of every doc_id.")
    path: str = Field(
        min_length=1, description="A file, a folder (everything below it), or a glob such as crawl/**/*.warc.gz."
    )
    holds: Format = Field(
        default="documents",
        description="What its records are. A corpus takes documents, fine-tuning conversations, evaluation questions; "
        "benchmarks are texts of evaluation sets that no corpus takes, for `contamination` to look for.",
    )
    license: str | None = Field(default=None, description="Licence of the records, where they do not state their own.")
    fields: dict[str, str] = Field(
        default={}, description="For JSONL and Parquet: our field → the column's name, where it is not the usual one."
    )


class SnapshotConfig(StageConfig):
    """What a snapshot is: the source and the digest of its list of files. Paths of this machine are not in it."""

    source: str
    holds: Format
    license: str | None
    files: str


def find_files(source: Source) -> tuple[Path, list[Path]]:
    """The source's root and its files below it, sorted by path; links are followed.

    Hidden files and files that are still being written (`*.part`, `*.tmp`) are left out. Raises SourceError if there
    are none.
    """
    pattern = Path(source.path).expanduser()
    if pattern.is_dir():
        root, found = pattern, list(_walk(pattern))
    elif glob.has_magic(str(pattern)):
        plain = itertools.takewhile(lambda part: not glob.has_magic(part), pattern.parts)
        root = Path(*plain)
        found = [path for path in map(Path, glob.glob(str(pattern), recursive=True)) if path.is_file()]
    else:
        root, found = pattern.parent, [pattern] if pattern.is_file() else []
    kept = [path for path in found if not _left_out(path.relative_to(root))]
    if not kept:
        what = "matches no file"
        if not glob.has_magic(str(pattern)):
            what = "holds no file" if pattern.is_dir() else "does not exist"
        raise SourceError(
            f"Source {source.name!r}: {pattern} {what} (seen from {os.getcwd()}). Correct `path` in the recipe."
        )
    return root, sorted(kept)


def _left_out(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts) or path.suffix in (".part", ".tmp")


def _walk(folder: Path) -> Iterator[Path]:
    """Every file below a folder, through links too, each folder once."""
    seen = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        # a dangling link is no file, and a pipe would be waited for
        yield from (path for path in (Path(place) / name for name in files) if path.is_file())


def snapshots(lake: Lake, source: Source) -> list[Artifact]:
    """The snapshots that the lake has of this source, oldest first."""
    wanted = {"source": source.name, "holds": source.holds, "license": source.license}
    return [
        artifact for artifact in lake.artifacts("ingest") if wanted.items() <= artifact.manifest.identity.config.items()
    ]


def check_chosen(sources: Sequence[Source], fingerprints: Sequence[str]) -> None:
    """Raises: NotFound for the first of these that no snapshot of the sources begins with."""
    lake = current_run().lake
    known = [one.fingerprint for source in sources for one in snapshots(lake, source)]
    for wanted in fingerprints:
        if not wanted or not any(one.startswith(wanted) for one in known):
            there = ", ".join(one[:12] for one in known) or "none"
            raise NotFound(f"No snapshot of the recipe's sources begins with {wanted!r}. There are: {there}.")


def choose(source: Source, fingerprints: Sequence[str]) -> list[Artifact]:
    """Those snapshots of a source whose fingerprint begins with one of these; nothing is looked up on the disk."""
    run = current_run()
    found = [one for one in snapshots(run.lake, source) if one.fingerprint.startswith(tuple(fingerprints))]
    for snapshot in found:
        run.reuse(snapshot)
    return found


def ingest(source: Source) -> list[Artifact]:
    """All snapshots of a source, oldest first; a new one is added if there are files that none of them holds.

    One process at a time looks and commits, so that snapshots never overlap. Raises SourceError if the path leads to no
    file.
    """
    run = current_run()
    root, paths = find_files(source)
    hashes = HashCache(run.lake.root)
    with locked(run.lake.root / ".cache" / f"ingest-{source.name}.lock"):
        run.lake.adopt("ingest")
        known = [one for one in snapshots(run.lake, source) if not _let_go(one, hashes)]
        held = {sha256 for snapshot in known for sha256 in snapshot.read(["sha256"]).column("sha256").to_pylist()}
        present: dict[str, dict[str, Any]] = {}
        for path in paths:
            name = path.relative_to(root).as_posix()
            try:
                sha256, size = hashes.sha256(path)
            except (ChangedMeanwhile, FileNotFoundError):
                said = f"{source.name}: {name} is being written or moved; it is left for the next time"
                run.console.line(f"ingest          {said}")
                continue
            except OSError as error:
                raise SourceError(f"Source {source.name!r}: {path} cannot be read ({error.strerror}).") from error
            about = {"path": name, "sha256": sha256, "bytes": size, "source": source.name, "license": source.license}
            present.setdefault(sha256, about)
        _say(source, paths, present, held)
        for snapshot in known:
            tidy(snapshot)  # a kill right after its commit may have left its work behind
            run.reuse(snapshot)
        rows = sorted((row for sha256, row in present.items() if sha256 not in held), key=lambda row: row["path"])
        if not rows:
            return known
        digest = hashlib.sha256(canonical_json(rows).encode()).hexdigest()
        config = SnapshotConfig(source=source.name, holds=source.holds, license=source.license, files=digest)
        return [*known, make_snapshot(rows)(config)]


def _let_go(snapshot: Artifact, hashes: HashCache) -> bool:
    """Whether a snapshot was discarded: a file of it changed or vanished before anything of it was read.

    What is there of it now is found again, as new files. Called under the lock of its source.
    """
    lake = current_run().lake
    if lake.registry.is_used(snapshot.fingerprint):
        return False
    gone = [row["path"] for row in snapshot.read().to_pylist() if hashes.locate(row["sha256"]) is None]
    if not gone:
        return False
    others = f" and {len(gone) - 1:,} more" if len(gone) > 1 else ""
    said = f"{snapshot.fingerprint[:12]} is taken anew: {gone[0]}{others} changed or vanished before it was read"
    current_run().console.line(f"ingest          {said}")
    lake.discard(snapshot)
    return True


def _say(source: Source, paths: Sequence[Path], present: Mapping[str, Any], held: set[str]) -> None:
    """One line on what is new, what stands there twice, and what of earlier snapshots is not there any more."""
    new, copies, away = len(set(present) - held), len(paths) - len(present), len(held - set(present))
    if new or away or copies:
        parts = [f"{new:,} new of {len(paths):,} files"]
        parts += [f"{copies:,} copies of others"] if copies else []
        parts += [f"{away:,} files of earlier snapshots not at this path: they stay in the corpus"] if away else []
        current_run().console.line(f"ingest          {source.name}: {', '.join(parts)}")


def make_snapshot(rows: Sequence[Mapping[str, Any]]) -> Stage[SnapshotConfig]:
    """The stage that writes these rows of FILES as a snapshot; the configuration holds their digest."""

    def write(shard: Shard, config: SnapshotConfig, output: ShardOutput, watch: Watch) -> None:
        """List the files of a source that no earlier snapshot holds, with their SHA-256."""
        output.write(pa.RecordBatch.from_pylist([dict(row) for row in rows], schema=FILES.schema))

    def plan(inputs: Any, config: SnapshotConfig) -> list[Shard]:
        return [Shard(0, {"files": config.files}, len(rows))]

    return Stage(
        "ingest", 1, "snapshot", SnapshotConfig, {"part": FILES}, plan, write, here=True, unit="files", explains=False
    )
