"""The compiled scanner: one pass over a page's bytes gives its elements, its text in blocks, and what is declared.

A tokenizer of HTML with a stack of open elements and the commonest of the standard's implied end tags; what a page gets
wrong beyond that costs it some structure and no text. A **block** is the text between two borders of block elements
(or two `<br>` in a row), with white space as a reader sees it. Time and memory are linear in the page's length.

Marks in a block's text: `columns.STRONG`, `EMPHASIS` and `CODE` each begin or end that kind of text. Character
references stand as they are in the source.
"""

# ruff: noqa: SIM109 (compiled: comparisons are quicker than a loop over a tuple)

from typing import Any

import numpy as np
from numba import types

from tasks.extract.pages.attributes import (
    ALT_FROM,
    ALT_TO,
    HAS_HREF,
    IS_HIDDEN,
    OFFSET,
    PRIME,
    SAID,
    TYPE_FROM,
    TYPE_TO,
    read_attributes,
)
from tasks.extract.pages.columns import (
    ABOVE,
    BLOCK_PARENT,
    BLOCKS,
    BREAKS,
    CODE,
    COUNTED,
    DEPTH,
    ELEMENTS,
    EMPHASIS,
    LINK,
    LINKS,
    MATCH,
    MAX_ELEMENTS,
    NEAR,
    NODE_TAG,
    NODES,
    OPEN,
    OUT,
    OWN,
    PARENT,
    PRE,
    SEEN_IMAGES,
    SIGNATURE,
    SKIPPING,
    SPACE,
    STACK,
    STATE,
    STATUS,
    STRENGTH,
    STRONG,
    TAGS_ABOVE,
    TOO_DEEP,
    TOO_MANY,
)
from tasks.extract.pages.text import (
    BITS,
    BITS2,
    BYTES,
    INT,
    INTS,
    INTS2,
    TABLE8,
    TABLE16,
    WHITE,
    find,
    find_tag,
    flush,
    has,
    pop,
    read_formula,
    read_text,
)
from tasks.extract.pages.vocabulary import ATTRIBUTE_WORDS, BLOCK, RAW, SKIP, TAG, VOID
from tasks.sign_kernels import compiled

_A, _P, _LI, _DD, _DT, _TD, _TH, _TR = (TAG[name] for name in ("a", "p", "li", "dd", "dt", "td", "th", "tr"))
_UL, _OL, _MENU, _DL, _TABLE, _BODY, _HTML, _HEAD = (
    TAG[name] for name in ("ul", "ol", "menu", "dl", "table", "body", "html", "head")
)
_TBODY, _THEAD, _TFOOT, _CAPTION = TAG["tbody"], TAG["thead"], TAG["tfoot"], TAG["caption"]
_NAMES = "br img meta link base script style title time pre math noscript template"
_BR, _IMG, _META, _LINK, _BASE, _SCRIPT, _STYLE, _TITLE, _TIME, _PRE, _MATH, _NOSCRIPT, _TEMPLATE = (
    TAG[name] for name in _NAMES.split()
)
_B, _STRONG, _I, _EM, _CODE, _H1, _H6, _OPTION, _LISTING = (
    TAG[name] for name in ("b", "strong", "i", "em", "code", "h1", "h6", "option", "listing")
)


_WORDS = list(ATTRIBUTE_WORDS)
_TWIN_BIT, _HIDDEN_BIT = (np.uint64(1 << _WORDS.index(word)) for word in ("twin", "hidden"))
_MASK = np.uint64(0x7FFFFFFF)

_MATH_NAME, _ANNOTATION, _LD_JSON, _TEX = (
    np.frombuffer(name, np.uint8) for name in (b"math", b"annotation", b"ld+json", b"tex")
)


@compiled(INT(BYTES))
def count_brackets(data: Any) -> Any:
    """How many "<" there are."""
    count = 0
    for position in range(len(data)):
        count += data[position] == 60
    return count


