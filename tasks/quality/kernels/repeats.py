"""Repeats among hashed pieces: lines, paragraphs, n-grams of words and signs."""

from typing import Any

import numpy as np
from numba import types

from tasks.quality.kernels import (
    BASE,
    DUPLICATE_FIRST,
    DUPLICATE_LAST,
    DUPLICATE_NGRAM,
    FLAGS,
    LENGTHS,
    ROW,
    TOP_FIRST,
    TOP_LAST,
    TOP_NGRAM,
)
from tasks.sign_kernels import HASHES, compiled, mix

SPREAD = np.uint64(0xFF51AFD7ED558CCD)
CELLS = 16  # at most, for each hash that `may_repeat` is given


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


@compiled(types.int64(HASHES, types.int64, FLAGS, LENGTHS, HASHES))
def may_repeat(hashes: Any, count: Any, cells: Any, places: Any, mixed: Any) -> Any:
    """Fill `places` with the places of hashes that may stand more than once, and `mixed` with these, mixed.

    Each hash falls into one of a cell's many: who is alone there stands once. It needs no branch that a processor can't
    foresee, unlike the exact table, which then has few to look at. `cells` has 8 to 16 cells for each hash. Returns:
    how many may repeat; none that does is left out.
    """
    bits = np.uint64(3)
    while np.int64(1) << np.int64(bits) < 8 * count:
        bits += np.uint64(1)
    shift = np.uint64(64) - bits
    cells[: np.int64(1) << np.int64(bits)] = 0
    for index in range(count):
        cell = (hashes[index] * SPREAD) >> shift
        cells[cell] = cells[cell] << 1 | 1  # 0, 1, then more than 1
    found = np.int64(0)
    for index in range(count):
        places[found] = index
        found += cells[(hashes[index] * SPREAD) >> shift] > 1
    for index in range(found):
        mixed[index] = mix(hashes[places[index]])
    return found


@compiled(types.int64(HASHES, LENGTHS, ROW, types.int64, types.int64, ROW, types.int64, LENGTHS))
def top_ngram(ngrams: Any, places: Any, ends: Any, count: Any, order: Any, seats: Any, base: Any, times: Any) -> Any:
    """Characters in all occurrences of the most frequent n-gram, one space between its words; of several, the first.

    `ngrams` are `count` hashes, of the words from `places` on; the n-grams that are not among them stand once. Words i
    to j have ends[j + 1] - ends[i] characters. `times` is overwritten.
    """
    mask = mask_for(count)
    for index in range(count):
        first = find_first(ngrams, index, mask, seats, base)
        times[index] = 1
        if first >= 0:
            times[first] += 1
    best, most = np.int64(0), np.int64(1)  # where none repeats, the first of all
    for index in range(count):
        if times[index] > most:
            best, most = np.int64(places[index]), np.int64(times[index])
    return most * (ends[best + order] - ends[best] + order - 1)


@compiled(types.int64(HASHES, LENGTHS, ROW, types.int64, types.int64, ROW, types.int64))
def duplicate_ngrams(ngrams: Any, places: Any, ends: Any, count: Any, order: Any, seats: Any, base: Any) -> Any:
    """Characters of words in n-grams that stood before, each counted once: after one, the next starts behind it.

    `ngrams` and `places` as for `top_ngram`.
    """
    mask = mask_for(count)
    found, free = np.int64(0), np.int64(0)
    for index in range(count):
        place = np.int64(places[index])
        if place >= free and find_first(ngrams, index, mask, seats, base) >= 0:
            free = place + order
            found += ends[free] - ends[place]
    return found


@compiled(
    types.int64(
        HASHES,
        HASHES,
        LENGTHS,
        types.int64,
        HASHES,
        HASHES,
        HASHES,
        ROW,
        ROW,
        LENGTHS,
        LENGTHS,
        FLAGS,
        types.int64,
        ROW,
    )
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
    places: Any,
    cells: Any,
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
        found = may_repeat(spaced if is_top else joined, n_ngrams, cells, places, mixed)
        place = TOP_NGRAM + order - TOP_FIRST if is_top else DUPLICATE_NGRAM + order - DUPLICATE_FIRST
        row[place] = -1
        if n_ngrams > 0 and is_top:
            row[place] = top_ngram(mixed, places, ends, found, order, seats, base, times)
        elif n_ngrams > 0:
            row[place] = duplicate_ngrams(mixed, places, ends, found, order, seats, base)
        base += count
    return base
