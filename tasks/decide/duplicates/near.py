"""Edges between documents that share a bucket of the LSH table, verified or not.

- **Unverified**, every pair of a bucket is connected; neighbours in the bucket's order carry the same connected
  components as all its pairs, and are what is used.
- **Verified** (by a least Jaccard), a bucket is not one component: its neighbours may differ while others agree. What
  is wanted are the components of the graph of *all* pairs that share a bucket and agree. Each bucket is searched
  breadth first: a member is compared with all that are not yet reached, those that agree are reached, and so on until
  none is left. Pairs already connected by an earlier band are not compared. A bucket of m copies costs m comparisons,
  one of m strangers m * m / 2. No cap: the result is exact.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

# Pairs whose signatures are compared at once: with 112 values of 8 bytes, 58 MiB.
PAIRS_AT_ONCE = 32_768

Edges = tuple[np.ndarray, np.ndarray]
"""Two arrays of equal length (int64): a document of each pair, and the other."""
Agree = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Whether the documents at these positions agree with those at others: two arrays of int64 to one of bool."""
Compare = Callable[[np.ndarray], Agree]
"""Gets ready (reads what is needed) for comparing any of the documents at these ascending positions."""


class Sets(NamedTuple):
    """Sets of hashed shingles: set i is values[offsets[i] : offsets[i + 1]] (uint64), ascending, without repeats."""

    offsets: np.ndarray
    values: np.ndarray


def near_edges(keys: np.ndarray, positions: np.ndarray, compare: Compare | None) -> Edges:
    """Edges whose components are those of all pairs that share a bucket, and agree where `compare` is given.

    Args: `keys` (documents, bands) uint64, buckets of all documents; `positions` (n,) ascending, those of them that the
    edges are between. A band's keys are taken out one band after another: no second table.
    """
    left, right = _neighbours(keys, positions)
    if compare is None or not len(left):
        return positions[left], positions[right]
    agree = compare(positions[np.unique(np.concatenate([left, right]))])
    found: list[Edges] = []
    label = np.arange(len(positions))
    for band in range(keys.shape[1]):
        entries, starts = shared_buckets(keys[positions, band])
        for edges in _search(entries, starts, label, lambda one, other: agree(positions[one], positions[other])):
            found.append(edges)
        if found:
            left, right = np.concatenate([edges[0] for edges in found]), np.concatenate([edges[1] for edges in found])
            label = components(len(positions), left, right)
    if not found:
        return positions[:0], positions[:0]
    return positions[left], positions[right]


def agreement(signatures: Callable[[np.ndarray], np.ndarray], least: float) -> Compare:
    """Two documents agree from this estimated Jaccard on; `signatures(positions)` reads (len, values) uint64."""

    def prepare(positions: np.ndarray) -> Agree:
        table = signatures(positions)

        def agree(left: np.ndarray, right: np.ndarray) -> np.ndarray:
            one, other = np.searchsorted(positions, left), np.searchsorted(positions, right)
            return share_of_equal(table[one], table[other]) >= least

        return agree

    return prepare


def exact_agreement(shingles: Callable[[np.ndarray], Sets], least: float) -> Compare:
    """Two documents agree from this Jaccard of their sets of shingles on; `shingles(positions)` reads those."""

    def prepare(positions: np.ndarray) -> Agree:
        sets = shingles(positions)

        def agree(left: np.ndarray, right: np.ndarray) -> np.ndarray:
            return exact_jaccards(sets, np.searchsorted(positions, left), np.searchsorted(positions, right)) >= least

        return agree

    return prepare


def both(first: Compare | None, second: Compare | None) -> Compare | None:
    """Two documents agree if they do by both; the second is asked only where the first agrees."""
    if first is None or second is None:
        return first or second

    def prepare(positions: np.ndarray) -> Agree:
        cheap, dear = first(positions), second(positions)

        def agree(left: np.ndarray, right: np.ndarray) -> np.ndarray:
            found = cheap(left, right)
            hits = np.flatnonzero(found)
            found[hits] = dear(left[hits], right[hits])
            return found

        return agree

    return prepare


