"""The compiled loop that cuts texts into words and hashes them. Compiled like `sign_kernels`, whose hash it uses."""

from typing import Any

import numpy as np
from numba import types

from tasks.sign_kernels import BYTES, FNV_OFFSET, FNV_PRIME, HASHES, OFFSETS, compiled, mix

CLASSES = types.Array(types.uint16, 1, "C")
PLACES = types.Array(types.int32, 1, "C")

# The class of a code point, uint16: what it is to a word (low three bits), and marks of what else it is.
KIND = 7
GAP, LETTER, ALONE, MARK, SYMBOL = 0, 1, 2, 3, 4
ALPHABETIC, TERMINAL, CLOSING, WIDE = 8, 16, 32, 64
QUOTED_ENDING, SPACE, LINE_BREAK, PUNCTUATION = 128, 256, 512, 1024
UPPERCASE, DIGIT, ENDING = 2048, 4096, 8192


@compiled(types.int64(BYTES, OFFSETS, CLASSES, HASHES, PLACES, PLACES, OFFSETS))
def hash_words(text: Any, offsets: Any, classes: Any, hashes: Any, starts: Any, ends: Any, word_offsets: Any) -> Any:
    """Cut each text into words and hash them.

    Args: `text` valid UTF-8; `offsets` (n + 1) where each text starts; `classes` the class of each code point (those
    past its end are outside words). Fills `hashes` (at least len(text) + 1 long) with one uint64 a word (FNV-1a over
    its bytes, then `mix`), `starts` and `ends` with its place in characters of its text, and `word_offsets` (n + 1).
    Returns: how many words in all.
    """
    count = 0
    word_offsets[0] = 0
    for document in range(len(offsets) - 1):
        position, stop = offsets[document], offsets[document + 1]
        inside, alone = False, False
        value = FNV_OFFSET
        character = np.int32(0)
        while position < stop:
            lead = text[position]
            if lead < 0x80:
                width, code = 1, np.uint32(lead)
            elif lead < 0xE0:
                width, code = 2, np.uint32(lead & 0x1F)
            elif lead < 0xF0:
                width, code = 3, np.uint32(lead & 0x0F)
            else:
                width, code = 4, np.uint32(lead & 0x07)
            for follow in range(1, width):
                code = np.uint32((code << np.uint32(6)) | np.uint32(text[position + follow] & 0x3F))
            kind = classes[code] & KIND if code < len(classes) else GAP
            # A letter goes on with a word unless that is a sign that stands alone; a mark goes on with any word.
            if inside and kind != MARK and (kind != LETTER or alone):
                hashes[count], ends[count] = mix(value), character
                count += 1
                inside = False
            # A mark on nothing begins a word, too.
            if kind in (LETTER, ALONE, MARK):
                if not inside:
                    inside, alone = True, kind == ALONE
                    value = FNV_OFFSET
                    starts[count] = character
                for follow in range(width):
                    value = (value ^ np.uint64(text[position + follow])) * FNV_PRIME
            position += width
            character += np.int32(1)
        if inside:
            hashes[count], ends[count] = mix(value), character
            count += 1
        word_offsets[document + 1] = count
    return count
