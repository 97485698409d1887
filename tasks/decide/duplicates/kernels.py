"""Compiled loops that compare documents: common shingles, bits that differ. See `models.compiled`."""

from typing import Any

import numpy as np
from numba import types

from models.compiled import compiled

HASHES = types.Array(types.uint64, 1, "C")
READ_ONLY = types.Array(types.uint64, 1, "C", readonly=True)
PLACES = types.Array(types.int64, 1, "C")
SHARES = types.Array(types.float64, 1, "C")


@compiled(types.void(READ_ONLY, PLACES, PLACES, PLACES, PLACES, SHARES))
def exact_jaccards(shingles: Any, lefts: Any, left_stops: Any, rights: Any, right_stops: Any, shares: Any) -> None:
    """Fill `shares` with the Jaccard similarity of the sets of each pair, 0 where both are empty.

    Sets are shingles[lefts[i] : left_stops[i]] and shingles[rights[i] : right_stops[i]], ascending, without repeats.
    """
    for pair in range(len(lefts)):
        one, other = lefts[pair], rights[pair]
        one_stop, other_stop = left_stops[pair], right_stops[pair]
        total = one_stop - one + other_stop - other
        common = 0
        while one < one_stop and other < other_stop:
            if shingles[one] < shingles[other]:
                one += 1
            elif shingles[one] > shingles[other]:
                other += 1
            else:
                common += 1
                one += 1
                other += 1
        shares[pair] = common / max(1, total - common)


@compiled(types.int64(types.uint64))
def count_bits(value: Any) -> Any:
    """How many bits of a 64-bit value are set."""
    value -= (value >> np.uint64(1)) & np.uint64(0x5555555555555555)
    value = (value & np.uint64(0x3333333333333333)) + ((value >> np.uint64(2)) & np.uint64(0x3333333333333333))
    value = (value + (value >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return types.int64((value * np.uint64(0x0101010101010101)) >> np.uint64(56))


@compiled(types.int64(PLACES, types.int64))
def find_root(parents: Any, place: Any) -> Any:
    """The root of a place's tree, whose path is halved on the way."""
    while parents[place] != place:
        parents[place] = parents[parents[place]]
        place = parents[place]
    return place


@compiled(types.void(HASHES, PLACES, HASHES, types.int64, PLACES))
def join_similar(simhashes: Any, order: Any, keys: Any, distance: Any, parents: Any) -> None:
    """Join (in the forest `parents`) all pairs of one key whose simhashes differ in at most `distance` bits.

    `order`: places in the order of their `keys`, which stand in that order too.
    """
    start = 0
    while start < len(order):
        stop = start + 1
        while stop < len(order) and keys[stop] == keys[start]:
            stop += 1
        for one in range(start, stop):
            for other in range(one + 1, stop):
                if count_bits(simhashes[order[one]] ^ simhashes[order[other]]) <= distance:
                    left, right = find_root(parents, order[one]), find_root(parents, order[other])
                    parents[max(left, right)] = min(left, right)
        start = stop


@compiled(types.void(PLACES, PLACES, PLACES))
def join_pairs(left: Any, right: Any, parents: Any) -> None:
    """Join (in the forest `parents`) the two of each pair. A root is the smallest of its tree."""
    for pair in range(len(left)):
        one, other = find_root(parents, left[pair]), find_root(parents, right[pair])
        parents[max(one, other)] = min(one, other)


@compiled(types.void(PLACES, PLACES, PLACES))
def join_buckets(entries: Any, starts: Any, parents: Any) -> None:
    """Join (in the forest `parents`) the members of each bucket; bucket i begins at entries[starts[i]].

    A root is the smallest of its tree.
    """
    for bucket in range(len(starts)):
        stop = starts[bucket + 1] if bucket + 1 < len(starts) else len(entries)
        root = find_root(parents, entries[starts[bucket]])
        for place in range(starts[bucket] + 1, stop):
            other = find_root(parents, entries[place])
            parents[max(root, other)] = min(root, other)
            root = min(root, other)


@compiled(types.void(PLACES))
def find_roots(parents: Any) -> None:
    """Let every place of a forest name its root, where no parent is greater than its child."""
    for place in range(len(parents)):
        parents[place] = parents[parents[place]]
