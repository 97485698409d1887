"""The fast way through a WARC of gzip members in which all is as it should be: by fastwarc, with each member checked.

A member is clean if it decodes, its checksum right, to one record and nothing else: header lines as they are usually
written, a block of the length that the header says, and two line ends. That is known without a look at the decoded
bytes: a member's last four say how many there are, and they must be those of the header, the block and the line ends.

At the first member that is not clean this gives up, and the scanner goes on from there; behind it this may begin again.
Of clean members it gives the same records (a test compares the two), and the scanner knows what to do with all others.
"""

import functools
import os
import struct
from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple

from fastwarc.warc import ArchiveIterator

from tasks.extract.warc.items import MAX_RECORD_BYTES, Record

_VERSIONS = (b"WARC/1.0", b"WARC/1.1")
_AROUND = len("WARC/1.0\r\n") + len("\r\n") + len("\r\n\r\n")
"""Bytes of a record beside its fields and its block."""
_TAIL_BUFFER = 64 << 10
"""Bytes read at once to see the ends of members. (Of a memory map each page that was looked at counts as memory of the
process: 1.6 GB after an archive of ten gigabytes, measured.)"""
_SIZE = struct.Struct("<I").unpack_from


class _Layout(NamedTuple):
    """The names of a header's fields, lower case, and the bytes of the record beside their values and its block."""

    names: tuple[str, ...]
    around: int


@functools.lru_cache(1024)
def _layout(names: bytes) -> _Layout | None:
    """Of names with a line feed between two. None if one comes twice, or is no ASCII: the scanner knows what to do.

    Records of an archive have the same few lists of names, so that they are looked at once.
    """
    lower = tuple(names.lower().decode("latin-1").split("\n"))
    if not names.isascii() or len(set(lower)) < len(lower):
        return None
    return _Layout(lower, _AROUND + len(names) - (len(lower) - 1) + len(": \r\n") * len(lower))


def clean_records(path: str | Path, start: int, stop: int, begin: int = 0) -> Generator[Record, None, int]:
    """The records of the clean members of a gzip file from the one at `begin` on that begin in [start, stop), up to the
    first member that is not clean.

    Returns: where that one begins, or a place at or behind `stop`.
    Raises: OSError if the file can't be opened.
    """
    end = os.path.getsize(path)
    tails = bytearray(_TAIL_BUFFER)
    tails_start = tails_stop = 0
    with open(path, "rb", buffering=0) as file:
        file.seek(begin)
        here = begin
        decoded = size = 0
        headers: dict[str, str] = {}
        payload: bytes | None = None
        members = ArchiveIterator(file, parse_http=False, inplace=True)
        while True:
            # A member is known to be clean when the next one is seen to begin where it ends.
            try:
                member = next(members, None)
            except OSError:
                return here  # the scanner will say what is wrong
            there = end if member is None else member.stream_pos
            if decoded:
                if there < here + 4:
                    return here
                if there > tails_stop:
                    tails_start = there - 4
                    tails_stop = tails_start + os.preadv(file.fileno(), [tails], tails_start)
                if there > tails_stop or _SIZE(tails, there - 4 - tails_start)[0] != decoded:
                    return here
                if payload is not None:
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
                        payload,
                        size,
                    )
            elif there != begin:
                return begin  # the first record does not begin with its member
            here = there
            if member is None or here >= stop:
                return here
            fields = member.headers
            layout = _layout(b"\n".join(fields.keys_bytes()))
            lines = b"\n".join(fields.values_bytes())
            if layout is None or fields.status_line_bytes not in _VERSIONS or not lines.isascii():
                return here
            values = lines.decode("ascii").split("\n")
            headers = dict(zip(layout.names, values, strict=False))
            length = headers.get("content-length", "")
            if (
                len(values) != len(layout.names)
                or not length.isdigit()
                or len(length) > 9
                or (size := int(length)) > MAX_RECORD_BYTES
            ):
                return here
            decoded = layout.around + len(lines) - (len(values) - 1) + size
            if here < start:
                continue  # its payload is passed over
            try:
                payload = member.reader.read(size)
            except OSError:
                return here
            if len(payload) != size:
                return here
