"""How a text is cut, once for all metrics.

**Words** are longest runs of letters, digits, marks and the underscore (Unicode categories L*, N*, M*, and `_`). In
scripts written without spaces (Han, kana, Thai, Lao, Khmer, Myanmar) each letter, with the marks on it, is a word: a
dictionary would be needed to do better, so counts of words are higher there and words shorter than a reader's.
**Signs** are longest runs of one same other character: `...` and `----` are one sign each. A lone sign directly
between two words of scripts with spaces belongs to neither and is not counted: `it's`, `3.14` and `well-known` are two
words and no sign. What is left are **gaps**: white space, control and format characters, unassigned code points; a
mark that follows a gap is one too. *Words and signs* together are what datatrove's word tokenizers give (spaCy's and
NLTK's split some contractions, numbers and hyphens in other ways); where a published ratio is per such token, it is so
here. **Spaced words** are runs of anything but gaps, as Dolma and NeMo Curator count words: the share of words with a
letter is of these.

**Lines** end at a line feed alone. Gaps at a line's end are not part of it, and a line of gaps alone does not count.
**Paragraphs** are runs of lines that count, joined by line feeds. **Sentences** end at a run of terminal marks
(Unicode's Sentence_Terminal) that comes after a word and before a gap, closing quotes and brackets left aside; marks of
scripts without spaces need no gap. A line's end ends a sentence without counting it. No abbreviations are known.
**Characters** are Unicode code points.

The classes come from the tables of the pinned package `regex`, not from Python's own, which differ by its version.
"""

import functools

import numpy as np
import pyarrow as pa
import regex

LAST_CLASSIFIED = 0x3FFFF  # no letter, mark or sign of a text is assigned past the third ideographic plane but variants

SPACELESS = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
WIDE_TERMINALS = "。！？．｡។៕။"
# FineWeb's first published set (. ' " ! ?) with the typographic forms of the two quotes; terminal marks of other
# scripts are added as in datatrove's present code.
LINE_ENDINGS = ".'\"!?’”"


@functools.cache
def word_classes() -> np.ndarray:
    """What each code point up to LAST_CLASSIFIED is, uint8: the constants of `kernels`."""
    from tasks.quality import kernels

    every = "".join(map(chr, range(LAST_CLASSIFIED + 1)))

    def found(pattern: str) -> list[int]:
        return [match.start() for match in regex.finditer(pattern, every)]

    classes = np.full(LAST_CLASSIFIED + 1, kernels.GAP, np.uint8)
    classes[found(r"[\p{P}\p{S}]")] = kernels.SYMBOL
    classes[found(r"[\p{L}\p{N}_]")] = kernels.LETTER
    classes[found(rf"[[{SPACELESS}]&&[\p{{L}}\p{{Nl}}]](?V1)")] = kernels.ALONE
    classes[found(r"\p{M}")] = kernels.MARK
    classes[found(r"\p{L}")] |= kernels.ALPHABETIC
    classes[found(r"\p{Sentence_Terminal}")] |= kernels.TERMINAL | kernels.LINE_ENDING
    classes[found(r"[\p{Pe}\p{Pf}\p{Pi}'\"]")] |= kernels.CLOSING
    classes[[ord(mark) for mark in WIDE_TERMINALS]] |= kernels.WIDE
    classes[[ord(mark) for mark in LINE_ENDINGS]] |= kernels.LINE_ENDING
    return classes


def hash_word(word: str) -> int:
    """The hash under which `kernels` know a word: FNV-1a over its code points, then `mix`. Modulo 2^64."""
    from tasks.sign_kernels import FNV_OFFSET, FNV_PRIME, mix

    value = int(FNV_OFFSET)
    for character in word:
        value = ((value ^ ord(character)) * int(FNV_PRIME)) & 0xFFFFFFFFFFFFFFFF
    return int(mix(np.uint64(value)))


def utf8(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The bytes of a string column without nulls (uint8) and where each text starts in them (n + 1, int64). No copy."""
    values = texts if pa.types.is_large_string(texts.type) else texts.cast(pa.large_string())
    _, offsets, data = values.buffers()
    starts = np.frombuffer(offsets, np.int64)[values.offset : values.offset + len(values) + 1] if offsets else None
    if starts is None or not len(starts):
        return np.zeros(0, np.uint8), np.zeros(1, np.int64)
    return np.frombuffer(data, np.uint8) if data else np.zeros(0, np.uint8), np.ascontiguousarray(starts)


def count_texts(texts: pa.Array, stop_words: tuple[str, ...], short_line: int) -> np.ndarray:
    """Everything that is counted of each text, (n, N_COUNTS) int64; the columns are named in `kernels`."""
    from tasks.quality import kernels
    from tasks.quality.scan import count_texts

    text, offsets = utf8(texts)
    counts = np.zeros((len(offsets) - 1, kernels.N_COUNTS), np.int64)
    hashes = np.array([hash_word(word) for word in stop_words], np.uint64)
    readonly = text.view()
    readonly.flags.writeable = False
    count_texts(readonly, offsets, word_classes(), hashes, short_line, counts)
    return counts


def share(part: np.ndarray, whole: np.ndarray) -> pa.Array:
    """part / whole as float32, null where whole is 0, or part negative (which says: nothing to measure)."""
    unknown = (whole == 0) | (part < 0)
    return pa.array((part / np.where(whole == 0, 1, whole)).astype(np.float32), mask=unknown)
