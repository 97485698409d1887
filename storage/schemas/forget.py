"""What is forgotten: the tombstones under which documents were made."""

import pyarrow as pa

from storage.table import column, table

TOMBSTONES_TABLE = table(
    column("kind", pa.string(), "How it names documents: url, domain, glob, regex or doc_id.", nullable=False),
    column("pattern", pa.string(), "What it names.", nullable=False),
)
