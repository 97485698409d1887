"""Scores of all documents, in the order of the decisions: a column at a time, each read once, and no text."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.artifact import Artifact
from tasks.decide.failures import UNRULED

UNREAD = UNRULED | {"doc_id"}


class Misfit(ValueError):
    """Inputs of decisions that lack a document which was decided on: the lake is damaged."""


@dataclass
class Columns:
    """The columns of the documents and annotations that were decided on.

    `doc_id`: the documents in the order of the decisions; `inputs`: Parquet files by the name of the input, the
    documents first; every input has one row for each document.
    """

    doc_id: pa.Array
    inputs: Mapping[str, Sequence[str]]
    _orders: dict[str, np.ndarray | None] = field(default_factory=dict)
    _read: dict[str, pa.ChunkedArray] = field(default_factory=dict)
    _ids: dict[str, pa.ChunkedArray] = field(default_factory=dict)

    @classmethod
    def of(cls, decisions: Artifact, doc_id: pa.Array) -> "Columns":
        """The inputs of an artifact of decisions."""
        inputs: dict[str, list[str]] = {"documents": []}
        for one in decisions.inputs("documents"):
            inputs["documents"] += map(str, one.paths())
        for one in decisions.inputs("annotations"):
            inputs.setdefault(one.stage, []).extend(map(str, one.paths()))
        return cls(doc_id, inputs)

    @cached_property
    def kinds(self) -> dict[str, pa.DataType]:
        """The type of every column, without texts, hashes and embeddings, which no rule reads."""
        schemas = {name: pq.read_schema(paths[0]) for name, paths in self.inputs.items()}
        return {
            one.name: one.type
            for schema in schemas.values()
            for one in schema
            if one.name not in UNREAD and not _is_half(one.type)
        }

    @cached_property
    def _home(self) -> dict[str, str]:
        """The input that each column stands in."""
        found: dict[str, str] = {}
        for name, paths in self.inputs.items():
            for column in pq.read_schema(paths[0]).names:
                found.setdefault(column, name)
        return found

    def read(self, names: Iterable[str]) -> pa.Table:
        """These columns, a row for each document in the order of the decisions.

        Raises: Misfit where an input lacks a document; KeyError for a column that none has.
        """
        wanted = list(names)
        missing: dict[str, list[str]] = {}
        for name in wanted:
            if name not in self._read:
                missing.setdefault(self._home[name], []).append(name)
        for home, columns in missing.items():
            order = self._order(home)
            table = _read(self.inputs[home], columns)
            for name in columns:
                values = table.column(name)
                self._read[name] = values if order is None else values.take(pa.array(order))
        return pa.table({name: self._read[name] for name in wanted})

    def place_in_documents(self, places: np.ndarray) -> np.ndarray:
        """The row in all files of the documents, one after another, of documents at these places of the decisions."""
        order = self._order("documents")
        return places if order is None else order[places]

    def _order(self, name: str) -> np.ndarray | None:
        """For each document of the decisions its row in this input, or None where the order is the same."""
        if name not in self._orders:
            ids = self._ids[name] = _read(self.inputs[name], ["doc_id"]).column("doc_id")
            # annotations lie row for row as the documents do: one search serves all of them
            same = next((other for other in self._orders if self._ids[other].equals(ids)), None)
            self._orders[name] = self._orders[same] if same is not None else self._search(name, ids)
        return self._orders[name]

    def _search(self, name: str, ids: pa.ChunkedArray) -> np.ndarray | None:
        if len(ids) == len(self.doc_id) and ids.equals(pa.chunked_array([self.doc_id])):
            return None
        place = pc.index_in(ids, value_set=self.doc_id)  # type: ignore[attr-defined]
        if place.null_count:
            found = pc.is_valid(place).to_numpy()  # type: ignore[attr-defined]
            rows, places = np.flatnonzero(found), place.drop_null().to_numpy()
        else:
            rows, places = np.arange(len(ids)), place.to_numpy()
        order = np.full(len(self.doc_id), -1, dtype=np.int64)
        order[places] = rows
        if (order < 0).any():
            one = self.doc_id[int(np.flatnonzero(order < 0)[0])]
            raise Misfit(f"{name} has no row for the document {one}, which was decided on: gristmill verify the lake.")
        return order


def _read(paths: Sequence[str], columns: list[str]) -> pa.Table:
    tables = []
    for path in paths:
        with pq.ParquetFile(path) as file:
            tables.append(file.read(columns=columns))
    return pa.concat_tables(tables)


def _is_half(kind: pa.DataType) -> bool:
    """Whether a type is of 16-bit floats, which DuckDB takes from no Arrow table."""
    inner = kind.value_type if hasattr(kind, "value_type") else kind
    return pa.types.is_float16(inner)
