"""Evidence in files instead of memory: the same components, decisions and bytes, within the memory that is said."""

import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components

from tasks.decide.decisions import decide_documents
from tasks.decide.duplicates.buckets import BucketKeys, FoundBuckets
from tasks.decide.duplicates.near import Buckets, find_roots, join_near
from tasks.decide.duplicates.spilled import VARIABLE, Memory, Rows, Values, memory_limit
from tasks.decide.signatures import SignatureFiles
from tests.tasks.decide.inputs import Page, config, named, write_inputs

BYTES_PER_DOCUMENT = 96
"""What joining by keys that lie in a file holds for each document, where each shares a bucket: the forest, who each key
is of, a band's keys and what sorting them makes, however many bands there are."""


@dataclass(frozen=True)
class Counted(Memory):
    """Memory that remembers the files it was asked for."""

    files: list[IO[bytes]] = field(default_factory=list)

    def file(self) -> IO[bytes]:
        self.files.append(super().file())
        return self.files[-1]


def roots(buckets: Buckets, nodes: np.ndarray) -> list[int]:
    parents = np.arange(len(nodes))
    join_near(buckets, nodes, None, parents)
    find_roots(parents)
    return parents.tolist()


def by_all_pairs(keys: np.ndarray, nodes: np.ndarray) -> list[int]:
    """The first of each document's component in the graph of all pairs of nodes that share a bucket."""
    adjacent = (keys[:, None, :] == keys[None, :, :]).any(axis=2) & nodes[:, None] & nodes[None, :]
    label = connected_components(adjacent, directed=False)[1]
    return [int(np.flatnonzero(label == one)[0]) for one in label]


@given(st.data())
def test_components_are_those_of_all_pairs_wherever_the_keys_lie(data: st.DataObject) -> None:
    n, bands = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 5))
    draw = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    keys = draw.integers(0, data.draw(st.sampled_from([2, 20, 60, 2**63])), (n, bands), dtype=np.uint64)
    nodes = draw.random(n) < data.draw(st.sampled_from([0.0, 0.7, 1.0]))
    order, size = draw.permutation(n), data.draw(st.integers(1, 50))
    expected = by_all_pairs(keys, nodes)
    assert roots(BucketKeys.of(keys), nodes) == expected
    for memory in (Memory(0), Memory(1 << 20)):
        table = BucketKeys(n, bands, memory)
        for start in range(0, n, size):
            table.add(keys[order[start : start + size]])
        table.document = order
        assert roots(table, nodes) == expected
        some = np.flatnonzero(draw.random(n) < 0.6)
        part = FoundBuckets(table, n).among(some)
        assert roots(part, nodes[some]) == by_all_pairs(keys[some], nodes[some])


@pytest.mark.parametrize("variety", [1, 100_000, 2**63])
def test_memory_stays_within_what_is_said(variety: int, tmp_path: Path) -> None:
    """However many share a bucket; numpy tells tracemalloc of its arrays."""
    n, bands, size = 200_000, 5, 10_000
    roots(BucketKeys.of(np.zeros((2, 1), np.uint64)), np.ones(2, bool))  # compiled before
    tracemalloc.start()
    try:
        table = BucketKeys(n, bands, Memory(0, tmp_path))
        for start in range(0, n, size):
            table.add(np.random.default_rng(start).integers(0, variety, (size, bands), dtype=np.uint64))
        table.document = np.arange(n)
        parents = np.arange(n)
        join_near(table, np.ones(n, bool), None, parents)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    fixed = 1.5 * 2**20  # the filter of `shared_buckets`, and its index
    assert peak < BYTES_PER_DOCUMENT * n + fixed


@pytest.mark.parametrize("shape", [(5, 3), (3, 2)])
def test_more_documents_or_other_bands_than_announced_are_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="announced"):
        BucketKeys(4, 3, Memory(0)).add(np.zeros(shape, np.uint64))


@given(st.lists(st.lists(st.integers(0, 2**64 - 1), max_size=9), max_size=9), st.data())
def test_numbers_in_a_file_are_those_in_memory(chunks: list[list[int]], data: st.DataObject) -> None:
    tables = [Values(np.uint64, 8, memory) for memory in (Memory(0), Memory(100))]
    for table in tables:
        for chunk in chunks:
            table.add(np.array(chunk, np.uint64))
    spilled, held = (table.read() for table in tables)
    assert spilled.tolist() == held.tolist() == [number for chunk in chunks for number in chunk]
    if len(held):
        places = np.array(data.draw(st.lists(st.integers(0, len(held) - 1), max_size=20)), int)
        rows = [Rows(one.reshape(-1, 1), np.arange(len(held))[::-1]) for one in (spilled, held)]
        assert rows[0][places].tolist() == rows[1][places].tolist() == held[::-1][places][:, None].tolist()


