"""Finds damage in a lake: `gristmill verify`.

What is compared: every part with the size and SHA-256 in its manifest; every manifest's fingerprint with the hash of
its identity, and with its folder; the registry's rows with the manifests; names, lineage and runs with what is there.
What a kill leaves on its way (work in staging, a row not yet written, a trash folder) is no damage.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from storage import names
from storage.artifact import MANIFEST, PROVENANCE, Artifact, Manifest, Part
from storage.catalog.databases import DamagedRegistry
from storage.catalog.graph import committed
from storage.catalog.superseded import all_superseded
from storage.files import read_json, sha256_file
from storage.gc import TRASH
from storage.lake import Lake
from storage.registry import row_of

REGISTRY = "registry"
"""Where a damage of the index is."""
LINEAGE = "lineage"
"""Where a damage of an artifact is whose input is not there."""

Say = Callable[[int, int, int, int], None]
"""Told the bytes and files that were checked, and the files and bytes in all."""


@dataclass(frozen=True)
class Damage:
    """Something in the lake that is not as it was committed. `artifact` is None where it lies outside of artifacts."""

    artifact: Artifact | None
    where: str
    what: str


@dataclass(frozen=True)
class Verified:
    """What was looked at, what is damaged, and how many artifacts a killed collection has left in the trash."""

    artifacts: int
    parts: int
    bytes: int
    damages: list[Damage]
    in_trash: int

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
    for stage, fingerprint in sorted(committed(lake.root)):
        artifact = Artifact(lake=str(lake.root), stage=stage, fingerprint=fingerprint)
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
    damages += _names(lake, manifests)
    damages += _runs(lake)
    if any(one.artifact for one in damages):
        with contextlib.suppress(DamagedRegistry):
            listed = lake.registry.fingerprints()
            damages = [one for one in damages if not _collected(one, listed)]
    return Verified(len(manifests), len(parts), sum(part.bytes for _, part in parts), damages, len(trash))


def _collected(damage: Damage, listed: set[str]) -> bool:
    """Whether the artifact was deleted since it was looked at: neither its folder nor its row is there any more."""
    one = damage.artifact
    return one is not None and not one.folder.exists() and one.fingerprint not in listed


def _manifest(artifact: Artifact) -> Manifest | Damage | None:
    """The manifest, or what is wrong with it; None if it has gone."""
    path = artifact.folder / MANIFEST
    try:
        manifest = Manifest.model_validate(read_json(path))
    except FileNotFoundError:
        return None
    except (ValueError, ValidationError):
        return Damage(artifact, MANIFEST, "the manifest cannot be read")
    counted = manifest.identity.fingerprint
    if counted != manifest.fingerprint or counted != artifact.fingerprint or manifest.identity.stage != artifact.stage:
        return Damage(artifact, MANIFEST, f"the identity in the manifest has the fingerprint {counted}")
    try:
        read_json(artifact.folder / PROVENANCE)
    except (FileNotFoundError, ValueError):
        if artifact.folder.exists():
            return Damage(artifact, PROVENANCE, "the provenance is missing or cannot be read")
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
    gone = {one.fingerprint for one in all_superseded(lake)} | trash
    there = {artifact.fingerprint for artifact in manifests}
    for artifact, manifest in manifests.items():
        for one in manifest.identity.inputs:
            missing = one.fingerprint not in there and one.fingerprint not in gone
            if missing and artifact.fingerprint not in gone and not (lake.root / one.stage / one.fingerprint).exists():
                yield Damage(artifact, LINEAGE, f"its input {one.stage}/{one.fingerprint[:12]} is not there")


def _names(lake: Lake, manifests: dict[Artifact, Manifest]) -> Iterator[Damage]:
    """Entries that cannot be read, numbers that are missing, and what a name means now that is not there."""
    for name in names.all_names(lake):
        folder = lake.root / "names" / name
        numbers = sorted(int(path.stem) for path in folder.glob("[0-9]*.json"))
        if numbers != list(range(1, len(numbers) + 1)):
            yield Damage(None, f"names/{name}", "an entry is missing")
        try:
            meant = names.latest(lake, name)
        except (ValueError, KeyError):
            yield Damage(None, f"names/{name}", "an entry cannot be read")
            continue
        if meant is not None and meant not in manifests and not (meant.folder / MANIFEST).exists():
            yield Damage(None, f"names/{name}", f"it means {meant}, which is not there")


def _runs(lake: Lake) -> Iterator[Damage]:
    """Files about runs that cannot be read."""
    for path in sorted((lake.root / "runs").glob("*/[!.]*.json")):
        try:
            read_json(path)
        except ValueError:
            yield Damage(None, str(path.relative_to(lake.root)), "it cannot be read")
