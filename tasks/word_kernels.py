"""Compiled loops over UTF-8: white space made one, words and characters hashed. Compiled like `sign_kernels`.

They look at one table, `forms` (uint32, one entry a code point): FORM_CODE its small form, FORM_KIND what it is to
a word, and the two marks below. ASCII goes by blocks of 64 bytes, for most bytes of most texts are ASCII.
"""

from typing import Any

import numpy as np
from numba import types

from models.block_kernels import BLOCK as BYTES_AT_ONCE
from models.block_kernels import classify, copy_lowered, copy_spaced, eight_bytes, lowest_bit
from models.utf8_kernels import decode, encode
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
IN_WORDS = np.uint32(1 << LETTER | 1 << ALONE | 1 << MARK)
FORM_BOUND = 1 << 28  # its NFC depends on what stands beside it, or is another code point
DOTTED, DOT = np.uint32(0x130), np.uint32(0x307)  # a capital I with a dot: an i and the dot, in lower case


ZERO, ONE, EIGHT = np.uint64(0), np.uint64(1), np.uint64(8)
BLOCK = np.uint64(BYTES_AT_ONCE)
EVERY = np.uint64(0xFFFFFFFFFFFFFFFF)
WORD_SEED = np.uint64(0x9E3779B97F4A7C15)


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


@compiled(types.uint64(types.uint64))
def first_bits(count: Any) -> Any:
    """The lowest `count` bits, all of them from 64 on."""
    return EVERY if count >= BLOCK else (ONE << count) - ONE


@compiled(types.void(BYTES, OFFSETS, FORMS, TEXT, OFFSETS, OFFSETS, OFFSETS))
def collapse_spaces(text: Any, offsets: Any, forms: Any, collapsed: Any, bounds: Any, first: Any, last: Any) -> None:
    """Copy each text with each run of white space one space and its ends stripped.

    Args: `text` valid UTF-8, `offsets` (n + 1) where each text starts; `forms` the module's table, with an entry for
    each code point but those of the last planes. Fills `collapsed` (a block longer than the texts), `bounds` (n + 1),
    and between which places of `collapsed` all characters of a text begin that are marked FORM_BOUND, so that what was
    copied need not be its NFC: `first` (n), -1 where there are none, and `last` (n).
    """
    # Places are unsigned: a signed index may count from the end, which costs a comparison each time.
    filled = ZERO
    known, size = np.uint32(len(forms)), np.uint64(len(text))
    bounds[0] = 0
    for document in range(len(offsets) - 1):
        position, stop, begin = np.uint64(offsets[document]), np.uint64(offsets[document + 1]), filled
        after_space = ONE
        first[document], last[document] = -1, -1
        while position < stop:
            length, before, marks = min(stop - position, BLOCK), filled, np.uint32(0)
            by_block, space, inside = position + BLOCK + BLOCK <= size, ZERO, first_bits(length)
            if by_block:
                wide, space, _ = classify(text, position)
                wide &= inside
                while wide != ZERO:
                    at = position + lowest_bit(wide)
                    wide &= wide - ONE
                    if text[at] >= 0xC0:  # not a byte that goes on with a character
                        _, code = decode(text, at)
                        marks |= forms[np.uint64(code)] if code < known else np.uint32(0)
                by_block = (marks & np.uint32(FORM_SPACE)) == 0
            if by_block:
                # White space after white space goes; what is between is copied by blocks, each over the last one's end.
                gone = space & ((space << ONE) | after_space) & inside
                at = ZERO
                while at < length:
                    copy_spaced(collapsed, filled, text, position + at)
                    run = min(lowest_bit(gone >> at), length - at)
                    filled += run
                    at += run
                    if at < length:
                        at += lowest_bit(~(gone >> at))
                after_space = (space >> (length - ONE)) & ONE
                position += length
            end = position if by_block else position + length
            while position < end:
                lead = text[position]
                width, entry = ONE, np.uint32(0)
                if (lead & 0xC0) != 0x80:  # of a character that a block has begun, the rest is copied
                    width, code = decode(text, position)
                    entry = forms[np.uint64(code)] if code < known else np.uint32(0)
                marks |= entry
                if (entry & np.uint32(FORM_SPACE)) != 0:
                    collapsed[filled] = 0x20
                    filled += ONE - after_space
                    after_space = ONE
                    position += width
                else:
                    after_space = ZERO
                    for _ in range(width):
                        collapsed[filled] = text[position]
                        filled += ONE
                        position += ONE
            if (marks & np.uint32(FORM_BOUND)) != 0:
                first[document] = np.int64(before) if first[document] < 0 else first[document]
                last[document] = np.int64(filled)
        if after_space != ZERO and filled > begin:
            filled -= ONE
        bounds[document + 1] = np.int64(filled)


