"""Sequences of words and where they stand in documents: word lists and decontamination look for them in one way.

A run of words is known by a 64-bit hash of its words' hashes (see `words`), so white space, case and punctuation play
no part. A document's run costs one look into a filter of two to four bytes for each run of the index, and
only one that is there costs more.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tasks.words import HashedWords


class Runs(NamedTuple):
    """What was found, one row a place: document, first word in it, number of the run, words."""

    document: np.ndarray
    word: np.ndarray
    number: np.ndarray
    length: np.ndarray


@dataclass(frozen=True)
class SequenceIndex:
    """Runs of words, each different one once, and who has each.

    `owners` and `places`: of the run numbered k those from bounds[k] to bounds[k + 1]; an owner is whoever gave the
    run, a place the number of its first word there.
    """

    lengths: np.ndarray
    firsts: np.ndarray
    filter: np.ndarray
    keys: np.ndarray
    numbers: np.ndarray
    bounds: np.ndarray
    owners: np.ndarray
    places: np.ndarray

    def find(self, words: HashedWords) -> Runs:
        """Every place of every run, by document and then by word."""
        from tasks import sequence_kernels as kernels

        longest = int(np.diff(words.offsets).max(initial=0))
        prefixes = np.empty(longest + 1, np.uint64)
        room = 4096
        while True:
            found = np.empty((room, 4), np.int64)
            tables = (self.lengths, self.firsts, self.filter, self.keys, self.numbers)
            count = kernels.find_runs(words.hashes, words.offsets, *tables, prefixes, found)
            if count <= room:
                return Runs(*np.ascontiguousarray(found[:count].T))
            room = count


def build_index(
    words: HashedWords,
    starts: np.ndarray,
    lengths: np.ndarray,
    owners: np.ndarray,
    places: np.ndarray,
    most_owners: int | None = None,
) -> SequenceIndex:
    """An index of runs of at least one word: each begins at a word of `words.hashes` and has so many of them.

    A run that more than `most_owners` have is left out.
    """
    from tasks import sequence_kernels as kernels

    begin, length = np.ascontiguousarray(starts, np.int64), np.ascontiguousarray(lengths, np.int64)
    runs = np.empty(len(begin), np.uint64)
    kernels.hash_runs(words.hashes, begin, length, runs)
    different, number = np.unique(runs, return_inverse=True)
    order = np.lexsort((places, owners, number))
    if most_owners is not None:
        pairs = np.unique(np.stack([number, owners], axis=1), axis=0)
        common = np.bincount(pairs[:, 0], minlength=len(different)) > most_owners
        order = order[~common[number[order]]]
        different, renumber = different[~common], np.cumsum(~common) - 1
        begin, length = begin[~common[number]], length[~common[number]]
        number = np.where(common[number], 0, renumber[number])
    counts = np.bincount(number[order], minlength=len(different))
    size = 1 << max(4, (2 * len(different)).bit_length())
    keys, numbers, seen = np.zeros(size, np.uint64), np.full(size, -1, np.int64), np.zeros(size, np.uint8)
    kernels.fill_table(different, keys, numbers, seen)
    firsts = np.zeros(int(kernels.FIRST_BITS) + 1, np.uint8)
    firsts[words.hashes[begin] & kernels.FIRST_BITS] = 1
    return SequenceIndex(
        np.unique(length),
        firsts,
        seen,
        keys,
        numbers,
        np.concatenate([[0], np.cumsum(counts)]),
        np.asarray(owners, np.int64)[order],
        np.asarray(places, np.int64)[order],
    )
