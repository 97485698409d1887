"""Where the files of a snapshot lie on this machine, and whether they are still what was ingested."""

from pathlib import Path
from typing import Any, NamedTuple

from storage.artifact import Artifact
from storage.hashes import HashCache
from storage.lake import Lake

PUT_BACK = "Put it back, or start a new lake for the source as it is now."


class SourceError(ValueError):
    """A source's path leads nowhere, to nothing that can be read, or to what has changed since."""


class Place(NamedTuple):
    """A file as it was when it was hashed: its path, size in bytes, and time of change in nanoseconds."""

    path: Path
    bytes: int
    changed: int

    def check(self) -> None:
        """Call it when the file has been read: raises SourceError if it is not the one that was hashed any more."""
        try:
            about = self.path.stat()
        except FileNotFoundError:
            raise SourceError(f"{self.path} vanished while it was read. {PUT_BACK}") from None
        if (about.st_size, about.st_mtime_ns) != (self.bytes, self.changed):
            raise SourceError(f"{self.path} was changed while it was read. {PUT_BACK}")


def locate(lake: Lake, snapshot: Artifact) -> list[tuple[dict[str, Any], Place]]:
    """The files of a snapshot with where each lies on this machine now.

    Raises SourceError, with the file, if one has changed or vanished since it was ingested.
    """
    hashes = HashCache(lake.root)
    found = []
    for row in snapshot.read().to_pylist():
        place = hashes.locate(row["sha256"])
        if place is None:
            raise SourceError(
                f"{row['path']} of source {row['source']!r} (SHA-256 {row['sha256'][:12]}…) is not where it was, "
                f"or has changed since. {PUT_BACK}"
            )
        found.append((row, Place(*place)))
    return found
