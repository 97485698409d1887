"""What an artifact is: an identity, the parts it is made of, and a handle that travels between tasks.

An artifact is a function of its inputs, its configuration and its stage's version; its fingerprint is their hash.
"""

import hashlib
import os
import re
import time
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, NewType

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from storage.files import Damaged, canonical_json, read_fields, read_json

Fingerprint = NewType("Fingerprint", str)
DocId = NewType("DocId", str)

MANIFEST = "manifest.json"
PROVENANCE = "provenance.json"
MAIN_TABLE = "part"
TOMBSTONES = "tombstones"
"""The role of the tombstones that an artifact of documents, conversations, questions or examples was made under."""
_FINGERPRINT = re.compile(r"[0-9a-f]{32}\Z")


class Gone(FileNotFoundError):
    """An artifact that is not there; the message names it."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Input(_Frozen):
    """One input of an artifact: what it is used as (`role`) and which artifact it is."""

    role: str
    stage: str
    fingerprint: str


class Identity(_Frozen):
    """Everything that determines an artifact's bytes, under one set of pins and one CPU instruction set."""

    stage: str
    version: int
    config: dict[str, Any]
    inputs: tuple[Input, ...] = ()

    @property
    def fingerprint(self) -> Fingerprint:
        """128-bit hash of the identity, 32 hexadecimal characters."""
        return Fingerprint(hashlib.sha256(canonical_json(self.model_dump(mode="json")).encode()).hexdigest()[:32])


class Part(_Frozen):
    """One file of an artifact. `table` is null for a file that is no table (a tokenizer, weights); `rows` is then 0."""

    name: str
    table: str | None
    shard: int
    rows: int
    bytes: int
    sha256: str


class Manifest(_Frozen):
    """An artifact's identity block: the same bytes on every machine. Times and hosts are in `provenance.json`."""

    fingerprint: str
    kind: str
    identity: Identity
    parts: tuple[Part, ...]

    @property
    def rows(self) -> int:
        """Rows of the main table."""
        return sum(part.rows for part in self.parts if part.table == MAIN_TABLE)

    @property
    def bytes(self) -> int:
        """Bytes of all parts."""
        return sum(part.bytes for part in self.parts)


