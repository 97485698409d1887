"""What is read from sources, and what is left of a row that a tombstone names: its place and its ids, and nothing of
what it says.

| kind | kept | gone |
|---|---|---|
| all | id, `source`, `file`, `file_sha256`, `space`, `offset`, `length`, `record_id`, `license`, `carrier` | |
| documents | `url`, days, `http_status`, `content_type`, `charset`, `truncated`, `robots`, `tdm_reservation`, … | (1) |
| conversations | `content_hash`, `split` | `messages`, `turns` |
| questions | `task` | `context`, `choices`, `gold` |
| examples | | `text`, `label`, `value` |

(1) `text`, `text_bytes`, `title`, `author`, `tags`; and `extractor` is `forgotten`.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.forget.tombstones import Matcher
from storage.schemas.documents import FORGOTTEN


class Read(NamedTuple):
    """Rows of a kind: the column of their ids, those that a tombstone looks at beside it, those that hold what a row
    says, and the one by which a forgotten row is known (null; of documents the extractor).
    """

    id: str
    looked_at: tuple[str, ...]
    gone: tuple[str, ...]
    known_by: str


READ: dict[str, Read] = {
    "documents": Read(
        "doc_id", ("url", "source", "record_id"), ("title", "author", "tags", "text_bytes", "text"), "extractor"
    ),
    "conversations": Read("conversation_id", ("source", "record_id"), ("turns", "messages"), "turns"),
    "questions": Read("question_id", ("source", "record_id"), ("context", "choices", "gold"), "gold"),
    "examples": Read("example_id", ("source",), ("label", "value", "text"), "text"),
}
"""The kinds of artifacts that are read from the files of a snapshot. All other text is made from these."""


def named_rows(kind: str, rows: pa.RecordBatch, matcher: Matcher) -> np.ndarray:
    """Which rows of this kind tombstones name: bool.

    Where rows have no URL, one whose own id is an address is at that address.
    """
    none = pa.nulls(rows.num_rows, pa.string())
    there = {name: rows.column(name) if name in rows.schema.names else none for name in ("url", "source", "record_id")}
    if "url" not in rows.schema.names:
        address = pc.match_substring(there["record_id"], "://")  # type: ignore[attr-defined]
        there["url"] = pc.if_else(address, there["record_id"], none)  # type: ignore[attr-defined]
    return matcher.matches(rows.column(READ[kind].id), there["url"], there["source"], there["record_id"])


def forgotten_rows(kind: str, rows: pa.RecordBatch) -> np.ndarray:
    """Which rows say nothing any more: bool. Columns: that by which they are known."""
    values = rows.column(READ[kind].known_by)
    if kind != "documents":
        return values.is_null().to_numpy(zero_copy_only=False)
    return pc.fill_null(pc.equal(values, FORGOTTEN), False).to_numpy(zero_copy_only=False)  # type: ignore[attr-defined]


def without_forgotten(kind: str, rows: pa.RecordBatch, matcher: Matcher) -> pa.RecordBatch:
    """The rows, with nothing left of what those say that the tombstones name."""
    named = named_rows(kind, rows, matcher)
    if not named.any():
        return rows
    columns, places = [], np.arange(rows.num_rows)
    for name in rows.schema.names:
        values = rows.column(name)
        if name == "extractor":
            values = pc.if_else(pa.array(named), pa.scalar(FORGOTTEN), values)  # type: ignore[attr-defined]
        elif name in READ[kind].gone:
            # taken anew, so that no forgotten byte lies under a null slot
            values = values.take(pa.array(np.where(named, 0, places), mask=named))
        columns.append(values)
    return pa.RecordBatch.from_arrays(columns, schema=rows.schema)
