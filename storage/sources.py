"""Where the files of a snapshot lie on this machine, and whether they are still what was ingested."""

import os
from pathlib import Path
from typing import Any, NamedTuple

from storage.artifact import Artifact
from storage.files import Damaged, read_fields, write_json
from storage.hashes import HashCache
from storage.lake import Lake
from storage.locks import locked

CLAIMS = "sources.json"
READ_BEFORE = "Put it back, or start a new lake for the source as it is now."
NEVER_READ = "Run again: it is then taken as it is."


class SourceError(ValueError):
    """A source's path leads nowhere, to nothing that can be read, or to what has changed since."""


class Place(NamedTuple):
    """A file as it was when it was hashed: its path, size in bytes, and time of change in nanoseconds.

    `advice`: what to do if it is not as it was.
    """

    path: Path
    bytes: int
    changed: int
    advice: str = READ_BEFORE

    def check(self) -> None:
        """Call it when the file has been read: raises SourceError if it is not the one that was hashed any more."""
        try:
            about = self.path.stat()
        except FileNotFoundError:
            raise SourceError(f"{self.path} vanished while it was read. {self.advice}") from None
        if (about.st_size, about.st_mtime_ns) != (self.bytes, self.changed):
            raise SourceError(f"{self.path} was changed while it was read. {self.advice}")


def read_claims(kept: Path) -> dict[str, dict[str, str]]:
    """By the names of sources which recipe reads each, and at which path. Raises: Damaged if that cannot be read."""
    known = read_fields(kept)
    for source, about in known.items():
        if not isinstance(about, dict) or not {"recipe", "path"} <= about.keys():
            raise Damaged(kept, f"it does not say which recipe reads {source!r}, and at which path")
    return known


def claim(lake: Lake, source: str, recipe: str, path: str) -> None:
    """Remember that a recipe reads this source of the lake at this path or URL: `sources.json` in the lake.

    Raises SourceError if another recipe reads a source of this name at another path: documents of both would be one.
    """
    kept = lake.root / CLAIMS
    with locked(lake.root / ".cache" / "sources.lock"):
        known = read_claims(kept) if kept.exists() else {}
        before = known.get(source)
        here = {"recipe": recipe, "path": path if "://" in path else os.path.abspath(path)}
        if before and before["recipe"] != recipe and before["path"] != here["path"]:
            raise SourceError(
                f"The lake {lake.root} has a source {source!r} already: the recipe {before['recipe']!r} reads it at "
                f"{before['path']}, and {recipe!r} at {here['path']}. One name is one source, whose documents stand "
                "together: give this one another name, or use another lake (--lake)."
            )
        if before is None or (before["recipe"] == recipe and before != here):
            write_json(kept, known | {source: here})


def locate(lake: Lake, snapshot: Artifact) -> list[tuple[dict[str, Any], Place]]:
    """The files of a snapshot with where each lies on this machine now.

    Raises SourceError, with the file, if one has changed or vanished since it was ingested.
    """
    hashes = HashCache(lake.root)
    advice = READ_BEFORE if lake.registry.is_used(snapshot.fingerprint) else NEVER_READ
    found = []
    for row in snapshot.read().to_pylist():
        place = hashes.locate(row["sha256"])
        if place is None:
            raise SourceError(
                f"{row['path']} of source {row['source']!r} (SHA-256 {row['sha256'][:12]}…) is not where it was, "
                f"or has changed since. {advice}"
            )
        found.append((row, Place(*place, advice)))
    return found
