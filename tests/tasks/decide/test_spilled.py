"""Components from bucket keys on disk: those of `find_clusters`, however the documents are cut into batches."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.decide.clusters import find_clusters
from tasks.decide.duplicates.spilled import BYTES_PER_DOCUMENT, spilled_components
from tasks.decide.signatures import SignatureFiles
from tasks.decide.thresholds import DuplicateRules


def cut(keys: np.ndarray, signed: np.ndarray, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for start in range(0, len(keys), size):
        yield keys[start : start + size], signed[start : start + size]


def in_memory(keys: np.ndarray, signed: np.ndarray) -> np.ndarray:
    """The smallest member of each document's cluster, by `find_clusters` on documents that are no exact copies."""
    n = len(keys)
    content = np.stack([np.arange(n), np.arange(n)], axis=1).astype(np.uint64)
    rules = DuplicateRules(exact=False)
    return find_clusters(content, np.arange(n), keys, signed, lambda _: keys, rules).smallest


@given(st.data())
def test_components_are_those_of_the_clusters(data: st.DataObject) -> None:
    n, bands = data.draw(st.integers(0, 60)), data.draw(st.integers(1, 5))
    seed, variety = data.draw(st.integers(0, 2**32 - 1)), data.draw(st.sampled_from([2, 20, 60, 200, 2**63]))
    draw = np.random.default_rng(seed)
    keys = draw.integers(0, variety, (n, bands), dtype=np.uint64)
    signed = draw.random(n) < data.draw(st.sampled_from([0.0, 0.7, 1.0]))
    found = spilled_components(cut(keys, signed, data.draw(st.integers(1, 70))), n, bands)
    assert found.tolist() == in_memory(keys, signed).tolist()


def test_keys_are_read_from_files_and_nothing_is_left(tmp_path: Path) -> None:
    draw, n, bands = np.random.default_rng(2), 5_000, 14
    keys = draw.integers(0, 40_000, (n, bands), dtype=np.uint64)
    signed = draw.random(n) < 0.9
    lists = pa.FixedSizeListArray.from_arrays(pa.array(keys.ravel()), bands, mask=pa.array(~signed))
    paths = [str(tmp_path / f"{number}.parquet") for number in range(2)]
    for path, part in zip(paths, (lists[:1234], lists[1234:]), strict=True):
        pq.write_table(pa.table({"buckets": part}), path, row_group_size=700)
    spill = tmp_path / "spill"
    spill.mkdir()
    found = spilled_components(SignatureFiles(paths).bucket_batches(), n, bands, spill)
    assert found.tolist() == in_memory(keys, signed).tolist()
    assert 1 < len(np.unique(found)) < n
    assert not list(spill.iterdir())


@pytest.mark.parametrize("variety", [1, 100_000, 2**63])
def test_memory_stays_within_what_is_said(variety: int, tmp_path: Path) -> None:
    """However many share a bucket; numpy tells tracemalloc of its arrays."""
    n, bands, size = 200_000, 5, 10_000
    spilled_components([], 0, bands)  # compiled before

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for start in range(0, n, size):
            yield np.random.default_rng(start).integers(0, variety, (size, bands), dtype=np.uint64), np.ones(size, bool)

    batch = 3 * 8 * size * bands  # the one at hand, the one that is made, and its bands
    fixed = 1.5 * 2**20  # the filter of `shared_buckets`, and its index
    tracemalloc.start()
    try:
        spilled_components(batches(), n, bands, tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < BYTES_PER_DOCUMENT * n + batch + fixed


@pytest.mark.parametrize(("n", "bands"), [(5, 3), (3, 3), (4, 2)])
def test_another_number_of_documents_or_bands_is_refused(n: int, bands: int) -> None:
    keys = np.zeros((4, 3), np.uint64)
    with pytest.raises(ValueError, match="announced"):
        spilled_components(cut(keys, np.ones(4, bool), 2), n, bands)
