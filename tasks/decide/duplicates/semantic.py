"""Pairs of documents whose embeddings have a cosine of a least value, all of them, by products of blocks of a matrix.

Every pair is looked at: n documents of d numbers take n * n * d / 2 multiplications, in blocks that bound the memory. A
product in 32 bits may round otherwise on another machine, so what comes near the limit is reckoned anew in 64 bits,
each pair by itself: the answer depends neither on blocks nor on threads.
"""

import numpy as np

from tasks.decide.duplicates.near import Edges, find_roots, join

BLOCK = 2048
MARGIN = 1e-4
"""More than a product of two rows of length 1 is off by in 32 bits (measured with 4,096 numbers: below 1e-6)."""
PAIRS_AT_ONCE = 8192


def semantic_edges(embeddings: np.ndarray, positions: np.ndarray, least: float) -> Edges:
    """Edges whose components are those of all pairs of embeddings (n, d) float16 with a cosine of at least `least`.

    The edges are between the ascending `positions` (n,) of these documents. An embedding of length 0 is like none.
    """
    some = np.flatnonzero(embeddings.any(axis=1))
    rows = np.ascontiguousarray(embeddings[some])
    # Of equal ones one is looked at: a cosine of 1 is at least any limit.
    _, first, number = np.unique(rows.view(f"V{rows.itemsize * rows.shape[1]}"), return_index=True, return_inverse=True)
    copies = positions[some[first[number.ravel()]]], positions[some]
    one, other = _different_edges(rows[first], least)
    there = positions[some[first]]
    return np.concatenate([copies[0], there[one]]), np.concatenate([copies[1], there[other]])


def _different_edges(rows: np.ndarray, least: float) -> Edges:
    """The same for rows of which no two are equal and none is zero, as places in them."""
    unit = (rows / np.sqrt(_products(rows, rows))[:, None]).astype(np.float32)
    parents = np.arange(len(rows))
    for start in range(0, len(rows), BLOCK):
        for beside in range(start, len(rows), BLOCK):
            cosines = unit[start : start + BLOCK] @ unit[beside : beside + BLOCK].T
            one, other = np.nonzero(cosines >= np.float32(least - MARGIN))
            agree = cosines[one, other] >= np.float32(least + MARGIN)
            one, other = one + start, other + beside
            unsure = np.flatnonzero(~agree)
            agree[unsure] = _cosines(rows, one[unsure], other[unsure]) >= least
            joined = np.flatnonzero(agree & (parents[one] != parents[other]))
            if len(joined):
                join((one[joined], other[joined]), parents)
                find_roots(parents)
    return parents, np.arange(len(rows))


def _cosines(rows: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Cosine of each pair in 64 bits, the same whichever comes first and whatever other pairs are asked for."""
    found = np.empty(len(left))
    for start in range(0, len(left), PAIRS_AT_ONCE):
        one, other = rows[left[start : start + PAIRS_AT_ONCE]], rows[right[start : start + PAIRS_AT_ONCE]]
        lengths = np.sqrt(_products(one, one)) * np.sqrt(_products(other, other))
        found[start : start + PAIRS_AT_ONCE] = _products(one, other) / lengths
    return found


def _products(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Product of each row with the other's, float64: of two 16-bit numbers it is exact, and sums are in order."""
    return (left.astype(np.float64) * right.astype(np.float64)).sum(axis=1)
