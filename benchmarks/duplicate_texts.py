"""Documents for the contests of near duplicates: planted pairs of every similarity, and the truth.

Planted pairs are our own: made-up words, frequent ones more often. Of half of them the second text keeps one stretch of
the first and goes on with new words; of the other half single words are changed here and there. A pair's similarity is
computed from its shingles, exactly.
"""

import random
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa

NGRAM = 5
LEVELS = tuple(level / 20 for level in range(1, 21))
"""The similarities for which pairs are planted: 0.05, 0.10 … 1."""
PAIRS = 60
"""Pairs planted for each of LEVELS."""
WORD = re.compile(r"\w+")


def planted(pairs: int = PAIRS, levels: Iterable[float] = LEVELS, seed: int = 11) -> list[tuple[str, str]]:
    """`pairs` pairs of texts of about each of these similarities, in the order of `levels`."""
    draw = random.Random(seed)
    letters = "abcdefghiklmnoprstuvwz"
    vocabulary = ["".join(draw.choices(letters, k=draw.randint(2, 9))) for _ in range(20_000)]
    weights = np.cumsum([1 / (rank + 10) for rank in range(len(vocabulary))]).tolist()

    def words(count: int) -> list[str]:
        return draw.choices(vocabulary, cum_weights=weights, k=count)

    found = []
    for level in levels:
        for number in range(pairs):
            first = words(draw.randint(150, 600))
            second = _cut(first, level, words) if number % 2 else _edited(first, level, words, draw)
            found.append((_written(first, draw), _written(second, draw)))
    return found


def _cut(first: list[str], level: float, words) -> list[str]:
    """A text of the same length that shares one stretch with the first: s shared of 2n - s shingles in all."""
    shared = round(2 * level / (1 + level) * (len(first) - NGRAM + 1))
    stretch = shared + NGRAM - 1 if shared else 0
    return first[:stretch] + words(len(first) - stretch)


def _edited(first: list[str], level: float, words, draw: random.Random) -> list[str]:
    """The first with words changed at random places: a shingle stays if none of its words is changed."""
    kept = (2 * level / (1 + level)) ** (1 / NGRAM)
    fresh = words(len(first))
    return [word if draw.random() < kept else new for word, new in zip(first, fresh, strict=True)]


def _written(words: list[str], draw: random.Random) -> str:
    """Words as a text: sentences, lines, capitals. Two writings of the same words have the same words."""
    text, start = [], True
    for word in words:
        text.append(word.capitalize() if start else word)
        start = draw.random() < 0.08
        if start:
            text[-1] += draw.choice([".", ".", "?", ".\n"])
    return " ".join(text)


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, without signs: what every contestant that is given words is given."""
    return WORD.findall(text.lower())


def shingles(text: str) -> list[str]:
    """Runs of NGRAM words of a text, as a reader of the papers would write it."""
    words = words_of(text)
    return [" ".join(words[at : at + NGRAM]) for at in range(max(1, len(words) - NGRAM + 1))] if words else []


def write(folder: Path, texts: list[str]) -> None:
    """The input of all contestants: `documents/00000.parquet` with the columns id and text, as our stages write it."""
    from storage.shards import TableWriter  # not on the way of the peers, either
    from storage.table import column, table

    (folder / "documents").mkdir(parents=True, exist_ok=True)
    declared = table(column("id", pa.string(), "Number."), column("text", pa.string(), "Text."), group_rows=1024)
    ids = [f"{number:032d}" for number in range(len(texts))]  # as long as ours are
    with TableWriter(folder / "documents" / "00000.parquet", declared) as writer:
        writer.write(pa.RecordBatch.from_arrays([pa.array(ids), pa.array(texts, pa.string())], schema=declared.schema))


def similar_pairs(texts: list[str], least: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All pairs of texts whose sets of shingles have a Jaccard similarity of at least `least`, exactly, by brute force.

    Returns: the earlier and the later text of each pair (int64), and their similarity (float64).
    """
    from scipy.sparse import csr_array  # not on the way of the peers, whose memory is measured

    numbers: dict[str, int] = {}
    rows: list[np.ndarray] = []
    for text in texts:
        rows.append(np.array(sorted({numbers.setdefault(one, len(numbers)) for one in shingles(text)}), np.int64))
    sizes = np.array([len(row) for row in rows])
    columns = np.concatenate(rows)
    lines = np.repeat(np.arange(len(rows)), sizes)
    # A shingle of one text alone makes no pair.
    shared = np.bincount(columns, minlength=len(numbers))[columns] > 1
    has = csr_array(
        (np.ones(int(shared.sum()), np.int32), (lines[shared], columns[shared])), shape=(len(rows), len(numbers))
    )
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for start in range(0, len(rows), 256):
        both = (has[start : start + 256] @ has.T).tocoo()
        left, right = both.coords[0] + start, both.coords[1].astype(np.int64)
        similarity = both.data / (sizes[left] + sizes[right] - both.data)
        wanted = (left < right) & (similarity >= least)
        found.append((left[wanted], right[wanted], similarity[wanted]))
    left, right, similarity = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return left, right, similarity
