"""Clusters of larger sets against all pairs."""

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components

from tasks.decide.clusters import find_clusters
from tasks.decide.thresholds import DuplicateRules
from tasks.sign import SignConfig, hash_bands

SIGN = SignConfig(bands=4, rows=2)


def partition(labels: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}


@pytest.mark.parametrize("least", [None, 0.0, 0.3, 0.5, 0.625, 0.9])
@pytest.mark.parametrize("variety", [2, 4, 9])
def test_clusters_are_the_components_of_all_pairs(least: float | None, variety: int) -> None:
    rng = np.random.default_rng([variety, int(10 * (least or 0))])
    n = 400
    signatures = rng.integers(0, variety, (n, SIGN.n_values)).astype(np.uint64)
    content = np.stack([np.arange(n), rng.integers(0, 2**60, n)], axis=1).astype(np.uint64)
    equal = signatures[:, None, :] == signatures[None, :, :]
    adjacent = equal.reshape(n, n, SIGN.bands, SIGN.rows).all(axis=3).any(axis=2)
    if least is not None:
        adjacent &= equal.mean(axis=2) >= least
    expected = connected_components(adjacent, directed=False)[1]
    asked: list[np.ndarray] = []

    def some(positions: np.ndarray) -> np.ndarray:
        asked.append(positions)
        return signatures[positions]

    seen = rng.permutation(n)
    rules = DuplicateRules(min_jaccard=least)
    found = find_clusters(content, seen, hash_bands(signatures, SIGN), np.ones(n, dtype=bool), some, rules)
    assert partition(found.smallest) == partition(expected)
    assert len(asked) == (0 if least is None else 1)
    for members in partition(expected):
        rows = sorted(members)
        assert set(found.size[rows]) == {len(rows)}
        assert set(found.smallest[rows]) == {rows[0]}
        assert set(found.stays[rows]) == {min(rows, key=lambda row: seen[row])}


def test_neighbours_in_a_bucket_that_differ_do_not_part_those_that_agree() -> None:
    # One bucket (band 0); by position 0 and 2 agree, 1 is a stranger between them.
    signatures = np.array(
        [[1, 1, 2, 2, 3, 3, 4, 4], [1, 1, 9, 8, 7, 6, 5, 9], [1, 1, 2, 2, 3, 3, 4, 5]], dtype=np.uint64
    )
    content = np.arange(6, dtype=np.uint64).reshape(3, 2)
    rules = DuplicateRules(min_jaccard=0.8)
    buckets = hash_bands(signatures, SIGN)
    found = find_clusters(content, np.arange(3), buckets, np.ones(3, dtype=bool), lambda rows: signatures[rows], rules)
    assert partition(found.smallest) == {frozenset({0, 2}), frozenset({1})}


def test_a_page_copied_many_times_is_one_node() -> None:
    n = 200_000
    content = np.zeros((n, 2), dtype=np.uint64)
    signatures = np.full((n, SIGN.n_values), 7, dtype=np.uint64)
    buckets = hash_bands(signatures, SIGN)
    asked: list[int] = []

    def some(positions: np.ndarray) -> np.ndarray:
        asked.append(len(positions))
        return signatures[positions]

    seen = np.arange(n)[::-1].copy()
    found = find_clusters(content, seen, buckets, np.ones(n, dtype=bool), some, DuplicateRules(min_jaccard=0.5))
    assert set(found.stays) == {n - 1}
    assert (found.kind == 0).sum() == n - 1
    assert asked == []
