"""Rows of Parquet files, a batch at a time, through a guard that isolates a row group that kills its process."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.executor import RecordDied
from tasks.extract.reasons import LossReason
from tasks.rows.lines import Take
from tasks.rows.place import Guard, Place, Row, Unread, died

PARQUET_ROWS = 256
"""Rows held at once, and read in one guarded call."""
OPENING = -1
"""Key of the call that opens a file; its rows have their numbers."""


def read_parquet(path: str | Path, names: frozenset[str] | None, take: Take, guard: Guard) -> Iterator[Any]:
    """Every row as what `take` makes of it, or an Unread.

    A file that can't be opened is one Unread; damage, or what kills, costs the rest of its row group.
    Arguments:
        names: the columns that are read; None: all.
    """
    whole = Place("file", 0, os.path.getsize(path))
    try:
        columns, groups = guard(OPENING, _layout, path, names)
    except RecordDied as death:
        yield died(whole, death)
        return
    except (pa.ArrowException, OSError) as error:
        yield Unread(whole, LossReason.DAMAGED, f"Parquet: {_first_line(error)}")
        return
    total = sum(groups)
    if total == 0:
        yield Unread(whole, LossReason.EMPTY_FILE, "a Parquet file without rows")
    if not columns:
        yield from (Unread(Place("row", row, 1), LossReason.BAD_ROW, "no text column") for row in range(total))
        return
    batches = _Batches(path, columns)
    row = 0
    for group, rows in enumerate(groups):
        end, number = row + rows, 0
        while row < end:
            try:
                read = guard(row, batches.read, group, number, row, take)
            except RecordDied as death:
                yield died(Place("row", row, end - row), death)
                row = end
            except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
                yield Unread(Place("row", row, end - row), LossReason.DAMAGED, f"Parquet: {_first_line(error)}")
                row = end
            else:
                yield from read
                row, number = row + len(read), number + 1
    batches.close()


def _layout(path: str | Path, names: frozenset[str] | None) -> tuple[list[str], list[int]]:
    """The columns of a Parquet file that are among `names`, and the rows of each row group."""
    with pq.ParquetFile(path) as file:
        about = file.metadata
        columns = [name for name in file.schema_arrow.names if names is None or name in names]
        return columns, [about.row_group(group).num_rows for group in range(about.num_row_groups)]


class _Batches:
    """The rows of a Parquet file, a batch at a time.

    A call goes on where the last one was, if that was in the same process. A forked child opens the file for itself and
    passes over what lies before in the row group: nothing that Arrow holds open is shared with its parent.
    """

    def __init__(self, path: str | Path, columns: list[str]) -> None:
        self._path, self._columns = path, columns
        self._file: pq.ParquetFile | None = None
        self._batches: Iterator[pa.RecordBatch] = iter(())
        self._next = (0, 0, 0)  # process, row group, number of the batch in it

    def read(self, group: int, number: int, first_row: int, take: Take) -> list[Any]:
        """What is taken from the rows of a batch, `PARQUET_ROWS` or fewer.

        Raises: ArrowException, OSError, UnicodeDecodeError.
        """
        here = os.getpid()
        if self._next != (here, group, number):
            self.close()
            self._file = pq.ParquetFile(self._path)
            self._batches = self._file.iter_batches(PARQUET_ROWS, [group], self._columns, use_threads=False)
            for _ in range(number):
                next(self._batches)
        self._next = (0, 0, 0)
        batch = next(self._batches, None)
        if batch is None or not batch.num_rows:
            raise pa.ArrowInvalid("the row group has fewer rows than the file says")
        values = batch.to_pylist()
        self._next = (here, group, number + 1)
        return [take(Row(Place("row", first_row + n, 1), value)) for n, value in enumerate(values)]

    def close(self) -> None:
        """Close the file, if it is open."""
        self._batches = iter(())
        if self._file is not None:
            self._file.close()
            self._file = None


def _first_line(error: Exception) -> str:
    """What Arrow says, without its stack, and without bytes of the file."""
    if isinstance(error, UnicodeDecodeError):
        return type(error).__name__
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
