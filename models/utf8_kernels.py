"""UTF-8 for the compiled loops over the bytes of texts; both functions are inlined into them."""

from typing import Any

import numpy as np
from numba import types

from models.block_kernels import put_four
from models.compiled import compiled

BYTES = types.Array(types.uint8, 1, "C", readonly=True)


@compiled(types.Tuple((types.uint64, types.uint32))(BYTES, types.uint64))
def decode(text: Any, position: Any) -> Any:
    """The width in bytes, and the code point, of the character of valid UTF-8 that starts at `position`."""
    lead = np.uint32(text[position])
    if lead < 0x80:
        return np.uint64(1), lead
    second = np.uint32(text[position + np.uint64(1)]) & np.uint32(0x3F)
    if lead < 0xE0:
        return np.uint64(2), ((lead & np.uint32(0x1F)) << np.uint32(6)) | second
    third = np.uint32(text[position + np.uint64(2)]) & np.uint32(0x3F)
    if lead < 0xF0:
        return np.uint64(3), ((lead & np.uint32(0x0F)) << np.uint32(12)) | (second << np.uint32(6)) | third
    code = ((lead & np.uint32(0x07)) << np.uint32(18)) | (second << np.uint32(12)) | (third << np.uint32(6))
    return np.uint64(4), code | (np.uint32(text[position + np.uint64(3)]) & np.uint32(0x3F))


@compiled(types.uint64(types.Array(types.uint8, 1, "C"), types.uint64, types.uint32))
def encode(text: Any, position: Any, code: Any) -> Any:
    """Write the character of a code point at `position`, where there is room for four bytes. Returns: its width."""
    last = np.uint32(0x80) | (code & np.uint32(0x3F))
    if code < 0x80:
        put_four(text, position, code)
        return np.uint64(1)
    if code < 0x800:
        put_four(text, position, np.uint32(0xC0) | (code >> np.uint32(6)) | (last << np.uint32(8)))
        return np.uint64(2)
    middle = np.uint32(0x80) | ((code >> np.uint32(6)) & np.uint32(0x3F))
    if code < 0x10000:
        first = np.uint32(0xE0) | (code >> np.uint32(12))
        put_four(text, position, first | (middle << np.uint32(8)) | (last << np.uint32(16)))
        return np.uint64(3)
    second = np.uint32(0x80) | ((code >> np.uint32(12)) & np.uint32(0x3F))
    first = np.uint32(0xF0) | (code >> np.uint32(18)) | (second << np.uint32(8))
    put_four(text, position, first | (middle << np.uint32(16)) | (last << np.uint32(24)))
    return np.uint64(4)
