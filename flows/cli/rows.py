"""Rows of an answer as a person or another program reads them: a table, CSV, JSON or Parquet."""

import enum
import json
import math
import sys
from collections.abc import Collection, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds
from rich.console import Console
from rich.table import Table

from storage.statements import Refused
from tasks.console import size

MANY_ROWS = 200
PIPED_WIDTH = 200
GAP, LEAST_NAME = 2, 8
"""Characters between two columns of a table, and those that are left of a name at least."""


class Format(enum.StrEnum):
    """How rows are written."""

    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"


def write_rows(rows: pa.Table, form: Format, output: Path | None, sizes: Collection[str] = ()) -> None:
    """Write rows as a table (terminal), CSV, JSON or Parquet, to a file or standard output.

    Columns of the same name are told apart: `n`, `n_1`. `sizes`: columns of bytes, which a table says as a person does.
    Raises: Refused where it cannot be written there.
    """
    if output is not None and (output.is_dir() or not output.absolute().parent.is_dir()):
        raise Refused(f"{output} can't be written: it is a folder, or the folder it lies in does not exist.")
    try:
        _write(rows, form, output, sizes)
    except OSError as error:
        if output is None:  # the reader of a pipe has gone
            raise
        raise Refused(f"{output} can't be written: {error.strerror or error}.") from error


def write_json(value: Any) -> None:
    """One JSON value on standard output, for a program."""
    print(json.dumps(plain(value), ensure_ascii=False, indent=1, allow_nan=False))


def say(console: Console, text: str = "", indent: int = 0) -> None:
    """A line as it is: no markup, no colours, no line breaks but its own."""
    console.print(" " * indent + text, markup=False, highlight=False, soft_wrap=True)


def _write(rows: pa.Table, form: Format, output: Path | None, sizes: Collection[str]) -> None:
    rows = rows.rename_columns(distinct(rows.column_names))
    if form is Format.parquet:
        import pyarrow.parquet as pq

        if output is None and sys.stdout.isatty():
            raise Refused("Parquet is not for a terminal: give --output FILE, or a pipe.")
        pq.write_table(_each(rows, _for_parquet), output or sys.stdout.buffer)
    elif form is Format.csv:
        import pyarrow.csv

        pyarrow.csv.write_csv(_each(rows, _for_csv), output or sys.stdout.buffer)
    elif form is Format.json:
        text = json.dumps(plain(rows.to_pylist()), ensure_ascii=False, indent=1, allow_nan=False) + "\n"
        output.write_text(text, encoding="utf-8") if output else sys.stdout.write(text)
    else:
        with open(output, "w", encoding="utf-8") if output else _keep_open(sys.stdout) as stream:
            console = terminal(stream)
            console.print(as_table(rows, console.width, sizes))
            if rows.num_rows > MANY_ROWS:
                console.print(f"{rows.num_rows:,} rows; {MANY_ROWS} shown. Use limit, or --format csv.")


def terminal(stream: Any = None) -> Console:
    """A console as wide as its terminal; what is piped, or goes into a file, has room for whole names."""
    stream = stream or sys.stdout
    return Console(file=stream, width=None if stream.isatty() else PIPED_WIDTH)


def distinct(names: Iterable[str]) -> list[str]:
    """The names in their order, a repeated one with the first free number behind it: `n`, `n_1`, `n_2`."""
    given = list(names)
    found: list[str] = []
    for name in given:
        number, fresh = 0, name
        while fresh in found or (number and fresh in given):
            number += 1
            fresh = f"{name}_{number}"
        found.append(fresh)
    return found


def plain(value: Any) -> Any:
    """A value as JSON has it: whole decimals are integers, others floats; what is no number is null; bytes in hex."""
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple) and not isinstance(value, pa.MonthDayNano):
        return [plain(one) for one in value]
    if isinstance(value, Decimal):
        return int(value) if value.as_tuple().exponent == 0 else plain(float(value))
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    return _interval(value) if isinstance(value, pa.MonthDayNano) else str(value)


def _interval(value: Any) -> str:
    """An interval as ISO 8601 writes it: P1M2DT0.5S."""
    return f"P{value.months}M{value.days}DT{value.nanoseconds / 1e9:g}S"


def _each(rows: pa.Table, change: Any) -> pa.Table:
    return pa.Table.from_arrays([change(values) for values in rows.columns], rows.column_names)


def _for_parquet(values: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    return _as_text(values) if values.type == pa.month_day_nano_interval() else values


def _for_csv(values: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    """Numbers, texts and times as they are; lists and objects as JSON, bytes in hex, all else as text."""
    kind = values.type
    written = (kinds.is_integer, kinds.is_floating, kinds.is_decimal, kinds.is_boolean, kinds.is_null)
    written += (kinds.is_string, kinds.is_large_string, kinds.is_date, kinds.is_time, kinds.is_timestamp)
    return values if any(one(kind) for one in written) else _as_text(values)


def _as_text(values: pa.ChunkedArray) -> pa.Array:
    texts = []
    for one in map(plain, values.to_pylist()):
        texts.append(one if one is None or isinstance(one, str) else json.dumps(one, ensure_ascii=False))
    return pa.array(texts, pa.large_string())


class _keep_open:
    """A stream as a context manager that does not close it."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def __enter__(self) -> Any:
        return self.stream

    def __exit__(self, *about: object) -> None:
        self.stream.flush()


def as_table(rows: pa.Table, width: int, sizes: Collection[str] = ()) -> Table:
    """Rows as a table for a terminal of so many columns: numbers to the right, long texts cut. `sizes`: of bytes."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for field in rows.schema:
        table.add_column(
            field.name, justify="right" if _is_number(field.type) else "left", overflow="ellipsis", max_width=80
        )
    for row in rows.slice(0, MANY_ROWS).to_pylist():
        table.add_row(*[size(value) if name in sizes else _cell(value) for name, value in row.items()])
    return with_whole_numbers(table, width)


def with_whole_numbers(table: Table, width: int) -> Table:
    """The table, in which a terminal of so many columns folds or cuts names before numbers, if they leave them room."""
    numbers = [column for column in table.columns if column.justify == "right"]
    needed = [max((len(str(cell)) for cell in column.cells), default=0) for column in numbers]
    names = len(table.columns) - len(numbers)
    if sum(needed) + GAP * len(table.columns) + LEAST_NAME * names <= width:
        for column, least in zip(numbers, needed, strict=True):
            column.min_width = least
    return table


def _is_number(kind: pa.DataType) -> bool:
    return kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_decimal(kind)


def _cell(value: Any) -> str:
    if value is None:
        return "·"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) or (isinstance(value, Decimal) and value.as_tuple().exponent == 0):
        return str(int(value))  # as it is: it may be a year or an id
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e6 else f"{value:.0f}"
    text = str(value).replace("\n", "⏎").replace("[", "\\[")
    return text if len(text) <= 200 else f"{text[:199]}…"
