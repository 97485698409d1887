"""What came into a corpus and what went out of it, by bytes of text. No text is read."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import duckdb

from storage.artifact import Artifact

_CHANGE = """
with before as (select doc_id, sum(text_bytes * copies) as size from {before} group by doc_id),
after as (select doc_id, sum(text_bytes * copies) as size from read_parquet($after) group by doc_id)
select count(*) filter (before.size is null), count(*) filter (after.size is null),
    coalesce(sum(greatest(coalesce(after.size, 0) - coalesce(before.size, 0), 0)), 0)::bigint,
    coalesce(sum(greatest(coalesce(before.size, 0) - coalesce(after.size, 0), 0)), 0)::bigint,
    coalesce(sum(before.size), 0)::bigint
from before full join after using (doc_id)"""


@dataclass(frozen=True)
class Change:
    """Documents and bytes of composed text that came in and went out, each byte as often as the mixture counts it."""

    documents_in: int
    documents_out: int
    bytes_in: int
    bytes_out: int
    bytes_before: int

    @property
    def share(self) -> float:
        """Bytes in and out as a share of the bytes before; 1 where there was no text."""
        return (self.bytes_in + self.bytes_out) / self.bytes_before if self.bytes_before else 1.0

    def figures(self) -> dict[str, Any]:
        """The numbers, with the share."""
        return asdict(self) | {"share": self.share}


def measure_change(before: Artifact | None, after: Artifact) -> Change:
    """From one corpus to another, or from nothing."""
    given: dict[str, Sequence[str]] = {"after": [str(path) for path in after.paths()]}
    source = "(select null::varchar as doc_id, null::bigint as text_bytes, 1 as copies where false)"
    if before is not None:
        source, given["before"] = "read_parquet($before)", [str(path) for path in before.paths()]
    with duckdb.connect() as connection:
        (row,) = connection.execute(_CHANGE.format(before=source), given).fetchall()
    return Change(*row)
