"""The compiled decoder of UTF-8 that loops over the bytes of texts call; it is inlined into them."""

from typing import Any

import numpy as np
from numba import types

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
