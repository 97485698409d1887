"""ZIP files that may lie: their directory and their entries, read within limits on entries, bytes and ratio.

Nothing is ever written under a name that stands in a zip, and a zip within a zip is not opened.
"""

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from tasks.extract.config import ExtractConfig
from tasks.extract.payload import Refused
from tasks.extract.reasons import LossReason

MAX_DIRECTORY_BYTES = 16 << 20
"""A directory is parsed whole; this one holds more than 100,000 entries."""
RATIO_FROM = 1 << 20
"""Unpacked bytes from which the ratio counts: a small entry of one letter repeated is no bomb."""
_CHUNK = 64 << 10
_TAIL = 22 + (1 << 16)
_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OSError,
    OverflowError,
    UnicodeError,
    ValueError,
)
"""What `zipfile` raises on bytes that are not as they should be."""


def open_zip(file: BinaryIO, config: ExtractConfig) -> zipfile.ZipFile:
    """The zip, its directory read. Raises: Refused: damaged, too large (a directory beyond the limits)."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TAIL))
    tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) - end < 22:
        raise Refused(LossReason.DAMAGED, "zip: no directory at its end")
    directory = int.from_bytes(tail[end + 12 : end + 16], "little")
    wide = tail.rfind(b"PK\x06\x06", 0, end)  # with zip64 the true size stands in a record of its own
    if directory == 0xFFFFFFFF and wide >= 0:
        directory = int.from_bytes(tail[wide + 40 : wide + 48], "little")
    if directory > MAX_DIRECTORY_BYTES:
        raise Refused(LossReason.TOO_LARGE, f"zip: a directory of {directory} bytes")
    try:
        opened = zipfile.ZipFile(file)
    except _ERRORS as error:
        raise Refused(LossReason.DAMAGED, f"zip: {type(error).__name__}") from error
    if len(opened.infolist()) > config.max_zip_entries:
        raise Refused(LossReason.TOO_LARGE, f"zip: {len(opened.infolist())} entries")
    return opened


def unpack(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, max_bytes: int, config: ExtractConfig) -> Iterator[bytes]:
    """The entry's bytes in pieces, counted as they come: what the directory says of their number is not believed.

    Raises: Refused: encrypted, too large (more than `max_bytes`, or than the ratio allows), damaged.
    """
    if entry.flag_bits & 0x1:
        raise Refused(LossReason.ENCRYPTED, "an entry of the zip")
    total = 0
    allowed = max(RATIO_FROM, config.max_zip_ratio * entry.compress_size)
    try:
        with opened.open(entry) as stream:
            while piece := stream.read(_CHUNK):
                total += len(piece)
                if total > max_bytes:
                    raise Refused(LossReason.TOO_LARGE, f"zip: an entry of more than {max_bytes} bytes")
                if total > allowed:
                    ratio = config.max_zip_ratio
                    raise Refused(
                        LossReason.TOO_LARGE, f"zip: an entry that unpacks to more than {ratio} times its size"
                    )
                yield piece
    except _ERRORS as error:
        raise Refused(LossReason.DAMAGED, f"zip: {type(error).__name__}") from error
    except RuntimeError as error:  # a password is needed, says zipfile
        raise Refused(LossReason.ENCRYPTED, "an entry of the zip") from error


def read_entry(opened: zipfile.ZipFile, name: str, max_bytes: int, config: ExtractConfig) -> bytes | None:
    """An entry's bytes by its name; None if there is none of that name. Raises: Refused, as `unpack`."""
    try:
        entry = opened.getinfo(name)
    except KeyError:
        return None
    return b"".join(unpack(opened, entry, max_bytes, config))
