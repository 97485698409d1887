"""Ingest: a snapshot lists those files of a source that none of its earlier snapshots holds.

Snapshots never overlap. A changed file is a new file; a vanished one stays. A file's hash is
remembered by path, size and time, so that a known file is not read again.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from storage.artifact import Artifact
from storage.commit import ShardOutput, tidy
from storage.files import canonical_json
from storage.hashes import ChangedMeanwhile, HashCache
from storage.lake import Lake, NotFound
from storage.locks import locked
from storage.remote.mirror import Mirror, mirror_folder
from storage.schemas.documents import FILES
from storage.sources import SourceError
from tasks.config import StageConfig
from tasks.executor import Watch
from tasks.run import current_run
from tasks.source import Format, Found, Source, gather
from tasks.stage import Shard, Stage


class SnapshotConfig(StageConfig):
    """What a snapshot is: the source and the digest of its list of files. Paths of this machine are not in it."""

    source: str
    holds: Format
    license: str | None
    files: str


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
    hashes = HashCache(run.lake.root)
    files = gather(source, Mirror(mirror_folder(run.lake.root), hashes), run.console)
    with locked(run.lake.root / ".cache" / f"ingest-{source.name}.lock"):
        run.lake.adopt("ingest")
        known = [one for one in snapshots(run.lake, source) if not _let_go(one, hashes)]
        held = {sha256 for snapshot in known for sha256 in snapshot.read(["sha256"]).column("sha256").to_pylist()}
        present: dict[str, dict[str, Any]] = {}
        for name, path in files:
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
        rows = sorted((row for sha256, row in present.items() if sha256 not in held), key=lambda row: row["path"])
        if rows:
            run.before_writing(f"{source.name}: {rows[0]['path']}")
        _say(source, files, present, held)
        for snapshot in known:
            tidy(snapshot)  # a kill right after its commit may have left its work behind
            run.reuse(snapshot)
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


def _say(source: Source, files: Sequence[Found], present: Mapping[str, Any], held: set[str]) -> None:
    """One line on what is new, what stands there twice, and what of earlier snapshots is not there any more."""
    new, copies, away = len(set(present) - held), len(files) - len(present), len(held - set(present))
    if new or away or copies:
        parts = [f"{new:,} new of {len(files):,} files"]
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
