"""Reads bucket keys and signatures of some documents out of the sign stage's Parquet files, a row group at a time."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.decide.duplicates.near import Sets


class RowGroup(NamedTuple):
    """A row group: its file, its number there, the place of its first row, and which of the wanted rows lie in it."""

    path: str
    metadata: pq.FileMetaData
    number: int
    start: int
    wanted: slice


class SignatureFiles:
    """The sign stage's files as one long table. A row's place is its number in all files, one after another."""

    def __init__(self, paths: Sequence[str], threads: int = 1):
        self.paths = list(paths)
        self.threads = threads
        lengths = [pq.read_metadata(path).num_rows for path in self.paths]
        self._kept = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty((0, 0), dtype=np.uint64)
        self.starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)

    def places(self, files: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Places of rows known by the file's number in the list of paths and the row's number in it, (n,) int64."""
        return self.starts[files.astype(np.int64)] + rows

    def buckets(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bucket keys at these places, (n, bands) uint64, and whether each document has any, (n,) bool."""
        return self._read("buckets", places)

    def bucket_batches(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """What `buckets` gives of all rows, a row group at a time."""
        width = self._width("buckets")
        for path in self.paths:
            with pq.ParquetFile(path) as file:
                for number in range(file.metadata.num_row_groups):
                    group = file.read_row_group(number, columns=["buckets"], use_threads=False)
                    yield _as_matrix(group.column(0).combine_chunks(), width)

    def signatures(self, places: np.ndarray) -> np.ndarray:
        """Signatures at these places, (n, values) uint64; zero where a document has none.

        What was read last is kept: those who stay are compared with those who go after all were compared for clusters.
        """
        kept, order, matrix = self._kept
        found = np.minimum(np.searchsorted(kept, places), max(0, len(kept) - 1))
        if len(kept) and np.array_equal(kept[found], places):
            return matrix[order[found]]
        matrix = self._read("signature", places)[0]
        order = np.argsort(places, kind="stable")
        self._kept = places[order], order, matrix
        return matrix

    def simhashes(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Simhashes at these places, (n,) uint64, and whether each document has one, (n,) bool."""
        found = self._take("simhash", places)
        return pc.fill_null(found, 0).to_numpy().astype(np.uint64), found.is_valid().to_numpy()

    def shingles(self, places: np.ndarray) -> Sets:
        """The sets of shingles at these places; empty where a document has none."""
        return Sets(*self._lists("shingles", places, np.uint64))

    def embeddings(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Embeddings at these places, (n, d) float16, zero where there is none, and whether there is one, (n,) bool.

        Raises: ValueError where they are not all of one length.
        """
        offsets, values = self._lists("embedding", places, np.float16)
        lengths = np.diff(offsets)
        present = lengths > 0
        widths = np.unique(lengths[present])
        if len(widths) > 1:
            raise ValueError(
                f"The column embedding has lists of {' and '.join(map(str, widths))} numbers: embed all snapshots with "
                "one model."
            )
        matrix = np.zeros((len(places), int(widths[0]) if len(widths) else 1), dtype=np.float16)
        matrix[present] = values.reshape(-1, matrix.shape[1])
        return matrix, present

    def _lists(self, name: str, places: np.ndarray, kind: type) -> tuple[np.ndarray, np.ndarray]:
        """Lists at these places: where each starts (n + 1, int64), and their values, one list after another."""
        found = self._take(name, places)
        chunks = [chunk for chunk in found.chunks if len(chunk)]
        lengths = pc.fill_null(pc.call_function("list_value_length", [found]), 0).to_numpy()
        values = [chunk.flatten().to_numpy(zero_copy_only=False).astype(kind, copy=False) for chunk in chunks]
        offsets = np.zeros(len(places) + 1, dtype=np.int64)
        np.cumsum(lengths, out=offsets[1:])
        return offsets, np.concatenate([np.empty(0, dtype=kind), *values])

    def _take(self, name: str, places: np.ndarray) -> pa.ChunkedArray:
        """A column's values at these ascending places, a row group at a time."""
        if (places[1:] < places[:-1]).any():
            order = np.argsort(places, kind="stable")
            back = np.empty_like(order)
            back[order] = np.arange(len(order))
            return self._take(name, places[order]).take(pa.array(back))

        def read_group(task: RowGroup) -> pa.Array:
            with pq.ParquetFile(task.path, metadata=task.metadata) as file:
                column = file.read_row_group(task.number, columns=[name], use_threads=False).column(0).combine_chunks()
            return column.take(pa.array(places[task.wanted] - task.start))

        with ThreadPoolExecutor(self.threads) as pool:
            chunks = list(pool.map(read_group, self._groups(places)))
        return pa.chunked_array(chunks, pq.read_schema(self.paths[0]).field(name).type)

    def _read(self, name: str, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        order = np.argsort(places, kind="stable")
        wanted = places[order]
        width = self._width(name)
        matrix = np.empty((len(places), width), dtype=np.uint64)
        valid = np.empty(len(places), dtype=bool)

        def read_group(task: RowGroup) -> None:
            with pq.ParquetFile(task.path, metadata=task.metadata) as file:
                column = file.read_row_group(task.number, columns=[name], use_threads=False).column(0).combine_chunks()
            values, present = _as_matrix(column, width)
            inside, rows = wanted[task.wanted] - task.start, order[task.wanted]
            matrix[rows] = values[inside]
            valid[rows] = present[inside]

        # No row of the result is of two row groups, so that threads need no lock; decoding releases the interpreter.
        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(read_group, self._groups(wanted)))
        matrix[~valid] = 0
        return matrix, valid

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
        kinds = {pq.read_schema(path).field(name).type for path in self.paths}
        if len(kinds) != 1 or not pa.types.is_fixed_size_list(next(iter(kinds))):
            raise ValueError(
                f"The column {name} has the types {sorted(map(str, kinds))} in the sign stage's files, "
                "not one fixed-size list: sign all snapshots with the same bands and rows."
            )
        return next(iter(kinds)).list_size


def _as_matrix(column: pa.FixedSizeListArray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The column's values as (n, width) uint64, whatever stands under nulls, and which rows are not null."""
    values = column.values
    # Through the buffer: a Parquet null list has null children, and an integer column with nulls would become floats.
    numbers = np.frombuffer(values.buffers()[1], dtype=np.uint64, count=values.offset + len(values))[values.offset :]
    numbers = numbers.reshape(-1, width)[column.offset : column.offset + len(column)]
    return numbers, column.is_valid().to_numpy(zero_copy_only=False)
