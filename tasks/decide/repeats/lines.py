"""Repeated lines and paragraphs, and documents that share a run of words: by hashes alone, no text is read.

Hashes of all documents may be more than memory holds: they are looked at in passes, by their remainder, and each pass
has about ROWS_AT_ONCE of them. What is found does not depend on how many passes there are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.decide.repeats.documents import Rows
from tasks.decide.repeats.rules import RepeatedLines

ROWS_AT_ONCE = 1 << 23  # hashes sorted at once: 350 MB


@dataclass(frozen=True)
class Repeated:
    """Lines (or paragraphs) that go, ascending by hash: of each, who has it, and where it first stands."""

    hash: np.ndarray  # uint64
    first: np.ndarray  # int32, rank of the document that was first seen with it
    documents: np.ndarray  # int32
    domains: np.ndarray  # int32
    occurrences: np.ndarray  # int64
    start: np.ndarray  # int32
    end: np.ndarray  # int32


@dataclass(frozen=True)
class Spans:
    """Stretches of documents: rank, first character, first one behind."""

    rank: np.ndarray  # int32
    start: np.ndarray  # int32
    end: np.ndarray  # int32


def find_repeated(
    parts: Sequence[Rows], column: str, domain: np.ndarray, rules: RepeatedLines, at_once: int = ROWS_AT_ONCE
) -> Repeated:
    """The lines that stand in enough documents of enough domains. `domain`: a number for that of each rank."""
    passes = _passes(parts, column, at_once)
    found = []
    for number in range(passes):
        hashes, rank, start, end = _gather(_values(parts, column, rules.min_characters), number, passes)
        found.append(_repeated(hashes, rank, start, end, domain, rules))
    names = Repeated.__dataclass_fields__
    columns = {name: np.concatenate([getattr(one, name) for one in found]) for name in names}
    order = np.argsort(columns["hash"], kind="stable")
    return Repeated(**{name: values[order] for name, values in columns.items()})


def find_spans(parts: Sequence[Rows], column: str, repeated: Repeated, rules: RepeatedLines) -> Spans:
    """Where those lines stand in the documents that do not keep them."""
    found = [[np.empty(0, np.int32)] * 3]
    for hashes, rank, start, end in _values(parts, column, rules.min_characters):
        place = np.minimum(np.searchsorted(repeated.hash, hashes), max(0, len(repeated.hash) - 1))
        goes = repeated.hash[place] == hashes if len(repeated.hash) else np.zeros(len(hashes), bool)
        if rules.keep == "first" and len(repeated.hash):
            goes &= repeated.first[place] != rank
        found.append([rank[goes], start[goes], end[goes]])
    return Spans(*(np.concatenate(values) for values in zip(*found, strict=True)))


def find_sharing(parts: Sequence[Rows], column: str, n_documents: int, at_once: int = ROWS_AT_ONCE) -> np.ndarray:
    """Which documents, by rank, have a hash in this column (a list of hashes) that another one has: bool."""
    shares = np.zeros(n_documents, bool)
    passes = _passes(parts, column, at_once)
    for number in range(passes):
        hashes, rank = _gather(_hashes(parts, column), number, passes)
        order = np.argsort(hashes, kind="stable")
        hashes, rank = hashes[order], rank[order]  # a document has each hash once
        same = hashes[1:] == hashes[:-1]
        shares[rank[1:][same]] = True
        shares[rank[:-1][same]] = True
    return shares


def _passes(parts: Sequence[Rows], column: str, at_once: int) -> int:
    """How many passes it takes to look at all hashes of these files, those of dropped documents counted."""
    total = 0
    for rows in parts:
        metadata = pq.read_metadata(rows.path)
        for group in range(metadata.num_row_groups):
            about = metadata.row_group(group)
            columns = [about.column(number) for number in range(about.num_columns)]
            total += next(one.num_values for one in columns if one.path_in_schema.split(".")[0] == column)
    return max(1, -(-total // at_once))


def _gather(batches: Iterator[tuple[np.ndarray, ...]], number: int, passes: int) -> tuple[np.ndarray, ...]:
    """The rows of one pass, all columns joined; the hash comes first."""
    found = []
    for columns in batches:
        mine = columns[0] % np.uint64(passes) == number if passes > 1 else slice(None)
        found.append([values[mine] for values in columns])
    return tuple(np.concatenate(values) for values in zip(*found, strict=True))


def _values(parts: Sequence[Rows], column: str, min_characters: int) -> Iterator[tuple[np.ndarray, ...]]:
    """(hash, rank, start, end) of the lines of the documents that stay."""
    yield np.empty(0, np.uint64), *[np.empty(0, np.int32)] * 3
    for rows in parts:
        for batch, rank in rows.groups([column]):
            lists = batch.column(0)
            values = lists.flatten()
            hashes, start, end = (values.field(place).to_numpy() for place in range(3))
            ranks = _repeat(rank, lists)
            long = end - start >= min_characters
            yield hashes[long], ranks[long], start[long], end[long]


def _hashes(parts: Sequence[Rows], column: str) -> Iterator[tuple[np.ndarray, ...]]:
    yield np.empty(0, np.uint64), np.empty(0, np.int32)
    for rows in parts:
        for batch, rank in rows.groups([column]):
            lists = batch.column(0)
            yield lists.flatten().to_numpy(), _repeat(rank, lists)


def _repeat(rank: np.ndarray, lists: pa.ListArray) -> np.ndarray:
    """The rank of its document for each value of the lists; a null list has none."""
    lengths = np.where(lists.is_valid().to_numpy(zero_copy_only=False), np.diff(lists.offsets.to_numpy()), 0)
    return np.repeat(rank, lengths)


def _repeated(
    hashes: np.ndarray, rank: np.ndarray, start: np.ndarray, end: np.ndarray, domain: np.ndarray, rules: RepeatedLines
) -> Repeated:
    """Those of the lines of one pass that are in enough documents of enough domains."""
    order = np.lexsort((start, rank, hashes))
    hashes, rank = hashes[order], rank[order]
    new = np.ones(len(hashes), bool)
    new[1:] = hashes[1:] != hashes[:-1]
    first = np.flatnonzero(new)
    group = np.cumsum(new) - 1
    of_document = new.copy()
    of_document[1:] |= rank[1:] != rank[:-1]
    documents = np.bincount(group[of_document], minlength=len(first))
    enough = documents >= rules.min_documents
    chosen = of_document & enough[group] if len(first) else of_document
    n_domains = int(domain.max(initial=0)) + 1
    pairs = np.unique(group[chosen] * n_domains + domain[rank[chosen]])
    domains = np.bincount(pairs // n_domains, minlength=len(first))
    goes = np.flatnonzero(enough & (domains >= rules.min_domains))
    occurrences = np.bincount(group, minlength=len(first))
    at = first[goes]
    return Repeated(
        hashes[at],
        rank[at],
        documents[goes].astype(np.int32),
        domains[goes].astype(np.int32),
        occurrences[goes],
        start[order[at]],
        end[order[at]],
    )
