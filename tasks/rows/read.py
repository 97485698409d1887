"""From a file to its rows."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tasks.extract.formats import Format, format_of, suffix_of
from tasks.extract.reasons import LossReason
from tasks.rows.array import read_json_array
from tasks.rows.lines import Take, read_csv, read_json_lines
from tasks.rows.parquet import read_parquet
from tasks.rows.place import Guard, Place, Row, Unread, unguarded


def as_it_is(row: Row) -> Row:
    """The row itself."""
    return row


def read_rows(
    path: str | Path,
    take: Take = as_it_is,
    guard: Guard = unguarded,
    max_row_bytes: int = 16 << 20,
    columns: frozenset[str] | None = None,
) -> Iterator[Any]:
    """What `take` makes of every row of a file, in its order, and an Unread for each stretch that is none.

    What parses bytes of the file, and `take`, are called through `guard`. Where that raises RecordDied, what the call
    was for is an Unread (a row of JSONL or CSV; of a Parquet file all of it if it can't be opened, else the rest of a
    row group; a JSON array as a whole), and the rest is read.

    Arguments:
        max_row_bytes: a longer row of JSONL or CSV is an Unread, and is not held.
        columns: of a Parquet file those that are read; None: all.
    Raises: OSError if the file can't be opened.
    """
    size = os.path.getsize(path)
    if size == 0:
        yield Unread(Place("file", 0, 0), LossReason.EMPTY_FILE, "the file has no bytes")
        return
    if suffix_of(path) == ".json":
        yield from read_json_array(path, take, guard)
        return
    form = format_of(path)
    if form is Format.JSONL:
        yield from read_json_lines(path, max_row_bytes, take, guard)
    elif form is Format.PARQUET:
        yield from read_parquet(path, columns, take, guard)
    elif form is Format.CSV:
        yield from read_csv(path, max_row_bytes, take, guard, "\t" if suffix_of(path) in (".tsv", ".tab") else None)
    else:
        detail = "rows are read from .jsonl, .json, .csv, .tsv and .parquet files (.gz, .zst and .lz4 too)"
        yield Unread(Place("file", 0, size), LossReason.UNKNOWN_FORMAT, detail)
