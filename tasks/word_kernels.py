"""Compiled loops over UTF-8: white space made one, words and characters hashed. Compiled like `sign_kernels`.

They look at one table, `forms` (uint32, one entry a code point): FORM_CODE its small form, FORM_KIND what it is to
a word, and the two marks below. ASCII takes a branch of its own, for most bytes of most texts are ASCII.
"""

from typing import Any

import numpy as np
from numba import types

from models.utf8_kernels import decode
from tasks.sign_kernels import BYTES, FNV_OFFSET, FNV_PRIME, HASHES, OFFSETS, compiled, mix

CLASSES = types.Array(types.uint16, 1, "C")
FORMS = types.Array(types.uint32, 1, "C")
FLAGS = types.Array(types.boolean, 1, "C")
TEXT = types.Array(types.uint8, 1, "C")
PLACES = types.Array(types.int32, 1, "C")

# The class of a code point, uint16: what it is to a word (low three bits), and marks of what else it is.
KIND = 7
GAP, LETTER, ALONE, MARK, SYMBOL = 0, 1, 2, 3, 4
ALPHABETIC, TERMINAL, CLOSING, WIDE = 8, 16, 32, 64
QUOTED_ENDING, SPACE, LINE_BREAK, PUNCTUATION = 128, 256, 512, 1024
UPPERCASE, DIGIT, ENDING = 2048, 4096, 8192

# An entry of `forms`: the code point in lower case, its KIND above it, then marks.
FORM_CODE, FORM_KIND_SHIFT = 0x1FFFFF, 24
FORM_SPACE = 1 << 27  # white space
FORM_BOUND = 1 << 28  # its NFC or its lower case depends on what stands beside it, or is not one code point


ZERO, ONE = np.uint64(0), np.uint64(1)


@compiled(types.uint64(types.uint64, types.uint32))
def hash_character(value: Any, code: Any) -> Any:
    """FNV-1a of `value` and the UTF-8 bytes of a code point."""
    if code < 0x80:
        return (value ^ np.uint64(code)) * FNV_PRIME
    if code < 0x800:
        value = (value ^ np.uint64(0xC0 | (code >> np.uint32(6)))) * FNV_PRIME
    else:
        if code < 0x10000:
            value = (value ^ np.uint64(0xE0 | (code >> np.uint32(12)))) * FNV_PRIME
        else:
            value = (value ^ np.uint64(0xF0 | (code >> np.uint32(18)))) * FNV_PRIME
            value = (value ^ np.uint64(0x80 | ((code >> np.uint32(12)) & np.uint32(0x3F)))) * FNV_PRIME
        value = (value ^ np.uint64(0x80 | ((code >> np.uint32(6)) & np.uint32(0x3F)))) * FNV_PRIME
    return (value ^ np.uint64(0x80 | (code & np.uint32(0x3F)))) * FNV_PRIME


@compiled(types.void(BYTES, OFFSETS, FORMS, TEXT, OFFSETS, FLAGS))
def collapse_spaces(text: Any, offsets: Any, forms: Any, collapsed: Any, bounds: Any, bound: Any) -> None:
    """Copy each text with each run of white space one space and its ends stripped.

    Args: `text` valid UTF-8, `offsets` (n + 1) where each text starts; `forms` the module's table, with an entry for
    each code point but those of the last planes. Fills `collapsed` (as long as the texts), `bounds` (n + 1), `bound`:
    whether the text has a character marked FORM_BOUND, so that what was copied need not be its NFC.
    """
    # Places are unsigned: a signed index may count from the end, which costs a comparison each time.
    filled = ZERO
    known = np.uint32(len(forms))
    bounds[0] = 0
    for document in range(len(offsets) - 1):
        position, stop, first = np.uint64(offsets[document]), np.uint64(offsets[document + 1]), filled
        after_space = True
        marks = np.uint32(0)
        while position < stop:
            lead = text[position]
            if lead < 0x80:
                space = (forms[np.uint64(lead)] & np.uint32(FORM_SPACE)) != 0
                collapsed[filled] = np.uint8(0x20) if space else lead
                filled += ZERO if space and after_space else ONE
                after_space = space
                position += ONE
                continue
            width, code = decode(text, position)
            entry = forms[np.uint64(code)] if code < known else np.uint32(0)
            marks |= entry
            space = (entry & np.uint32(FORM_SPACE)) != 0
            if not space:
                for _ in range(width):
                    collapsed[filled] = text[position]
                    filled += ONE
                    position += ONE
            else:
                if not after_space:
                    collapsed[filled] = 0x20
                    filled += ONE
                position += width
            after_space = space
        if after_space and filled > first:
            filled -= ONE
        bounds[document + 1] = np.int64(filled)
        bound[document] = (marks & np.uint32(FORM_BOUND)) != 0


