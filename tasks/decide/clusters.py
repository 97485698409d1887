"""Clusters of duplicates among the documents that pass, and who of each cluster stays.

Edges are formed here and now, from whole buckets of exactly the documents that pass: take away the middle of a chain
and its ends are compared anew. So the result is a function of the set of documents, in whatever order they came.

- **Exact copies** (equal content hash) are collapsed first, so that a page copied a million times is one node.
- **Near duplicates** share a bucket. Without a least Jaccard every pair of a bucket is connected; neighbours in the
  bucket's order carry the same connected components as all its pairs, and are what is used.
- **With a least Jaccard** a bucket is not one component: its neighbours may differ while others agree. What is wanted
  are the components of the graph of *all* pairs that share a bucket and reach the limit. Each bucket is searched
  breadth first: a member is compared with all that are not yet reached, those that agree are reached, and so on until
  none is left. Pairs already connected by an earlier band are not compared. A bucket of m copies costs m comparisons,
  one of m strangers m * m / 2. No cap: the result is exact.

A cluster is a connected component: two members may be less alike than the limit, connected through others. `kept_as`
comes with the estimated Jaccard to who stays, so that this can be seen.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tasks.decide.thresholds import DuplicateRules

# Pairs whose signatures are compared at once: with 112 values of 8 bytes, 58 MiB.
PAIRS_AT_ONCE = 32_768


@dataclass(frozen=True)
class Clusters:
    """Who belongs to whom. All arrays have one entry per passing document, in the order of doc_id.

    `label` (int64): number of the cluster, from 0. `smallest` (int64): position of the member with the smallest
    doc_id. `size` (int32): members. `stays` (int64): position of the member that stays. `exact` (bool): an earlier
    member of the cluster has the same content hash. `content` (int64): rank of the content hash among all of them.
    """

    label: np.ndarray
    smallest: np.ndarray
    size: np.ndarray
    stays: np.ndarray
    exact: np.ndarray
    content: np.ndarray


def find_clusters(
    content: np.ndarray,
    seen: np.ndarray,
    buckets: np.ndarray,
    signed: np.ndarray,
    signatures: Callable[[np.ndarray], np.ndarray],
    rules: DuplicateRules,
) -> Clusters:
    """Clusters of n passing documents, given in the order of doc_id.

    Args: `content` (n, 2) uint64, the content hashes; `seen` (n,) int64, a document's place in the order in which
    documents were first seen, no two equal; `buckets` (n, bands) uint64; `signed` (n,) bool, false where a document
    has no words and so no buckets; `signatures(positions)` gives the signatures of the documents at these ascending
    positions, (len, values) uint64, and is called only if `rules.min_jaccard` is set.
    """
    n = len(content)
    group = _ranks(content)
    # Copies have the same words and so the same buckets: collapsing them changes no near cluster. Copies without words
    # are in no bucket, and are copies only where exact ones are asked for.
    node = group.copy()
    if not rules.exact:
        if not rules.near:
            node = np.arange(n)
        else:
            node[~signed] = n + np.flatnonzero(~signed)
    node, n_nodes = _renumber(node)
    first = _first_of(node, seen, n_nodes)  # who stands for the copies
    label = np.arange(n_nodes)
    if rules.near:
        members = np.flatnonzero(signed[first])  # nodes that have buckets
        keys = buckets[first[members]]
        if rules.min_jaccard is None:
            found = _components(len(members), *_neighbours(keys))
        else:
            found = _verified_components(keys, first[members], signatures, rules.min_jaccard)
        # A component is known by its smallest node until all are renumbered.
        least = np.full(len(members), n_nodes)
        np.minimum.at(least, found, members)
        label[members] = least[found]
    label, n_clusters = _renumber(label[node])
    size = np.bincount(label, minlength=n_clusters).astype(np.int32)
    smallest = np.full(n_clusters, n)
    np.minimum.at(smallest, label, np.arange(n))
    stays = _first_of(label, seen, n_clusters)
    exact = (first[node] != np.arange(n)) if rules.exact else np.zeros(n, dtype=bool)
    return Clusters(label, smallest[label], size[label], stays[label], exact, group)


def estimate_jaccard(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Share of equal values of two signatures, row by row: (n, values) and (n, values) to (n,) float64."""
    return np.count_nonzero(left == right, axis=1) / max(1, left.shape[1])


