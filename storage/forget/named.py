"""The ids of the rows that tombstones name. That some name none of an artifact's rows is remembered, so that a refresh
does not look through all that was ever read: most tombstones are of one page, or one domain.

A cache, not a truth: delete `.cache/unnamed` and every row is looked at again.
"""

import contextlib
import json
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from storage.artifact import Artifact
from storage.files import canonical_json, write_text
from storage.forget.rows import READ, named_rows
from storage.forget.tombstones import Matcher, Tombstone

RULES = 1
"""To be raised when `Matcher` or `named_rows` names other rows than before: what is remembered holds no longer."""


def named_ids(read: Artifact, tombstones: Iterable[Tombstone]) -> list[str]:
    """The ids of the rows that tombstones name, in the order of the rows."""
    # what a tombstone looks at is the same in all artifacts of one origin
    path = Path(read.lake) / ".cache" / "unnamed" / f"{read.origin.fingerprint}.json"
    name_none = _remembered(path)
    asked = frozenset(tombstones) - name_none
    found = _look(read, Matcher(sorted(asked))) if asked else []
    if asked and not found:
        with contextlib.suppress(OSError):  # a lake that can only be read
            write_text(path, canonical_json([RULES, sorted([one.kind, one.pattern] for one in name_none | asked)]))
    return found


def _look(read: Artifact, matcher: Matcher) -> list[str]:
    about, found = READ[read.manifest.kind], list[str]()
    for batch in read.batches([about.id, *about.looked_at]):
        named = named_rows(read.manifest.kind, batch, matcher)
        found += batch.column(about.id).filter(pa.array(named)).to_pylist()
    return found


def _remembered(path: Path) -> frozenset[Tombstone]:
    """The tombstones of which it is known that they name no row; none where the file is missing or damaged."""
    try:
        rules, name_none = json.loads(path.read_bytes())
        return frozenset(Tombstone(*one) for one in name_none) if rules == RULES else frozenset()
    except (OSError, ValueError, TypeError):
        return frozenset()
