"""Repeats among hashed pieces: lines, paragraphs, n-grams of words and signs."""

from typing import Any

import numpy as np
from numba import types

from tasks.quality.kernels import (
    BASE,
    DUPLICATE_FIRST,
    DUPLICATE_LAST,
    DUPLICATE_NGRAM,
    LENGTHS,
    ROW,
    TOP_FIRST,
    TOP_LAST,
    TOP_NGRAM,
)
from tasks.sign_kernels import HASHES, compiled, mix


@compiled(types.int64(HASHES, LENGTHS, LENGTHS, types.int64, HASHES, ROW, types.int64, ROW, types.int64))
def count_repeats(
    hashes: Any, lengths: Any, weights: Any, count: Any, keys: Any, stamps: Any, stamp: Any, row: Any, at: Any
) -> Any:
    """Count second and later occurrences among `count` hashed pieces: row[at] how many, then their lengths, weights.

    `keys` and `stamps` are a hash table (a power of two, at least twice `count`) that is empty where the stamp is not
    `stamp`. Returns: the next free stamp.
    """
    size = 2
    while size < 2 * count:
        size *= 2
    mask = np.uint64(size - 1)
    for index in range(count):
        slot = hashes[index] & mask
        while stamps[slot] == stamp and keys[slot] != hashes[index]:
            slot = (slot + np.uint64(1)) & mask
        if stamps[slot] == stamp:
            row[at] += 1
            row[at + 1] += lengths[index]
            row[at + 2] += weights[index]
        else:
            stamps[slot] = stamp
            keys[slot] = hashes[index]
    return stamp + 1


@compiled(types.int64(HASHES, ROW, types.int64, types.int64, HASHES, ROW, ROW, types.int64))
def top_ngram(ngrams: Any, ends: Any, count: Any, order: Any, keys: Any, stamps: Any, places: Any, stamp: Any) -> Any:
    """Characters in all occurrences of the most frequent n-gram, one space between its words; of several, the first.

    `ngrams` are `count` hashes; words i to j have ends[j + 1] - ends[i] characters. `places` has a number for each slot
    of the table: where its n-gram stands first (low 32 bits) and how often it was seen (above).
    """
    size = 2
    while size < 2 * count:
        size *= 2
    mask = np.uint64(size - 1)
    for index in range(count):
        slot = ngrams[index] & mask
        while stamps[slot] == stamp and keys[slot] != ngrams[index]:
            slot = (slot + np.uint64(1)) & mask
        if stamps[slot] == stamp:
            places[slot] += 1 << 32
        else:
            stamps[slot] = stamp
            keys[slot] = ngrams[index]
            places[slot] = index
    best, first = np.int64(-1), np.int64(0)
    for slot in range(size):
        if stamps[slot] == stamp:
            times, place = places[slot] >> 32, places[slot] & 0xFFFFFFFF
            if times > best or (times == best and place < first):
                best, first = times, place
    return (best + 1) * (ends[first + order] - ends[first] + order - 1)


@compiled(types.int64(HASHES, ROW, types.int64, types.int64, HASHES, ROW, types.int64))
def duplicate_ngrams(ngrams: Any, ends: Any, count: Any, order: Any, keys: Any, stamps: Any, stamp: Any) -> Any:
    """Characters of words in n-grams that stood before, each counted once: after one, the next starts behind it."""
    size = 2
    while size < 2 * count:
        size *= 2
    mask = np.uint64(size - 1)
    found = np.int64(0)
    index = 0
    while index < count:
        slot = ngrams[index] & mask
        while stamps[slot] == stamp and keys[slot] != ngrams[index]:
            slot = (slot + np.uint64(1)) & mask
        if stamps[slot] == stamp:
            found += ends[index + order] - ends[index]
            index += order
        else:
            stamps[slot] = stamp
            keys[slot] = ngrams[index]
            index += 1
    return found


@compiled(
    types.int64(HASHES, HASHES, LENGTHS, types.int64, HASHES, HASHES, HASHES, ROW, HASHES, ROW, ROW, types.int64, ROW)
)
def count_ngrams(
    words: Any,
    powers: Any,
    lengths: Any,
    count: Any,
    spaced: Any,
    joined: Any,
    mixed: Any,
    ends: Any,
    keys: Any,
    stamps: Any,
    places: Any,
    stamp: Any,
    row: Any,
) -> Any:
    """Fill a document's n-gram counts from its `count` hashed words; -1 where it has too few. Returns: a free stamp.

    `powers` are BASE to the power of each word's length. As in datatrove, top n-grams are compared with a space between
    their words, duplicated ones without.
    """
    ends[0] = 0
    for index in range(count):
        ends[index + 1] = ends[index] + lengths[index]
        spaced[index], joined[index] = words[index], words[index]
    for order in range(2, DUPLICATE_LAST + 1):
        n_ngrams = max(count - order + 1, 0)
        for index in range(n_ngrams):
            last = index + order - 1
            joined[index] = joined[index] * powers[last] + words[last]
        if order <= TOP_LAST:
            for index in range(n_ngrams):
                last = index + order - 1
                spaced[index] = (spaced[index] * BASE + np.uint64(33)) * powers[last] + words[last]
                mixed[index] = mix(spaced[index])
            top = TOP_NGRAM + order - TOP_FIRST
            row[top] = -1
            if n_ngrams > 0:
                row[top] = top_ngram(mixed, ends, n_ngrams, order, keys, stamps, places, stamp)
        elif order >= DUPLICATE_FIRST:
            for index in range(n_ngrams):
                mixed[index] = mix(joined[index])
            duplicate = DUPLICATE_NGRAM + order - DUPLICATE_FIRST
            row[duplicate] = -1
            if n_ngrams > 0:
                row[duplicate] = duplicate_ngrams(mixed, ends, n_ngrams, order, keys, stamps, stamp)
        stamp += 1
    return stamp
