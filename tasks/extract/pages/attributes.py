"""Compiled reading of a start tag's attributes: what its class, id, role, itemprop and rel say, and a few others."""

# ruff: noqa: SIM109 (compiled: comparisons are quicker than a loop over a tuple)

from typing import Any

import numpy as np
from numba import types

from tasks.extract.pages.text import DIGIT, WHITE, has
from tasks.extract.pages.vocabulary import fnv
from tasks.sign_kernels import compiled

_BYTES = types.Array(types.uint8, 1, "C", readonly=True)
_TABLE8 = types.Array(types.uint8, 1, "C")
_TABLE16 = types.Array(types.int16, 2, "C")
_BITS = types.Array(types.uint64, 1, "C")
_INTS = types.Array(types.int64, 1, "C")

HAS_HREF, IS_HIDDEN, ALT_FROM, ALT_TO, TYPE_FROM, TYPE_TO = range(6)
"""Columns of what a tag said: whether it links, whether it is hidden; where its alttext and type stand."""
SAID = 6

OFFSET, PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
"""Of FNV-1a, 64 bits."""


def _hash(name: str) -> np.uint64:
    return np.uint64(fnv(name.encode()))


_CLASS, _ID, _ROLE, _ITEMPROP, _HREF, _STYLE, _HIDDEN, _REL, _ALTTEXT, _TYPE = (
    _hash(name) for name in ("class", "id", "role", "itemprop", "href", "style", "hidden", "rel", "alttext", "type")
)
_HIDE = np.frombuffer(b"none", np.uint8)


@compiled(types.int64(_BYTES, types.int64, _TABLE8, _TABLE8, _TABLE16, _BITS, _INTS, _BITS))
def read_attributes(
    data: Any, position: Any, bytes_: Any, classes: Any, table: Any, ends: Any, said: Any, words: Any
) -> Any:
    """Read from after the tag's name to its ">", whose place is returned (the end of the data if it has none).

    Fills `said`, and `words` with the bits of the attributes' words and, from what stands there on, a hash of the
    classes without digits.
    """
    size = len(data)
    bits, signature = np.uint64(0), words[1]
    for index in range(SAID):
        said[index] = 0
    while position < size and data[position] != 62:
        byte = data[position]
        if bytes_[byte] & WHITE or byte == 47:
            position += 1
            continue
        name = OFFSET
        start = position
        while position < size:
            byte = data[position]
            if (byte == 61 and position > start) or byte == 62 or byte == 47 or bytes_[byte] & WHITE:
                break
            if 65 <= byte <= 90:
                byte |= 32
            name = (name ^ np.uint64(byte)) * PRIME
            position += 1
        while position < size and bytes_[data[position]] & WHITE:
            position += 1
        start = stop = position
        if position < size and data[position] == 61:
            position += 1
            while position < size and bytes_[data[position]] & WHITE:
                position += 1
            quote = data[position] if position < size else np.uint8(0)
            if quote == 34 or quote == 39:
                position += 1
                start = position
                while position < size and data[position] != quote:
                    position += 1
                stop = position
                position += 1
            else:
                start = position
                while position < size and data[position] != 62 and not bytes_[data[position]] & WHITE:
                    position += 1
                stop = position
        if name == _CLASS or name == _ID or name == _ROLE or name == _ITEMPROP or name == _REL:
            match = 0
            for place in range(start, stop):
                match = table[match, classes[data[place]]]
                bits |= ends[match]
            if name == _CLASS:
                for place in range(start, stop):
                    byte = data[place]
                    if not bytes_[byte] & DIGIT:
                        signature = (signature ^ np.uint64(byte)) * PRIME
        elif name == _HREF:
            said[HAS_HREF] = stop > start
        elif name == _HIDDEN:
            said[IS_HIDDEN] = 1
        elif name == _STYLE:
            if has(data, start, stop, _HIDE):
                said[IS_HIDDEN] = 1
        elif name == _ALTTEXT:
            said[ALT_FROM], said[ALT_TO] = start, stop
        elif name == _TYPE:
            said[TYPE_FROM], said[TYPE_TO] = start, stop
    words[0], words[1] = bits, signature
    return position
