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


@compiled(types.int64(HASHES, types.int64, types.int64, ROW, types.int64))
def find_first(hashes: Any, index: Any, mask: Any, seats: Any, base: Any) -> Any:
    """Where the piece hashes[index] was seen first, -1 if it is new: then it takes a seat.

    `seats` is an open hash table of `mask` + 1 places, a power of two and at least twice the pieces. A place is taken
    by piece i of the present run if it holds base + 1 + i; what is not above `base` is of earlier runs, and free.
    """
    key = hashes[index]
    slot = np.int64(key & np.uint64(mask))
    while seats[slot] > base:
        first = seats[slot] - base - 1
        if hashes[first] == key:
            return first
        slot = (slot + 1) & mask
    seats[slot] = base + 1 + index
    return np.int64(-1)


@compiled(types.int64(types.int64))
def mask_for(count: Any) -> Any:
    """The mask of a hash table for `count` pieces."""
    size = 2
    while size < 2 * count:
        size *= 2
    return size - 1


@compiled(types.int64(HASHES, LENGTHS, LENGTHS, types.int64, ROW, types.int64, ROW, types.int64))
def count_repeats(hashes: Any, lengths: Any, weights: Any, count: Any, seats: Any, base: Any, row: Any, at: Any) -> Any:
    """Count second and later occurrences among `count` hashed pieces: row[at] how many, then their lengths, weights.

    Returns: the next free base of `seats` (see `find_first`).
    """
    mask = mask_for(count)
    for index in range(count):
        if find_first(hashes, index, mask, seats, base) >= 0:
            row[at] += 1
            row[at + 1] += lengths[index]
            row[at + 2] += weights[index]
    return base + count


@compiled(types.int64(HASHES, ROW, types.int64, types.int64, ROW, types.int64, LENGTHS))
def top_ngram(ngrams: Any, ends: Any, count: Any, order: Any, seats: Any, base: Any, times: Any) -> Any:
    """Characters in all occurrences of the most frequent n-gram, one space between its words; of several, the first.

    `ngrams` are `count` hashes; words i to j have ends[j + 1] - ends[i] characters. `times` is overwritten.
    """
    mask = mask_for(count)
    for index in range(count):
        first = find_first(ngrams, index, mask, seats, base)
        times[index] = 1
        if first >= 0:
            times[first] += 1
    best = 0
    for index in range(count):
        if times[index] > times[best]:
            best = index
    return np.int64(times[best]) * (ends[best + order] - ends[best] + order - 1)


@compiled(types.int64(HASHES, ROW, types.int64, types.int64, ROW, types.int64))
def duplicate_ngrams(ngrams: Any, ends: Any, count: Any, order: Any, seats: Any, base: Any) -> Any:
    """Characters of words in n-grams that stood before, each counted once: after one, the next starts behind it."""
    mask = mask_for(count)
    found = np.int64(0)
    index = 0
    while index < count:
        if find_first(ngrams, index, mask, seats, base) >= 0:
            found += ends[index + order] - ends[index]
            index += order
        else:
            index += 1
    return found


@compiled(
    types.int64(HASHES, HASHES, LENGTHS, types.int64, HASHES, HASHES, HASHES, ROW, ROW, LENGTHS, types.int64, ROW)
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
    seats: Any,
    times: Any,
    base: Any,
    row: Any,
) -> Any:
    """Fill a document's n-gram counts from its `count` hashed words; -1 where it has too few. Returns: a free base.

    `powers` are BASE to the power of each word's length. As in datatrove, top n-grams are compared with a space between
    their words, duplicated ones without.
    """
    ends[0] = 0
    for index in range(count):
        ends[index + 1] = ends[index] + lengths[index]
        spaced[index], joined[index] = words[index], words[index]
    for order in range(2, DUPLICATE_LAST + 1):
        n_ngrams = max(count - order + 1, 0)
        is_top = order <= TOP_LAST
        for index in range(n_ngrams):
            last = index + order - 1
            joined[index] = joined[index] * powers[last] + words[last]
            if is_top:
                spaced[index] = (spaced[index] * BASE + np.uint64(33)) * powers[last] + words[last]
                mixed[index] = mix(spaced[index])
            else:
                mixed[index] = mix(joined[index])
        place = TOP_NGRAM + order - TOP_FIRST if is_top else DUPLICATE_NGRAM + order - DUPLICATE_FIRST
        row[place] = -1
        if n_ngrams > 0 and is_top:
            row[place] = top_ngram(mixed, ends, n_ngrams, order, seats, base, times)
        elif n_ngrams > 0:
            row[place] = duplicate_ngrams(mixed, ends, n_ngrams, order, seats, base)
        base += count
    return base
