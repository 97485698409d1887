"""Reads bucket keys and signatures of some documents out of the sign stage's Parquet files, a row group at a time."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


class SignatureFiles:
    """The sign stage's files as one long table. A row's place is its number in all files, one after another."""

    def __init__(self, paths: Sequence[str]):
        self.paths = list(paths)
        lengths = [pq.read_metadata(path).num_rows for path in self.paths]
        self.starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)

    def places(self, files: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Places of rows known by the file's number in the list of paths and the row's number in it, (n,) int64."""
        return self.starts[files.astype(np.int64)] + rows

    def buckets(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bucket keys at these places, (n, bands) uint64, and whether each document has any, (n,) bool."""
        return self._read("buckets", places)

    def signatures(self, places: np.ndarray) -> np.ndarray:
        """Signatures at these places, (n, values) uint64; zero where a document has none."""
        return self._read("signature", places)[0]

    def _read(self, name: str, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        order = np.argsort(places, kind="stable")
        wanted = places[order]
        width = self._width(name)
        matrix = np.zeros((len(places), width), dtype=np.uint64)
        valid = np.zeros(len(places), dtype=bool)
        for path, start in zip(self.paths, self.starts, strict=False):
            with pq.ParquetFile(path) as file:
                for group in range(file.num_row_groups):
                    stop = start + file.metadata.row_group(group).num_rows
                    low, high = np.searchsorted(wanted, [start, stop])
                    if low < high:
                        column = file.read_row_group(group, columns=[name]).column(0).combine_chunks()
                        values, present = _as_matrix(column, width)
                        inside = wanted[low:high] - start
                        matrix[order[low:high]] = values[inside]
                        valid[order[low:high]] = present[inside]
                    start = stop
        matrix[~valid] = 0
        return matrix, valid

    def _width(self, name: str) -> int:
        kinds = {pq.read_schema(path).field(name).type for path in self.paths}
        if len(kinds) != 1 or not pa.types.is_fixed_size_list(next(iter(kinds))):
            raise ValueError(
                f"The column {name} has the types {sorted(map(str, kinds))} in the sign stage's files, not one fixed-size list: "
                "sign all snapshots with the same bands and rows."
            )
        return next(iter(kinds)).list_size


def _as_matrix(column: pa.FixedSizeListArray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The column's values as (n, width) uint64, whatever stands under nulls, and which rows are not null."""
    values = column.values
    # Through the buffer: a Parquet null list has null children, and an integer column with nulls would become floats.
    numbers = np.frombuffer(values.buffers()[1], dtype=np.uint64, count=values.offset + len(values))[values.offset :]
    numbers = numbers.reshape(-1, width)[column.offset : column.offset + len(column)]
    return numbers, column.is_valid().to_numpy(zero_copy_only=False)