class Artifact(_Frozen):
    """A handle: where an artifact lies. The only thing that travels between tasks."""

    lake: str
    stage: str
    fingerprint: str

    @property
    def folder(self) -> Path:
        """The folder that holds the parts and the manifest."""
        return Path(self.lake) / self.stage / self.fingerprint

    @property
    def manifest(self) -> Manifest:
        """The identity block. Raises: Gone if the artifact is not there (collected, or its lake moved); Damaged if it
        cannot be read.
        """
        return read_manifest(self.folder)

    @property
    def provenance(self) -> dict[str, Any]:
        """Times, rates, host, code revision, losses by time-out: what may differ between two equal artifacts.

        Raises: Damaged if it is missing or cannot be read; Gone if the artifact is not there.
        """
        try:
            return read_fields(self.folder / PROVENANCE)
        except FileNotFoundError:
            raise self._missing(PROVENANCE) from None

    def parts(self, table: str = MAIN_TABLE) -> list[Part]:
        """The parts of one table in shard order."""
        return sorted((p for p in self.manifest.parts if p.table == table), key=lambda part: part.shard)

    def paths(self, table: str = MAIN_TABLE) -> list[Path]:
        """The files of one table in shard order. Raises: Damaged as `path` does."""
        return [self.path(part) for part in self.parts(table)]

    def path(self, part: Part) -> Path:
        """The file of a part. Whoever opens one asks here for it.

        Raises: Damaged if the file is missing or of another size; Gone if the artifact is not there any more.
        """
        path = self.folder / part.name
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            raise self._missing(part.name) from None
        if size != part.bytes:
            raise Damaged(path, f"it has {size:,} bytes, not {part.bytes:,}")
        return path

    def file(self, name: str) -> Path:
        """The path of a part that is no table. Raises: KeyError with the names there are; Damaged as `path` does."""
        parts = {part.name: part for part in self.manifest.parts}
        if name not in parts:
            raise KeyError(f"{self} has no file {name!r}; it has {', '.join(parts) or 'none'}.")
        return self.path(parts[name])

    def _missing(self, name: str) -> Exception:
        """Why a file that was committed with the artifact is not there."""
        return Damaged(self.folder / name, "it is missing") if self.exists else Gone(_gone(self.folder))

    def rows(self, table: str = MAIN_TABLE) -> int:
        """Rows of one table, from the manifest."""
        return sum(part.rows for part in self.parts(table))

    def batches(self, columns: list[str] | None = None, table: str = MAIN_TABLE) -> Iterator[pa.RecordBatch]:
        """The rows of a Parquet table, a row group at a time, in shard order."""
        for path in self.paths(table):
            with pq.ParquetFile(path) as parquet:
                for group in range(parquet.num_row_groups):
                    rows = parquet.read_row_group(group, columns=columns, use_threads=False)
                    yield from rows.combine_chunks().to_batches()

    def read(self, columns: list[str] | None = None, table: str = MAIN_TABLE) -> pa.Table:
        """A whole Parquet table in memory: for small tables and tests."""
        tables = []
        for path in self.paths(table):
            with pq.ParquetFile(path) as parquet:
                tables.append(parquet.read(columns=columns))
        if not tables:
            raise KeyError(f"{self} has no table {table!r}.")
        return pa.concat_tables(tables)

    def input(self, role: str) -> "Artifact":
        """The only input with this role. Raises KeyError if there is none or more than one."""
        found = self.inputs(role)
        if len(found) != 1:
            raise KeyError(f"{self} has {len(found)} inputs with the role {role!r}, not one.")
        return found[0]

    def inputs(self, role: str | None = None) -> list["Artifact"]:
        """The artifacts this one was made from, in order; with `role`, only those used as it.

        What was deleted because text of it was forgotten is the successor that stands in its place.
        """
        return [
            Artifact(lake=self.lake, stage=one.stage, fingerprint=one.fingerprint).standing()
            for one in self.manifest.identity.inputs
            if role is None or one.role == role
        ]

    @property
    def exists(self) -> bool:
        """Whether it lies on the disk whole."""
        return (self.folder / MANIFEST).exists()

    @property
    def origin(self) -> "Artifact":
        """What this artifact would be if nothing were forgotten; itself where it was made under no tombstones.

        Its rows and ids are the same. What was said of them holds for all successors, so annotations hash the origin.
        """
        return self.model_copy(update={"fingerprint": _origin(str(self.folder))}) if self.exists else self

    def forms(self) -> list["Artifact"]:
        """Those artifacts of the lake that have this one's origin, by fingerprint: itself (if it is there) and others.

        Every one of them has the same rows, with other texts forgotten.
        """
        listed = _by_origin(self.folder.parent).get(self.fingerprint, ())
        forms = [Artifact(lake=self.lake, stage=self.stage, fingerprint=one) for one in sorted(listed)]
        return [one for one in forms if one.exists]

    def standing(self) -> "Artifact":
        """This artifact; or, where it is gone because text of it was forgotten, the newest that has its rows."""
        if self.exists:
            return self
        from storage.catalog.superseded import successor_of

        # its own manifest is gone, so what it was read from is asked of those that were made after it
        after: Artifact | None = self
        while after is not None and not after.exists:
            after = successor_of(after)
        known = after if after is not None and after.inputs(TOMBSTONES) else self
        forms = known.origin.forms()
        return max(forms, key=lambda one: sum(given.rows() for given in one.inputs(TOMBSTONES)), default=self)

    def __str__(self) -> str:
        return f"{self.stage}/{self.fingerprint[:12]}"


