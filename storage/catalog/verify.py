"""Finds damage in a lake: `gristmill verify`.

What is compared: every part with the size and SHA-256 in its manifest; every manifest's fingerprint with the hash of
its identity, and with its folder; the registry's rows with the manifests; lineage and names with what is there. Files
about names, runs, tombstones, marks and sources are read. What a kill leaves on its way (work in staging, a row not yet
written, a trash folder) is no damage.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from storage.artifact import (
    MANIFEST,
    PROVENANCE,
    Artifact,
    Gone,
    Manifest,
    Part,
    check_manifest,
    committed,
    foreign,
)
from storage.catalog import superseded
from storage.catalog.beside import damaged_beside
from storage.catalog.damage import LINEAGE, REGISTRY, Damage
from storage.catalog.databases import DamagedRegistry
from storage.files import Damaged, sha256_file
from storage.gc import TRASH
from storage.lake import Lake
from storage.registry import row_of

Say = Callable[[int, int, int, int], None]
"""Told the bytes and files that were checked, and the files and bytes in all."""


@dataclass(frozen=True)
class Verified:
    """What was looked at, what is damaged, and how many artifacts a killed collection has left in the trash.

    `foreign`: folders that look like artifacts and are none of the lake's. Nothing reads or deletes them.
    """

    artifacts: int
    parts: int
    bytes: int
    damages: list[Damage]
    in_trash: int
    foreign: list[str]

    def plain(self) -> dict[str, Any]:
        """The same as JSON has it."""
        return asdict(self) | {
            "damages": [asdict(one) | {"artifact": one.artifact and str(one.artifact)} for one in self.damages]
        }


def verify(lake: Lake, quick: bool = False, say: Say = lambda read, done, of, total: None) -> Verified:
    """Look at everything; `quick` compares sizes and hashes no part. Nothing is changed.

    Runs and collections may go on meanwhile: what a collection deletes while it is looked at is no damage.
    """
    manifests: dict[Artifact, Manifest] = {}
    damages: list[Damage] = []
    for artifact in sorted(committed(lake.root), key=lambda one: (one.stage, one.fingerprint)):
        found = _manifest(artifact)
        if isinstance(found, Manifest):
            manifests[artifact] = found
        elif found is not None:
            damages.append(found)
    parts = [(artifact, part) for artifact, manifest in manifests.items() for part in manifest.parts]
    damages += _parts(parts, quick, say)
    trash = {path.name.partition(".")[2] for path in (lake.root / TRASH).glob("[!.]*")}
    damages += _registry(lake, manifests, trash, [one.artifact for one in damages])
    damages += _lineage(lake, manifests, trash)
    damages += damaged_beside(lake, manifests)
    if any(one.artifact for one in damages):
        with contextlib.suppress(DamagedRegistry, Damaged):
            listed = lake.registry.fingerprints()
            damages = [one for one in damages if not _collected(one, listed)]
    others = [str(folder.relative_to(lake.root)) for folder in foreign(lake.root)]
    return Verified(len(manifests), len(parts), sum(part.bytes for _, part in parts), damages, len(trash), others)


def _collected(damage: Damage, listed: set[str]) -> bool:
    """Whether the artifact was deleted since it was looked at: neither its folder nor its row is there any more."""
    one = damage.artifact
    return one is not None and not one.folder.exists() and one.fingerprint not in listed


def _manifest(artifact: Artifact) -> Manifest | Damage | None:
    """The manifest, or what is wrong with it; None if it has gone."""
    try:
        manifest = check_manifest(artifact)
    except FileNotFoundError:
        return None
    except Damaged as error:
        return Damage(artifact, MANIFEST, error.what)
    try:
        _ = artifact.provenance
    except Gone:
        return None
    except Damaged as error:
        return Damage(artifact, PROVENANCE, error.what)
    return manifest


def _parts(parts: list[tuple[Artifact, Part]], quick: bool, say: Say) -> Iterator[Damage]:
    """Parts whose size or hash is another. Threads: hashing and reading both let go of the interpreter's lock."""
    read, total = 0, sum(part.bytes for _, part in parts)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        asked = {
            pool.submit(_part, artifact.folder / part.name, part, quick): (artifact, part) for artifact, part in parts
        }
        for done, future in enumerate(as_completed(asked), 1):
            artifact, part = asked[future]
            read += part.bytes
            say(read, done, len(parts), total)
            if what := future.result():
                yield Damage(artifact, part.name, what)


def _part(path: Path, part: Part, quick: bool) -> str | None:
    """What is wrong with a part, if anything is."""
    try:
        size = path.stat().st_size
        if size != part.bytes:
            return f"it has {size:,} bytes, not {part.bytes:,}"
        if not quick and sha256_file(path) != part.sha256:
            return "its SHA-256 is another"
    except FileNotFoundError:
        return "it is missing"
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    return None


def _registry(
    lake: Lake, manifests: dict[Artifact, Manifest], trash: set[str], bad: list[Artifact | None]
) -> Iterator[Damage]:
    """Rows that say other than the manifest, or of an artifact that is not there."""
    try:
        rows = lake.registry.rows()
    except DamagedRegistry:
        yield Damage(None, REGISTRY, "it is no database any more")
        return
    except Damaged:
        return  # its settings are a damage of their own
    for row in rows:
        artifact = Artifact(lake=str(lake.root), stage=row[1], fingerprint=row[0])
        manifest = manifests.get(artifact)
        if manifest is not None:
            if row[:8] != row_of(manifest):
                yield Damage(artifact, REGISTRY, "the registry says other than the manifest")
        elif artifact not in bad and row[0] not in trash and not (artifact.folder / MANIFEST).exists():
            yield Damage(artifact, REGISTRY, "the registry lists it, and its folder is not there")


def _lineage(lake: Lake, manifests: dict[Artifact, Manifest], trash: set[str]) -> Iterator[Damage]:
    """Inputs that are not there, though nothing has superseded them."""
    gone = {path.stem for path in superseded.files(lake)} | trash
    there = {artifact.fingerprint for artifact in manifests}
    for artifact, manifest in manifests.items():
        for one in manifest.identity.inputs:
            missing = one.fingerprint not in there and one.fingerprint not in gone
            if missing and artifact.fingerprint not in gone and not (lake.root / one.stage / one.fingerprint).exists():
                yield Damage(artifact, LINEAGE, f"its input {one.stage}/{one.fingerprint[:12]} is not there")
