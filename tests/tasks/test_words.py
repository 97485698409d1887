"""Words against a slow splitter, and their places in the text as it was given."""

import unicodedata

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tasks.words import hash_words


def split_slowly(text: str) -> list[str]:
    """The splitter as its documentation tells it, one character after another."""
    alone_blocks = (
        (0xE00, 0xEFF),
        (0x1000, 0x109F),
        (0x1780, 0x17FF),
        (0x3040, 0x30FF),
        (0x4E00, 0x9FFF),
        (0x20000, 0x2FFFF),
    )
    words: list[str] = []
    open_word, open_alone = False, False
    for character in text.lower().replace("ς", "σ"):
        category = unicodedata.category(character)[0]
        alone = category == "L" and any(first <= ord(character) <= last for first, last in alone_blocks)
        if category not in "LMN" and character != "_":
            open_word = False
        elif open_word and (category == "M" or not (alone or open_alone)):
            words[-1] += character
        else:
            words.append(character)
            open_word, open_alone = True, alone
    return words


KNOWN = st.text(st.sampled_from("abAB zß_9 ..-\n\t\u00a0ée\u0301İŁДж中文字テーブルไทยที่นี่ကမ္ဘာ한국어हिन्दी\U00020000😀٣"))


@given(st.lists(KNOWN, max_size=4))
@settings(max_examples=200)
def test_words_are_those_of_the_slow_splitter(texts: list[str]) -> None:
    expected = [split_slowly(text) for text in texts]
    hashes, _, _, offsets = hash_words(texts)
    assert np.diff(offsets).tolist() == [len(words) for words in expected]
    flat = [word for words in expected for word in words]
    by_word: dict[str, int] = {}
    for word, value in zip(flat, hashes.tolist(), strict=True):
        assert by_word.setdefault(word, value) == value
    assert len(set(by_word.values())) == len(by_word)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't stop-now snake_case 3.14", 7),
        ("中文字", 3),
        ("ที่นี่", 2),
        ("हिन्दी में", 2),
        ("한국어 문장", 2),
        ("Python語 3つ", 4),
        ("... — !", 0),
    ],
)
def test_scripts_without_spaces_count_signs_and_others_words(text: str, words: int) -> None:
    assert len(hash_words([text]).hashes) == words


ENDS = [
    "x" * 70,
    "a warm mill grinds ",
    "WHEAT_flour9",
    "  \n",
    ".",
    "\x00",
    "é",
    "Straße ",
    "Дом стоит ",
    "ΟΔΟΣ ",
    "İzmir ",
]
WIDE = ["中文字", "テーブル ", "ไทยที่", "한국어 ", "\u0301", "\u3000", "\U00020000", "\U0010ffff", "😀"]
PIECES = st.lists(st.sampled_from([*ENDS, *WIDE]), max_size=40).map("".join)
"""Texts of many blocks of 64 bytes, some in ASCII, some beginning or ending within a word or a character."""


def hashed_slowly(word: str) -> int:
    """Eight bytes of the word in lower case at a time, mixed by MurmurHash3's finalizer."""
    data, value = word.lower().replace("ς", "σ").encode(), 0x9E3779B97F4A7C15
    for start in range(0, len(data), 8):
        value ^= int.from_bytes(data[start : start + 8], "little")
        for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
            value = (value ^ value >> 33) * factor % 2**64
        value ^= value >> 33
    return value


@given(st.lists(PIECES, min_size=1, max_size=4))
@settings(max_examples=200)
def test_long_texts_are_cut_and_hashed_as_short_ones(texts: list[str]) -> None:
    texts = [unicodedata.normalize("NFC", text) for text in texts]
    found = hash_words(texts)
    assert found.hashes.tolist() == [hashed_slowly(word) for text in texts for word in split_slowly(text)]
    for text, first, stop in zip(texts, found.offsets.tolist(), found.offsets[1:].tolist(), strict=False):
        spans = zip(found.starts[first:stop].tolist(), found.ends[first:stop].tolist(), strict=True)
        cut = [text[start:end].lower().replace("ς", "σ") for start, end in spans]
        assert cut == split_slowly(text)


DECOMPOSED = st.text(
    st.sampled_from("aAeo\u0301\u0323\u0345 İI\u0307ß.-각\u1100\u1161\u11a8\u0915\u093c\u0958Å\u212b\n"), max_size=30
)


@given(DECOMPOSED | st.text(max_size=30))
@settings(max_examples=400)
@example("e\u0301te\u0301 İstanbul")
@example("x İ y")
@example("\u0301\u0958a")
def test_places_are_of_the_text_as_it_was_given(text: str) -> None:
    hashes, starts, ends, offsets = hash_words(["before", text, "after"])
    words = slice(offsets[1], offsets[2])
    stop = 0
    for value, start, end in zip(hashes[words], starts[words], ends[words], strict=True):
        assert stop <= start < end <= len(text)
        stop = int(start)  # neighbours overlap only where one composed piece holds a word's end and another's start
        cut = hash_words([text[start:end]]).hashes
        assert value in cut, (text, text[start:end])


def test_two_spellings_of_a_word_are_one_hash() -> None:
    composed, decomposed, upper = hash_words(["\u00e9t\u00e9", "e\u0301te\u0301", "\u00c9T\u00c9"]).hashes
    assert composed == decomposed == upper
    spelt = hash_words(["un e\u0301te\u0301 chaud"])
    assert list(zip(spelt.starts.tolist(), spelt.ends.tolist(), strict=True)) == [(0, 2), (3, 8), (9, 14)]


@pytest.mark.parametrize("text", ["か\u3099\U0001d15e日", "e\u0301\u2adc f"])
def test_a_piece_that_is_as_long_in_nfc_by_chance_is_not_taken_for_itself(text: str) -> None:
    """One character fewer, one more: the first word's span holds its mark."""
    assert len(unicodedata.normalize("NFC", text)) == len(text)
    words = hash_words([text])
    assert words.ends[0] >= 2
    assert words.hashes[0] in hash_words([text[: words.ends[0]]]).hashes
