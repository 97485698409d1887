"""The documents that stay, in the order in which they were first seen, and where their rows lie."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

UNDATED = np.iinfo(np.int64).max  # seen after all that have a date
HOST = r"^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?(?:[wW][wW][wW]\.)?(?P<host>[^/?#:]+)"


@dataclass(frozen=True)
class Rows:
    """Rows of one Parquet file: which of them are documents that stay, and the rank of each of these."""

    path: str
    row: np.ndarray  # int64, ascending
    rank: np.ndarray  # int32, place among the documents that stay

    def groups(self, columns: list[str], some: np.ndarray | None = None) -> Iterator[tuple[pa.RecordBatch, np.ndarray]]:
        """Columns of these rows with their ranks, a row group at a time; with `some` (by rank) only of those.

        Row groups that hold none of them are not read.
        """
        row, rank = self.row, self.rank
        if some is not None:
            row, rank = row[some[rank]], rank[some[rank]]
        first = 0
        with pq.ParquetFile(self.path) as parquet:
            for group in range(parquet.num_row_groups):
                count = parquet.metadata.row_group(group).num_rows
                start, stop = np.searchsorted(row, [first, first + count])
                if start < stop:
                    table = parquet.read_row_group(group, columns=columns, use_threads=False)
                    chosen = table.take(pa.array(row[start:stop] - first)).combine_chunks()
                    yield chosen.to_batches()[0], rank[start:stop]
                first += count


@dataclass(frozen=True)
class Documents:
    """The documents that stay. Ranks are places in the order in which they were first seen.

    `doc_id`: of each rank. `domain`: a number for its domain, int32, of each rank. `texts`: their rows in the files of
    documents.
    """

    doc_id: pa.Array
    domain: np.ndarray
    texts: list[Rows]

    def rows(self, paths: Sequence[str]) -> list[Rows]:
        """Where these documents lie in the files of an annotation."""
        return [_rows(path, self.doc_id) for path in paths]


def find_documents(kept: pa.Array, documents: Sequence[str], annotations: Mapping[str, Sequence[str]]) -> Documents:
    """The documents with these ids, out of the files of documents; domains out of `urls`, where it is there."""
    tables = []
    for path in documents:
        with pq.ParquetFile(path) as parquet:
            table = parquet.read(columns=["doc_id", "source", "url", "capture_date"])
        tables.append(table.filter(pc.is_in(table.column("doc_id"), value_set=kept)))  # type: ignore[attr-defined]
    found = pa.concat_tables(tables)
    seen = pc.fill_null(found.column("capture_date").cast(pa.timestamp("us", "UTC")).cast(pa.int64()), UNDATED)
    found = found.append_column("seen", seen)
    order = pc.call_function("sort_indices", [found], pc.SortOptions([("seen", "ascending"), ("doc_id", "ascending")]))
    found = found.take(order)
    doc_id = found.column("doc_id").combine_chunks()
    host = pc.struct_field(pc.extract_regex(found.column("url"), pattern=HOST), "host")  # type: ignore[attr-defined]
    domain = pc.utf8_lower(host)  # type: ignore[attr-defined]
    if registered := annotations.get("urls"):
        domain = pc.coalesce(_registered(registered, doc_id), domain)  # type: ignore[attr-defined]
    # no host holds a space: a source is never taken for one
    source = pc.binary_join_element_wise("source ", found.column("source"), "")  # type: ignore[attr-defined]
    named = pc.coalesce(domain, source)  # type: ignore[attr-defined]
    numbers = pa.chunked_array(named).combine_chunks() if isinstance(named, pa.Array) else named.combine_chunks()
    domain_number = numbers.dictionary_encode().indices.to_numpy(zero_copy_only=False).astype(np.int32)
    return Documents(doc_id, domain_number, [_rows(path, doc_id) for path in documents])


def _registered(paths: Sequence[str], doc_id: pa.Array) -> pa.Array:
    tables = [pq.read_table(path, columns=["doc_id", "registered_domain"]) for path in paths]
    table = pa.concat_tables(tables)
    place = pc.index_in(doc_id, value_set=table.column("doc_id"))  # type: ignore[attr-defined]
    return table.column("registered_domain").take(place).combine_chunks()


def _rows(path: str, doc_id: pa.Array) -> Rows:
    with pq.ParquetFile(path) as parquet:
        ids = parquet.read(columns=["doc_id"]).column("doc_id")
    rank = pc.index_in(ids, value_set=doc_id).combine_chunks()  # type: ignore[attr-defined]
    row = np.flatnonzero(rank.is_valid().to_numpy(zero_copy_only=False))
    return Rows(path, row, rank.drop_null().to_numpy().astype(np.int32))
