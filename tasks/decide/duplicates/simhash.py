"""Pairs of documents whose simhashes differ in a few bits, all of them (Charikar 2002; found as Manku et al. 2007 do).

Cut 64 bits into more blocks than bits may differ: two simhashes within that distance agree in all but `distance` blocks
(pigeonhole). So for each choice of so many blocks the simhashes that agree in them are compared, and no pair is
missed. With few documents or a small distance few blocks are cheapest, with many more of them: that is reckoned from
the number of documents, and changes the time alone.
"""

import math
from itertools import combinations

import numpy as np

from tasks.decide.duplicates.near import Edges, find_roots

BITS = 64
SORT = 20
"""What sorting costs a document, in comparisons of a pair."""


def simhash_edges(simhashes: np.ndarray, positions: np.ndarray, distance: int) -> Edges:
    """Edges whose components are those of all pairs of simhashes (n,) uint64 that differ in at most `distance` bits.

    The edges are between the ascending `positions` (n,) of these documents.
    """
    from tasks.decide.duplicates.kernels import join_similar

    different, first, number = np.unique(simhashes, return_index=True, return_inverse=True)
    parents = np.arange(len(different))
    blocks = _blocks(len(different), distance)
    bounds = np.linspace(0, BITS, blocks + 1).astype(int)
    for chosen in combinations(range(blocks), blocks - distance):
        mask = np.uint64(sum((1 << int(bounds[block + 1])) - (1 << int(bounds[block])) for block in chosen))
        keys = different & mask
        order = np.argsort(keys, kind="stable")
        join_similar(different, order, keys[order], distance, parents)
    find_roots(parents)
    head = positions[first[parents[number]]]
    later = np.flatnonzero(head != positions)
    return head[later], positions[later]


def _blocks(n: int, distance: int) -> int:
    """Into how many blocks the bits are cut, so that the fewest comparisons are expected."""

    def cost(blocks: int) -> float:
        ways = math.comb(blocks, distance)
        agreeing = BITS * (blocks - distance) / blocks
        return ways * n * (SORT + n * 2.0**-agreeing)

    return min(range(distance + 1, distance + 5), key=cost)
