"""Compiled loops of the quality stage: one pass over the UTF-8 bytes of each text, then its n-grams.

What is counted, and how words, lines and sentences are cut, is told in `words`; here is only the loop. All hashes are
on unsigned 64-bit integers, so counts are the same on every CPU. One explicit signature each, cached on disk, as in
`tasks.sign_kernels`.
"""

from typing import Any

import numpy as np
from numba import types

from tasks.sign_kernels import FNV_PRIME, HASHES, compiled, mix

CLASSES = types.Array(types.uint8, 1, "C")
LENGTHS = types.Array(types.int32, 1, "C")
COUNTS = types.Array(types.int64, 2, "C")
ROW = types.Array(types.int64, 1, "C")
STAMPS = types.Array(types.int64, 1, "C")
UINT64 = types.uint64

# The class of a code point: what it is to a word (low three bits), and marks of what else it is.
KIND = 7
GAP, LETTER, ALONE, MARK, SYMBOL = 0, 1, 2, 3, 4
ALPHABETIC, TERMINAL, CLOSING, WIDE = 8, 16, 32, 64
LINE_ENDING = 128

# Columns of the counts of a document.
CHARACTERS, NEWLINES, WORDS, SYMBOLS, WORD_CHARACTERS, ALPHABETIC_WORDS, STOP_WORDS = 0, 1, 2, 3, 4, 5, 6
NUMBER_SIGNS, ELLIPSES, LINES, BULLET_LINES, ELLIPSIS_LINES, PUNCTUATED_LINES, SHORT_LINES = 7, 8, 9, 10, 11, 12, 13
SENTENCES, PARAGRAPHS, DUPLICATE_LINES, DUPLICATE_LINE_CHARACTERS = 14, 15, 16, 17
DUPLICATE_PARAGRAPHS, DUPLICATE_PARAGRAPH_CHARACTERS, TOP_NGRAM, DUPLICATE_NGRAM = 18, 19, 20, 23
SPACED_WORDS, N_COUNTS = 29, 30
TOP_FIRST, TOP_LAST, DUPLICATE_FIRST, DUPLICATE_LAST = 2, 4, 5, 10

NEWLINE, PERIOD, NUMBER_SIGN, HYPHEN, BULLET, ELLIPSIS = 10, 46, 35, 45, 0x2022, 0x2026


@compiled(types.int64(HASHES, LENGTHS, types.int64, HASHES, STAMPS, types.int64, ROW, types.int64))
def count_repeats(hashes: Any, lengths: Any, count: Any, keys: Any, stamps: Any, stamp: Any, row: Any, at: Any) -> Any:
    """Count second and later occurrences among `count` hashed pieces: row[at] how many, row[at + 1] their characters.

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
        else:
            stamps[slot] = stamp
            keys[slot] = hashes[index]
    return stamp + 1


@compiled(types.int64(HASHES, ROW, types.int64, types.int64, HASHES, STAMPS, ROW, types.int64))
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


@compiled(types.int64(HASHES, ROW, types.int64, types.int64, HASHES, STAMPS, types.int64))
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


@compiled(types.int64(HASHES, LENGTHS, types.int64, HASHES, ROW, HASHES, STAMPS, ROW, types.int64, ROW))
def count_ngrams(
    words: Any,
    lengths: Any,
    count: Any,
    ngrams: Any,
    ends: Any,
    keys: Any,
    stamps: Any,
    places: Any,
    stamp: Any,
    row: Any,
) -> Any:
    """Fill a document's n-gram counts from its `count` hashed words; -1 where it has too few. Returns: a free stamp."""
    ends[0] = 0
    for index in range(count):
        ends[index + 1] = ends[index] + lengths[index]
        ngrams[index] = words[index]
    for order in range(2, DUPLICATE_LAST + 1):
        n_ngrams = count - order + 1
        for index in range(max(n_ngrams, 0)):
            # the product keeps `a b` and `b a` apart, which a plain exclusive or would not
            ngrams[index] = mix(ngrams[index] * FNV_PRIME ^ words[index + order - 1])
        top, duplicate = TOP_NGRAM + order - TOP_FIRST, DUPLICATE_NGRAM + order - DUPLICATE_FIRST
        if order <= TOP_LAST:
            row[top] = -1
            if n_ngrams > 0:
                row[top] = top_ngram(ngrams, ends, n_ngrams, order, keys, stamps, places, stamp)
        else:
            row[duplicate] = -1
            if n_ngrams > 0:
                row[duplicate] = duplicate_ngrams(ngrams, ends, n_ngrams, order, keys, stamps, stamp)
        stamp += 1
    return stamp
