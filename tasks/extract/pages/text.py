"""Compiled parts of the scanner of pages: open elements, and the text of blocks as it is read."""

# ruff: noqa: SIM109 (compiled: comparisons are quicker than a loop over a tuple)

from typing import Any

import numpy as np
from numba import types

from tasks.extract.pages.columns import (
    BLOCK_COLUMNS,
    BLOCK_PARENT,
    BLOCKS,
    BOLD,
    CAPITALS,
    CHARACTERS,
    CODE,
    COMMAS,
    DIGITS,
    EMPHASIS,
    END,
    FIRST,
    IMAGES,
    LAST,
    LEAF,
    LINK,
    LINKED,
    LINKS,
    MATCH,
    NODE,
    OPEN,
    OUT,
    PRE,
    PREFORMATTED,
    ROW,
    SEEN_IMAGES,
    SENTENCES,
    SKIPPING,
    SPACE,
    STACK,
    START,
    STRENGTH,
    STRONG,
    WIDE,
    WORDS,
)
from tasks.extract.pages.vocabulary import BLOCK, TAG
from tasks.sign_kernels import compiled

BYTES = types.Array(types.uint8, 1, "C", readonly=True)
TABLE8 = types.Array(types.uint8, 1, "C")
TABLE16 = types.Array(types.int16, 2, "C")
BITS = types.Array(types.uint64, 1, "C")
BITS2 = types.Array(types.uint64, 2, "C")
INTS = types.Array(types.int64, 1, "C")
INTS2 = types.Array(types.int32, 2, "C")
INT = types.int64

_A, _B, _STRONG, _I, _EM, _CODE, _PRE, _LISTING, _TR = (
    TAG[name] for name in ("a", "b", "strong", "i", "em", "code", "pre", "listing", "tr")
)

# What a byte is: white space, a digit, a capital, a comma, the end of a sentence.
WHITE, DIGIT, CAPITAL, COMMA, STOP = 1, 2, 4, 8, 16


def byte_kinds() -> np.ndarray:
    """What each byte is by itself (uint8, 256)."""
    kinds = np.zeros(256, np.uint8)
    for characters, kind in ((" \t\n\r\f", WHITE), ("0123456789", DIGIT), (",;", COMMA), (".!?:", STOP)):
        for character in characters:
            kinds[ord(character)] |= kind
    for code in range(ord("A"), ord("Z") + 1):
        kinds[code] |= CAPITAL
    return kinds


@compiled(types.void(INTS, INTS2, BITS, BITS))
def flush(state: Any, blocks: Any, block_bits: Any, found: Any) -> None:
    """End the block that is open, if it has a character."""
    if state[OPEN]:
        number = state[BLOCKS]
        blocks[number, END] = state[OUT]
        block_bits[number] = found[0]
        state[BLOCKS] = number + 1
        state[OPEN] = 0
    state[SPACE] = 0


@compiled(types.void(INT, INTS, INTS2, INTS2, INTS2, BITS, BITS, TABLE8))
def pop(to: Any, state: Any, stack: Any, nodes: Any, blocks: Any, block_bits: Any, found: Any, kinds: Any) -> None:
    """Close the open elements from the stack's place `to` on."""
    while state[STACK] > to:
        state[STACK] -= 1
        tag = stack[state[STACK], 0]
        if kinds[tag] & BLOCK:
            flush(state, blocks, block_bits, found)
        if tag == _A:
            state[LINK] -= stack[state[STACK], 2]
        elif tag == _PRE or tag == _LISTING:
            state[PRE] -= 1
        elif tag == _B or tag == _STRONG:
            state[STRENGTH] -= 1
        if state[SKIPPING] > state[STACK]:
            state[SKIPPING] = 0


@compiled(INT(INT, INT, INT, INT, INTS, INTS2))
def find(first: Any, second: Any, stop: Any, other: Any, state: Any, stack: Any) -> Any:
    """The place of the innermost open element of either tag, not looked for beyond `stop`, `other`; -1: none."""
    place = state[STACK] - 1
    while place >= 0:
        tag = stack[place, 0]
        if tag == first or tag == second:
            return place
        if tag == stop or tag == other:
            return -1
        place -= 1
    return -1


