"""RefinedWeb's line rules: which lines, and which phrases of short lines, they take out. Told in `refinedweb`."""

from typing import Any

import numpy as np
from numba import types

from tasks.quality.kernels import (
    ALL_UPPERCASE,
    CODES,
    COUNTER,
    COUNTER_BOUNDS,
    COUNTER_CODES,
    EDIT_BOUNDS,
    EDIT_CODES,
    ITEMS_IN_CART,
    LENGTHS,
    NEWLINE,
    NUMERIC,
    ONE_WORD,
    READ_MORE,
    SIGN_IN,
)
from tasks.quality.kernels.removal import add_span, lower, matches
from tasks.sign_kernels import compiled
from tasks.word_kernels import ALONE, CLASSES, DIGIT, KIND, LETTER, SPACE, UPPERCASE

N_COUNTERS = len(COUNTER_BOUNDS) - 1
SHORT_LINE_WORDS = 10
CART, READ, READ_SIGN, SIGN = 0, 1, 2, 3


@compiled(types.boolean(CLASSES, types.int64))
def is_word(about: Any, index: Any) -> Any:
    r"""Whether the character is one of a word, as `\w` of Python's `re` (which leaves marks out)."""
    return about[index] & KIND in (LETTER, ALONE)


@compiled(types.boolean(CODES, CLASSES, types.int64, types.int64))
def is_counter(codes: Any, about: Any, start: Any, stop: Any) -> Any:
    """Whether a line is a number, white space and a word of COUNTERS, with nothing around but signs: `3 likes`."""
    while start < stop and not is_word(about, start):
        start += 1
    while start < stop and not is_word(about, stop - 1):
        stop -= 1
    if start == stop or not about[start] & DIGIT:
        return False
    while start < stop and (about[start] & DIGIT or codes[start] == 44 or codes[start] == 46):  # , .
        start += 1
    if start < stop and lower(codes[start]) in (107, 109, 98):  # k m b
        start += 1
    if start == stop or not about[start] & SPACE:
        return False
    while start < stop and about[start] & SPACE:
        start += 1
    for word in range(N_COUNTERS):
        first, last = COUNTER_BOUNDS[word], COUNTER_BOUNDS[word + 1]
        if stop - start == last - first and matches(codes, start, stop, COUNTER_CODES, first, last):
            return True
    return False


@compiled(types.boolean(CODES, types.int64, types.int64, types.int64))
def edit_at(codes: Any, start: Any, stop: Any, edit: Any) -> Any:
    """Whether the phrase EDITS[edit] begins at `start`."""
    return matches(codes, start, stop, EDIT_CODES, EDIT_BOUNDS[edit], EDIT_BOUNDS[edit + 1])


@compiled(types.int64(CODES, CLASSES, types.int64, types.int64, LENGTHS, LENGTHS, LENGTHS, types.int64))
def edit_line(codes: Any, about: Any, position: Any, stop: Any, starts: Any, ends: Any, kinds: Any, at: Any) -> Any:
    """Spans of the phrases that a short line loses, with the white space beside them. Returns: the next free place."""
    first = at
    start, end = position, stop
    if edit_at(codes, start, end, SIGN):
        start += EDIT_BOUNDS[SIGN + 1] - EDIT_BOUNDS[SIGN]
        if start < end and about[start] & SPACE:
            start += 1
        at = add_span(starts, ends, kinds, first, at, position, start, SIGN_IN)
    for edit in (READ, READ_SIGN):
        length = EDIT_BOUNDS[edit + 1] - EDIT_BOUNDS[edit]
        if end == stop and end - start >= length and edit_at(codes, end - length, end, edit):
            end -= length
            if end > start and about[end - 1] & SPACE:
                end -= 1
    length = EDIT_BOUNDS[CART + 1] - EDIT_BOUNDS[CART]
    index = start
    while index < end:
        if edit_at(codes, index, end, CART):
            begin = index - 1 if index > start and about[index - 1] & SPACE else index
            at = add_span(starts, ends, kinds, first, at, begin, index + length, ITEMS_IN_CART)
            index += length
            start = index
        else:
            index += 1
    if end < stop:
        at = add_span(starts, ends, kinds, first, at, end, stop, READ_MORE)
    return at


@compiled(types.int64(CODES, CLASSES, types.int64, LENGTHS, LENGTHS, LENGTHS, types.int64))
def refine_lines(codes: Any, about: Any, count: Any, starts: Any, ends: Any, kinds: Any, at: Any) -> Any:
    """Apply RefinedWeb's line rules to a text cut at line feeds.

    Fills spans from place `at` on; a line that goes takes its line feed with it. Returns: the next free place.
    """
    first = at
    position = np.int64(0)
    while position < count:
        stop = position
        capitals, digits, in_word, words = np.int64(0), np.int64(0), False, np.int64(0)
        while stop < count and codes[stop] != NEWLINE:
            capitals += (about[stop] & UPPERCASE) != 0
            digits += (about[stop] & DIGIT) != 0
            space = (about[stop] & SPACE) != 0
            words += in_word and space
            in_word = not space
            stop += 1
        words += in_word
        length, after = stop - position, min(stop + 1, count)
        if length:
            reason = -1
            if 2 * capitals > length:
                reason = ALL_UPPERCASE
            elif digits == length:
                reason = NUMERIC
            elif is_counter(codes, about, position, stop):
                reason = COUNTER
            elif words < 2:
                reason = ONE_WORD
            if reason < 0 and words <= SHORT_LINE_WORDS:
                edited = edit_line(codes, about, position, stop, starts, ends, kinds, at)
                left = np.int64(0)
                span = at
                for index in range(position, stop):
                    while span < edited and index >= ends[span]:
                        span += 1
                    left += not about[index] & SPACE and not (span < edited and index >= starts[span])
                if edited > at and left == 0:
                    reason = kinds[edited - 1]
                else:
                    at = edited
            if reason >= 0:
                at = add_span(starts, ends, kinds, first, at, position, after, reason)
        position = after
    return at
