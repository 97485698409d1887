"""Compiled loops of `sequences`: the hash of every run of words, and where those of an index stand in documents."""

from typing import Any

import numpy as np
from numba import types

from tasks.sign_kernels import HASHES, OFFSETS, compiled, mix

INT = types.int64
FILTER = types.Array(types.uint8, 1, "C")
FOUND = types.Array(types.int64, 2, "C")

BASE = np.uint64(0x9E3779B97F4A7C15)  # of the polynomial; odd, so that no word of a run is lost modulo 2^64
FIRST_BITS = np.uint64(0xFFFF)


@compiled(types.uint64(INT))
def power_of(length: Any) -> Any:
    """BASE to the power of a run's length."""
    power = np.uint64(1)
    for _ in range(length):
        power *= BASE
    return power


@compiled(types.uint64(types.uint64, HASHES, INT, INT, INT, types.uint64))
def roll(value: Any, words: Any, start: Any, end: Any, length: Any, power: Any) -> Any:
    """The polynomial of the run of `length` words that ends with words[end], out of that of the run before it.

    Of fewer words where the text, from `start` on, has no more. `power`: `power_of` the length.
    """
    value = value * BASE + words[end]
    return value - words[end - length] * power if end - start >= length else value


@compiled(types.uint64(HASHES, INT, INT))
def hash_run(words: Any, start: Any, length: Any) -> Any:
    """The hash of a run of words; their order and number count."""
    value = np.uint64(0)
    for place in range(start, start + length):
        value = value * BASE + words[place]
    return mix(value + np.uint64(length))


@compiled(INT(HASHES, OFFSETS, OFFSETS, FILTER, FILTER, HASHES, OFFSETS, HASHES, FOUND))
def find_runs(
    words: Any,
    offsets: Any,
    lengths: Any,
    firsts: Any,
    filter: Any,
    keys: Any,
    numbers: Any,
    prefixes: Any,
    found: Any,
) -> Any:
    """Every run of words that an index holds.

    Args: `words` and `offsets` of n documents; `lengths` ascending, of the index's runs; `firsts` which low bits of a
    first word's hash begin a run, `filter` a bit for the low bits of each run's hash; `keys` and `numbers` an open
    hash table (numbers -1 where it is empty); `prefixes` room for one more than the longest document. Fills `found`
    with rows of (document, first word in it, number of the run, length). Returns: how many, maybe more than there was
    room for.
    """
    count, room = 0, len(found)
    slots, bits = np.uint64(len(keys) - 1), np.uint64(len(filter) - 1)
    powers = np.empty(len(lengths), np.uint64)
    for number in range(len(lengths)):
        powers[number] = power_of(lengths[number])
    for document in range(len(offsets) - 1):
        start = offsets[document]
        n = offsets[document + 1] - start
        prefixes[0] = np.uint64(0)
        for place in range(n):
            prefixes[place + 1] = prefixes[place] * BASE + words[start + place]
        for place in range(n):
            if firsts[words[start + place] & FIRST_BITS] == 0:
                continue
            for number in range(len(lengths)):
                length = lengths[number]
                if place + length > n:
                    break
                value = mix(prefixes[place + length] - prefixes[place] * powers[number] + np.uint64(length))
                if filter[(value >> np.uint64(3)) & bits] & (np.uint64(1) << (value & np.uint64(7))) == 0:
                    continue
                slot = (value >> np.uint64(24)) & slots
                while numbers[slot] >= 0 and keys[slot] != value:
                    slot = (slot + np.uint64(1)) & slots
                if numbers[slot] >= 0:
                    if count < room:
                        found[count, 0], found[count, 1] = document, place
                        found[count, 2], found[count, 3] = numbers[slot], length
                    count += 1
    return count


@compiled(types.void(HASHES, HASHES, OFFSETS, FILTER))
def fill_table(runs: Any, keys: Any, numbers: Any, filter: Any) -> None:
    """Put different run hashes into an open hash table: `numbers` says which of them each slot holds, -1 for none.

    The filter has a bit for the low bits of each: most runs of a text are none of the index's, and a look there is
    enough. `keys`, `numbers` and `filter` are as long as a power of two.
    """
    slots, bits = np.uint64(len(keys) - 1), np.uint64(len(filter) - 1)
    for number in range(len(runs)):
        filter[(runs[number] >> np.uint64(3)) & bits] |= np.uint8(1 << (runs[number] & np.uint64(7)))
        slot = (runs[number] >> np.uint64(24)) & slots
        while numbers[slot] >= 0:
            slot = (slot + np.uint64(1)) & slots
        keys[slot], numbers[slot] = runs[number], number


@compiled(types.void(HASHES, OFFSETS, OFFSETS, HASHES))
def hash_runs(words: Any, starts: Any, lengths: Any, runs: Any) -> None:
    """Fill `runs` with the hash of each run of `lengths` words from `starts` on."""
    for number in range(len(starts)):
        runs[number] = hash_run(words, starts[number], lengths[number])
