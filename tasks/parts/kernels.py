"""Compiled loops of the stage: lines and paragraphs with their hashes, and the runs of words that are noted."""

from typing import Any

import numpy as np
from numba import types

from models.utf8_kernels import decode
from tasks.sequence_kernels import power_of, roll
from tasks.sign_kernels import BYTES, FNV_OFFSET, FNV_PRIME, HASHES, OFFSETS, compiled, mix
from tasks.word_kernels import CLASSES, ONE, PLACES, SPACE

NEWLINE, BLANK = 10, np.uint64(32)


@compiled(
    types.void(BYTES, OFFSETS, CLASSES, HASHES, PLACES, PLACES, OFFSETS, HASHES, PLACES, PLACES, OFFSETS),
)
def cut(
    text: Any,
    offsets: Any,
    classes: Any,
    lines: Any,
    line_starts: Any,
    line_ends: Any,
    line_offsets: Any,
    paragraphs: Any,
    paragraph_starts: Any,
    paragraph_ends: Any,
    paragraph_offsets: Any,
) -> None:
    """The lines that are not blank, and the paragraphs, of n texts.

    Args: `text` valid UTF-8; `offsets` (n + 1) where each text starts; `classes` of code points. Fills a hash of each
    line and paragraph (FNV-1a over its bytes, each run of white space one blank, none at its ends; then `mix`), its
    place in characters of its text, and where those of each text begin (n + 1). Room: half the bytes, and one a text.
    """
    line, paragraph = 0, 0
    line_offsets[0], paragraph_offsets[0] = 0, 0
    for document in range(len(offsets) - 1):
        position, stop = np.uint64(offsets[document]), np.uint64(offsets[document + 1])
        character, line_start = np.int32(0), np.int32(0)
        line_value, line_space, in_line = FNV_OFFSET, False, False
        value, space, in_paragraph = FNV_OFFSET, False, False
        while position <= stop:
            at_end = position == stop
            width, code = ONE, np.uint32(NEWLINE)
            if not at_end:
                width, code = decode(text, position)
            if code == NEWLINE:
                after = np.int32(character + (0 if at_end else 1))
                if in_line:
                    lines[line], line_starts[line], line_ends[line] = mix(line_value), line_start, after
                    line += 1
                elif in_paragraph:  # a blank line ends it
                    paragraphs[paragraph] = mix(value)
                    paragraph += 1
                    in_paragraph = False
                line_start, in_line, line_space, space = after, False, False, True
            elif code < len(classes) and classes[code] & SPACE:
                line_space, space = True, True
            else:
                if not in_line:
                    line_value, in_line = FNV_OFFSET, True
                elif line_space:
                    line_value = (line_value ^ BLANK) * FNV_PRIME
                if not in_paragraph:
                    value, in_paragraph = FNV_OFFSET, True
                    paragraph_starts[paragraph] = line_start
                    if paragraph > paragraph_offsets[document]:
                        paragraph_ends[paragraph - 1] = line_start
                elif space:
                    value = (value ^ BLANK) * FNV_PRIME
                line_space, space = False, False
                for follow in range(width):
                    byte = np.uint64(text[position + follow])
                    line_value = (line_value ^ byte) * FNV_PRIME
                    value = (value ^ byte) * FNV_PRIME
            position += width
            character += np.int32(1)
        if in_paragraph:
            paragraphs[paragraph] = mix(value)
            paragraph += 1
        if paragraph > paragraph_offsets[document]:
            paragraph_ends[paragraph - 1] = character - np.int32(1)  # the end of the text was counted, too
        line_offsets[document + 1], paragraph_offsets[document + 1] = line, paragraph


@compiled(types.int64(HASHES, OFFSETS, types.int64, types.int64, HASHES, HASHES, OFFSETS))
def choose_anchors(
    words: Any, offsets: Any, run: Any, neighbours: Any, values: Any, anchors: Any, anchor_offsets: Any
) -> Any:
    """Of each so many `neighbours` among the runs of `run` words of a document, the one with the smallest hash.

    Winnowing (Schleimer, Wilkerson and Aiken 2003): whatever two texts share that is run + neighbours - 1 words long
    has the same neighbours in both, and so the same smallest hash. `values` is room for one document's runs. Fills
    `anchors` (room: one a word), some of a document twice, and `anchor_offsets` (n + 1). Returns: how many.
    """
    power = power_of(run)
    count = 0
    anchor_offsets[0] = 0
    for document in range(len(offsets) - 1):
        start, n = offsets[document], offsets[document + 1] - offsets[document]
        runs = n - run + 1
        value = np.uint64(0)
        for place in range(n):
            value = roll(value, words, start, start + place, run, power)
            if place >= run - 1:
                values[place - run + 1] = mix(value)
        smallest = np.int64(-1)
        for first in range(runs - neighbours + 1):
            chosen = smallest
            if chosen < first:  # it is left behind: look at all again
                chosen = np.int64(first)
                for other in range(first + 1, first + neighbours):
                    if values[other] <= values[chosen]:
                        chosen = np.int64(other)
            elif values[first + neighbours - 1] <= values[chosen]:
                chosen = np.int64(first + neighbours - 1)
            if chosen != smallest:
                anchors[count] = values[chosen]
                count += 1
                smallest = chosen
        anchor_offsets[document + 1] = count
    return count
