"""Where the files of a snapshot lie on this machine."""

from pathlib import Path
from typing import Any

from storage.artifact import Artifact
from storage.hashes import HashCache
from storage.lake import Lake


class SourceError(ValueError):
    """A source's path leads nowhere, to nothing that can be read, or to what has changed since."""


def locate(lake: Lake, snapshot: Artifact) -> list[tuple[dict[str, Any], Path]]:
    """The files of a snapshot with where each lies on this machine now.

    Raises SourceError, with the file, if one has changed or vanished since it was ingested.
    """
    hashes = HashCache(lake.root)
    found = []
    for row in snapshot.read().to_pylist():
        path = hashes.locate(row["sha256"])
        if path is None:
            raise SourceError(
                f"{row['path']} of source {row['source']!r} (SHA-256 {row['sha256'][:12]}…) is not where it was, "
                "or has changed since. Put it back, or start a new lake for the source as it is now."
            )
        found.append((row, path))
    return found
