"""What is left of a document that a tombstone names: its place and its ids, and nothing of what it says.

| kept | gone |
|---|---|
| `doc_id`, `source`, `file`, `file_sha256`, `space`, `offset`, `length`, `record_id`, `url` | `text`, `text_bytes` |
| `capture_date`, `http_status`, `content_type`, `charset`, `truncated`, `published` | `title`, `author`, `tags` |
| `license`, `robots`, `tdm_reservation` and what else says whose rights hold | `extractor` is `forgotten` |
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.forget.tombstones import Matcher
from storage.schemas.documents import DOCUMENTS, FORGOTTEN

GONE = ("title", "author", "tags", "text_bytes", "text")
"""The columns of a document that hold what it says, or who says it."""


def without_forgotten(documents: pa.RecordBatch, matcher: Matcher) -> pa.RecordBatch:
    """Rows of DOCUMENTS, with nothing left of what those say that the tombstones name."""
    named = matcher.matches(documents.column("doc_id"), documents.column("url"))
    if not named.any():
        return documents
    mask = pa.array(named)
    columns = []
    for name in documents.schema.names:
        values = documents.column(name)
        if name == "extractor":
            values = pc.if_else(mask, pa.scalar(FORGOTTEN), values)  # type: ignore[attr-defined]
        elif name in GONE:
            # taken anew, so that no forgotten byte lies under a null slot
            rows = np.arange(len(values))
            values = values.take(pa.array(np.where(named, 0, rows), mask=named))
        columns.append(values)
    return pa.RecordBatch.from_arrays(columns, schema=DOCUMENTS.schema)
