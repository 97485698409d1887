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

from tasks.decide.duplicates.buckets import BucketKeys
from tasks.decide.duplicates.near import (
    Buckets,
    Edges,
    Sets,
    Table,
    agreement,
    both,
    exact_agreement,
    find_roots,
    join,
    join_near,
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

    `smallest` (int64): position of the member with the smallest doc_id, which names the cluster. `size` (int32):
    members. `stays` (int64): position of the member that stays. `kind` (int8): the number in KINDS of the kind by which
    it goes, -1 for one that stays. `content` (int64): rank of the content hash among all that were looked at.
    """

    smallest: np.ndarray
    size: np.ndarray
    stays: np.ndarray
    kind: np.ndarray
    content: np.ndarray


def find_clusters(
    content: np.ndarray,
    order: np.ndarray,
    buckets: np.ndarray | Buckets | None,
    signed: np.ndarray,
    signatures: Callable[[np.ndarray], Table],
    rules: DuplicateRules,
    evidence: Evidence | None = None,
) -> Clusters:
    """Clusters of n passing documents, given in the order of doc_id.

    Args: `content` (n,) int64, equal for equal content hashes and in their order, or (n, 2) uint64, the hashes; `order`
    (n,) int64, smaller for one that stays before another, no two equal; `buckets` (n, bands) uint64, or what has them
    elsewhere (None where `rules.near` is off); `signed` (n,) bool, false where a document has no words and so no
    buckets; `signatures(positions)` gives the signatures of the documents at these ascending positions, rows of uint64,
    and is called only if `rules.min_jaccard` is set; `evidence`: what the rules need beyond these.
    """
    n = len(content)
    group = content if content.ndim == 1 else ranks(content)
    more = evidence or Evidence()
    parents, kind, first = np.arange(n), np.full(n, -1, dtype=np.int8), np.arange(n)

    def near() -> None:
        copies = np.where(signed, group, -1)
        join(_chain(copies), parents)
        nodes = np.zeros(n, dtype=bool)
        nodes[_first_of_each(copies)] = True
        estimate = None if rules.min_jaccard is None else agreement(signatures, rules.min_jaccard)
        exact = None
        if rules.min_exact_jaccard is not None:
            exact = exact_agreement(_needed(more.shingles), rules.min_exact_jaccard)
        keys = BucketKeys.of(buckets) if isinstance(buckets, np.ndarray) else buckets
        join_near(_needed(keys), nodes, both(estimate, exact), parents)

    def simhash() -> None:
        values, present = _needed(more.simhash)
        nodes = np.flatnonzero(present)
        join(simhash_edges(values[nodes], nodes, _needed(rules.simhash)), parents)

    def semantic() -> None:
        values, present = _needed(more.embedding)
        nodes = np.flatnonzero(present)
        join(semantic_edges(values[nodes], nodes, _needed(rules.semantic)), parents)

    found: dict[str, Callable[[], None]] = {
        "exact": lambda: join(_chain(group), parents),
        "url": lambda: join(_chain(_needed(more.address)), parents),
        "near": near,
        "simhash": simhash,
        "semantic": semantic,
    }
    for number, name in enumerate(KINDS):
        if name not in rules.kinds():
            continue
        found[name]()
        find_roots(parents)
        first = _first_of(parents, order)[parents]
        kind[(kind < 0) & (first != np.arange(n))] = number
    size = np.bincount(parents, minlength=n).astype(np.int32)
    return Clusters(parents, size[parents], first, kind, group)


def _needed(evidence: T | None) -> T:
    assert evidence is not None, "what a rule of duplicates needs is read before clusters are found"
    return evidence


def ranks(pairs: np.ndarray) -> np.ndarray:
    """Rank of each row of (n, 2) uint64 among the different rows, int64 from 0."""
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    ordered = pairs[order]
    new = np.ones(len(pairs), dtype=np.int64)
    new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    ranks = np.empty(len(pairs), dtype=np.int64)
    ranks[order] = np.cumsum(new) - 1
    return ranks


def _first_of(label: np.ndarray, order: np.ndarray) -> np.ndarray:
    """For each label, the position of its member that is first in the order; labels are positions, too."""
    least = np.full(len(order), np.iinfo(np.int64).max)
    np.minimum.at(least, label, order)
    is_first = least[label] == order
    first = np.empty(len(order), dtype=np.int64)
    first[label[is_first]] = np.flatnonzero(is_first)
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
