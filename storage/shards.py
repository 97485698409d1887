"""The one writer of tables: equal rows give equal bytes, however they arrive.

Batches are re-cut to fixed row groups, chunks combined, null slots zeroed, codec and level fixed, no time in the
metadata. (Measured: without these, equal tables give different files.)
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.table import Table

COMPRESSION = "zstd"
COMPRESSION_LEVEL = 3


def _variable_bytes(batch: pa.RecordBatch) -> np.ndarray:
    """Bytes of the strings, binaries, lists and structs of each row, int64 (n,); columns of one width are not counted,
    for `group_rows` bounds them.
    """
    total = np.zeros(batch.num_rows, np.int64)
    for values in batch.columns:
        if not pa.types.is_primitive(values.type):
            total += _value_bytes(values)
    return total


def _value_bytes(values: pa.Array) -> np.ndarray:
    """Bytes of each value, int64 (n,): of a list its values, of a struct its fields, of a null (whatever lies under it)
    none.
    """
    kind = values.type
    if _is_binary(kind):
        return pc.fill_null(pc.call_function("binary_length", [values]), 0).to_numpy(zero_copy_only=False)
    if isinstance(values, pa.StructArray):
        sizes = sum((_value_bytes(values.field(place)) for place in range(kind.num_fields)), np.zeros(len(values), int))
    elif isinstance(values, pa.FixedSizeListArray):
        inner = values.values.slice(values.offset * kind.list_size, len(values) * kind.list_size)
        if pa.types.is_primitive(inner.type) and not inner.null_count:
            sizes = np.full(len(values), kind.list_size * _width(inner.type))
        else:
            sizes = _value_bytes(inner).reshape(len(values), kind.list_size).sum(axis=1)
    elif isinstance(values, pa.ListArray | pa.LargeListArray):  # a map is a list of structs
        offsets = values.offsets.to_numpy()
        inner = values.values.slice(offsets[0], offsets[-1] - offsets[0])
        before = np.concatenate([[0], np.cumsum(_value_bytes(inner))])
        sizes = np.diff(before[offsets - offsets[0]])
    else:
        return np.full(len(values), _width(kind), np.int64)
    return np.where(values.is_valid().to_numpy(zero_copy_only=False), sizes, 0).astype(np.int64)


def _is_binary(kind: pa.DataType) -> bool:
    checks = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return any(check(kind) for check in checks)


def _width(kind: pa.DataType) -> int:
    """Bytes of one value of a fixed width; a boolean counts as a byte."""
    try:
        return (kind.bit_width + 7) // 8
    except ValueError:  # of no width: nulls alone, a view, a dictionary
        return 0


def _zero_null_slots(table: pa.Table) -> pa.Table:
    """The same table with zeros under its null slots, one chunk a column (a filter or a join leaves what was there
    before).
    """
    columns = []
    for chunked in table.columns:
        values = chunked.combine_chunks()
        if values.null_count and pa.types.is_primitive(values.type) and not pa.types.is_temporal(values.type):
            empty = values.is_null().to_numpy(zero_copy_only=False)
            values = pa.array(
                pc.fill_null(values, pa.scalar(0).cast(values.type)).to_numpy(zero_copy_only=False),
                values.type,
                mask=empty,
            )
        columns.append(values)
    return pa.Table.from_arrays(columns, schema=table.schema)


def _packing(declared: Table) -> dict[str, Any]:
    """How the writer packs the columns: all alike, or, with some `plain`, leaf by leaf of the schema."""
    if not declared.plain:
        return {"compression": COMPRESSION, "compression_level": COMPRESSION_LEVEL}
    sink = pa.BufferOutputStream()
    pq.write_table(declared.schema.empty_table(), sink)
    leaves = [column.path for column in pq.ParquetFile(sink.getvalue()).schema]
    packed = [leaf for leaf in leaves if leaf.split(".")[0] not in declared.plain]
    return {
        "compression": {leaf: COMPRESSION if leaf in packed else "none" for leaf in leaves},
        "compression_level": dict.fromkeys(packed, COMPRESSION_LEVEL),
        "use_dictionary": packed,
    }


class TableWriter:
    """Writes one table into one file. Use as a context manager; `rows` and `sha256` hold after it closed."""

    def __init__(self, path: Path, declared: Table) -> None:
        self.path = path
        self.rows = 0
        self.sha256 = ""
        self._declared = declared
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = 0
        self._pending_bytes = 0
        if declared.format == "parquet":
            self._writer = pq.ParquetWriter(
                path,
                declared.schema,
                version="2.6",
                write_page_index=True,
                data_page_size=1 << 20,
                **_packing(declared),
            )
        else:
            self._writer = pa.ipc.new_file(str(path), declared.schema)

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows. Raises ValueError, with the column, if the schema is not the declared one."""
        if not batch.schema.equals(self._declared.schema):
            batch = conform(batch, self._declared.schema, str(self.path.name))
        limit_rows, limit_bytes = self._declared.group_rows, self._declared.group_bytes
        sizes = np.cumsum(_variable_bytes(batch))
        start = 0
        while start < batch.num_rows:
            before = int(sizes[start - 1]) if start else 0
            by_rows = start + limit_rows - self._pending_rows
            # the row that reaches the byte limit is the last of its group
            by_bytes = int(np.searchsorted(sizes, before + limit_bytes - self._pending_bytes, side="left")) + 1
            stop = min(by_rows, by_bytes, batch.num_rows)
            self._pending.append(batch.slice(start, stop - start))
            self._pending_rows += stop - start
            self._pending_bytes += int(sizes[stop - 1]) - before
            if self._pending_rows >= limit_rows or self._pending_bytes >= limit_bytes:
                self._flush()
            start = stop

    def _flush(self) -> None:
        if not self._pending_rows:
            return
        group = pa.Table.from_batches(self._pending, self._declared.schema).combine_chunks()
        if isinstance(self._writer, pq.ParquetWriter):
            self._writer.write_table(group, row_group_size=group.num_rows)  # Parquet stores no null slots
        else:
            for batch in _zero_null_slots(group).to_batches():
                self._writer.write_batch(batch)
        self.rows += group.num_rows
        self._pending, self._pending_rows, self._pending_bytes = [], 0, 0

    def close(self) -> None:
        """Write what is pending, close the file and hash it."""
        self._flush()
        self._writer.close()
        digest = hashlib.sha256()
        with open(self.path, "rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
        self.sha256 = digest.hexdigest()

    def __enter__(self) -> "TableWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._writer.close()


def conform(batch: pa.RecordBatch, schema: pa.Schema, where: str) -> pa.RecordBatch:
    """The batch with the declared schema's columns, types and column notes; a missing, extra or uncastable column is an
    error.
    """
    missing = [name for name in schema.names if name not in batch.schema.names]
    extra = [name for name in batch.schema.names if name not in schema.names]
    if missing or extra:
        raise ValueError(f"{where}: columns do not match the declared table: missing {missing}, not declared {extra}.")
    columns = []
    for field in schema:
        values = batch.column(field.name)
        try:
            values = values if values.type.equals(field.type) else values.cast(field.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise ValueError(
                f"{where}: column {field.name!r} is {values.type}, declared {field.type}: {error}"
            ) from error
        if values.null_count and not field.nullable:
            raise ValueError(f"{where}: column {field.name!r} has {values.null_count} nulls and is declared without.")
        columns.append(values)
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def read_batches(path: Path, columns: list[str] | None = None, rows: int | None = None) -> Iterator[pa.RecordBatch]:
    """The rows of one Parquet file in order, a row group at a time, or at most `rows`; nothing more is held.

    A few rows at a time are decoded into memory that is used again and again: no new page is asked of the system.
    """
    with pq.ParquetFile(path) as parquet:
        for group in range(parquet.num_row_groups):
            if rows is not None:
                yield from parquet.iter_batches(rows, row_groups=[group], columns=columns, use_threads=False)
            else:
                found = parquet.read_row_group(group, columns=columns, use_threads=False)
                yield from found.combine_chunks().to_batches()


def open_arrow(path: Path) -> pa.Table:
    """An Arrow IPC file as a memory-mapped table: no bytes are read until they are used."""
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
