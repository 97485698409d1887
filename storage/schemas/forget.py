"""What is forgotten: the tombstones under which documents, or other rows of a source, were made."""

import pyarrow as pa

from storage.table import column, table

TOMBSTONES_TABLE = table(
    column(
        "kind", pa.string(), "How it names rows: url, domain, glob, regex, doc_id, record or source.", nullable=False
    ),
    column("pattern", pa.string(), "What it names.", nullable=False),
)