def exact_jaccards(sets: Sets, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Jaccard similarity of the sets at these places with those at others, (n,) float64; 0 where both are empty."""
    from tasks.decide.duplicates import kernels

    shares = np.empty(len(left))
    kernels.exact_jaccards(sets.values, sets.offsets, left.astype(np.int64), right.astype(np.int64), shares)
    return shares


def share_of_equal(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Share of equal values of two signatures, row by row: (n, values) and (n, values) to (n,) float64."""
    return np.count_nonzero(left == right, axis=1) / max(1, left.shape[1])


def components(n: int, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Number of the connected component of each of n nodes."""
    graph = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(n, n))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _neighbours(keys: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Edges between neighbours of each bucket: they connect exactly what all pairs of whole buckets would."""
    left, right = [], []
    for band in range(keys.shape[1]):
        entries, starts = shared_buckets(keys[positions, band])
        inner = np.ones(len(entries), dtype=bool)
        inner[starts] = False
        follows = np.flatnonzero(inner)
        left.append(entries[follows - 1])
        right.append(entries[follows])
    nothing = np.empty(0, dtype=np.int64)
    return np.concatenate([nothing, *left]), np.concatenate([nothing, *right])


def shared_buckets(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Members of buckets with two or more, bucket after bucket, ascending in each; and where each bucket starts."""
    # Most documents share no bucket: a filter on 20 bits of the key spares them the sort of (key, position) pairs.
    table = np.zeros(1 << 20, dtype=bool)
    table[_repeated(keys) & np.uint64((1 << 20) - 1)] = True
    candidates = np.flatnonzero(table[keys & np.uint64((1 << 20) - 1)])
    chosen = keys[candidates]
    order = np.argsort(chosen, kind="stable")
    chosen = chosen[order]
    same = chosen[1:] == chosen[:-1]
    shared = np.zeros(len(chosen), dtype=bool)
    shared[1:] |= same
    shared[:-1] |= same
    chosen = chosen[shared]
    starts = (
        np.flatnonzero(np.concatenate([[True], chosen[1:] != chosen[:-1]]))
        if len(chosen)
        else np.empty(0, dtype=np.int64)
    )
    return candidates[order][shared], starts


def _repeated(keys: np.ndarray) -> np.ndarray:
    """The keys that stand there more than once, ascending; a key that stands k times, k - 1 times."""
    ordered = np.sort(keys)
    return ordered[1:][ordered[1:] == ordered[:-1]]


def _search(entries: np.ndarray, starts: np.ndarray, label: np.ndarray, agree: Agree) -> Iterator[Edges]:
    """Breadth-first search of all buckets of a band at once; yields edges (from, to), one array each a round.

    A round takes one member out of every bucket that still has unreached members: one that was reached if there is one,
    else the first. It is compared with all the unreached ones.
    """
    bucket = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(entries))))
    reached = np.zeros(len(entries), dtype=bool)
    while len(entries):
        # Buckets with nothing to reach are done; so are those whose members are one component already.
        n_buckets = bucket[-1] + 1
        unreached = np.bincount(bucket, weights=~reached, minlength=n_buckets)
        low, high = np.full(n_buckets, len(label)), np.full(n_buckets, -1)
        np.minimum.at(low, bucket, label[entries])
        np.maximum.at(high, bucket, label[entries])
        alive = ((unreached > 0) & (low < high))[bucket]
        entries, bucket, reached = entries[alive], bucket[alive], reached[alive]
        if not len(entries):
            return
        bucket = np.cumsum(np.concatenate([[0], (bucket[1:] != bucket[:-1]).astype(np.int64)]))
        order = np.lexsort((~reached, bucket))
        entries, bucket, reached = entries[order], bucket[order], reached[order]
        heads = np.flatnonzero(np.concatenate([[True], bucket[1:] != bucket[:-1]]))
        rest = np.ones(len(entries), dtype=bool)
        rest[heads] = False
        targets = np.flatnonzero(rest & ~reached)
        pivot, other = entries[heads[bucket[targets]]], entries[targets]
        hit = label[pivot] == label[other]
        open_pairs = np.flatnonzero(~hit)
        for start in range(0, len(open_pairs), PAIRS_AT_ONCE):
            some = open_pairs[start : start + PAIRS_AT_ONCE]
            hit[some] = agree(pivot[some], other[some])
        yield pivot[hit], other[hit]
        reached[targets[hit]] = True
        entries, bucket, reached = entries[rest], bucket[rest], reached[rest]
