"""The compiled pass over the URLs of a batch: hosts, entries that hold them, words, registered domains, bare texts.

It does what `index.BlockIndex.find` and `suffixes.registered` do one by one, for URLs of the usual form: ASCII, with a
scheme and a host of letters, digits, dots, hyphens and underscores. It marks the others (`odd`) and leaves them to
these.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import types

from tasks.sign_kernels import BYTES, FNV_OFFSET, FNV_PRIME, HASHES, OFFSETS, compiled
from tasks.urls.kernels import (
    DOMAINS,
    DOT,
    EXCEPTIONS,
    FILTER_BITS,
    FLAGS,
    HYPHEN,
    LESS,
    LETTER_W,
    MARK,
    MORE,
    NEWLINE,
    RULES,
    SHARP,
    SLASH,
    URLS,
    WILDCARDS,
    WORDS,
    finish,
    is_space,
)

COLON, PLUS, UNDERSCORE = (ord(sign) for sign in ":+_")
TEXT = types.Array(types.uint8, 1, "C")
SPANS = types.Array(types.int64, 2, "C")


@compiled(types.boolean(types.uint8))
def is_alphanumeric(byte: Any) -> Any:
    """Whether it is a small ASCII letter or a digit."""
    return (97 <= byte <= 122) or (48 <= byte <= 57)


@compiled(types.boolean(HASHES, types.uint64))
def holds(table: Any, value: Any) -> Any:
    """Whether a table of open addressing (a power of two of places, 0 is free) holds a hash."""
    mask = np.uint64(len(table) - 1)
    slot = value & mask
    while table[slot] != 0:
        if table[slot] == value:
            return True
        slot = (slot + np.uint64(1)) & mask
    return False


@compiled(types.int64(HASHES, TEXT, types.uint64))
def first_of(hashes: Any, bits: Any, value: Any) -> Any:
    """The first place of a hash among sorted ones, -1 if it is none of them; `bits` tells most others at once."""
    bit = value & np.uint64(FILTER_BITS - 1)
    if not bits[bit >> np.uint64(3)] & (np.uint8(1) << np.uint8(bit & np.uint64(7))):
        return np.int64(-1)
    low, high = np.int64(0), np.int64(len(hashes))
    while low < high:
        middle = (low + high) >> 1
        if hashes[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low if low < len(hashes) and hashes[low] == value else np.int64(-1)


@compiled(types.uint64(TEXT, types.int64, types.int64, types.uint64))
def fnv(text: Any, start: Any, stop: Any, value: Any) -> Any:
    """FNV-1a of some bytes, begun at `value`."""
    for at in range(start, stop):
        value = (value ^ np.uint64(text[at])) * FNV_PRIME
    return value


@compiled(types.void(SPANS, types.int64, types.int64, types.int64, types.int64, types.int64, types.int64))
def put(hits: Any, count: Any, row: Any, kind: Any, start: Any, stop: Any, first: Any) -> None:
    """Write a hit, where there is room for it."""
    if count < len(hits):
        hits[count, 0], hits[count, 1], hits[count, 2], hits[count, 3], hits[count, 4] = row, kind, start, stop, first


@compiled(types.int64(TEXT, types.int64, types.int64, OFFSETS))
def find_host(text: Any, start: Any, stop: Any, parts: Any) -> Any:
    """1 if text[start:stop], in small letters, is a URL of the usual form, else 0; fills where its host begins and ends
    and its rest begins and ends.
    """
    while start < stop and is_space(text[start]):
        start += 1
    while stop > start and is_space(text[stop - 1]):
        stop -= 1
    while start < stop and (text[start] == LESS or text[start] == MORE):
        start += 1
    while stop > start and (text[stop - 1] == LESS or text[stop - 1] == MORE):
        stop -= 1
    if start == stop or not 97 <= text[start] <= 122:
        return 0
    at = start
    while at < stop and (is_alphanumeric(text[at]) or text[at] == PLUS or text[at] == DOT or text[at] == HYPHEN):
        at += 1
    if at + 3 > stop or text[at] != COLON or text[at + 1] != SLASH or text[at + 2] != SLASH:
        return 0
    host = at = at + 3
    while at < stop and (is_alphanumeric(text[at]) or text[at] == DOT or text[at] == HYPHEN or text[at] == UNDERSCORE):
        at += 1
    end = at
    if at < stop and text[at] == COLON:
        at += 1
        while at < stop and 48 <= text[at] <= 57:
            at += 1
    if at < stop and text[at] != SLASH and text[at] != MARK and text[at] != SHARP:
        return 0
    while end > host and text[end - 1] == DOT:
        end -= 1
    if end == host:
        return 0
    rest = at
    while at < stop and text[at] != SHARP:
        at += 1
    parts[0], parts[1], parts[2], parts[3] = host, end, rest, at
    return 1


@compiled(
    types.int64(BYTES, OFFSETS, HASHES, TEXT, HASHES, HASHES, types.boolean, types.boolean, TEXT, TEXT, OFFSETS, FLAGS,
                SPANS, SPANS)
)  # fmt: skip
def scan_urls(
    text: Any, offsets: Any, hashes: Any, bits: Any, words: Any, suffixes: Any, domains: Any, urls: Any, small: Any,
    bare: Any, bare_offsets: Any, odd: Any, registered: Any, hits: Any,
) -> Any:  # fmt: skip
    """Look the URLs up; gives how many hits there are, of which `hits` holds as many as it has rows.

    Args: `text`, `offsets` (n + 1) the URLs; `hashes`, sorted, and `bits` the entries of domains and URLs; `words` and
    `suffixes` tables of hashes (`holds`); `domains`, `urls` whether there are such entries.
    Fills: `small` the URLs in small letters, a line feed behind each; `bare`, `bare_offsets` their letters and digits
    alone, likewise; `odd`; `registered` (n, 2) where the registered domain stands in `small`, -1 where there is none;
    `hits` (_, 5): row, kind, where the key starts and stops in `small`, its first place in `hashes` (words: -1).
    """
    count, filled, position = np.int64(0), np.int64(0), np.int64(0)
    parts = np.empty(4, np.int64)
    for row in range(len(offsets) - 1):
        start = position
        bare_offsets[row] = filled
        registered[row, 0] = registered[row, 1] = -1
        plain = True
        for at in range(offsets[row], offsets[row + 1]):
            byte = text[at]
            plain &= byte < 128 and byte != NEWLINE
            if 65 <= byte <= 90:
                byte |= 32
            small[position] = byte
            position += 1
        stop = position
        small[position] = NEWLINE
        position += 1
        odd[row] = not plain or find_host(small, start, stop, parts) == 0
        if odd[row]:
            small[start:stop] = NEWLINE
            bare[filled] = NEWLINE
            filled += 1
            continue
        host, end = parts[0], parts[1]
        address = True
        for at in range(host, end):
            address &= small[at] == DOT or 48 <= small[at] <= 57
        at, value, decided = host, fnv(small, host, end, FNV_OFFSET), address
        while True:
            if domains:
                first = first_of(hashes, bits, finish(value, DOMAINS))
                if first >= 0:
                    put(hits, count, row, DOMAINS, at, end, first)
                    count += 1
            above = at
            while above < end and small[above] != DOT:
                above += 1
            last = above == end
            above += 1
            next_value = np.uint64(0) if last else fnv(small, above, end, FNV_OFFSET)
            if not decided:
                exception = holds(suffixes, finish(value, EXCEPTIONS))
                if (
                    exception
                    or holds(suffixes, finish(value, RULES))
                    or (not last and holds(suffixes, finish(next_value, WILDCARDS)))
                ):
                    decided = True
                    if exception:
                        registered[row, 0], registered[row, 1] = at, end
                    elif at - host > 1:
                        begin = at - 1
                        while begin > host and small[begin - 1] != DOT:
                            begin -= 1
                        registered[row, 0], registered[row, 1] = begin, end
            if last or address or (decided and not domains):
                break
            at, value = above, next_value
        if urls:
            begin, final = host, parts[3]
            if end - host > 3 and small[host + 3] == DOT:
                www = True
                for at in range(host, host + 3):
                    www &= small[at] == LETTER_W
                begin += 4 * www
            while final > parts[2] and small[final - 1] == SLASH:
                final -= 1
            value = fnv(small, parts[2], final, fnv(small, begin, end, FNV_OFFSET))
            first = first_of(hashes, bits, finish(value, URLS))
            if first >= 0:
                put(hits, count, row, URLS, start, stop, first)
                count += 1
        at = start
        while at < stop:
            begin, value = at, FNV_OFFSET
            while at < stop and is_alphanumeric(small[at]):
                value = (value ^ np.uint64(small[at])) * FNV_PRIME
                bare[filled] = small[at]
                filled += 1
                at += 1
            if at > begin and len(words) > 1 and holds(words, finish(value, WORDS)):
                put(hits, count, row, WORDS, begin, at, -1)
                count += 1
            at += 1
        bare[filled] = NEWLINE
        filled += 1
    bare_offsets[len(offsets) - 1] = filled
    return count


@compiled(types.void(BYTES, OFFSETS, OFFSETS, HASHES))
def fill_table(text: Any, offsets: Any, kinds: Any, table: Any) -> None:
    """Put the hashes of keys, each of its kind, into an empty table that has more places than there are keys."""
    mask = np.uint64(len(table) - 1)
    for number in range(len(kinds)):
        value = FNV_OFFSET
        for at in range(offsets[number], offsets[number + 1]):
            value = (value ^ np.uint64(text[at])) * FNV_PRIME
        value = finish(value, kinds[number])
        slot = value & mask
        while table[slot] != 0 and table[slot] != value:
            slot = (slot + np.uint64(1)) & mask
        table[slot] = value


def hash_table(keys: Sequence[str], kinds: Sequence[int]) -> np.ndarray:
    """Keys of these kinds as a table of hashes, at most half full, for `holds`."""
    encoded = [key.encode("utf-8", "replace") for key in keys]
    offsets = np.zeros(len(keys) + 1, np.int64)
    np.cumsum([len(one) for one in encoded], out=offsets[1:])
    table = np.zeros(1 << (2 * len(keys)).bit_length(), np.uint64)
    fill_table(np.frombuffer(b"".join(encoded) or b"\0", np.uint8), offsets, np.array(kinds, np.int64), table)
    return table