def test_numbers_in_memory_take_up_what_they_are(tmp_path: Path) -> None:
    chunks = [np.full(100_000, number, np.uint64) for number in range(10)]
    size = sum(chunk.nbytes for chunk in chunks)
    tracemalloc.start()
    try:
        table = Values(np.uint64, size, Memory(size, tmp_path))
        for chunk in chunks:
            table.add(chunk)
        assert len(table.read()) == 1_000_000
        assert tracemalloc.get_traced_memory()[1] < 1.1 * size
    finally:
        tracemalloc.stop()


def test_columns_are_read_into_files_as_into_memory(tmp_path: Path) -> None:
    draw, n, bands = np.random.default_rng(2), 3_000, 14
    keys = draw.integers(0, 2**63, (n, bands), dtype=np.uint64)
    signed = draw.random(n) < 0.9
    fixed = pa.FixedSizeListArray.from_arrays(pa.array(keys.ravel()), bands, mask=pa.array(~signed))
    lists = [keys[row, : draw.integers(0, bands)].tolist() if signed[row] else None for row in range(n)]
    table = pa.table({"buckets": fixed, "signature": fixed, "shingles": pa.array(lists, pa.list_(pa.uint64()))})
    paths = [str(tmp_path / f"{number}.parquet") for number in range(2)]
    for path, part in zip(paths, (table[:1234], table[1234:]), strict=True):
        pq.write_table(part, path, row_group_size=700)
    (tmp_path / "spill").mkdir()
    memory = Counted(0, tmp_path / "spill")
    files = SignatureFiles(paths, 2, memory)
    places = draw.permutation(n)[:2_500]
    for _ in range(2):  # the second time signatures are those that are kept
        rows = files.signatures(places)
        assert (rows[np.arange(2_500)] == np.where(signed[places, None], keys[places], 0)).all()
    sets = files.shingles(places)
    found = [sets.values[start:stop].tolist() for start, stop in zip(sets.starts, sets.stops, strict=True)]
    assert found == [lists[place] or [] for place in places]
    read, has_keys = files.buckets(places)
    assert (has_keys == signed[places]).all()
    for band in range(bands):
        assert (read.band(band) == keys[places[read.document], band]).all()
    assert sorted(read.document) == np.flatnonzero(has_keys).tolist()
    assert len(memory.files) == 3
    assert not list((tmp_path / "spill").iterdir())


def test_decisions_spill_where_evidence_does_not_fit_and_leave_nothing(tmp_path: Path) -> None:
    draw = np.random.default_rng(4)
    pages = [
        Page(named(number), named(1000 + number), tuple(draw.integers(0, 12, 6).tolist())) for number in range(300)
    ]
    documents, annotations = write_inputs(tmp_path / "inputs", pages, 3, 1)
    (tmp_path / "spill").mkdir()
    for rules in ({}, {"min_jaccard": 0.4}, {"min_jaccard": 0.4, "min_exact_jaccard": 0.5}):
        memory = Counted(0, tmp_path / "spill")
        found = decide_documents(documents, annotations, config(duplicates=rules), memory=memory)
        assert len(memory.files) == 2 + ("min_exact_jaccard" in rules)
        assert found.equals(decide_documents(documents, annotations, config(duplicates=rules), memory=Memory(1 << 30)))
        assert len(set(found.column("cluster").to_pylist())) < 300
        assert not list((tmp_path / "spill").iterdir())


def sizes() -> Iterator[tuple[str | None, int]]:
    yield from ((None, 1 << 30), ("", 1 << 30), ("512MB", 512 << 20), ("3 gb", 3 << 30), ("0", 0))


@pytest.mark.parametrize(("said", "limit"), sizes())
def test_the_environment_says_how_much_is_held(said: str | None, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if said is not None:
        monkeypatch.setenv(VARIABLE, said)
    assert Memory().limit == memory_limit() == limit
    monkeypatch.setenv(VARIABLE, "much")
    with pytest.raises(ValueError, match="'much': say a size such as 512MB"):
        Memory()