def committed(root: Path, stage: str | None = None) -> Iterator[Artifact]:
    """Every artifact that lies in a lake, of one stage or of all. Folders of other names are not the lake's."""
    for manifest in root.glob(f"{stage or '[!.]*'}/[!.]*/{MANIFEST}"):
        if _FINGERPRINT.match(manifest.parts[-2]):
            yield Artifact(lake=str(root), stage=manifest.parts[-3], fingerprint=manifest.parts[-2])


def foreign(root: Path) -> list[Path]:
    """Folders that lie in a lake as artifacts do, with a manifest, and whose name is no fingerprint."""
    found = (manifest.parent for manifest in root.glob(f"[!.]*/[!.]*/{MANIFEST}"))
    return sorted(folder for folder in found if not _FINGERPRINT.match(folder.name))


def check_manifest(artifact: Artifact) -> Manifest:
    """The manifest, read now, and its identity compared with where it lies.

    Raises: Damaged if it cannot be read, or is another's; FileNotFoundError if it is not there.
    """
    path = artifact.folder / MANIFEST
    manifest = _parse_manifest(path)
    counted = manifest.identity.fingerprint
    if counted != manifest.fingerprint or counted != artifact.fingerprint or manifest.identity.stage != artifact.stage:
        raise Damaged(path, f"the identity in the manifest has the fingerprint {counted}")
    return manifest


def _parse_manifest(path: Path) -> Manifest:
    try:
        return Manifest.model_validate(read_json(path))
    except ValidationError as error:
        raise Damaged(
            path, f"it is no manifest ({error.error_count()} of its fields are not as they should be)"
        ) from error


@lru_cache(maxsize=16_384)
def _read_manifest(path: str) -> Manifest:
    return _parse_manifest(Path(path))


class _Listing(NamedTuple):
    """The artifacts of a stage by their origins, and all of them, as they were when its folder had this time."""

    changed: int
    by_origin: dict[str, tuple[str, ...]]
    seen: frozenset[str]


_listings: dict[Path, _Listing] = {}
_SETTLED_NS = 2_000_000_000
"""A folder may change twice within one tick of the clock that dates it: a listing as young as that is made again."""


def _by_origin(folder: Path) -> dict[str, tuple[str, ...]]:
    """The fingerprints of a stage's artifacts by their origins. Of ten thousand, only new manifests are read."""
    changed = folder.stat().st_mtime_ns if folder.exists() else 0
    known = _listings.get(folder, _Listing(-1, {}, frozenset()))
    if known.changed != changed or time.time_ns() - changed < _SETTLED_NS:
        there = set(os.listdir(folder)) if changed else set()
        named = [name for name in there - known.seen if _FINGERPRINT.match(name)]
        new = [name for name in named if (folder / name / MANIFEST).exists()]
        by_origin = dict(known.by_origin) if new else known.by_origin
        for name in new:
            origin = _origin(str(folder / name))
            by_origin[origin] = (*by_origin.get(origin, ()), name)
        known = _listings[folder] = _Listing(changed, by_origin, known.seen.union(new))
    return known.by_origin


@lru_cache(maxsize=16_384)
def _origin(folder: str) -> str:
    identity = read_manifest(Path(folder)).identity
    kept = tuple(one for one in identity.inputs if one.role != TOMBSTONES)
    return identity.model_copy(update={"inputs": kept}).fingerprint


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a committed artifact; it never changes, so it is read once a process."""
    path = folder / MANIFEST
    if not path.exists():
        raise Gone(_gone(folder))
    return _read_manifest(str(path))


def _gone(folder: Path) -> str:
    return (
        f"{folder} holds no artifact: {MANIFEST} is missing. gristmill gc deleted it, because nothing led to it or "
        "text of it was forgotten, or the lake has moved. Run again to make it, or what stands for it now."
    )


def flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings as dotted keys: {"gopher": {"min_words": 50}} gives {"gopher.min_words": 50}."""
    if isinstance(value, Mapping):
        out: dict[str, Any] = {}
        for key, inner in value.items():
            out |= flatten(inner, f"{prefix}.{key}" if prefix else str(key))
        return out
    return {prefix: value}
