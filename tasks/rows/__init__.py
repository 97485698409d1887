"""Rows of JSONL, JSON, CSV and Parquet files with the place of each: the one reader that documents, conversations and
questions share.

- JSONL: `space="file"`, or `"stream"` if it is compressed: the bytes of a line with its newline. Lines end at "\\n" and
  nowhere else.
- CSV, TSV: the same spaces; the bytes of a record with its newline, those within quotes counted in. The header has its
  place too (see `tasks.rows.lines`).
- JSON, an array of objects: the same spaces; an element reaches from the end of the one before it to its own end, so
  that the elements cover the file.
- Parquet: `space="row"`: the row's number, length 1.

Nothing here knows what a row means. Every byte or row of a file is told of: by a `Row`, or by an `Unread`.
"""

from tasks.rows.into import count_rows, plan_files, read_into, row_id
from tasks.rows.place import Guard, Place, Row, Unread, Unusable, unguarded
from tasks.rows.read import read_rows
from tasks.rows.values import find, find_word, is_text

__all__ = [
    "Guard",
    "Place",
    "Row",
    "Unread",
    "Unusable",
    "count_rows",
    "find",
    "find_word",
    "is_text",
    "plan_files",
    "read_into",
    "read_rows",
    "row_id",
    "unguarded",
]
