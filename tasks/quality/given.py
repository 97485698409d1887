"""Metrics of words that another tool cut: how much of a difference is in the cutting, and how much in the counting."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.quality.words import hash_word, stop_word_table
from tasks.words import word_classes


@dataclass(frozen=True)
class GivenWords:
    """Words of one document, cut by whoever: hashes and powers (uint64), lengths (int32), and what datatrove counts.

    `alphabetic`: how many hold a letter; `lettered`: how many hold more than punctuation, and their characters.
    """

    hashes: np.ndarray
    powers: np.ndarray
    lengths: np.ndarray
    alphabetic: int
    lettered: int
    lettered_characters: int


def joined(parts: Sequence[GivenWords]) -> GivenWords:
    """The words of several pieces of a document, one after another. Raises ValueError without any piece."""
    hashes, powers, lengths = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("hashes", "powers", "lengths")
    )
    return GivenWords(
        hashes,
        powers,
        lengths,
        sum(part.alphabetic for part in parts),
        sum(part.lettered for part in parts),
        sum(part.lettered_characters for part in parts),
    )


def given_words(words: Sequence[str]) -> GivenWords:
    """The words that another tool cut a document into, as the kernels know them."""
    from tasks import word_kernels as k

    classes = word_classes()
    about = [[classes[ord(one)] if ord(one) < len(classes) else k.GAP for one in word] for word in words]
    lettered = [
        len(word) for word, whats in zip(words, about, strict=True) if any(not what & k.PUNCTUATION for what in whats)
    ]
    hashed = [hash_word(word) for word in words]
    return GivenWords(
        np.array([value for value, _ in hashed], np.uint64),
        np.array([power for _, power in hashed], np.uint64),
        np.array([len(word) for word in words], np.int32),
        sum(any(what & k.ALPHABETIC for what in whats) for whats in about),
        len(lettered),
        sum(lettered),
    )


def cut_words(text: str) -> GivenWords:
    """The words and signs that Gristmill cuts a text into."""
    from tasks.quality import kernels as q
    from tasks.quality.kernels.tokens import scan_tokens

    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32).copy()
    classes = word_classes()
    about = np.where(codes < len(classes), classes[np.minimum(codes, len(classes) - 1)], 0).astype(np.uint16)
    room = len(text) + 1
    hashes, powers = np.empty(room, np.uint64), np.empty(room, np.uint64)
    lengths, places = np.empty(room, np.int32), np.empty(room, np.int32)
    row = np.zeros(q.N_COUNTS, np.int64)
    keys, numbers, _, _ = stop_word_table(((),))
    seen, is_word = np.zeros(len(keys) + 1, np.uint8), np.empty(room, np.uint8)
    count = scan_tokens(codes, about, len(text), keys, numbers, seen, hashes, powers, lengths, places, is_word, row)
    return GivenWords(
        hashes[:count],
        powers[:count],
        lengths[:count],
        int(row[q.ALPHABETIC_TOKENS]),
        int(row[q.LETTERED_TOKENS]),
        int(row[q.LETTERED_CHARACTERS]),
    )


def count_given_words(documents: Sequence[GivenWords], counts: np.ndarray) -> None:
    """Replace in `counts` (n, texts, columns) what depends on how the whole texts are cut into words and signs."""
    from tasks.quality import kernels as q
    from tasks.quality.kernels.texts import count_given_words

    offsets = np.cumsum([0, *(len(one.hashes) for one in documents)]).astype(np.int64)
    for column, name in (
        (q.ALPHABETIC_TOKENS, "alphabetic"),
        (q.LETTERED_TOKENS, "lettered"),
        (q.LETTERED_CHARACTERS, "lettered_characters"),
    ):
        counts[:, q.WHOLE, column] = [getattr(one, name) for one in documents]
    counts[:, q.WHOLE, q.TOKENS] = np.diff(offsets)
    parts = [np.concatenate([getattr(one, name) for one in documents]) for name in ("hashes", "powers", "lengths")]
    count_given_words(*parts, offsets, counts)
