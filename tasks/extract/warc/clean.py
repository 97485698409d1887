"""The fast way through a WARC of gzip members in which all is as it should be: each decoded in one go, by libdeflate.

A member is clean if it decodes, its checksum and its size right, to one record and nothing else: header lines as they
are usually written, a block of the length that the header says, and two line ends. A member ends where the next one's
magic number stands. That number may also stand within a member, by chance or because it holds a gzip file: then what
lies before it does not decode, and the next such place is tried.

At the first member that is not clean this gives up, and the scanner goes on from there; behind it this may begin again.
Of clean members it gives the same records (a test compares the two), and the scanner knows what to do with all others.
"""

import functools
import re
import struct
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import NamedTuple

import deflate
import numpy as np

from tasks.extract.warc.items import MAX_RECORD_BYTES, Record
from tasks.extract.warc.members import GZIP_MAGIC

_BLOCK_BYTES = 1 << 20
"""Read at once."""
_MAX_MEMBER_BYTES = 16 << 20
"""A larger member is left to the scanner, which holds no more than a piece of it."""
_MAX_DECODED_BYTES = MAX_RECORD_BYTES + (64 << 10)
_MAX_RATIO = 1032
"""Deflate expands by no more. A size that asks for more is none, and no memory is taken for it."""
_MIN_MEMBER_BYTES = 20
"""Of a gzip member: 10 of its header, 2 of data, 8 of checksum and size."""
_ODD_FLAGS = 0b1110_0010
"""In a member's fourth byte: a checksum of its header, which libdeflate does not look at, and flags of no meaning."""
_MAX_TRIES = 8
"""Places at which one member may end."""
_MAX_LAYOUTS = 8
"""Layouts of headers that are tried on a header one by one. Archives have about four."""
_MAGIC_PAIR = int.from_bytes(GZIP_MAGIC[:2], "little")
_SIZE = struct.Struct("<I").unpack_from
_MAX_HEADER_BYTES = 8 << 10
_MAX_FIELDS = 64
"""A header with more makes no layout: patterns take time to compile."""
_NAME = re.compile(r"[!-9;-~]+")


class _Layout(NamedTuple):
    """The names of a header's fields, lower case, and the pattern of a header that has these in this order."""

    names: tuple[str, ...]
    pattern: re.Pattern[str]


@functools.lru_cache(1024)
def _layout(names: tuple[str, ...]) -> _Layout | None:
    """Of names as they stand. None if one comes twice, or is none: the scanner knows what to do."""
    lower = tuple(name.lower() for name in names)
    if len(set(lower)) < len(lower) or not all(map(_NAME.fullmatch, names)):
        return None
    lines = "".join(rf"{re.escape(name)}: ([!-~].*)(?<=[!-~])\r\n" for name in names)
    return _Layout(lower, re.compile(rf"WARC/1\.[01]\r\n{lines}"))


class _Headers:
    """Reads the headers of one archive's records, which have the same few layouts."""

    def __init__(self) -> None:
        self._layouts: list[_Layout] = []

    def read(self, header: str) -> dict[str, str] | None:
        """The fields of a header, its last line end included: lower-case names. None if a line is not as usual."""
        for layout in self._layouts:
            if match := layout.pattern.fullmatch(header):
                return dict(zip(layout.names, match.groups(), strict=True))
        lines = header.split("\r\n")[1:-1]
        if len(lines) > _MAX_FIELDS:
            return None
        layout = _layout(tuple(line.partition(": ")[0] for line in lines))
        if layout is None or not (match := layout.pattern.fullmatch(header)):
            return None
        self._layouts = [layout, *self._layouts[: _MAX_LAYOUTS - 1]]
        return dict(zip(layout.names, match.groups(), strict=True))


def clean_records(path: str | Path, start: int, stop: int, begin: int = 0) -> Generator[Record, None, int]:
    """The records of the clean members of a gzip file from the one at `begin` on that begin in [start, stop), up to the
    first member that is not clean.

    Returns: where that one begins, or a place at or behind `stop`.
    Raises: OSError if the file can't be read.
    """
    read_header = _Headers().read
    here = begin
    for there, data in _members(path, begin) if begin < stop else ():
        header_end = data.find(b"\r\n\r\n") + 2
        header = data[:header_end]
        usual = len(header) <= _MAX_HEADER_BYTES and header.isascii()
        headers = read_header(header.decode("ascii")) if usual else None
        length = headers.get("content-length", "") if headers else ""
        if not headers or not length.isdigit() or len(length) > 9:
            return here
        size = int(length)
        block_end = header_end + 2 + size
        if len(data) != block_end + 4 or not data.endswith(b"\r\n\r\n") or size > MAX_RECORD_BYTES:
            return here
        if here >= start:
            field = headers.get
            yield Record(
                here,
                there - here,
                "file",
                field("warc-type", "").lower() or "unknown",
                field("warc-record-id"),
                field("warc-target-uri", "").strip("<>") or None,
                field("warc-date"),
                headers,
                bytes(memoryview(data)[header_end + 2 : block_end]),
                size,
            )
        here = there
        if here >= stop:
            break
    return here


def _members(path: str | Path, begin: int) -> Iterator[tuple[int, bytearray]]:
    """Where each member from `begin` on ends, and what it decodes to, up to the first that is damaged, empty or large.

    Memory: twice a member of `_MAX_MEMBER_BYTES` at most, and what one decodes to.
    """
    with open(path, "rb", buffering=0) as file:
        file.seek(begin)
        block, base, here, tries = b"", begin, 0, 0
        while len(block) - here <= _MAX_MEMBER_BYTES:
            more = file.read(max(_BLOCK_BYTES, len(block) - here))
            block, base, here = block[here:] + more, base + here, 0
            places = _places(block)
            if not places or places[0] != 0:
                return
            for there in places if more else [*places, len(block)]:
                if there < here + _MIN_MEMBER_BYTES:
                    continue
                if block[here + 3] & _ODD_FLAGS:
                    return
                size = _SIZE(block, there - 4)[0]
                if 0 < size <= min(_MAX_DECODED_BYTES, _MAX_RATIO * (there - here)):
                    try:
                        data = deflate.gzip_decompress(block[here:there], size)
                    except deflate.DeflateError:
                        pass  # the member goes on, or is damaged
                    else:
                        if len(data) != size or (tries and not _is_one_member(block[here:there], size)):
                            return  # what stands behind it is no member
                        here, tries = there, 0
                        yield base + here, data
                        continue
                tries += 1
                if tries == _MAX_TRIES:
                    return
            if not more:
                return


def _is_one_member(member: bytes, size: int) -> bool:
    """Whether the bytes are a member of this decoded size to the last one. libdeflate says nothing of bytes behind it,
    and where a magic number was passed over, these may be a member of the same size.
    """
    decoder = zlib.decompressobj(31)
    decoder.decompress(member, size + 1)
    return decoder.eof and not decoder.unused_data


def _places(block: bytes) -> list[int]:
    """Where gzip's magic number stands. (`bytes.find` takes six times as long for a needle of three bytes.)"""
    pairs = [np.frombuffer(block, "<u2", (len(block) - odd) // 2, odd) for odd in (0, 1) if len(block) > 2]
    found = [2 * np.flatnonzero(of == _MAGIC_PAIR) + odd for odd, of in enumerate(pairs)]
    return sorted(place for of in found for place in of.tolist() if block.startswith(GZIP_MAGIC, place))