@compiled(INT(BYTES, INT, BYTES))
def find_tag(data: Any, position: Any, name: Any) -> Any:
    """Where `</name` begins at or after `position`, in any case of letters; the end of the data if nowhere."""
    size, length = len(data), len(name)
    while position < size:
        if data[position] == 60 and position + 1 + length < size and data[position + 1] == 47:
            same = True
            for index in range(length):
                if data[position + 2 + index] | 32 != name[index] | 32:
                    same = False
                    break
            if same:
                return position
        position += 1
    return size


_SPACE_WORD = np.frombuffer(b"nbsp;", np.uint8)
_DOLLAR = np.frombuffer(b"$", np.uint8)


@compiled(types.boolean(BYTES, INT, INT, BYTES))
def has(data: Any, start: Any, stop: Any, word: Any) -> Any:
    """Whether the word, in lower case, is in data[start:stop], whatever its case."""
    length = len(word)
    for position in range(start, stop - length + 1):
        same = True
        for index in range(length):
            byte = data[position + index]
            if 65 <= byte <= 90:
                byte |= 32
            if byte != word[index]:
                same = False
                break
        if same:
            return True
    return False


@compiled(types.void(INTS, INTS2, INTS2, INTS2, BITS, TABLE8, INT))
def open_block(state: Any, stack: Any, nodes: Any, blocks: Any, found: Any, out: Any, preformatted: Any) -> None:
    """Begin a block in the innermost open element; with the marks of the kinds of text that are open."""
    number = state[BLOCKS]
    leaf = stack[state[STACK] - 1, 1] if state[STACK] else 0
    for column in range(BLOCK_COLUMNS):
        blocks[number, column] = 0
    blocks[number, LEAF] = leaf
    blocks[number, NODE] = nodes[leaf, BLOCK_PARENT]
    blocks[number, START] = state[OUT]
    blocks[number, ROW] = -1
    strong = emphasis = code = False
    place = state[STACK] - 1
    while place >= 0:
        tag = stack[place, 0]
        if tag == _TR and blocks[number, ROW] < 0:
            blocks[number, ROW] = stack[place, 1]
        strong = strong or tag == _B or tag == _STRONG
        emphasis = emphasis or tag == _I or tag == _EM
        code = code or tag == _CODE
        place -= 1
    if not preformatted:
        if strong:
            out[state[OUT]] = STRONG
            state[OUT] += 1
        if emphasis:
            out[state[OUT]] = EMPHASIS
            state[OUT] += 1
        if code:
            out[state[OUT]] = CODE
            state[OUT] += 1
    blocks[number, PREFORMATTED] = preformatted
    blocks[number, IMAGES] = state[SEEN_IMAGES]
    blocks[number, LINKS] = 1 if state[LINK] > 0 else 0
    state[SEEN_IMAGES] = 0
    state[OPEN] = 1
    state[MATCH] = 0
    found[0] = np.uint64(0)


