"""N-grams of words by hash, with their places: what `phrases` counts and `drift` finds again."""

from typing import NamedTuple

import numpy as np

from storage.hashing import splitmix64
from tasks.words import HashedWords

BITS = 52
"""Bits of an n-gram's hash."""
_DIGITS = str.maketrans("123456789", "000000000")


class Ngrams(NamedTuple):
    """N-grams of n texts: `hashes` uint64 below 2 ** BITS, `documents` the text of each, `starts` and `ends` in
    characters of it, int32."""

    hashes: np.ndarray
    documents: np.ndarray
    starts: np.ndarray
    ends: np.ndarray


def undated(text: str) -> str:
    """The text with each digit as 0; no character moves."""
    return text.translate(_DIGITS)


def hash_ngrams(words: HashedWords, n: int) -> Ngrams:
    """The n-grams of each text in their order; none runs over the end of its text."""
    total = len(words.hashes)
    document = np.repeat(np.arange(len(words.offsets) - 1, dtype=np.int64), np.diff(words.offsets))
    first = np.flatnonzero(np.arange(total) + n <= words.offsets[1:][document]) if total else np.zeros(0, np.int64)
    state = np.full(len(first), n, np.uint64)
    for step in range(n):
        state = splitmix64(state ^ words.hashes[first + step])
    return Ngrams(state >> np.uint64(64 - BITS), document[first], words.starts[first], words.ends[first + n - 1])
