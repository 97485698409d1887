"""Work on one artifact, and its commit in one atomic step.

Work happens in `<stage>/.staging/<fingerprint>/` under a lock that the kernel lets go when its holder dies. Beside it,
`<fingerprint>.work/` holds what is unfinished, the shards' records and their scratch. A shard is finished when its
files and then its record are renamed in; a run that resumes checks and keeps those. The commit renames the folder to
its fingerprint, and then adds one row to the registry: until that instant every record is there to go on from.
"""

import contextlib
import functools
import hashlib
import importlib.metadata
import os
import platform
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from storage.artifact import MAIN_TABLE, MANIFEST, PROVENANCE, Artifact, Identity, Manifest, Part
from storage.failpoints import reached
from storage.files import Damaged, fsync_path, read_json, sha256_file, write_json
from storage.lake import Lake
from storage.locks import try_lock, wait_lock
from storage.shards import TableWriter
from storage.table import Table


class ShardRecord(BaseModel):
    """What says that a shard is finished: its key (what it was made from), its files, and notes for the provenance."""

    shard: int
    key: str
    parts: list[Part]
    notes: dict[str, Any] = {}
    cpu_seconds: float = 0.0


class ShardOutput:
    """Where a shard's work writes its rows and files: nothing is seen before `finish`. Used in workers.

    `scratch` is a folder that outlives a kill and is gone after the commit: for resumable state such as checkpoints.
    `rewrite`: what each batch of the main table goes through first, for a shard out of which forgotten text is taken.
    """

    def __init__(self, staging: Path, shard: int, key: str, tables: dict[str, Table]) -> None:
        self._staging, self._shard, self._key, self._tables = staging, shard, key, tables
        self._work = _work(staging)
        self._stage = staging.parent.parent.name
        self._folder = self._work / f".tmp-{shard:05d}-{os.getpid()}"
        self._folder.mkdir()
        self._writers: dict[str, TableWriter] = {}
        self._files: list[str] = []
        self.notes: dict[str, Any] = {}
        self.rewrite: Callable[[Any], Any] | None = None
        self._cpu = _cpu_seconds()

    @property
    def scratch(self) -> Path:
        """A folder of this shard's own that a run after a kill finds as it was."""
        folder = self._work / f"scratch-{self._shard:05d}"
        folder.mkdir(exist_ok=True)
        return folder

    def write(self, batch: Any, table: str = MAIN_TABLE) -> None:
        """Add a record batch to one of the declared tables."""
        self._writer(table).write(self.rewrite(batch) if self.rewrite and table == MAIN_TABLE else batch)

    def _writer(self, table: str) -> TableWriter:
        if table not in self._writers:
            declared = self._tables[table]
            self._writers[table] = TableWriter(self._folder / f"{table}-{self._shard:05d}.{declared.suffix}", declared)
        return self._writers[table]

    def file(self, name: str) -> Path:
        """The path to write a part that is no table (`model.safetensors`) to. It becomes a part of that name."""
        self._files.append(name)
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def finish(self) -> ShardRecord:
        """Close, hash, fsync and rename in every file, then the record that makes the shard count."""
        parts = []
        for table in self._tables:  # an empty table is a file without rows, so that every shard has every table
            writer = self._writer(table)
            writer.close()
            parts.append(_part(writer.path, self._folder, table, self._shard, writer.rows, writer.sha256))
        parts += [_part(self._folder / name, self._folder, None, self._shard, 0, None) for name in self._files]
        reached("shard.written", self._stage)
        for part in parts:
            target = self._staging / part.name
            target.parent.mkdir(parents=True, exist_ok=True)
            fsync_path(self._folder / part.name)
            os.replace(self._folder / part.name, target)
            reached("shard.renaming", self._stage)
        spent = _cpu_seconds() - self._cpu
        record = ShardRecord(shard=self._shard, key=self._key, parts=parts, notes=self.notes, cpu_seconds=spent)
        write_json(_record_path(self._work, self._shard), record.model_dump(mode="json"))
        shutil.rmtree(self._folder)
        reached("shard.finished", self._stage)
        return record

    def discard(self) -> None:
        """Drop what was written: the shard failed."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _cpu_seconds() -> float:
    """CPU time of this process and of those of its children that have ended."""
    return sum(os.times()[:4])


def _part(path: Path, folder: Path, table: str | None, shard: int, rows: int, sha256: str | None) -> Part:
    name = str(path.relative_to(folder))
    return Part(
        name=name, table=table, shard=shard, rows=rows, bytes=path.stat().st_size, sha256=sha256 or sha256_file(path)
    )


def _work(staging: Path) -> Path:
    return staging.with_name(f"{staging.name}.work")


def _read_record(path: Path) -> ShardRecord | None:
    """The record of a finished shard; None if it is damaged: the shard is then made again."""
    try:
        return ShardRecord.model_validate(read_json(path))
    except (Damaged, ValidationError):
        return None


def _record_path(work: Path, shard: int) -> Path:
    return work / f"shard-{shard:05d}.json"


class Staging:
    """The folder in which one artifact is being made. Open it with `stage_artifact`."""

    def __init__(self, lake: Lake, identity: Identity, kind: str) -> None:
        self.lake, self.identity, self.kind = lake, identity, kind
        self.artifact = Artifact(lake=str(lake.root), stage=identity.stage, fingerprint=identity.fingerprint)
        self.folder = lake.root / identity.stage / ".staging" / identity.fingerprint
        self.work = _work(self.folder)
        self.started = time.time()

    def finished(self, keys: dict[int, str]) -> dict[int, ShardRecord]:
        """The shards that an earlier run finished, each checked: same key, same size and hash of every file."""
        found = {}
        for shard, key in keys.items():
            path = _record_path(self.work, shard)
            if path.exists():
                record = _read_record(path)
                if record and record.key == key and all(self._intact(part) for part in record.parts):
                    found[shard] = record
                else:
                    path.unlink()
        return found

    def _intact(self, part: Part) -> bool:
        path = self.folder / part.name
        return path.exists() and path.stat().st_size == part.bytes and sha256_file(path) == part.sha256

    def output(self, shard: int, key: str, tables: dict[str, Table]) -> ShardOutput:
        """Where this shard's work writes."""
        return ShardOutput(self.folder, shard, key, tables)

    def commit(self, records: list[ShardRecord], provenance: dict[str, Any]) -> Artifact:
        """Write the manifest and the provenance, rename the folder to its fingerprint, add the registry's row."""
        parts = sorted(
            (part for record in records for part in record.parts),
            key=lambda part: (part.table or "~", part.shard, part.name),
        )
        manifest = Manifest(
            fingerprint=self.identity.fingerprint, kind=self.kind, identity=self.identity, parts=tuple(parts)
        )
        known = {part.name for part in parts}
        for path in [one for one in self.folder.rglob("*") if one.is_file()]:
            if path.relative_to(self.folder).as_posix() not in known:
                path.unlink()  # renamed in by a shard that was killed before its record
        about = host_facts() | {"started": self.started, "ended": time.time()} | provenance
        about |= {"cpu_seconds": round(sum(record.cpu_seconds for record in records), 3)}
        about |= {"notes": {record.shard: record.notes for record in records if record.notes}}
        write_json(self.folder / PROVENANCE, about)
        write_json(self.folder / MANIFEST, manifest.model_dump(mode="json"))
        fsync_path(self.folder)
        if self.lake.hold:
            self.lake.hold.announce(self.artifact)
        reached("commit.prepared", self.identity.stage)
        if not (self.artifact.folder / MANIFEST).exists():
            os.rename(self.folder, self.artifact.folder)
        fsync_path(self.artifact.folder.parent)
        reached("commit.renamed", self.identity.stage)
        self.lake.registry.add(self.artifact)
        reached("commit.registered", self.identity.stage)
        shutil.rmtree(self.work, ignore_errors=True)  # another process may be sweeping it
        return self.artifact


