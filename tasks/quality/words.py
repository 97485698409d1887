"""How a text is cut, once for all metrics.

**Words** are those of `tasks.words`, as written: runs of letters, digits, marks and the underscore; each letter where a
script has no spaces. **Signs** are longest runs of one same other character: `...` and `----` are one sign each. What a
lone sign does directly between two words of scripts with spaces follows spaCy's English rules: it joins them into one
word (`3.14`, `1/2`, `a@b.org`), but hyphens and dashes between letters or between digits, `:`, `<`, `>`, `=` and `/`
before a letter, a comma between letters, and a period between a small letter and a capital are signs of their own
(`well-known` is two words and a sign); an apostrophe parts two words and is not counted (`it's`). What is left are
**gaps**: white space, control and format characters, unassigned code points; a mark that follows a gap is one too.
*Words and signs* together, **tokens**, are nearly what datatrove's word tokenizers give; where a published ratio is per
such token, it is so here. **Spaced words** are runs of anything but gaps, as Dolma and NeMo Curator count words: the
share of words with a letter is of these.

**Lines** are, for each metric, what the code cuts that made it known (datatrove's): for FineWeb's, what stands between
line feeds and is not white space alone; for repetition, what stands between runs of line feeds, as it is, so that a
line feed at the text's start or end leaves an empty one there; for bullets and ellipses, and for C4, lines as Python's
`str.splitlines` cuts them, white space at both ends left away. **Paragraphs** stand between two or more line feeds.

**Sentences** end at a run of terminal marks (Unicode's Sentence_Terminal) that comes after a word and before a gap,
closing quotes and brackets left aside; marks of scripts without spaces need no gap. A line's end ends a sentence: one
without a terminal mark counts only where a column says so. No abbreviations are known. **Characters** are Unicode code
points.
"""

import functools
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from storage.schemas.spans import SPANS
from tasks.words import utf8, word_classes

LINE_BREAK_BYTES = (0x85, 0xA8, 0xA9, ord("["))
"""Last bytes of what may begin a span, besides the control characters below 32: line breaks, and a citation."""
SPANS_A_LINE = 5  # `items in cart` three times among ten words, and a phrase at each end


@dataclass(frozen=True)
class Counted:
    """What is counted of n texts.

    `counts` (n, texts, columns) int64, named in `kernels`; `entropy` (n,) float64, bits; `stop_words` (n, lists) int32,
    how many of each list are there; `spans`: of C4, FineWeb and RefinedWeb, lists as in `storage.schemas.spans`.
    """

    counts: np.ndarray
    entropy: np.ndarray
    stop_words: np.ndarray
    spans: tuple[pa.Array, pa.Array, pa.Array]


def hash_word(word: str) -> tuple[int, int]:
    """The polynomial hash of a word's code points, and the base to the power of its length, modulo 2^64."""
    from tasks.quality.kernels import BASE

    value, power = 0, 1
    for character in word:
        value = (value * int(BASE) + ord(character) + 1) & 0xFFFFFFFFFFFFFFFF
        power = power * int(BASE) & 0xFFFFFFFFFFFFFFFF
    return value, power


@functools.lru_cache(maxsize=8)
def stop_word_table(lists: tuple[tuple[str, ...], ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The hash table of all stop words (keys, numbers), and which numbers each list has (bounds, members)."""
    from tasks.sign_kernels import mix

    number = {word: place for place, word in enumerate(dict.fromkeys(word for words in lists for word in words))}
    size = 2
    while size < 32 * len(number):  # so empty that a place is seldom taken by another word
        size *= 2
    keys, numbers = np.zeros(size, np.uint64), np.full(size, -1, np.int32)
    for word, place in number.items():
        key = int(mix(np.uint64(hash_word(word)[0])))
        slot = key % size
        while numbers[slot] >= 0:
            slot = (slot + 1) % size
        keys[slot], numbers[slot] = key, place
    members = [sorted({number[word] for word in words}) for words in lists]
    bounds = np.cumsum([0, *map(len, members)]).astype(np.int32)
    return keys, numbers, bounds, np.array([one for of in members for one in of], np.int32)


def count_texts(
    texts: pa.Array,
    stop_words: tuple[tuple[str, ...], ...],
    short_line: int = 30,
    min_line_words: int = 3,
    max_word_length: int = 1000,
) -> Counted:
    """Everything that is counted of each text; `stop_words` are lists of them, each counted by itself."""
    from tasks.quality import kernels
    from tasks.quality.kernels.texts import SPAN_COLUMNS, count_texts

    text, offsets = utf8(texts)
    n = len(offsets) - 1
    text = text[: offsets[-1]].view()
    text.flags.writeable = False
    mine = text[offsets[0] :]
    may_begin = np.count_nonzero(mine < 32) + sum(np.count_nonzero(mine == byte) for byte in LINE_BREAK_BYTES)
    room = SPANS_A_LINE * (int(may_begin) + n)
    starts, ends, kinds = (np.empty((SPAN_COLUMNS, room), np.int32) for _ in range(3))
    bounds = np.zeros((SPAN_COLUMNS, n + 1), np.int64)
    counts = np.zeros((n, kernels.N_TEXTS, kernels.N_COUNTS), np.int64)
    entropy, found = np.zeros(n), np.zeros((n, len(stop_words)), np.int32)
    limits = np.array([short_line, min_line_words, max_word_length], np.int64)
    table = stop_word_table(stop_words)
    count_texts(text, offsets, word_classes(), *table, limits, counts, entropy, found, starts, ends, kinds, bounds)
    c4, fineweb, refinedweb = (_spans(starts[row], ends[row], kinds[row], bounds[row]) for row in range(SPAN_COLUMNS))
    return Counted(counts, entropy, found, (c4, fineweb, refinedweb))


def _spans(starts: np.ndarray, ends: np.ndarray, kinds: np.ndarray, bounds: np.ndarray) -> pa.Array:
    """Lists of spans from their parts; text i has those from bounds[i] to bounds[i + 1]."""
    from tasks.quality.kernels import SPAN_KINDS

    count = int(bounds[-1])
    kind = pa.array(SPAN_KINDS, pa.string()).take(pa.array(kinds[:count]))
    spans = pa.StructArray.from_arrays(
        [pa.array(starts[:count]), pa.array(ends[:count]), kind], fields=list(SPANS.value_type)
    )
    return pa.ListArray.from_arrays(pa.array(bounds.astype(np.int32)), spans, type=SPANS)


def share(part: np.ndarray, whole: np.ndarray) -> pa.Array:
    """part / whole as float32, null where whole is 0, or part negative (which says: nothing to measure)."""
    unknown = (whole == 0) | (part < 0)
    return pa.array((part / np.where(whole == 0, 1, whole)).astype(np.float32), mask=unknown)
