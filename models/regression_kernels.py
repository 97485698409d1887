"""The compiled loop of the hashed embedding."""

import math
from typing import Any

import numpy as np
from numba import types

from models.compiled import compiled

HASHES = types.Array(types.uint64, 1, "C")
OFFSETS = types.Array(types.int64, 1, "C")
MATRIX = types.Array(types.float32, 2, "C")


@compiled(types.uint64(types.uint64))
def scramble(value: Any) -> Any:
    """MurmurHash3's 64-bit finalizer."""
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xFF51AFD7ED558CCD)
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xC4CEB9FE1A85EC53)
    return value ^ (value >> np.uint64(33))


@compiled(types.void(HASHES, OFFSETS, MATRIX))
def add_hashed(words: Any, offsets: Any, embeddings: Any) -> None:
    """Add words and pairs of neighbours of each text to its row of zeros: places and signs by hash, square roots of
    counts, length 1."""
    dimension = embeddings.shape[1]
    for document in range(len(offsets) - 1):
        start, stop = offsets[document], offsets[document + 1]
        if start == stop:
            continue
        keys = np.empty(2 * (stop - start) - 1, np.uint64)
        for index in range(start, stop):
            keys[index - start] = scramble(words[index])
            if index + 1 < stop:
                keys[stop - start + index - start] = scramble(
                    words[index] * np.uint64(0x9E3779B97F4A7C15) + words[index + 1]
                )
        keys.sort()
        row = embeddings[document]
        first = 0
        for index in range(1, len(keys) + 1):
            if index == len(keys) or keys[index] != keys[first]:
                key = keys[first]
                weight = np.float32(math.sqrt(index - first))
                place = np.int64((key >> np.uint64(1)) % np.uint64(dimension))
                row[place] += weight if key & np.uint64(1) else -weight
                first = index
        total = 0.0
        for d in range(dimension):
            total += np.float64(row[d]) * np.float64(row[d])
        if total > 0:
            scale = 1.0 / math.sqrt(total)
            for d in range(dimension):
                row[d] = np.float32(row[d] * scale)