@compiled(types.int64(BYTES, OFFSETS, OFFSETS, FORMS, HASHES, PLACES, PLACES, OFFSETS))
def hash_words(
    text: Any, begins: Any, stops: Any, forms: Any, hashes: Any, starts: Any, ends: Any, word_offsets: Any
) -> Any:
    """Cut each text into words and hash them in lower case.

    Args: `text` valid UTF-8; `begins` and `stops` (n) where each lies in it; `forms` the module's table (those past
    its end are outside words). Fills `hashes` (at least one longer than the texts) with one uint64 a word (FNV-1a
    over its bytes, then `mix`), `starts` and `ends` with its place in characters of its text, `word_offsets` (n + 1).
    Returns: how many words in all.
    """
    count = ZERO
    known = np.uint32(len(forms))
    word_offsets[0] = 0
    for document in range(len(begins)):
        position, stop = np.uint64(begins[document]), np.uint64(stops[document])
        inside, alone = False, False
        value = FNV_OFFSET
        character = np.int32(0)
        while position < stop:
            lead = text[position]
            if lead < 0x80:
                width, entry = ONE, forms[np.uint64(lead)]
            else:
                width, code = decode(text, position)
                entry = forms[np.uint64(code)] if code < known else np.uint32(0)
            kind = (entry >> np.uint32(FORM_KIND_SHIFT)) & np.uint32(KIND)
            # A letter goes on with a word unless that is a sign that stands alone; a mark goes on with any word.
            if inside and kind != MARK and (kind != LETTER or alone):
                hashes[count], ends[count] = mix(value), character
                count += ONE
                inside = False
            # A mark on nothing begins a word, too.
            if kind in (LETTER, ALONE, MARK):
                if not inside:
                    inside, alone = True, kind == ALONE
                    value = FNV_OFFSET
                    starts[count] = character
                value = hash_character(value, entry & np.uint32(FORM_CODE))
            position += width
            character += np.int32(1)
        if inside:
            hashes[count], ends[count] = mix(value), character
            count += ONE
        word_offsets[document + 1] = np.int64(count)
    return np.int64(count)


@compiled(types.int64(BYTES, OFFSETS, OFFSETS, FORMS, HASHES, OFFSETS))
def hash_characters(text: Any, begins: Any, stops: Any, forms: Any, hashes: Any, character_offsets: Any) -> Any:
    """Hash each character of each text in lower case; arguments as of `hash_words`. Returns: how many in all."""
    count = ZERO
    known = np.uint32(len(forms))
    character_offsets[0] = 0
    for document in range(len(begins)):
        position, stop = np.uint64(begins[document]), np.uint64(stops[document])
        while position < stop:
            width, code = decode(text, position)
            small = forms[np.uint64(code)] & np.uint32(FORM_CODE) if code < known else code
            hashes[count] = mix(hash_character(FNV_OFFSET, small))
            count += ONE
            position += width
        character_offsets[document + 1] = np.int64(count)
    return np.int64(count)