@compiled(types.uint64(TEXT, types.uint64, types.uint64))
def hash_word(small: Any, begin: Any, end: Any) -> Any:
    """The hash of a word, from its UTF-8 in lower case: `mix` over eight bytes at a time, the last filled with zeros.

    No two words of up to eight bytes have one hash: `mix` is a bijection, and no word has a zero in it.
    """
    value = WORD_SEED
    while end - begin > EIGHT:
        value = mix(value ^ eight_bytes(small, begin))
        begin += EIGHT
    return mix(value ^ (eight_bytes(small, begin) & (EVERY >> ((EIGHT - (end - begin)) << np.uint64(3)))))


@compiled(types.int64(BYTES, OFFSETS, OFFSETS, FORMS, TEXT, HASHES, PLACES, PLACES, OFFSETS))
def hash_words(
    text: Any, begins: Any, stops: Any, forms: Any, small: Any, hashes: Any, starts: Any, ends: Any, word_offsets: Any
) -> Any:
    """Cut each text into words and hash them in lower case.

    Args: `text` valid UTF-8; `begins` and `stops` (n) where each lies in it; `forms` the module's table (those past
    its end are outside words); `small` room for a text in lower case: twice the longest one and two blocks. Fills
    `hashes` with one uint64 a word, `starts` and `ends` with its place in characters of its text (each with room for
    half as many words as there are bytes, and one more a text), `word_offsets` (n + 1). Returns: how many words in all.
    """
    count = ZERO
    known, size = np.uint32(len(forms)), np.uint64(len(text))
    word_offsets[0] = 0
    for document in range(len(begins)):
        position, stop = np.uint64(begins[document]), np.uint64(stops[document])
        inside, alone = ZERO, False
        filled, begin, character = ZERO, ZERO, ZERO
        while position < stop:
            wide = EVERY
            if position + BLOCK <= size:
                # Up to the first byte outside ASCII the bits tell where words begin and end.
                wide, _, letters = classify(text, position)
                length = min(stop - position, BLOCK)
                run = min(lowest_bit(wide), length)
                if run != ZERO and alone:
                    if inside != ZERO:
                        hashes[count], ends[count] = hash_word(small, begin, filled), character
                        count += ONE
                    inside, alone = ZERO, False
                copy_lowered(small, filled, text, position)
                before, bits = (letters << ONE) | inside, first_bits(run)
                firsts, after = letters & ~before & bits, ~letters & before & bits
                while after != ZERO:
                    if inside == ZERO:
                        at = lowest_bit(firsts)
                        firsts &= firsts - ONE
                        begin, starts[count] = filled + at, character + at
                    inside = ZERO
                    at = lowest_bit(after)
                    after &= after - ONE
                    hashes[count], ends[count] = hash_word(small, begin, filled + at), character + at
                    count += ONE
                if firsts != ZERO:
                    at = lowest_bit(firsts)
                    begin, starts[count] = filled + at, character + at
                    inside = ONE
                filled += run
                position += run
                character += run
                if run == length:
                    continue
                wide >>= run
            # Character by character, until the next sixteen bytes are ASCII.
            while position < stop and (wide & np.uint64(0xFFFF)) != ZERO:
                width, code = decode(text, position)
                entry = forms[np.uint64(code)] if code < known else np.uint32(0)
                kind = (entry >> np.uint32(FORM_KIND_SHIFT)) & np.uint32(KIND)
                # A letter goes on with a word unless that is a sign that stands alone; a mark goes on with any word.
                if inside != ZERO and kind != MARK and (kind != LETTER or alone):
                    hashes[count], ends[count] = hash_word(small, begin, filled), character
                    count += ONE
                    inside = ZERO
                # A mark on nothing begins a word, too.
                if (IN_WORDS >> kind) & np.uint32(1) != 0:
                    if inside == ZERO:
                        inside, alone = ONE, kind == ALONE
                        begin, starts[count] = filled, character
                    code = entry & np.uint32(FORM_CODE)
                    if code == DOTTED:
                        filled += encode(small, filled, np.uint32(ord("i")))
                        code = DOT
                    filled += encode(small, filled, code)
                position += width
                character += ONE
                wide >>= width
        if inside != ZERO:
            hashes[count], ends[count] = hash_word(small, begin, filled), character
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
            if small == DOTTED:
                hashes[count] = mix(hash_character(FNV_OFFSET, np.uint32(ord("i"))))
                count += ONE
                small = DOT
            hashes[count] = mix(hash_character(FNV_OFFSET, small))
            count += ONE
            position += width
        character_offsets[document + 1] = np.int64(count)
    return np.int64(count)
