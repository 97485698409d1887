"""Runs of words that stand in several documents: exact, in bounded memory.

Only documents that share an anchor (see `tasks.parts`) can share a run of enough words: their text is read, and their
words lie in a scratch folder, memory-mapped. Every run of `min_tokens` words is then entered into a hash table, in the
order in which documents were first seen, so that the first place of a run is found, and compared word by word. A table
holds the runs of one pass, by the remainder of their hash: RUNS_AT_ONCE of them, 13 bytes a slot.

Why no suffix array: what is asked for is which words lie in a shared run of at least k, and a run is that long if and
only if each k words of it are shared. The table says so with one look for each word, finds the same, and takes half the
memory and half the time (`python -m benchmarks repeats --print`).
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tasks.decide.repeats.documents import Rows
from tasks.decide.repeats.lines import Spans
from tasks.decide.repeats.rules import RepeatedSubstrings
from tasks.words import hash_words

RUNS_AT_ONCE = 1 << 23
TEXTS_AT_ONCE = 256


def find_substrings(
    texts: Sequence[Rows], candidates: np.ndarray, rules: RepeatedSubstrings, at_once: int = RUNS_AT_ONCE
) -> Spans:
    """The stretches of the candidates (bool, by rank) that go.

    A word's stretch goes on up to the next word; the first one's begins with the text: a document of which every word
    goes is gone whole.
    """
    with tempfile.TemporaryDirectory(prefix="gristmill-repeats-") as folder:
        rank, bounds, lengths = _spill(texts, candidates, Path(folder))
        n_words = int(bounds[-1])
        if not n_words:
            return Spans(*[np.empty(0, np.int32)] * 3)
        words = np.asarray(np.memmap(Path(folder) / "words", np.uint64, "r+"))
        starts = np.asarray(np.memmap(Path(folder) / "starts", np.int32, "r+"))
        found = find_runs(words, bounds, np.argsort(rank, kind="stable"), rules, at_once)
        document, first, behind = found.T
        start = np.where(first == bounds[document], 0, starts[first])
        last = behind == bounds[document + 1]
        end = np.where(last, lengths[document], starts[np.minimum(behind, n_words - 1)])
    some = start < end  # words of one letter that grew in NFC share its place
    return Spans(rank[document][some], start[some].astype(np.int32), end[some].astype(np.int32))


def find_runs(
    words: np.ndarray, bounds: np.ndarray, order: np.ndarray, rules: RepeatedSubstrings, at_once: int = RUNS_AT_ONCE
) -> np.ndarray:
    """Rows of (document, first word, first word behind) of the words that go, int64 (n, 3), by document and place.

    Args: `words` uint64 of the documents one after another, `bounds` (n + 1) where they begin; `order` (n) the
    documents, the first seen first.
    """
    from tasks.decide.repeats import kernels

    n = rules.min_tokens
    runs = int(np.maximum(np.diff(bounds) - n + 1, 0).sum())
    passes = max(1, -(-runs // at_once))
    counts = np.zeros(passes, np.int64)
    kernels.count_runs(words, bounds, n, counts)
    size = 1 << int(2 * counts.max()).bit_length()  # of 16 million slots more than half are free
    begins = np.zeros(int(bounds[-1]), np.uint8)
    for number in range(passes):
        table, owners, shared = np.full(size, -1, np.int64), np.zeros(size, np.int32), np.zeros(size, np.uint8)
        keep_first = rules.keep == "first"
        kernels.mark_runs(words, bounds, order, n, number, passes, table, owners, shared, keep_first, begins)
    room = 4096
    while True:
        found = np.empty((room, 3), np.int64)
        count = kernels.list_runs(begins, bounds, n, found)
        if count <= room:
            return found[:count]
        room = count


def _spill(texts: Sequence[Rows], candidates: np.ndarray, folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Write the words of the candidates and where they start. Returns: rank, bounds in words, characters of each."""
    ranks, counts, lengths = [np.empty(0, np.int32)], [np.zeros(1, np.int64)], []
    with (folder / "words").open("wb") as words_file, (folder / "starts").open("wb") as starts_file:
        for rows in texts:
            for batch, rank in rows.groups(["text"], candidates):
                for start in range(0, batch.num_rows, TEXTS_AT_ONCE):
                    some = batch.column("text").slice(start, TEXTS_AT_ONCE).to_pylist()
                    words = hash_words(some)
                    words.hashes.tofile(words_file)
                    words.starts.tofile(starts_file)
                    counts.append(np.diff(words.offsets))
                    lengths += [len(text) for text in some]
                ranks.append(rank)
    return np.concatenate(ranks), np.cumsum(np.concatenate(counts)), np.array(lengths, np.int64)