@compiled(INT(BYTES, INT, INT, INTS, INTS2, INTS2, INTS2, BITS, TABLE8, TABLE8, TABLE16, BITS, TABLE8))
def read_text(
    data: Any,
    position: Any,
    stop: Any,
    state: Any,
    stack: Any,
    nodes: Any,
    blocks: Any,
    found: Any,
    bytes_: Any,
    classes: Any,
    table: Any,
    ends: Any,
    out: Any,
) -> Any:
    """Append data[position:stop] to the open block, or a new one; white space as it is read. Gives `stop`."""
    pre = state[PRE] > 0
    match = state[MATCH]
    write = state[OUT]
    linked = state[LINK] > 0
    strong = state[STRENGTH] > 0
    space = state[SPACE]
    number = state[BLOCKS]
    wide = characters = words = digits = capitals = commas = stops = linked_characters = bold = 0
    last = 0
    while position < stop:
        byte = data[position]
        kind = bytes_[byte]
        step = 1
        if byte == 38 and position + 5 < stop and data[position + 1] == 110:  # &nbsp;
            same = True
            for index in range(5):
                if data[position + 1 + index] != _SPACE_WORD[index]:
                    same = False
                    break
            if same:
                kind, byte, step = WHITE, np.uint8(32), 6
        elif byte == 0xC2 and position + 1 < stop and data[position + 1] == 0xA0:
            kind, byte, step = WHITE, np.uint8(32), 2
        elif byte == 0xE2 and position + 2 < stop and data[position + 1] == 0x80 and data[position + 2] == 0x8B:
            position += 3  # a zero-width space
            continue
        if kind & WHITE:
            if pre:
                if state[OPEN]:
                    if byte != 13:
                        out[write] = byte
                        write += 1
                elif byte == 32 or byte == 9:
                    # the indentation of the first line
                    state[OUT] = write
                    open_block(state, stack, nodes, blocks, found, out, 1)
                    match = 0
                    out[write] = byte
                    write += 1
                words += 1
            elif state[OPEN]:
                space = 1
            position += step
            continue
        if byte < 32 or byte == 127:
            position += 1
            continue
        if not state[OPEN]:
            state[OUT] = write
            open_block(state, stack, nodes, blocks, found, out, 1 if pre else 0)
            write = state[OUT]
            blocks[number, FIRST] = byte
            match = 0
            space = 0
            words += 1
        elif space:
            out[write] = 32
            write += 1
            match = table[match, classes[32]]
            found[0] |= ends[match]
            space = 0
            words += 1
            characters += 1
            if linked:
                linked_characters += 1
        out[write] = byte
        write += 1
        position += 1
        match = table[match, classes[byte]]
        found[0] |= ends[match]
        if byte & 0xC0 != 0x80:
            characters += 1
            if linked:
                linked_characters += 1
            if strong:
                bold += 1
            if 0xE3 <= byte <= 0xED:
                wide += 1
                if byte == 0xE3 and position + 1 < stop and data[position] == 0x80:
                    if data[position + 1] == 0x81:
                        commas += 1
                    elif data[position + 1] == 0x82:
                        stops += 1
            elif byte == 0xEF and position + 1 < stop and data[position] == 0xBC:
                if data[position + 1] == 0x8C:
                    commas += 1
                elif data[position + 1] == 0x81 or data[position + 1] == 0x9F:
                    stops += 1
            elif byte == 0xD8 and position < stop and data[position] == 0x8C:
                commas += 1
            elif kind & DIGIT:
                digits += 1
            elif kind & CAPITAL:
                capitals += 1
            elif kind & COMMA:
                commas += 1
            elif kind & STOP:
                stops += 1
            last = byte
    state[MATCH] = match
    state[OUT] = write
    state[SPACE] = space
    if state[OPEN]:
        blocks[number, CHARACTERS] += characters
        blocks[number, WIDE] += wide
        blocks[number, WORDS] += words
        blocks[number, LINKED] += linked_characters
        blocks[number, BOLD] += bold
        blocks[number, DIGITS] += digits
        blocks[number, CAPITALS] += capitals
        blocks[number, COMMAS] += commas
        blocks[number, SENTENCES] += stops
        if last:
            blocks[number, LAST] = last
    return stop


@compiled(
    types.void(
        BYTES, INT, INT, INTS, INTS2, INTS2, INTS2, BITS, TABLE8, TABLE8, TABLE16, BITS, TABLE8
    )
)  # fmt: skip
def read_formula(
    data: Any,
    position: Any,
    stop: Any,
    state: Any,
    stack: Any,
    nodes: Any,
    blocks: Any,
    found: Any,
    bytes_: Any,
    classes: Any,
    table: Any,
    ends: Any,
    out: Any,
) -> None:
    """Append a formula in TeX between dollars."""
    while position < stop and bytes_[data[position]] & WHITE:
        position += 1
    while stop > position and bytes_[data[stop - 1]] & WHITE:
        stop -= 1
    if position < stop:
        read_text(_DOLLAR, 0, 1, state, stack, nodes, blocks, found, bytes_, classes, table, ends, out)
        read_text(data, position, stop, state, stack, nodes, blocks, found, bytes_, classes, table, ends, out)
        read_text(_DOLLAR, 0, 1, state, stack, nodes, blocks, found, bytes_, classes, table, ends, out)
