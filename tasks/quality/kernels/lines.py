"""Lines and paragraphs of a text, as the toolkits cut them. What they are is told in `words`."""

from typing import Any

import numpy as np
from numba import types

from tasks.quality.kernels import (
    ALL_LINES,
    BASE,
    BULLET,
    BULLET_LINES,
    CHARACTERS,
    CODES,
    ELLIPSIS,
    ELLIPSIS_LINES,
    ENDED_LINES,
    ENDED_SENTENCES,
    HYPHEN,
    LENGTHS,
    LINES,
    NEWLINE,
    NEWLINES,
    PARAGRAPHS,
    PERIOD,
    PIECES,
    QUOTED_LINES,
    RETURN,
    ROW,
    SENTENCES,
    SHORT_LINES,
    TEXT_LINES,
)
from tasks.quality.kernels.tokens import count_sentences
from tasks.sign_kernels import HASHES, compiled, mix
from tasks.word_kernels import CLASSES, ENDING, LINE_BREAK, QUOTED_ENDING, SPACE

PAIR = types.UniTuple(types.int64, 2)


@compiled(PAIR(CODES, CLASSES, types.int64, types.int64))
def next_line(codes: Any, about: Any, start: Any, count: Any) -> Any:
    """The line that begins at `start`, as str.splitlines cuts: where it ends, and where the next one begins."""
    stop = start
    while stop < count and not about[stop] & LINE_BREAK:
        stop += 1
    after = stop + 1
    if after < count and codes[stop] == RETURN and codes[after] == NEWLINE:
        after += 1
    return stop, min(after, count)


@compiled(PAIR(CLASSES, types.int64, types.int64))
def strip(about: Any, start: Any, stop: Any) -> Any:
    """The bounds without the white space at both ends, as Python's str.strip."""
    while start < stop and about[start] & SPACE:
        start += 1
    while start < stop and about[stop - 1] & SPACE:
        stop -= 1
    return start, stop


@compiled(types.boolean(CODES, types.int64, types.int64))
def ends_with_ellipsis(codes: Any, start: Any, stop: Any) -> Any:
    """Whether the characters from `start` to `stop` end with three periods."""
    return stop - start >= 3 and codes[stop - 1] == PERIOD and codes[stop - 2] == PERIOD and codes[stop - 3] == PERIOD


@compiled(types.void(CODES, CLASSES, types.int64, ROW))
def count_starts_and_ends(codes: Any, about: Any, count: Any, row: Any) -> None:
    """Count the lines that begin with a bullet or end with an ellipsis, among all lines of str.splitlines."""
    position = np.int64(0)
    while position < count:
        stop, after = next_line(codes, about, position, count)
        start, stop = strip(about, position, stop)
        row[ALL_LINES] += 1
        if start < stop:
            row[TEXT_LINES] += 1
            row[BULLET_LINES] += codes[start] in (BULLET, HYPHEN)
            row[ELLIPSIS_LINES] += codes[stop - 1] == ELLIPSIS or ends_with_ellipsis(codes, start, stop)
        position = after


@compiled(types.uint64(CODES, types.int64, types.int64))
def hash_piece(codes: Any, start: Any, stop: Any) -> Any:
    """A hash of the characters from `start` to `stop`: two polynomials side by side, of every second character each.

    Each step of one waits for the step before, so two take half the time.
    """
    even, odd = np.uint64(stop - start), np.uint64(0)
    for index in range(start, stop - 1, 2):
        even = even * BASE + np.uint64(codes[index])
        odd = odd * BASE + np.uint64(codes[index + 1])
    if (stop - start) % 2:
        even = even * BASE + np.uint64(codes[stop - 1])
    return mix(mix(even) + odd)


@compiled(types.int64(CODES, CLASSES, types.int64, types.int64, types.boolean, HASHES, LENGTHS, LENGTHS, LENGTHS, ROW))
def scan_lines(
    codes: Any,
    about: Any,
    count: Any,
    short_line: Any,
    sentences: Any,
    lines: Any,
    lengths: Any,
    weights: Any,
    of_line: Any,
    row: Any,
) -> Any:
    """Cut a text at line feeds, count its lines (and `sentences`), and hash the pieces between runs of line feeds.

    Fills the hash of each piece and its length in characters; `weights` is the length, 0 for white space alone;
    `of_line` the sentences of each line, if they are counted.
    Returns: how many pieces. A line feed at the text's start or end leaves an empty piece there, as in datatrove.
    """
    n_pieces, number = np.int64(0), np.int64(0)
    row[CHARACTERS] = count
    position = np.int64(0)
    while position <= count:
        stop = position
        while stop < count and codes[stop] != NEWLINE:
            stop += 1
        first = position
        while first < stop and about[first] & SPACE:
            first += 1
        has_text = first < stop
        row[NEWLINES] += stop < count
        length = stop - position
        if has_text:
            row[LINES] += 1
            row[QUOTED_LINES] += (about[stop - 1] & QUOTED_ENDING) != 0
            row[ENDED_LINES] += (about[stop - 1] & ENDING) != 0
            row[SHORT_LINES] += length <= short_line
            if sentences:
                ended, of_line[number] = count_sentences(codes, about, position, stop)
                row[ENDED_SENTENCES] += ended
                row[SENTENCES] += of_line[number]
        if length or (count and (position == 0 or position == count)):
            lines[n_pieces], lengths[n_pieces], weights[n_pieces] = (
                hash_piece(codes, position, stop),
                length,
                length if has_text else 0,
            )
            n_pieces += 1
        position = stop + 1
        number += 1
    row[PIECES] = n_pieces
    return n_pieces


@compiled(types.int64(CODES, CLASSES, types.int64, HASHES, LENGTHS, ROW))
def scan_paragraphs(codes: Any, about: Any, count: Any, paragraphs: Any, lengths: Any, row: Any) -> Any:
    """Hash the paragraphs of a text: what stands between two or more line feeds, white space at its ends left away.

    Returns: how many.
    """
    position, stop = strip(about, np.int64(0), count)
    n_paragraphs = np.int64(0)
    while position < stop:
        start = position
        while position < stop and not (codes[position] == NEWLINE and codes[position + 1] == NEWLINE):
            position += 1
        paragraphs[n_paragraphs], lengths[n_paragraphs] = hash_piece(codes, start, position), position - start
        n_paragraphs += 1
        while position < stop and codes[position] == NEWLINE:
            position += 1
    row[PARAGRAPHS] = n_paragraphs
    return n_paragraphs
