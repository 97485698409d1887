"""Words: how a text is cut into them, once for all stages, and their hashes.

**Words** are longest runs of letters, digits, marks and the underscore (Unicode categories L*, N*, M*, and `_`; the
variation selectors from U+E0100 on, of which plain text has next to none, are signs). In
scripts written without spaces (Han, kana, Thai, Lao, Khmer, Myanmar) each letter, with the marks on it, is a word: a
dictionary would be needed to do better, and of a whole clause one changed sign would change the only word. So counts of
words are higher there and words shorter than a reader's, and five words are a finer shingle than elsewhere.

`hash_words` is what near duplicates (`sign`) and decontamination compare by: words in NFC and lower case, so that two
spellings of one word are one hash (the sigma at a word's end is the one within it, for their capital is one). The
quality metrics count words as written, with signs between them, from the same classes, in a loop of their own
(`tasks.quality.kernels.tokens`): it goes over code points that are decoded once for a dozen loops, and hashes them so
that n-grams can be put together, while the loop here reads bytes and keeps little.

The classes come from the tables of the pinned package `regex`, not from Python's own, which differ by its version.
"""

import functools
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import regex

LAST_CLASSIFIED = 0x3FFFF  # no letter, mark or sign of a text is assigned past the third ideographic plane but variants

SPACELESS = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\u30fc\uff70"
"""Scripts without spaces, with the prolonged sound marks of kana, which Unicode calls common to two scripts."""
WIDE_TERMINALS = "。！？．｡។៕။"
# FineWeb's first published set (. ' " ! ?) with the typographic forms of the two quotes; terminal marks of other
# scripts are added as in datatrove's present code.
QUOTED_ENDINGS = ".'\"!?’”"
# What datatrove ends a line with beyond Sentence_Terminal: Khmer signs at the end of a section. (It lacks marks that
# Unicode has added since 15.0.)
KHMER_ENDS = "\u17d6\u17d9\u17da"
# Where Python's str.splitlines cuts, and what its str.strip takes away.
LINE_BREAKS = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
# What datatrove's `utils.text.PUNCTUATION` calls no word, terminal marks apart: it leaves out $ and the bullet.
PUNCTUATION = "!/—”:％１〈&(、━\\【#%「」，】；+^]~“《„';’{|∶´[=-`*．（–？！：$～«〉,><》)?）。…@_.\"}►»"


class HashedWords(NamedTuple):
    """Words of n texts, one after another.

    `hashes` uint64, `starts` and `ends` int32: where the word stands in characters (code points) of its own text as it
    was given, end not included. `offsets` (n + 1) int64: text i has the words offsets[i] to offsets[i + 1].
    """

    hashes: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    offsets: np.ndarray


@functools.cache
def word_classes() -> np.ndarray:
    """What each code point up to LAST_CLASSIFIED is, uint16: the constants of `word_kernels`."""
    from tasks import word_kernels as k

    every = "".join(map(chr, range(LAST_CLASSIFIED + 1)))

    def found(pattern: str) -> list[int]:
        return [match.start() for match in regex.finditer(pattern, every)]

    classes = np.full(LAST_CLASSIFIED + 1, k.GAP, np.uint16)
    classes[found(r"[\p{P}\p{S}]")] = k.SYMBOL
    classes[found(r"[\p{L}\p{N}_]")] = k.LETTER
    classes[found(rf"[[{SPACELESS}]&&[\p{{L}}\p{{Nl}}]](?V1)")] = k.ALONE
    classes[found(r"\p{M}")] = k.MARK
    classes[found(r"\p{L}")] |= k.ALPHABETIC
    classes[found(r"\p{Uppercase}")] |= k.UPPERCASE
    classes[found(r"\p{Nd}")] |= k.DIGIT
    classes[found(r"\p{Sentence_Terminal}")] |= k.TERMINAL | k.ENDING | k.QUOTED_ENDING | k.PUNCTUATION
    classes[found(r"[\p{Pe}\p{Pf}\p{Pi}'\"]")] |= k.CLOSING
    for marks, flag in (
        (WIDE_TERMINALS, k.WIDE),
        (QUOTED_ENDINGS, k.QUOTED_ENDING),
        (LINE_BREAKS, k.LINE_BREAK),
        (PUNCTUATION, k.PUNCTUATION),
        (KHMER_ENDS, k.PUNCTUATION | k.ENDING | k.QUOTED_ENDING),
    ):
        classes[[ord(mark) for mark in marks]] |= flag
    classes[[code for code, character in enumerate(every) if character.isspace()]] |= k.SPACE
    return classes


