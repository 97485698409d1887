"""Compiled loops of repeated runs of words: a table of runs in the order in which documents were first seen."""

from typing import Any

import numpy as np
from numba import types

from tasks.sequence_kernels import power_of, roll
from tasks.sign_kernels import HASHES, OFFSETS, compiled, mix
from tasks.word_kernels import PLACES

INT = types.int64
MARKS = types.Array(types.uint8, 1, "C")


@compiled(INT(HASHES, INT, INT, OFFSETS, types.uint64))
def find_slot(words: Any, place: Any, length: Any, table: Any, value: Any) -> Any:
    """The slot of the run of words at `place`: of an equal run, else the empty one where it belongs.

    Words are compared, not hashes of runs: what is found is equal word by word.
    """
    slots = np.int64(len(table) - 1)
    slot = np.int64(value >> np.uint64(20)) & slots
    while table[slot] >= 0:
        other = table[slot]
        same = other == place
        if not same:
            step = 0
            while step < length and words[other + step] == words[place + step]:
                step += 1
            same = step == length
        if same:
            return slot
        slot = (slot + 1) & slots
    return slot


@compiled(types.void(HASHES, OFFSETS, INT, OFFSETS))
def count_runs(words: Any, bounds: Any, length: Any, counts: Any) -> None:
    """Add to `counts`, one for each pass, the runs of `length` words that it will look at."""
    power = power_of(length)
    for document in range(len(bounds) - 1):
        start, stop = bounds[document], bounds[document + 1]
        rolling = np.uint64(0)
        for end in range(start, stop):
            rolling = roll(rolling, words, start, end, length, power)
            if end - start >= length - 1:
                counts[mix(rolling) % np.uint64(len(counts))] += 1


@compiled(types.void(HASHES, OFFSETS, OFFSETS, INT, INT, INT, OFFSETS, PLACES, MARKS, types.boolean, MARKS))
def mark_runs(
    words: Any,
    bounds: Any,
    order: Any,
    length: Any,
    number: Any,
    passes: Any,
    table: Any,
    owners: Any,
    shared: Any,
    keep_first: Any,
    begins: Any,
) -> None:
    """Mark in `begins` (one a word) where a run begins that goes: others have it, and this document does not keep it.

    All runs of one pass are first entered: the place where each first stands, who has it, and whether another document
    has it; then all are looked up.

    Args: `words` of n documents; `bounds` (n + 1); `order` the documents, the first seen first; `length` words in a
    run; `number` which of so many `passes`, by the remainder of the run's hash. `table` is full of -1 and as long as a
    power of two; `owners` (places in `order`) and `shared` (zeros) are as long.
    """
    power = power_of(length)
    for marking in range(2):
        for rank in range(len(order)):
            start, stop = bounds[order[rank]], bounds[order[rank] + 1]
            rolling = np.uint64(0)
            for end in range(start, stop):
                rolling = roll(rolling, words, start, end, length, power)
                place = end - length + 1
                if place < start:
                    continue
                value = mix(rolling)
                if value % np.uint64(passes) != np.uint64(number):
                    continue
                slot = find_slot(words, place, length, table, value)
                if marking:
                    if shared[slot] and not (keep_first and owners[slot] == rank):
                        begins[place] = 1
                elif table[slot] < 0:
                    table[slot], owners[slot] = place, rank
                elif owners[slot] != rank:
                    shared[slot] = 1


@compiled(INT(MARKS, OFFSETS, INT, types.Array(INT, 2, "C")))
def list_runs(begins: Any, bounds: Any, length: Any, found: Any) -> Any:
    """Rows of (document, first word, first word behind) of the words that go: those in a run of `length` marked ones.

    Returns: how many, maybe more than `found` has room for.
    """
    count = 0
    for document in range(len(bounds) - 1):
        start, covered = np.int64(-1), np.int64(-1)
        for place in range(bounds[document], bounds[document + 1]):
            if begins[place]:
                if place > covered:
                    if start >= 0:
                        if count < len(found):
                            found[count, 0], found[count, 1], found[count, 2] = document, start, covered
                        count += 1
                    start = np.int64(place)
                covered = np.int64(place + length)
        if start >= 0:
            if count < len(found):
                found[count, 0], found[count, 1], found[count, 2] = document, start, covered
            count += 1
    return count
