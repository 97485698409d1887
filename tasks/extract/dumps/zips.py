"""Entries of a zip with their places, each read in bounded memory."""

import zipfile
from pathlib import Path
from typing import NamedTuple

MAX_ENTRIES = 200_000
CHUNK_BYTES = 1 << 20


class ZipError(Exception):
    """A zip, or an entry of it, that can't be read: why, without its names."""


class Entry(NamedTuple):
    """An entry: its name, and bytes from its header (the first: from 0) to the next one's (the last: to the end)."""

    name: str
    offset: int
    length: int
    size: int


def entries(path: Path) -> list[Entry]:
    """The entries of a zip in the order in which they lie there; folders too. Raises: ZipError."""
    size = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            found = sorted(archive.infolist(), key=lambda one: one.header_offset)
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, UnicodeDecodeError) as error:
        raise ZipError(f"zip: {type(error).__name__}") from error
    if len(found) > MAX_ENTRIES:
        raise ZipError(f"zip: more than {MAX_ENTRIES:,} entries")
    if not found:
        raise ZipError("zip: no entries")
    if len({one.header_offset for one in found}) < len(found) or not all(
        0 <= one.header_offset < size for one in found
    ):
        raise ZipError("zip: entries that share their bytes")
    starts = [0, *(one.header_offset for one in found[1:]), size]
    return [
        Entry(one.filename, starts[number], starts[number + 1] - starts[number], one.file_size)
        for number, one in enumerate(found)
    ]


def read_entry(path: Path, entry: Entry, limit: int) -> bytes | None:
    """An entry's bytes; None if they are more than `limit`, whatever the zip says of their number. Raises: ZipError."""
    pieces, left = [], limit + 1
    try:
        with zipfile.ZipFile(path) as archive, archive.open(archive.getinfo(entry.name)) as file:
            while left > 0 and (piece := file.read(min(CHUNK_BYTES, left))):
                pieces.append(piece)
                left -= len(piece)
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, EOFError, RuntimeError, KeyError) as error:
        raise ZipError(f"zip entry: {type(error).__name__}") from error
    except Exception as error:
        if type(error).__module__ in ("zlib", "_lzma", "lzma"):  # their errors share no base but Exception
            raise ZipError(f"zip entry: {type(error).__name__}") from error
        raise
    return None if left <= 0 else b"".join(pieces)
