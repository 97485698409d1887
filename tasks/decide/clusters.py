"""Clusters of duplicates among the documents that pass, and who of each cluster stays.

Edges are formed here and now, from the evidence of exactly the documents that pass: take away the middle of a chain and
its ends are compared anew. So the result is a function of the set of documents, in whatever order they came.

Kinds of duplicates are looked at one after another, and each may join clusters of those before it:

- **exact**: equal content hash.
- **url**: equal canonical URL (`canonical_url`).
- **near**: a shared bucket, and where a least Jaccard is asked for, that Jaccard (`near`). Of exact copies one is
  looked at, so that a page copied a million times is one node.
- **simhash**: simhashes that differ in few bits (`simhash`).
- **semantic**: embeddings of a least cosine (`semantic`).

A cluster is a connected component: two members may be less alike than the limit, connected through others. Of each
cluster that one stays which is first by the recipe's policy. A document goes by the first kind that connects it with
one before it: so copies of one page are dropped as `exact` even where that page itself goes as a near duplicate.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from tasks.decide.duplicates.near import (
    Edges,
    Sets,
    agreement,
    both,
    components,
    exact_agreement,
    near_edges,
)
from tasks.decide.duplicates.semantic import semantic_edges
from tasks.decide.duplicates.simhash import simhash_edges
from tasks.decide.thresholds import KINDS, DuplicateRules

T = TypeVar("T")


@dataclass(frozen=True)
class Evidence:
    """What some kinds of duplicates need beyond the sign stage's own columns, of n documents in the order of doc_id.

    `address` (n,) int64: equal for documents of one canonical URL, negative where there is none. `simhash`: (n,) uint64
    and (n,) bool, which have one. `embedding`: (n, d) float16 and (n,) bool, which have one. `shingles(positions)`: the
    sets of shingles of the documents at these ascending positions.
    """

    address: np.ndarray | None = None
    simhash: tuple[np.ndarray, np.ndarray] | None = None
    embedding: tuple[np.ndarray, np.ndarray] | None = None
    shingles: Callable[[np.ndarray], Sets] | None = None


@dataclass(frozen=True)
class Clusters:
    """Who belongs to whom. All arrays have one entry per passing document, in the order of doc_id.

    `label` (int64): number of the cluster, from 0. `smallest` (int64): position of the member with the smallest
    doc_id. `size` (int32): members. `stays` (int64): position of the member that stays. `kind` (int8): the number in
    KINDS of the kind by which it goes, -1 for one that stays. `content` (int64): rank of the content hash among all.
    """

    label: np.ndarray
    smallest: np.ndarray
    size: np.ndarray
    stays: np.ndarray
    kind: np.ndarray
    content: np.ndarray


def find_clusters(
    content: np.ndarray,
    order: np.ndarray,
    buckets: np.ndarray,
    signed: np.ndarray,
    signatures: Callable[[np.ndarray], np.ndarray],
    rules: DuplicateRules,
    evidence: Evidence | None = None,
) -> Clusters:
    """Clusters of n passing documents, given in the order of doc_id.

    Args: `content` (n, 2) uint64, the content hashes; `order` (n,) int64, a document's place in the order in which one
    stays before another, no two equal; `buckets` (n, bands) uint64; `signed` (n,) bool, false where a document has no
    words and so no buckets; `signatures(positions)` gives the signatures of the documents at these ascending positions,
    (len, values) uint64, and is called only if `rules.min_jaccard` is set; `evidence`: what the rules need beyond
    these.
    """
    n = len(content)
    group = _ranks(content)
    more = evidence or Evidence()

    def near() -> Edges:
        nodes = _first_of_each(np.where(signed, group, -1))
        estimate = None if rules.min_jaccard is None else agreement(signatures, rules.min_jaccard)
        exact = None
        if rules.min_exact_jaccard is not None:
            exact = exact_agreement(_needed(more.shingles), rules.min_exact_jaccard)
        edges = near_edges(buckets, nodes, both(estimate, exact))
        return _joined(_chain(np.where(signed, group, -1)), edges)

    def simhash() -> Edges:
        values, present = _needed(more.simhash)
        nodes = np.flatnonzero(present)
        return simhash_edges(values[nodes], nodes, _needed(rules.simhash))

    def semantic() -> Edges:
        values, present = _needed(more.embedding)
        nodes = np.flatnonzero(present)
        return semantic_edges(values[nodes], nodes, _needed(rules.semantic))

    found: dict[str, Callable[[], Edges]] = {
        "exact": lambda: _chain(group),
        "url": lambda: _chain(_needed(more.address)),
        "near": near,
        "simhash": simhash,
        "semantic": semantic,
    }
    label, kind, first = np.arange(n), np.full(n, -1, dtype=np.int8), np.arange(n)
    for number, name in enumerate(KINDS):
        if name not in rules.kinds():
            continue
        left, right = found[name]()
        if not len(left):
            continue
        joined = components(int(label.max(initial=-1)) + 1, label[left], label[right])
        label = joined[label]
        first = _first_of(label, order)[label]
        kind[(kind < 0) & (first != np.arange(n))] = number
    label, n_clusters = _renumber(label)
    size = np.bincount(label, minlength=n_clusters).astype(np.int32)
    smallest = np.full(n_clusters, n)
    np.minimum.at(smallest, label, np.arange(n))
    return Clusters(label, smallest[label], size[label], first, kind, group)


def _needed(evidence: T | None) -> T:
    assert evidence is not None, "what a rule of duplicates needs is read before clusters are found"
    return evidence


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


def _first_of(label: np.ndarray, order: np.ndarray) -> np.ndarray:
    """For each label, the position of its member that is first in the order."""
    positions = np.empty(len(order), dtype=np.int64)
    positions[order] = np.arange(len(order))
    first = np.empty(int(label.max(initial=-1)) + 1, dtype=np.int64)
    first[label[positions[::-1]]] = positions[::-1]  # of several, numpy keeps what is assigned last
    return first


def _first_of_each(group: np.ndarray) -> np.ndarray:
    """The smallest position of each group, ascending; groups below 0 are none."""
    first = np.full(int(group.max(initial=-1)) + 2, -1)
    first[group[::-1]] = np.arange(len(group))[::-1]
    first = first[:-1]  # where the last was written that are in no group
    return np.sort(first[first >= 0])


def _chain(group: np.ndarray) -> Edges:
    """Edges that connect all members of each group, one after another; groups below 0 are none."""
    first = np.full(int(group.max(initial=-1)) + 2, -1)
    first[group[::-1]] = np.arange(len(group))[::-1]
    head = first[group]
    later = np.flatnonzero((group >= 0) & (head != np.arange(len(group))))
    return head[later], later


def _joined(*edges: Edges) -> Edges:
    return np.concatenate([left for left, _ in edges]), np.concatenate([right for _, right in edges])
