"""Compiled loops over the shingles of documents: their sets, their simhashes. See `models.compiled`."""

from typing import Any

import numpy as np
from numba import types

from models.compiled import compiled
from tasks.sign_kernels import HASHES, OFFSETS, hash_shingles, mix


@compiled(types.int64(HASHES, OFFSETS, types.int64, HASHES, OFFSETS))
def shingle_sets(words: Any, word_offsets: Any, ngram: Any, values: Any, offsets: Any) -> Any:
    """Fill `values` with the distinct shingles of each document, ascending, and `offsets` (n + 1) with where it starts.

    Returns: how many they are. `values` has room for as many as there are words. None of a document without words.
    """
    total = 0
    offsets[0] = 0
    for document in range(len(word_offsets) - 1):
        start, stop = word_offsets[document], word_offsets[document + 1]
        if stop > start:
            shingles = np.empty(max(1, stop - start - ngram + 1), dtype=np.uint64)
            hash_shingles(words[start:stop], ngram, shingles)
            shingles.sort()
            first = total
            for index in range(len(shingles)):
                if total == first or shingles[index] != values[total - 1]:
                    values[total] = shingles[index]
                    total += 1
        offsets[document + 1] = total
    return total


@compiled(types.void(HASHES, OFFSETS, types.int64, HASHES))
def simhash_words(words: Any, word_offsets: Any, ngram: Any, simhashes: Any) -> None:
    """Fill `simhashes` (n) from the hashed words of n documents: bit b is set where more than half of a document's
    shingles, repeats counted, have a hash with bit b set. 0 without words.
    """
    for document in range(len(word_offsets) - 1):
        start, stop = word_offsets[document], word_offsets[document + 1]
        simhashes[document] = np.uint64(0)
        if stop == start:
            continue
        shingles = np.empty(max(1, stop - start - ngram + 1), dtype=np.uint64)
        hash_shingles(words[start:stop], ngram, shingles)
        counts = np.zeros(64, dtype=np.int64)
        for index in range(len(shingles)):
            value = mix(shingles[index])
            for bit in range(64):
                counts[bit] += types.int64((value >> np.uint64(bit)) & np.uint64(1))
        for bit in range(64):
            if 2 * counts[bit] > len(shingles):
                simhashes[document] |= np.uint64(1) << np.uint64(bit)