@compiled(
    types.void(
        BYTES, BITS, TABLE8, TABLE8, BITS, TABLE8, TABLE8, TABLE16, BITS, TABLE8, TABLE16, BITS,
        INTS2, BITS2, INTS2, BITS, INTS2, TABLE8, INTS, INT, INT,
    )
)  # fmt: skip
def scan(
    data: Any,
    tag_hashes: Any,
    tag_numbers: Any,
    kinds: Any,
    tag_bits: Any,
    bytes_: Any,
    attribute_classes: Any,
    attribute_table: Any,
    attribute_ends: Any,
    text_classes: Any,
    text_table: Any,
    text_ends: Any,
    nodes: Any,
    node_bits: Any,
    blocks: Any,
    block_bits: Any,
    elements: Any,
    out: Any,
    state: Any,
    max_depth: Any,
    max_nodes: Any,
) -> None:
    """Scan a page, UTF-8.

    Fills `nodes` and `node_bits` (a row an element, in the order of the page; row 0 is the page), `blocks` and
    `block_bits` (words of the text), `elements` (what may declare something: see `declared`), `out` (the text) and
    `state`. All have room for two more rows than the page has "<", `out` for as many bytes as the page and five for
    each "<". Stops early where the page has more than `max_depth` open elements or `max_nodes` nodes (elements, texts,
    comments).
    """
    size = len(data)
    for index in range(STATE):
        state[index] = 0
    found = np.zeros(1, np.uint64)
    missing = np.zeros(256, np.uint8)  # kinds of tag with no end tag from here on
    said = np.zeros(SAID, np.int64)
    words = np.zeros(2, np.uint64)
    stack = np.zeros((max_depth + 2, 3), np.int32)  # tag, node, whether a link
    nodes[0, PARENT] = 0
    nodes[0, NODE_TAG] = 0
    nodes[0, DEPTH] = 0
    nodes[0, BLOCK_PARENT] = 0
    nodes[0, SIGNATURE] = 0
    for column in range(4):
        node_bits[0, column] = 0
    state[NODES] = 1
    position = 0
    while position < size:
        if state[COUNTED] > max_nodes:
            state[STATUS] = TOO_MANY
            return
        if data[position] != 60:
            start = position
            while position < size and data[position] != 60:
                position += 1
            state[COUNTED] += 1
            if state[SKIPPING] == 0:
                read_text(
                    data, start, position, state, stack, nodes, blocks, found, bytes_, text_classes, text_table,
                    text_ends, out,
                )  # fmt: skip
            continue
        after = data[position + 1] if position + 1 < size else np.uint8(0)
        if after == 33 or after == 63:  # ! ?
            state[COUNTED] += 1
            if after == 33 and position + 3 < size and data[position + 2] == 45 and data[position + 3] == 45:
                end = position + 4
                if end < size and data[end] == 62:
                    position = end + 1
                    continue
                while end < size and not (
                    data[end] == 62 and data[end - 1] == 45 and data[end - 2] == 45 and end - 2 >= position + 2
                ):
                    end += 1
            else:
                end = position + 2
                while end < size and data[end] != 62:
                    end += 1
            position = end + 1
            continue
        closing = after == 47
        first = position + 2 if closing else position + 1
        letter = data[first] | 32 if first < size else np.uint8(0)
        if letter < 97 or letter > 122:
            if closing:  # a bogus comment
                while position < size and data[position] != 62:
                    position += 1
                position += 1
            else:
                if state[SKIPPING] == 0:
                    read_text(
                        data, position, position + 1, state, stack, nodes, blocks, found, bytes_, text_classes,
                        text_table, text_ends, out,
                    )  # fmt: skip
                position += 1
            continue
        # The name of the tag.
        value = OFFSET
        position = first
        while position < size:
            byte = data[position]
            if byte == 62 or byte == 47 or bytes_[byte] & WHITE:
                break
            if 65 <= byte <= 90:
                byte |= 32
            value = (value ^ np.uint64(byte)) * PRIME
            position += 1
        name_end = position
        low, high = 0, len(tag_hashes)
        while low < high:
            middle = (low + high) // 2
            if tag_hashes[middle] < value:
                low = middle + 1
            else:
                high = middle
        tag = np.int64(tag_numbers[low]) if low < len(tag_hashes) and tag_hashes[low] == value else 0
        kind = kinds[tag]
        if closing:
            while position < size and data[position] != 62:
                position += 1
            position += 1
            if tag == _BODY or tag == _HTML or tag == 0 or kind & VOID:
                if tag == 0:  # an unknown element
                    place = state[STACK] - 1
                    key = np.int64(value & _MASK)
                    while place >= 0 and not (stack[place, 0] == 0 and stack[place, 2] == key):
                        if kinds[stack[place, 0]] & BLOCK:
                            place = -1
                            break
                        place -= 1
                    if place >= 0:
                        pop(place, state, stack, nodes, blocks, block_bits, found, kinds)
                elif tag == _BR:
                    state[SPACE] = 1
                continue
            if kind & BLOCK:
                if state[SKIPPING] == 0:
                    flush(state, blocks, block_bits, found)
                inner = tag == _TD or tag == _TH or tag == _TR or tag == _TABLE or tag == _TBODY or tag == _THEAD
                if inner or tag == _TFOOT or tag == _CAPTION:
                    place = find(tag, tag, -1 if tag == _TABLE else _TABLE, -1, state, stack)
                else:
                    place = find(tag, tag, _TD, _TH, state, stack)
                if place < 0 and _H1 <= tag <= _H6:
                    top = stack[state[STACK] - 1, 0] if state[STACK] else 0
                    if _H1 <= top <= _H6:
                        place = state[STACK] - 1
            else:
                place = state[STACK] - 1
                while place >= 0 and stack[place, 0] != tag:
                    if kinds[stack[place, 0]] & BLOCK and not (kind & SKIP) and tag != _A:
                        place = -1
                        break
                    if stack[place, 0] == _TD or stack[place, 0] == _TH:
                        place = -1
                        break
                    place -= 1
            if place >= 0:
                if (
                    (tag == _B or tag == _STRONG or tag == _I or tag == _EM or tag == _CODE)
                    and state[OPEN]
                    and (state[PRE] == 0 and state[SKIPPING] == 0)
                ):
                    out[state[OUT]] = STRONG if tag == _B or tag == _STRONG else CODE if tag == _CODE else EMPHASIS
                    state[OUT] += 1
                pop(place, state, stack, nodes, blocks, block_bits, found, kinds)
            continue
        # A start tag: its attributes.
        state[COUNTED] += 1
        attributes = position
        words[1] = np.uint64(tag) * PRIME
        position = read_attributes(
            data, position, bytes_, attribute_classes, attribute_table, attribute_ends, said, words
        )
        bits, signature = words[0], words[1]
        alt_from, alt_to = said[ALT_FROM], said[ALT_TO]
        type_from, type_to = said[TYPE_FROM], said[TYPE_TO]
        end_of_attributes = min(position, size)
        position += 1
        if position > size:
            break  # the page ends inside a tag
        twin = bits & _TWIN_BIT != 0
        if said[IS_HIDDEN]:
            bits |= _HIDDEN_BIT
        in_head = state[SKIPPING] > 0 and stack[state[SKIPPING] - 1, 0] == _HEAD
        if in_head and not (
            tag == _META or tag == _LINK or tag == _BASE or tag == _SCRIPT or tag == _STYLE or tag == _TITLE
            or tag == _NOSCRIPT or tag == _TEMPLATE or tag == _HEAD
        ):  # fmt: skip
            pop(state[SKIPPING] - 1, state, stack, nodes, blocks, block_bits, found, kinds)
            in_head = False
        visible = state[SKIPPING] == 0
        # What it may declare.
        element = -1
        if (
            tag == _META
            or tag == _TITLE
            or tag == _TIME
            or (tag == _SCRIPT and has(data, type_from, type_to, _LD_JSON))
        ) and state[ELEMENTS] < MAX_ELEMENTS:
            element = state[ELEMENTS]
            state[ELEMENTS] += 1
            elements[element, 0] = tag
            elements[element, 1] = attributes
            elements[element, 2] = end_of_attributes
            elements[element, 3] = position
            elements[element, 4] = position
            elements[element, 5] = 0 if visible or in_head else 1
        if kind & RAW:
            end = size if missing[tag] else find_tag(data, position, data[first:name_end])
            closed = end < size
            if not closed:
                missing[tag] = 1
                if tag != _SCRIPT and tag != _STYLE:
                    end = position
            if element >= 0:
                elements[element, 4] = end
            if visible and tag == _SCRIPT and has(data, type_from, type_to, _TEX):
                read_formula(
                    data, position, end, state, stack, nodes, blocks, found, bytes_, text_classes, text_table,
                    text_ends, out,
                )  # fmt: skip
            position = end
            while closed and position < size and data[position] != 62:
                position += 1
            position = min(position + closed, size)
            continue
        if kind & VOID:
            if visible:
                if tag == _BR:
                    if state[PRE]:
                        if state[OPEN]:
                            out[state[OUT]] = 10
                            state[OUT] += 1
                    elif state[OPEN]:
                        if out[state[OUT] - 1] == 10:
                            state[OUT] -= 1
                            flush(state, blocks, block_bits, found)
                        else:
                            out[state[OUT]] = 10
                            state[OUT] += 1
                            state[SPACE] = 0
                            state[MATCH] = 0
                            blocks[state[BLOCKS], BREAKS] += 1
                elif tag == _IMG:
                    state[SEEN_IMAGES] += 1
                elif kind & BLOCK:
                    flush(state, blocks, block_bits, found)
            continue
        # The end tags that it implies.
        place = -1
        if kind & BLOCK:
            if visible:
                flush(state, blocks, block_bits, found)
            if tag == _LI:
                place = find(_LI, _LI, _UL, _OL, state, stack)
            elif tag == _DD or tag == _DT:
                place = find(_DD, _DT, _DL, _TD, state, stack)
            elif tag == _TD or tag == _TH:
                place = find(_TD, _TH, _TR, _TABLE, state, stack)
            elif tag == _TR:
                place = find(_TR, _TR, _TABLE, _TABLE, state, stack)
            elif tag == _TBODY or tag == _THEAD or tag == _TFOOT:
                place = find(_TBODY, _THEAD, _TABLE, _TABLE, state, stack)
            elif tag == _BODY or tag == _HTML:
                if state[STACK] and stack[state[STACK] - 1, 0] == _HEAD:
                    place = state[STACK] - 1
            elif _H1 <= tag <= _H6 and state[STACK] and _H1 <= stack[state[STACK] - 1, 0] <= _H6:
                place = state[STACK] - 1
            if place < 0 and state[STACK] and not (tag == _BODY or tag == _HTML):
                # An open paragraph ends where a block begins; elements of kinds of text inside it end with it.
                inner = state[STACK] - 1
                while inner >= 0 and not kinds[stack[inner, 0]] & BLOCK:
                    inner -= 1
                if inner >= 0 and stack[inner, 0] == _P and state[SKIPPING] == 0:
                    place = inner
        elif tag == _A:
            place = find(_A, _A, _TD, _TABLE, state, stack)
        elif tag == _OPTION and state[STACK] and stack[state[STACK] - 1, 0] == _OPTION:
            place = state[STACK] - 1
        if place >= 0:
            pop(place, state, stack, nodes, blocks, block_bits, found, kinds)
            visible = state[SKIPPING] == 0
        if tag == _MATH and visible:
            # A formula: TeX in an attribute or annotation says it better than its text.
            end = find_tag(data, position, _MATH_NAME) if not missing[tag] else size
            if end == size:
                missing[tag] = 1
            else:
                inner = position
                while alt_to == alt_from and inner < end:
                    if data[inner] == 60 and has(data, inner, min(inner + 12, end), _ANNOTATION):
                        start = inner
                        while inner < end and data[inner] != 62:
                            inner += 1
                        if has(data, start + 11, inner, _TEX):
                            alt_from = inner + 1
                            alt_to = find_tag(data, alt_from, _ANNOTATION)
                            break
                    inner += 1
                if alt_to > alt_from:
                    read_formula(
                        data, alt_from, min(alt_to, end), state, stack, nodes, blocks, found, bytes_, text_classes,
                        text_table, text_ends, out,
                    )  # fmt: skip
                    position = end
                    while position < size and data[position] != 62:
                        position += 1
                    position += 1
                    continue
        if state[STACK] >= max_depth:
            state[STATUS] = TOO_DEEP
            return
        # The element.
        node = state[NODES]
        state[NODES] = node + 1
        parent = stack[state[STACK] - 1, 1] if state[STACK] else 0
        if tag == _BODY or tag == _HTML:
            bits = np.uint64(0)
        nodes[node, PARENT] = parent
        nodes[node, NODE_TAG] = tag
        nodes[node, DEPTH] = state[STACK] + 1
        nodes[node, BLOCK_PARENT] = node if kind & BLOCK else nodes[parent, BLOCK_PARENT]
        nodes[node, SIGNATURE] = np.int64((signature ^ (signature >> np.uint64(32))) & _MASK)
        node_bits[node, OWN] = bits
        node_bits[node, NEAR] = bits | node_bits[parent, OWN]
        node_bits[node, ABOVE] = bits | node_bits[parent, ABOVE]
        node_bits[node, TAGS_ABOVE] = tag_bits[tag] | node_bits[parent, TAGS_ABOVE]
        place = state[STACK]
        stack[place, 0] = tag
        stack[place, 1] = node
        stack[place, 2] = np.int64(value & _MASK) if tag == 0 else 0
        state[STACK] = place + 1
        if state[SKIPPING] == 0:
            if kind & SKIP or twin:
                state[SKIPPING] = place + 1
            if tag == _A and said[HAS_HREF]:
                stack[place, 2] = 1
            elif (tag == _I or tag == _EM or tag == _B or tag == _STRONG or tag == _CODE) and (
                state[OPEN] and state[PRE] == 0
            ):
                if state[SPACE]:
                    out[state[OUT]] = 32
                    state[OUT] += 1
                    state[SPACE] = 0
                out[state[OUT]] = STRONG if tag == _B or tag == _STRONG else CODE if tag == _CODE else EMPHASIS
                state[OUT] += 1
        # Counted whether seen or not: their end tags count back.
        if tag == _A:
            state[LINK] += stack[place, 2]
            if stack[place, 2] and state[OPEN]:
                blocks[state[BLOCKS], LINKS] += 1
        elif tag == _PRE or tag == _LISTING:
            state[PRE] += 1
        elif tag == _B or tag == _STRONG:
            state[STRENGTH] += 1
    pop(0, state, stack, nodes, blocks, block_bits, found, kinds)
    flush(state, blocks, block_bits, found)
