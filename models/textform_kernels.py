"""The compiled loops of `models.textforms`: one pass over the bytes of a batch each."""

from typing import Any

import numpy as np
from numba import types

from models.compiled import compiled
from models.utf8_kernels import BYTES, decode

CLASSES = types.Array(types.uint8, 1, "C")
OFFSETS = types.Array(types.int64, 1, "C", readonly=True)
NUMBERS = types.Array(types.int32, 1, "C")
SHARES = types.Array(types.float32, 1, "C")
SPACE, TAB, LINE_FEED = 32, 9, 10


@compiled(types.void(BYTES, OFFSETS, CLASSES, NUMBERS, SHARES))
def main_scripts(text: Any, offsets: Any, classes: Any, scripts: Any, shares: Any) -> None:
    """Fill `scripts` with the number of each text's most frequent script (0: no letters), `shares` with its share."""
    counts = np.zeros(256, np.int64)
    for document in range(len(offsets) - 1):
        counts[:] = 0
        position, stop = offsets[document], offsets[document + 1]
        while position < stop:
            lead = text[position]
            if lead < 0x80:
                counts[classes[lead]] += 1
                position += 1
                continue
            width, code = decode(text, np.uint64(position))
            if code < len(classes):
                counts[classes[code]] += 1
            position += np.int64(width)
        best, letters = 0, np.int64(0)
        for number in range(1, 256):
            letters += counts[number]
            if counts[number] > (counts[best] if best else 0):
                best = number
        scripts[document] = best
        shares[document] = np.float32(counts[best] / letters) if best else np.float32(0.0)


@compiled(types.boolean(types.uint8))
def is_name(byte: Any) -> Any:
    """Whether a byte is an ASCII letter or digit, or an underscore."""
    return (48 <= byte <= 57) or (65 <= byte <= 90) or (97 <= byte <= 122) or byte == 95


@compiled(types.int64(types.uint8, types.uint8))
def pair_points(first: Any, second: Any) -> Any:
    """Points for two bytes that stand beside each other: signs that prose has no use for."""
    if second == 61:  # == != += -= :=
        return 2 if first == 61 or first == 33 or first == 43 or first == 45 or first == 58 else 0
    if second == 62:  # -> => />
        return 2 if first == 45 or first == 61 or first == 47 else 0
    if first == second:  # :: && ||
        return 2 if first == 58 or first == 38 or first == 124 else 0
    if first == 60:  # </
        return 2 if second == 47 else 0
    if first == 47 or first == 42:  # /* */
        return 2 if (first == 47 and second == 42) or (first == 42 and second == 47) else 0
    if first == 91 or first == 123:  # [] {}
        return 2 if second == first + 2 else 0
    if first == 41:  # ){ and ); at an end of a call without arguments is seen by its brackets
        return 2 if second == 123 else 0
    if first == 36:  # $(
        return 2 if second == 40 else 0
    return 0


@compiled(types.int64(BYTES, types.int64, types.int64, BYTES, OFFSETS))
def line_points(text: Any, start: Any, stop: Any, starts: Any, start_offsets: Any) -> Any:
    """Points of the line text[start:stop], white space at its end taken off; see `models.textforms` for the signs."""
    begin = start
    while begin < stop and (text[begin] == SPACE or text[begin] == TAB):
        begin += 1
    points = 1 if begin - start >= 2 or (begin > start and text[start] == TAB) else 0
    last = text[stop - 1]
    before = text[stop - 2] if stop - 2 >= begin else np.uint8(SPACE)
    if last == 123 or last == 125 or (last == 58 and before == 41):
        points += 2
    elif last == 59:
        points += 1
    call, assigned, joined = False, False, False
    for index in range(begin, stop - 1):
        first, second = text[index], text[index + 1]
        points += pair_points(first, second)
        if second == 40 and is_name(first):
            call = True
        elif index + 2 < stop and (
            (first == 40 and second == 41 and text[index + 2] == 59)
            or (first == 41 and second == SPACE and text[index + 2] == 123)
        ):
            points += 2
        elif second == 61 and first == SPACE and index + 2 < stop and text[index + 2] == SPACE:
            assigned = True
        elif (second == 46 or second == 95) and is_name(first) and index + 2 < stop:
            joined = joined or (is_name(text[index + 2]) and not 48 <= text[index + 2] <= 57)
        if points >= 2:
            return points
    points += np.int64(call) + np.int64(assigned) + np.int64(joined)
    for number in range(len(start_offsets) - 1):
        length = start_offsets[number + 1] - start_offsets[number]
        if begin + length > stop or starts[start_offsets[number]] != text[begin]:
            continue
        same = True
        for index in range(length):
            if starts[start_offsets[number] + index] != text[begin + index]:
                same = False
                break
        end = begin + length
        word = is_name(text[end - 1])
        if same and (not word or end == stop or not (is_name(text[end]) or text[end] >= 0x80)):
            return points + 1
    return points


@compiled(types.void(BYTES, OFFSETS, BYTES, OFFSETS, SHARES))
def code_shares(text: Any, offsets: Any, starts: Any, start_offsets: Any, shares: Any) -> None:
    """Fill `shares` with the share of each text's non-blank lines that have two points or more."""
    for document in range(len(offsets) - 1):
        lines, coded = 0, 0
        position, end = offsets[document], offsets[document + 1]
        while position < end:
            stop = position
            while stop < end and text[stop] != LINE_FEED:
                stop += 1
            trimmed = stop
            while trimmed > position and (text[trimmed - 1] <= SPACE):
                trimmed -= 1
            if trimmed > position:
                lines += 1
                coded += line_points(text, position, trimmed, starts, start_offsets) >= 2
            position = stop + 1
        shares[document] = np.float32(coded / lines) if lines else np.float32(0.0)
