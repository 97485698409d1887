"""Compiled loops of the sign stage: shingles and signatures of hashed words.

Imported only by code that signs (numba takes about half a second to import). All arithmetic is on unsigned 64-bit
integers, where wrapping is the modulo 2^64, so results are the same bits on every CPU.

Each function has one explicit signature and a cache on disk: see `models.compiled`.
"""

from typing import Any

import numpy as np
from numba import types

from models.compiled import compiled

UINT64 = types.uint64
BYTES = types.Array(types.uint8, 1, "C", readonly=True)
OFFSETS = types.Array(types.int64, 1, "C")
HASHES = types.Array(types.uint64, 1, "C")
MATRIX = types.Array(types.uint64, 2, "C")

# FNV-1a, 64 bits (Fowler, Noll, Vo; draft-eastlake-fnv).
FNV_OFFSET = np.uint64(0xCBF29CE484222325)
FNV_PRIME = np.uint64(0x100000001B3)


@compiled(UINT64(UINT64))
def mix(value: Any) -> Any:
    """MurmurHash3's 64-bit finalizer: a bijection in which every input bit moves every output bit."""
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xFF51AFD7ED558CCD)
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xC4CEB9FE1A85EC53)
    return value ^ (value >> np.uint64(33))


@compiled(types.void(HASHES, types.int64, HASHES))
def hash_shingles(words: Any, ngram: Any, shingles: Any) -> None:
    """Fill `shingles` with a uint64 for each run of `ngram` words; the order of the words counts.

    Fewer words than `ngram`: one shingle of what there is. `shingles` is max(1, len(words) - ngram + 1) long.
    """
    # Word by word for all shingles, not shingle by shingle: several fit into a vector of the CPU.
    for start in range(len(shingles)):
        shingles[start] = np.uint64(0x9E3779B97F4A7C15)
    for word in range(min(ngram, len(words))):
        for start in range(len(shingles)):
            value = (shingles[start] ^ words[start + word]) * FNV_PRIME
            shingles[start] = value ^ (value >> np.uint64(32))


@compiled(types.void(HASHES, MATRIX, HASHES))
def sign_shingles(shingles: Any, permutations: Any, signature: Any) -> None:
    """Fill `signature` with min over shingles of a_k * mix(shingle) + b_k modulo 2^64 (datasketch's scheme `affine64`).

    `permutations` is (2, k): the odd multipliers a, the summands b.
    """
    mixed = np.empty(len(shingles), dtype=np.uint64)
    for index in range(len(shingles)):
        mixed[index] = mix(shingles[index])
    # Value by value: a multiplier, a summand and the minima so far stay in registers over all shingles.
    for k in range(len(signature)):
        multiplier, summand = permutations[0, k], permutations[1, k]
        least = np.uint64(0xFFFFFFFFFFFFFFFF)
        for index in range(len(mixed)):
            least = min(least, multiplier * mixed[index] + summand)
        signature[k] = least


@compiled(types.void(HASHES, OFFSETS, types.int64, MATRIX, MATRIX))
def sign_words(words: Any, word_offsets: Any, ngram: Any, permutations: Any, signatures: Any) -> None:
    """Fill `signatures` (n, k) from the hashed words of n documents; rows of documents without words are zero."""
    longest = 1
    for document in range(len(word_offsets) - 1):
        longest = max(longest, word_offsets[document + 1] - word_offsets[document])
    shingles = np.empty(longest, dtype=np.uint64)
    for document in range(len(word_offsets) - 1):
        start = word_offsets[document]
        count = word_offsets[document + 1] - start
        if count == 0:
            signatures[document, :] = np.uint64(0)
            continue
        n_shingles = max(1, count - ngram + 1)
        hash_shingles(words[start : start + count], ngram, shingles[:n_shingles])
        sign_shingles(shingles[:n_shingles], permutations, signatures[document])


@compiled(types.void(MATRIX, types.int64, MATRIX))
def hash_bands(signatures: Any, rows: Any, buckets: Any) -> None:
    """Fill `buckets` (n, bands) with a uint64 of each band's `rows` values and its number: bands share no keys."""
    for document in range(len(signatures)):
        for band in range(buckets.shape[1]):
            value = mix(np.uint64(band + 1))
            for row in range(rows):
                value = mix(value ^ signatures[document, band * rows + row]) * FNV_PRIME
            buckets[document, band] = mix(value)
