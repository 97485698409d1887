"""The compiled loops of an n-gram model: a table of hashed n-grams, and the score of a text."""

import math
from typing import Any

import numpy as np
from numba import types

from models.compiled import compiled

HASHES = types.Array(types.uint64, 1, "C")
TABLE = types.Array(types.uint64, 1, "C", readonly=True)
VALUES = types.Array(types.float32, 1, "C", readonly=True)
OFFSETS = types.Array(types.int64, 1, "C")
SLOTS = types.Array(types.int64, 1, "C")
SCORES = types.Array(types.float64, 1, "C")

START = np.uint64(0x5BD1E9955BD1E995)
END = np.uint64(0xC2B2AE3D27D4EB4F)
SEED = np.uint64(0x9E3779B97F4A7C15)


@compiled(types.uint64(types.uint64, types.uint64))
def extend(key: Any, word: Any) -> Any:
    """The key of an n-gram from that of its words but the last, and the last. Never 0: that is a free slot."""
    value = (key + SEED) ^ (word * np.uint64(0xC6A4A7935BD1E995))
    value ^= value >> np.uint64(32)
    value *= np.uint64(0xD6E8FEB86659FD93)
    value ^= value >> np.uint64(29)
    return value | np.uint64(1)


@compiled(types.int64(types.uint64, types.int64))
def first_slot(key: Any, size: Any) -> Any:
    """Where the search for a key begins: its upper half, scaled to the table."""
    return np.int64(((key >> np.uint64(32)) * np.uint64(size)) >> np.uint64(32))


@compiled(types.void(HASHES, HASHES, SLOTS))
def place_keys(keys: Any, table: Any, slots: Any) -> None:
    """Put keys into a table of zeros, the next free slot on a clash; `slots` says where each is."""
    size = len(table)
    for index in range(len(keys)):
        slot = first_slot(keys[index], size)
        while table[slot] != 0:
            slot = slot + 1 if slot + 1 < size else 0
        table[slot] = keys[index]
        slots[index] = slot


@compiled(types.int64(TABLE, types.uint64))
def find(table: Any, key: Any) -> Any:
    """The slot of a key, or -1."""
    size = len(table)
    slot = first_slot(key, size)
    while table[slot] != 0:
        if table[slot] == key:
            return slot
        slot = slot + 1 if slot + 1 < size else 0
    return np.int64(-1)


@compiled(types.void(types.Array(types.uint64, 2, "C"), HASHES))
def ngram_keys(words: Any, keys: Any) -> None:
    """Fill `keys` with the key of each row of hashed words."""
    for row in range(len(words)):
        key = np.uint64(0)
        for place in range(words.shape[1]):
            key = extend(key, words[row, place])
        keys[row] = key


@compiled(types.void(HASHES, OFFSETS, types.int64, TABLE, VALUES, VALUES, types.float64, SCORES, OFFSETS))
def score_texts(
    words: Any, offsets: Any, order: Any, table: Any, probabilities: Any, backoffs: Any, unknown: Any, scores: Any,
    unseen: Any,
) -> None:  # fmt: skip
    """Fill `scores` with log10 of the probability of each text, `</s>` behind it, and `unseen` with its unknown words.

    `unknown` is that of a word the model has never seen.
    """
    for document in range(len(offsets) - 1):
        begin, stop = offsets[document], offsets[document + 1]
        total, strange = 0.0, 0
        matched = 1  # words at the end of what was read that are an n-gram of the model: <s>
        for position in range(begin, stop + 1):
            longest = min(order, matched + 1)
            matched = 0
            for length in range(longest, 0, -1):
                key, context = np.uint64(0), np.uint64(0)
                for place in range(position - length + 1, position + 1):
                    context = key
                    word = START if place < begin else (END if place == stop else words[place])
                    key = extend(key, word)
                slot = find(table, key)
                if slot >= 0:
                    total += probabilities[slot]
                    matched = length
                    break
                if length > 1:
                    slot = find(table, context)
                    if slot >= 0:
                        total += backoffs[slot]
            if matched == 0:
                total += unknown
                strange += 1
        scores[document] = total
        unseen[document] = strange


@compiled(types.float64(types.float64, types.int64))
def perplexity(score: Any, count: Any) -> Any:
    """10 to the mean negative logarithm of `count` words."""
    return math.pow(10.0, -score / count)
