"""Reads bucket keys and signatures of some documents out of the sign stage's Parquet files, a row group at a time."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.decide.duplicates.buckets import BucketKeys
from tasks.decide.duplicates.near import Sets
from tasks.decide.duplicates.spilled import Memory, Rows, Values

T = TypeVar("T")


class RowGroup(NamedTuple):
    """A row group: its file, its number there, the place of its first row, and which of the wanted rows lie in it."""

    path: str
    metadata: pq.FileMetaData
    number: int
    start: int
    wanted: slice


class SignatureFiles:
    """The sign stage's files as one long table. A row's place is its number in all files, one after another.

    `memory`: how much of each column that is asked for may be held; more of it goes through a file (`spilled`).
    """

    def __init__(self, paths: Sequence[str], threads: int = 1, memory: Memory | None = None):
        self.paths = list(paths)
        self.threads = threads
        self.memory = memory or Memory()
        lengths = [pq.read_metadata(path).num_rows for path in self.paths]
        nothing = np.empty(0, dtype=np.int64)
        self._kept_rows = nothing, np.empty((0, 0), dtype=np.uint64)
        self._kept_sets = nothing, Sets(nothing, nothing, np.empty(0, dtype=np.uint64))
        self.starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)

    def places(self, files: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Places of rows known by the file's number in the list of paths and the row's number in it, (n,) int64."""
        return self.starts[files.astype(np.int64)] + rows

    def buckets(self, places: np.ndarray) -> tuple[BucketKeys, np.ndarray]:
        """Bucket keys at these places, numbered from 0, and whether each document has any, (n,) bool."""
        order, width = np.argsort(places, kind="stable"), self._width("buckets")
        keys, present = BucketKeys(len(places), width, self.memory), np.empty(len(places), dtype=bool)

        def with_keys(column: pa.Array, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            matrix, valid = _as_matrix(column, width)
            return matrix[inside[valid[inside]]], valid[inside]

        for wanted, (some, valid) in self._columns("buckets", places[order], with_keys):
            present[wanted] = valid
            keys.add(some)
        keys.document = order[present]
        signed = np.empty(len(places), dtype=bool)
        signed[order] = present
        return keys, signed

    def signatures(self, places: np.ndarray) -> Rows:
        """Signatures at these places, rows of uint64; zero where a document has none.

        What was read last is kept: those who stay are compared with those who go after all were compared for clusters.
        """
        kept, table = self._kept_rows
        if (found := _found(kept, places)) is not None:
            return Rows(table, found)
        kept, width = np.unique(places), self._width("signature")

        def or_zero(column: pa.Array, inside: np.ndarray) -> np.ndarray:
            matrix, valid = _as_matrix(column, width)
            return np.where(valid[inside, None], matrix[inside], np.uint64(0))

        values = Values(np.uint64, 8 * len(kept) * width, self.memory)
        for _, matrix in self._columns("signature", kept, or_zero):
            values.add(matrix.ravel())
        table = values.read().reshape(-1, width)
        self._kept_rows = kept, table
        return Rows(table, np.searchsorted(kept, places))

    def simhashes(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Simhashes at these places, (n,) uint64, and whether each document has one, (n,) bool."""
        values, present = np.empty(len(places), dtype=np.uint64), np.empty(len(places), dtype=bool)
        order = np.argsort(places, kind="stable")
        for wanted, column in self._columns("simhash", places[order], _taken):
            values[order[wanted]] = pc.fill_null(column, 0).to_numpy(zero_copy_only=False)
            present[order[wanted]] = column.is_valid().to_numpy(zero_copy_only=False)
        return values, present

    def shingles(self, places: np.ndarray) -> Sets:
        """The sets of shingles at these places; empty where a document has none. What was read last is kept, too."""
        kept, sets = self._kept_sets
        if (found := _found(kept, places)) is None:
            kept = np.unique(places)
            sets = self._lists("shingles", kept, np.uint64)
            self._kept_sets, found = (kept, sets), np.searchsorted(kept, places)
        return Sets(sets.starts[found], sets.stops[found], sets.values)

    def embeddings(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Embeddings at these places, (n, d) float16, zero where there is none, and whether there is one, (n,) bool.

        Raises: ValueError where they are not all of one length.
        """
        starts, stops, values = self._lists("embedding", places, np.float16)
        present = stops > starts
        widths = np.unique((stops - starts)[present])
        if len(widths) > 1:
            raise ValueError(
                f"The column embedding has lists of {' and '.join(map(str, widths))} numbers: embed all snapshots with "
                "one model."
            )
        width = int(widths[0]) if len(widths) else 1
        matrix = np.zeros((len(places), width), dtype=np.float16)
        matrix[present] = values.reshape(-1, width)[starts[present] // width]
        return matrix, present

    def _lists(self, name: str, places: np.ndarray, kind: type) -> Sets:
        """Lists of numbers of one kind at these places; empty where there is none."""
        order = np.argsort(places, kind="stable")
        values = Values(kind, np.dtype(kind).itemsize * self._expected(name, places[order]), self.memory)
        lengths = np.empty(len(places), dtype=np.int64)
        for wanted, column in self._columns(name, places[order], _taken):
            lengths[wanted] = pc.fill_null(pc.call_function("list_value_length", [column]), 0).to_numpy()
            values.add(column.flatten().to_numpy(zero_copy_only=False).astype(kind, copy=False))
        stops = np.cumsum(lengths)
        back = _inverse(order)
        return Sets((stops - lengths)[back], stops[back], values.read())

    def _expected(self, name: str, places: np.ndarray) -> int:
        """About how many numbers the lists at these ascending places have, as the files say of their row groups."""
        found = 0
        for group in self._groups(places):
            metadata = group.metadata.row_group(group.number)
            columns = [metadata.column(number) for number in range(metadata.num_columns)]
            numbers = sum(one.num_values for one in columns if one.path_in_schema.split(".")[0] == name)
            found += numbers * (group.wanted.stop - group.wanted.start) // metadata.num_rows
        return found

    def _columns(
        self, name: str, places: np.ndarray, convert: Callable[[pa.Array, np.ndarray], T]
    ) -> Iterator[tuple[slice, T]]:
        """A column at these ascending places, a row group at a time: which of the places, and their values, converted.

        `convert(column, inside)` is given a row group's column and which of its rows are wanted.
        """

        def read_group(task: RowGroup) -> tuple[slice, T]:
            with pq.ParquetFile(task.path, metadata=task.metadata) as file:
                column = file.read_row_group(task.number, columns=[name], use_threads=False).column(0).combine_chunks()
            return task.wanted, convert(column, places[task.wanted] - task.start)

        # Decoding releases the interpreter. What is read is taken in order, and waits no further ahead than this.
        with ThreadPoolExecutor(self.threads) as pool:
            waiting: deque[Future[tuple[slice, T]]] = deque()
            for task in self._groups(places):
                waiting.append(pool.submit(read_group, task))
                if len(waiting) > 2 * self.threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _groups(self, wanted: np.ndarray) -> Iterator[RowGroup]:
        """The row groups that hold any of the ascending places `wanted`."""
        for path, start in zip(self.paths, self.starts, strict=False):
            metadata = pq.read_metadata(path)
            for number in range(metadata.num_row_groups):
                stop = start + metadata.row_group(number).num_rows
                low, high = np.searchsorted(wanted, [start, stop])
                if low < high:
                    yield RowGroup(path, metadata, number, int(start), slice(int(low), int(high)))
                start = stop

    def _width(self, name: str) -> int:
        schemas = [pq.read_schema(path) for path in self.paths]
        kinds = {schema.field(name).type for schema in schemas}
        if len(kinds) != 1 or not pa.types.is_fixed_size_list(next(iter(kinds))):
            raise ValueError(
                f"The column {name} has the types {sorted(map(str, kinds))} in the sign stage's files, "
                "not one fixed-size list: sign all snapshots with the same bands and rows."
            )
        said = {tuple(_meaning(schema, one) for one in ("n_shingles", "signature")) for schema in schemas}
        if len(said) != 1:
            raise ValueError(
                f"The sign stage's files were made otherwise from one another ({'; '.join(map(str, sorted(said)))}): "
                "sign all snapshots with the same n-gram, unit, scheme and seed."
            )
        return next(iter(kinds)).list_size


def _meaning(schema: pa.Schema, name: str) -> str:
    """What a file says of a column, which tells how it was made; nothing where it has none."""
    found = schema.field(name).metadata if name in schema.names else None
    return (found or {}).get(b"meaning", b"").decode()


def _as_matrix(column: pa.FixedSizeListArray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The column's values as (n, width) uint64, whatever stands under nulls, and which rows are not null."""
    values = column.values
    # Through the buffer: a Parquet null list has null children, and an integer column with nulls would become floats.
    numbers = np.frombuffer(values.buffers()[1], dtype=np.uint64, count=values.offset + len(values))[values.offset :]
    numbers = numbers.reshape(-1, width)[column.offset : column.offset + len(column)]
    return numbers, column.is_valid().to_numpy(zero_copy_only=False)


def _found(kept: np.ndarray, places: np.ndarray) -> np.ndarray | None:
    """Where these places are among the ascending ones that are kept; None if they are not all there."""
    found = np.minimum(np.searchsorted(kept, places), max(0, len(kept) - 1))
    return found if len(kept) and np.array_equal(kept[found], places) else None


def _taken(column: pa.Array, inside: np.ndarray) -> pa.Array:
    return column.take(pa.array(inside))


def _inverse(order: np.ndarray) -> np.ndarray:
    """Where each place went that an order took."""
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return back
