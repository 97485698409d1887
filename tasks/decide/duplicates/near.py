"""Joins documents that share a bucket of the LSH table, verified or not.

- **Unverified**, all members of a bucket are joined.
- **Verified** (by a least Jaccard), a bucket is not one component: its neighbours may differ while others agree. What
  is wanted are the components of the graph of *all* pairs that share a bucket and agree. Each bucket is searched
  breadth first: a member is compared with all that are not yet reached, those that agree are reached, and so on until
  none is left. Pairs that are joined already are not compared. A bucket of m copies costs m comparisons, one of m
  strangers m * m / 2. No cap: the result is exact.

What is joined is kept in a forest: `parents[i]` is a document before i in the same component, or i itself.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import numpy as np

from tasks.decide.duplicates.spilled import release

# Pairs whose signatures are compared at once: with 112 values of 8 bytes, 58 MiB.
PAIRS_AT_ONCE = 32_768

Edges = tuple[np.ndarray, np.ndarray]
"""Two arrays of equal length (int64): a document of each pair, and the other."""
Agree = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Whether the documents at these positions agree with those at others: two arrays of int64 to one of bool."""
Compare = Callable[[np.ndarray], Agree]
"""Gets ready (reads what is needed) for comparing any of the documents at these ascending positions."""


class Table(Protocol):
    """Rows of numbers that are taken by their places: an array (n, width), or one that lies in a file."""

    def __getitem__(self, rows: np.ndarray, /) -> np.ndarray:
        """The rows at these places, (len, width)."""
        ...


class Buckets(Protocol):
    """Keys of buckets, or buckets that are found already (`tasks.decide.duplicates.buckets`)."""

    def shared(self, nodes: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Of each band the buckets that two or more of the `nodes` share: the documents, and where each starts."""
        ...


class Sets(NamedTuple):
    """Sets of hashed shingles: set i is values[starts[i] : stops[i]] (uint64), ascending, without repeats."""

    starts: np.ndarray
    stops: np.ndarray
    values: np.ndarray


def join_near(buckets: Buckets, nodes: np.ndarray, compare: Compare | None, parents: np.ndarray) -> None:
    """Join the `nodes` (documents,) bool that share a bucket, and agree where `compare` is given, in a forest.

    What the forest has joined before, by other evidence, need not be compared.
    """
    from tasks.decide.duplicates import kernels

    if compare is None:
        for entries, starts in buckets.shared(nodes):
            kernels.join_buckets(entries, starts, parents)
        return
    sharing = np.zeros(len(nodes), dtype=bool)
    for entries, _ in buckets.shared(nodes):
        sharing[entries] = True
    if not sharing.any():
        return
    agree = compare(np.flatnonzero(sharing))
    for entries, starts in buckets.shared(nodes):
        kernels.find_roots(parents)  # what the search looks at, so that it is changed when that is done
        for left, right in list(_search(entries, starts, parents, agree)):
            kernels.join_pairs(left, right, parents)


def join(edges: Edges, parents: np.ndarray) -> None:
    """Join the two documents of each edge in a forest."""
    from tasks.decide.duplicates import kernels

    kernels.join_pairs(*edges, parents)


def find_roots(parents: np.ndarray) -> None:
    """Let each document of a forest name the first of its component."""
    from tasks.decide.duplicates import kernels

    kernels.find_roots(parents)


def agreement(signatures: Callable[[np.ndarray], Table], least: float) -> Compare:
    """Two documents agree from this estimated Jaccard on; `signatures(positions)` reads their rows of uint64."""

    def prepare(positions: np.ndarray) -> Agree:
        table = signatures(positions)

        def agree(left: np.ndarray, right: np.ndarray) -> np.ndarray:
            one, other = np.searchsorted(positions, left), np.searchsorted(positions, right)
            return estimated_jaccards(table, one, other) >= least

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
    for start in range(0, len(left), PAIRS_AT_ONCE):
        one, other = left[start : start + PAIRS_AT_ONCE], right[start : start + PAIRS_AT_ONCE]
        places = [sets.starts[one], sets.stops[one], sets.starts[other], sets.stops[other]]
        kernels.exact_jaccards(sets.values, *places, shares[start : start + PAIRS_AT_ONCE])
        release(sets.values)
    return shares


def estimated_jaccards(signatures: Table, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The same estimated: the share of equal values of the signatures at these places and at others, (n,) float64."""
    shares = np.empty(len(left))
    for start in range(0, len(left), PAIRS_AT_ONCE):
        some = slice(start, start + PAIRS_AT_ONCE)
        one, other = signatures[left[some]], signatures[right[some]]
        shares[some] = np.count_nonzero(one == other, axis=1) / max(1, one.shape[1])
    return shares


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