def utf8(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The bytes of a string column without nulls (uint8) and where each text starts in them (n + 1, int64). No copy."""
    values = texts if pa.types.is_large_string(texts.type) else texts.cast(pa.large_string())
    _, offsets, data = values.buffers()
    starts = np.frombuffer(offsets, np.int64)[values.offset : values.offset + len(values) + 1] if offsets else None
    if starts is None or not len(starts):
        return np.zeros(0, np.uint8), np.zeros(1, np.int64)
    return np.frombuffer(data, np.uint8) if data else np.zeros(0, np.uint8), np.ascontiguousarray(starts)


@functools.cache
def forms() -> np.ndarray:
    """Each code point's small form, kind and marks, uint32: the table of `word_kernels`."""
    from tasks import word_kernels as k

    every = "".join(map(chr, range(LAST_CLASSIFIED + 1)))
    lowered = [character.lower() for character in every.replace("\u03c2", "\u03c3")]
    # One letter's small form is two, U+0130's: it keeps its code, and the loops write both.
    found = np.array([ord(small) if len(small) == 1 else code for code, small in enumerate(lowered)], np.uint32)
    classes = word_classes()
    found |= (classes & k.KIND).astype(np.uint32) << k.FORM_KIND_SHIFT
    found[(classes & k.SPACE) != 0] |= k.FORM_SPACE
    found[[code for code, character in enumerate(every) if not _begins(character)]] |= k.FORM_BOUND
    return found


def hash_words(texts: Sequence[str]) -> HashedWords:
    """The words of texts in NFC and lower case, hashed, with their places in the texts as given."""
    normal = [text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text) for text in texts]
    text, bounds = joined(normal)
    words = hash_normal_words(text, bounds[:-1], bounds[1:])
    _, starts, ends, offsets = words
    for index, (before, after) in enumerate(zip(texts, normal, strict=True)):
        if after is not before:
            some = slice(offsets[index], offsets[index + 1])
            first, last = _origins(before)
            starts[some], ends[some] = first[starts[some]], last[ends[some]]
    return words


def hash_normal_words(text: np.ndarray, begins: np.ndarray, stops: np.ndarray) -> HashedWords:
    """The words of texts in NFC, hashed in lower case, with their places in them.

    Args: `text` uint8, UTF-8; `begins` and `stops` int64 (n), where each text lies in it.
    """
    from models.block_kernels import BLOCK
    from tasks import word_kernels

    lengths = stops - begins
    size = int(lengths.sum()) // 2 + len(lengths) + 1  # a word has two bytes, or its neighbour another two
    small = room(2 * (int(lengths.max(initial=0)) + BLOCK), np.uint8)
    hashes, starts, ends = room(size, np.uint64), room(size, np.int32), room(size, np.int32)
    offsets = np.empty(len(begins) + 1, dtype=np.int64)
    count = word_kernels.hash_words(text, begins, stops, forms(), small, hashes, starts, ends, offsets)
    return HashedWords(hashes[:count], starts[:count], ends[:count], offsets)


def hash_normal_characters(text: np.ndarray, begins: np.ndarray, stops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The characters of such texts, hashed in lower case: uint64, and where each text starts among them (n + 1)."""
    from tasks import word_kernels

    hashes = room(int((stops - begins).sum()) + 1, np.uint64)
    offsets = np.empty(len(begins) + 1, dtype=np.int64)
    count = word_kernels.hash_characters(text, begins, stops, forms(), hashes, offsets)
    return hashes[:count], offsets


def room(n: int, kind: type[np.generic]) -> np.ndarray:
    """An array of n values that are still to be written, in Arrow's memory: it keeps what is given back for the next.

    A new array of numpy's is new pages of the system's, and those cost as much as what is written into them here.
    """
    return np.frombuffer(pa.allocate_buffer(n * np.dtype(kind).itemsize), kind)


def joined(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The UTF-8 of texts one after another (uint8), and where each starts in it (n + 1, int64)."""
    encoded = [text.encode("utf-8") for text in texts]
    bounds = np.zeros(len(encoded) + 1, dtype=np.int64)
    np.cumsum([len(text) for text in encoded], out=bounds[1:])
    return np.frombuffer(b"".join(encoded), dtype=np.uint8), bounds


def _origins(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Where a boundary between characters of the text in NFC lies in the text itself.

    Returns: for each boundary, as the start of a word and as its end, int32. NFC is taken piece by piece: a piece
    begins at a character that nothing before it can join. What lies inside a piece is widened to the whole of it.
    """
    first, last = [0], [0]
    start = 0
    cuts = [index for index, character in enumerate(text) if index and _begins(character)]
    for stop in [*cuts, len(text)] if text else []:
        normal = unicodedata.normalize("NFC", text[start:stop])
        length, plain = len(normal), normal == text[start:stop]
        for inner in range(1, length + 1):
            at = start + inner if plain else stop if inner == length else None
            first.append(start if at is None else at)
            last.append(stop if at is None else at)
        start = stop
    return np.array(first, np.int32), np.array(last, np.int32)


@functools.cache
def _joining() -> frozenset[str]:
    """Characters that may join with the one before them in NFC."""
    found = {chr(code) for code in (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))}  # Hangul vowels and finals
    for code in range(LAST_CLASSIFIED + 1):
        parts = unicodedata.decomposition(chr(code))
        if parts and not parts.startswith("<"):
            found.update(chr(int(part, 16)) for part in parts.split()[1:])
    return frozenset(found)


def _begins(character: str) -> bool:
    """Whether no normalisation reaches over the place before this character."""
    return (
        unicodedata.combining(character) == 0
        and character not in _joining()
        and unicodedata.is_normalized("NFC", character)
    )
