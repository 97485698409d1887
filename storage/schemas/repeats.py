"""Parts of documents that stand in many: what is noted of each document, and what is taken out of which.

Nothing of a text stands here: hashes, ids and places (characters of the extracted text, as in `spans`).
"""

import pyarrow as pa

from storage.schemas.spans import SPANS
from storage.table import column, table

PART = pa.struct(
    [pa.field("hash", pa.uint64(), False), pa.field("start", pa.int32(), False), pa.field("end", pa.int32(), False)]
)
PARTS = pa.list_(pa.field("element", PART, False))

LINES = column(
    "lines",
    PARTS,
    "Each line that is not blank: a hash of it in NFC and lower case, white space collapsed, and its place, line feed "
    "included.",
)
PARAGRAPHS = column(
    "paragraphs",
    PARTS,
    "The same of each paragraph (lines up to a blank one), with the blank lines behind it.",
)
ANCHORS = column(
    "anchors",
    pa.list_(pa.field("element", pa.uint64(), False)),
    "Hashes of some runs of words, ascending: two documents that share parts.substrings words in a row share one.",
)

REMOVALS = table(
    column("doc_id", pa.string(), "A document that passed every rule and stayed for its cluster.", nullable=False),
    column("kind", pa.string(), "repeated_lines, repeated_paragraphs or repeated_substrings.", nullable=False),
    column("start", pa.int32(), "First character of the extracted text that goes.", nullable=False),
    column("end", pa.int32(), "First one behind it that stays.", nullable=False),
)

BOILERPLATE = table(
    column("kind", pa.string(), "repeated_lines or repeated_paragraphs.", nullable=False),
    column("hash", pa.uint64(), "As in the columns `lines` and `paragraphs`.", nullable=False),
    column("documents", pa.int32(), "Documents that hold it, of those that stay.", nullable=False),
    column("domains", pa.int32(), "Their domains; a source without URLs counts as one.", nullable=False),
    column("occurrences", pa.int64(), "How often it stands in them.", nullable=False),
    column("doc_id", pa.string(), "The first seen of those documents, as the place to look it up.", nullable=False),
    column("start", pa.int32(), "Where it first stands there.", nullable=False),
    column("end", pa.int32(), "Where it ends there.", nullable=False),
)

EDITED = table(
    column("doc_id", pa.string(), "A document that stays and has removals.", nullable=False),
    column("edits", SPANS, "Its `edits` with the removals among them: what composition applies.", nullable=False),
    column("composed_bytes", pa.int64(), "UTF-8 bytes of its text as it is composed.", nullable=False),
    column("removed_characters", pa.int32(), "Characters that nothing stands for.", nullable=False),
    column("redactions", pa.int32(), "Marks in the composed text.", nullable=False),
)
