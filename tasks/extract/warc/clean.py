"""The fast way through a WARC of gzip members in which all is as it should be: by fastwarc, with each member checked.

A member is clean if it decodes, its checksum right, to one record and nothing else: header lines as they are usually
written, a block of the length that the header says, and two line ends. That is known without a look at the decoded
bytes: a member's last four say how many there are, and they must be those of the header, the block and the line ends.

At the first member that is not clean this gives up, and the scanner goes on from there. Of clean members it gives the
same records (a test compares the two), and it knows what to do with all others.
"""

import os
from collections.abc import Generator
from pathlib import Path

from fastwarc.warc import ArchiveIterator

from tasks.extract.warc.items import MAX_RECORD_BYTES, Record, url_of

_VERSIONS = ("WARC/1.0", "WARC/1.1")
_AROUND = len("WARC/1.0\r\n") + len("\r\n") + len("\r\n\r\n")
"""Bytes of a record beside its fields and its block."""
_TAIL_BUFFER = 1 << 20
"""Bytes read at once to see the ends of members. (Of a memory map each page that was looked at counts as memory of the
process: 1.6 GB after an archive of ten gigabytes, measured.)"""


def clean_records(path: str | Path, start: int, stop: int) -> Generator[Record, None, int]:
    """The records of the clean members at the start of a gzip file that begin in [start, stop), up to the first member
    that is not clean.

    Returns: where that one begins, or a place at or behind `stop`.
    Raises: OSError if the file can't be opened.
    """
    end = os.path.getsize(path)
    with open(path, "rb", buffering=0) as file:
        tails, tails_start = b"", 0
        here = decoded = size = 0
        headers: dict[str, str] = {}
        payload: bytes | None = None
        members = ArchiveIterator(os.fspath(path), parse_http=False, inplace=True, fsspec_args=False)
        while True:
            # A member is known to be clean when the next one is seen to begin where it ends.
            try:
                member = next(members, None)
            except OSError:
                return here  # the scanner will say what is wrong
            there = end if member is None else member.stream_pos
            if decoded:
                if there <= here:
                    return here
                if there > tails_start + len(tails):
                    tails_start = there - 4
                    file.seek(tails_start)
                    tails = file.read(_TAIL_BUFFER)
                at = there - tails_start
                if at < 4 or int.from_bytes(tails[at - 4 : at], "little") != decoded:
                    return here
                if payload is not None:
                    yield Record(
                        here,
                        there - here,
                        "file",
                        headers.get("warc-type", "").lower() or "unknown",
                        headers.get("warc-record-id"),
                        url_of(headers),
                        headers.get("warc-date"),
                        headers,
                        payload,
                        size,
                    )
            elif there:
                return 0  # the first record does not begin with the file
            here = there
            if member is None or here >= stop:
                return here
            fields = member.headers
            pairs = fields.to_tuples()
            headers = {name.lower(): value for name, value in pairs}
            text = "".join(map("".join, pairs))
            length = headers.get("content-length", "")
            if (
                fields.status_line not in _VERSIONS
                or not text.isascii()
                or not length.isdigit()
                or len(length) > 9
                or (size := int(length)) > MAX_RECORD_BYTES
                or len(headers) != len(pairs)
            ):
                return here
            decoded = _AROUND + len(text) + len(": \r\n") * len(pairs) + size
            if here < start:
                continue  # its payload is passed over
            try:
                payload = member.reader.read(size)
            except OSError:
                return here
            if len(payload) != size:
                return here
