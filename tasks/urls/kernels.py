"""Compiled loops over the lines of block lists and over keys: both are 64-bit hashes, of the same normal form.

Hashes are FNV-1a, finished by the kind of the key and MurmurHash3's mixer. Among 5 million entries a key that is none
of them meets one with a probability of 3e-13.
"""

from typing import Any

import numpy as np
from numba import types

from tasks.sign_kernels import BYTES, FNV_OFFSET, FNV_PRIME, HASHES, OFFSETS, compiled, mix

DOMAINS, URLS, WORDS, RULES, WILDCARDS, EXCEPTIONS = range(1, 7)
FILTER_BITS = 1 << 26
"""8 MiB that tell at once of 15 in 16 keys, among 4.5 million entries, that they are none, without a search."""
SHARP, DOT, SLASH, MARK, HYPHEN, STAR, SPACE, NEWLINE, LESS, MORE, LETTER_W = (ord(sign) for sign in "#./?-* \n<>w")
FLAGS = types.Array(types.boolean, 1, "C")


@compiled(types.uint64(types.uint64, types.int64))
def finish(value: Any, kind: Any) -> Any:
    """The hash of a key of a kind, from FNV-1a of its bytes.

    Kinds are apart by multiples of the golden ratio: by multiples of FNV's prime, as it steps itself, keys of two kinds
    that differ in their last letter would meet (`*.gf`, `gg`).
    """
    return mix(value + np.uint64(kind) * np.uint64(0x9E3779B97F4A7C15))


@compiled(types.boolean(types.uint8))
def is_space(byte: Any) -> Any:
    """Whether Python's `str.strip` takes this ASCII sign for white space."""
    return byte == SPACE or 9 <= byte <= 13 or 28 <= byte <= 31


@compiled(types.boolean(BYTES, types.int64, types.int64))
def is_plain_url(text: Any, start: Any, stop: Any) -> Any:
    """Whether a line begins with a host of letters, digits, dots and hyphens, and has no fragment and no brackets."""
    at = start
    while at < stop and text[at] != SLASH and text[at] != MARK:
        byte = text[at]
        letter, digit = 97 <= byte | 32 <= 122, 48 <= byte <= 57
        if not letter and not digit and byte not in (DOT, HYPHEN):
            return False
        at += 1
    if at == start or text[at - 1] == DOT:
        return False
    plain = True
    for rest in range(at, stop):
        plain &= text[rest] != SHARP and text[rest] != LESS and text[rest] != MORE
    return plain


@compiled(types.int64(BYTES, types.int64, HASHES, FLAGS, OFFSETS, OFFSETS))
def hash_lines(text: Any, kind: Any, hashes: Any, odd: Any, starts: Any, stops: Any) -> Any:
    """Hash each entry of a list in its normal form (`index.normal_entry` says which).

    Args: `text` whole lines; `kind` a number above. Fills `hashes`; where it can't (a byte above 127, an unusual URL)
    `odd` instead; `starts` and `stops` of every entry. All as long as there are lines. Returns: the number of entries.
    """
    count, position, size = 0, 0, len(text)
    while position < size:
        end = position
        while end < size and text[end] != NEWLINE:
            end += 1
        start, stop = position, end
        position = end + 1
        while start < stop and is_space(text[start]):
            start += 1
        while stop > start and is_space(text[stop - 1]):
            stop -= 1
        if start == stop or text[start] == SHARP:
            continue
        plain = True
        for at in range(start, stop):
            plain &= text[at] < 128
        if kind == DOMAINS:
            for at in range(start, stop):  # `0.0.0.0 example.org # why`: the address of a hosts file, and a comment
                if text[at] == SHARP:
                    stop = at
                    break
            while stop > start and is_space(text[stop - 1]):
                stop -= 1
            for at in range(stop - 1, start - 1, -1):
                if is_space(text[at]):
                    start = at + 1
                    break
            while start < stop and (text[start] == DOT or text[start] == STAR):
                start += 1
            while stop > start and text[stop - 1] == DOT:
                stop -= 1
        elif kind == URLS:
            plain &= is_plain_url(text, start, stop)
            if plain:
                if stop - start > 4 and text[start + 3] == DOT:
                    www = True
                    for at in range(start, start + 3):
                        www &= text[at] | 32 == LETTER_W
                    start += 4 * www
                while stop > start and text[stop - 1] == SLASH:
                    stop -= 1
        if start >= stop:
            continue
        value = FNV_OFFSET
        for at in range(start, stop):
            byte = text[at]
            if 65 <= byte <= 90:
                byte |= 32
            value = (value ^ np.uint64(byte)) * FNV_PRIME
        hashes[count], odd[count], starts[count], stops[count] = finish(value, kind), not plain, start, stop
        count += 1
    return count


@compiled(types.void(BYTES, OFFSETS, OFFSETS, HASHES))
def hash_keys(text: Any, offsets: Any, kinds: Any, hashes: Any) -> None:
    """Hash of each key: its bytes in `text` from offsets[i] to offsets[i + 1], of the kind kinds[i]; fills `hashes`."""
    for number in range(len(kinds)):
        value = FNV_OFFSET
        for at in range(offsets[number], offsets[number + 1]):
            value = (value ^ np.uint64(text[at])) * FNV_PRIME
        hashes[number] = finish(value, kinds[number])
