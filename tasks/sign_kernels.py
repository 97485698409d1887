"""Compiled loops of the sign stage: words, shingles and signatures from UTF-8 bytes.

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
CLASSES = types.Array(types.uint8, 1, "C")
OFFSETS = types.Array(types.int64, 1, "C")
HASHES = types.Array(types.uint64, 1, "C")
MATRIX = types.Array(types.uint64, 2, "C")

# The classes of a code point: what it does to the word that is being read.
OUTSIDE, LETTER, ALONE, MARK = 0, 1, 2, 3

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


@compiled(types.int64(BYTES, OFFSETS, CLASSES, HASHES, OFFSETS))
def hash_words(text: Any, offsets: Any, classes: Any, hashes: Any, word_offsets: Any) -> Any:
    """Cut each text into words and hash them.

    Args: `text` valid UTF-8; `offsets` (n + 1) where each text starts; `classes` the class of each code point (those
    past its end are outside words). Fills `hashes` (at least len(text) + 1 long) with one uint64 a word (FNV-1a over
    its bytes, then `mix`) and `word_offsets` (n + 1). Returns: how many words in all.
    """
    count = 0
    word_offsets[0] = 0
    for document in range(len(offsets) - 1):
        position = offsets[document]
        stop = offsets[document + 1]
        inside = False
        alone = False
        value = FNV_OFFSET
        while position < stop:
            lead = text[position]
            if lead < 0x80:
                width, code = 1, np.uint32(lead)
            elif lead < 0xE0:
                width, code = 2, np.uint32(lead & 0x1F)
            elif lead < 0xF0:
                width, code = 3, np.uint32(lead & 0x0F)
            else:
                width, code = 4, np.uint32(lead & 0x07)
            for follow in range(1, width):
                code = np.uint32((code << np.uint32(6)) | np.uint32(text[position + follow] & 0x3F))
            kind = classes[code] if code < len(classes) else np.uint8(OUTSIDE)
            # A letter goes on with a word unless that is a sign that stands alone; a mark goes on with any word.
            ends = kind != MARK and (kind != LETTER or alone)
            if inside and ends:
                hashes[count] = mix(value)
                count += 1
                inside = False
            if kind != OUTSIDE:
                if not inside:
                    inside = True
                    alone = kind == ALONE
                    value = FNV_OFFSET
                for follow in range(width):
                    value = (value ^ np.uint64(text[position + follow])) * FNV_PRIME
            position += width
        if inside:
            hashes[count] = mix(value)
            count += 1
        word_offsets[document + 1] = count
    return count


@compiled(types.void(HASHES, types.int64, HASHES))
def hash_shingles(words: Any, ngram: Any, shingles: Any) -> None:
    """Fill `shingles` with a uint64 for each run of `ngram` words; the order of the words counts.

    Fewer words than `ngram`: one shingle of what there is. `shingles` is max(1, len(words) - ngram + 1) long.
    """
    length = min(ngram, len(words))
    for start in range(len(shingles)):
        value = np.uint64(0x9E3779B97F4A7C15)
        for word in range(start, start + length):
            value = (value ^ words[word]) * FNV_PRIME
            value ^= value >> np.uint64(32)
        shingles[start] = value


@compiled(types.void(HASHES, MATRIX, HASHES))
def sign_shingles(shingles: Any, permutations: Any, signature: Any) -> None:
    """Fill `signature` with min over shingles of a_k * mix(shingle) + b_k modulo 2^64 (datasketch's scheme `affine64`).

    `permutations` is (2, k): the odd multipliers a, the summands b.
    """
    for k in range(len(signature)):
        signature[k] = np.uint64(0xFFFFFFFFFFFFFFFF)
    for index in range(len(shingles)):
        value = mix(shingles[index])
        for k in range(len(signature)):
            permuted = permutations[0, k] * value + permutations[1, k]
            signature[k] = min(signature[k], permuted)


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
