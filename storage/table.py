"""How a table is declared: columns with a line on each, and how it lies on disk."""

from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa


def column(name: str, kind: pa.DataType, meaning: str, nullable: bool = True) -> pa.Field:
    """One column: its name, its type, and a sentence with unit and source that travels in the file's schema."""
    return pa.field(name, kind, nullable=nullable, metadata={"meaning": meaning})


@dataclass(frozen=True)
class Table:
    """A table that a stage writes.

    A row group holds `group_rows` rows, or fewer when their strings, lists and structs reach `group_bytes`: both count
    rows in order, so the cuts do not depend on how the rows arrived. Columns named in `plain` are written as they are,
    without dictionary and compression: hashes, in which neither finds anything.
    """

    schema: pa.Schema
    format: Literal["parquet", "arrow"] = "parquet"
    group_rows: int = 16_384
    group_bytes: int = 64 << 20
    plain: tuple[str, ...] = ()

    @property
    def suffix(self) -> str:
        """File name suffix."""
        return self.format


def table(*columns: pa.Field, **layout: Any) -> Table:
    """Declare a table from its columns."""
    return Table(pa.schema(list(columns)), **layout)