@contextlib.contextmanager
def stage_artifact(
    lake: Lake, identity: Identity, kind: str, waiting: Callable[[str], None]
) -> Iterator[Staging | Artifact]:
    """Take the lock on an artifact's staging folder; gives the `Staging`, or the `Artifact` if it was made meanwhile.

    `waiting` is called with a sentence when another process is making the same artifact.
    """
    staging = Staging(lake, identity, kind)
    staging.folder.parent.mkdir(parents=True, exist_ok=True)
    path = staging.folder.with_name(f"{identity.fingerprint}.lock")
    lock = try_lock(path)
    if lock is None:
        waiting(f"{staging.artifact} is being made by another process; waiting for it.")
        lock = wait_lock(path)
    try:
        made = lake.find(identity)
        if made is not None:
            yield made
            return
        _sweep(staging)
        yield staging
    finally:
        if staging.artifact.exists:  # nobody works on it any more, and who waits for the lock sees that it is gone
            path.unlink(missing_ok=True)
        os.close(lock)


def tidy(artifact: Artifact) -> None:
    """Drop the work folder that a kill between the commit and its last step left behind, if nobody is at it."""
    work = _work(artifact.folder.parent / ".staging" / artifact.fingerprint)
    if not work.exists():
        return
    lock = try_lock(work.with_suffix(".lock"))
    if lock is None:
        return  # its process is about to do the same
    try:
        shutil.rmtree(work, ignore_errors=True)
        work.with_suffix(".lock").unlink(missing_ok=True)
    finally:
        os.close(lock)


def _sweep(staging: Staging) -> None:
    """Make the folders; drop what a killed run left half-written, and the work folders of artifacts committed since."""
    staging.folder.mkdir(exist_ok=True)
    staging.work.mkdir(exist_ok=True)
    for leftover in [*staging.work.glob(".tmp-*"), *staging.folder.glob("**/.tmp-*")]:
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    for other in staging.folder.parent.glob("*.work"):
        if (staging.artifact.folder.parent / other.stem / MANIFEST).exists():
            tidy(Artifact(lake=staging.artifact.lake, stage=staging.artifact.stage, fingerprint=other.stem))


def host_facts() -> dict[str, Any]:
    """What equal bytes are promised for: processor, vector instructions, Python, a hash of all versions."""
    return {
        "host": socket.gethostname(),
        "machine": platform.machine(),
        "instructions": sorted(_instructions() & {"avx", "avx2", "avx512f", "amx_bf16", "fma", "asimd", "sve"}),
        "python": platform.python_version(),
        "packages": _packages(),
    }


@functools.cache
def _packages() -> str:
    """SHA-256 over the names and versions of every installed package."""
    listed = sorted(f"{one.metadata['Name']}=={one.version}" for one in importlib.metadata.distributions())
    return hashlib.sha256("\n".join(listed).encode()).hexdigest()


@functools.cache
def _instructions() -> set[str]:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return {word for line in lines if line.startswith(("flags", "Features")) for word in line.split()[2:]}