def _ranks(pairs: np.ndarray) -> np.ndarray:
    """Rank of each row of (n, 2) uint64 among the different rows, int64 from 0."""
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    ordered = pairs[order]
    new = np.ones(len(pairs), dtype=np.int64)
    new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    ranks = np.empty(len(pairs), dtype=np.int64)
    ranks[order] = np.cumsum(new) - 1
    return ranks


def _renumber(labels: np.ndarray) -> tuple[np.ndarray, int]:
    """The same labels as 0, 1, 2 … in ascending order, and how many there are."""
    different, renumbered = np.unique(labels, return_inverse=True)
    return renumbered, len(different)


def _first_of(label: np.ndarray, seen: np.ndarray, n_labels: int) -> np.ndarray:
    """For each label, the position of its member that was seen first."""
    earliest = np.full(n_labels, np.iinfo(np.int64).max)
    np.minimum.at(earliest, label, seen)
    first = np.empty(n_labels, dtype=np.int64)
    positions = np.flatnonzero(seen == earliest[label])
    first[label[positions]] = positions
    return first


def _components(n: int, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Number of the connected component of each of n nodes."""
    graph = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(n, n))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _neighbours(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Edges between neighbours of each bucket: they connect exactly what all pairs of whole buckets would."""
    left, right = [], []
    for band in range(keys.shape[1]):
        entries, starts = _shared_buckets(keys[:, band])
        inner = np.ones(len(entries), dtype=bool)
        inner[starts] = False
        follows = np.flatnonzero(inner)
        left.append(entries[follows - 1])
        right.append(entries[follows])
    nothing = np.empty(0, dtype=np.int64)
    return np.concatenate([nothing, *left]), np.concatenate([nothing, *right])


def _shared_buckets(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Members of buckets with two or more, bucket after bucket, ascending in each; and where each bucket starts."""
    ordered = np.sort(keys)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    # Most documents share no bucket: a filter on 20 bits of the key spares them the sort of (key, position) pairs.
    table = np.zeros(1 << 20, dtype=bool)
    table[repeated & np.uint64((1 << 20) - 1)] = True
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


def _verified_components(
    keys: np.ndarray, positions: np.ndarray, signatures: Callable[[np.ndarray], np.ndarray], least: float
) -> np.ndarray:
    """Components of all pairs that share a bucket and whose estimated Jaccard is at least `least`."""
    n = len(keys)
    left, right = _neighbours(keys)
    involved = np.unique(np.concatenate([left, right]))
    by_position = np.argsort(positions[involved], kind="stable")
    rows = np.empty(len(involved), dtype=np.int64)
    rows[by_position] = np.arange(len(involved))
    row_of = np.full(n, -1)
    row_of[involved] = rows
    table = signatures(positions[involved][by_position])
    found_left: list[np.ndarray] = []
    found_right: list[np.ndarray] = []
    label = np.arange(n)
    for band in range(keys.shape[1]):
        entries, starts = _shared_buckets(keys[:, band])
        for from_node, to_node in _search(entries, starts, label, row_of, table, least):
            found_left.append(from_node)
            found_right.append(to_node)
        if found_left:
            label = _components(n, np.concatenate(found_left), np.concatenate(found_right))
    return label


def _search(
    entries: np.ndarray, starts: np.ndarray, label: np.ndarray, row_of: np.ndarray, table: np.ndarray, least: float
):
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
            hit[some] = estimate_jaccard(table[row_of[pivot[some]]], table[row_of[other[some]]]) >= least
        yield pivot[hit], other[hit]
        reached[targets[hit]] = True
        entries, bucket, reached = entries[rest], bucket[rest], reached[rest]
