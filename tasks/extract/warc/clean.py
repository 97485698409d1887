"""The fast way through a WARC of gzip members in which all is as it should be: by fastwarc, with each member checked.

A member is clean if it decodes, its checksum right, to one record and nothing else: header lines as they are usually
written, a block of the length that the header says, and two line ends. That is known without a look at the decoded
bytes: a member's last four say how many there are, and they must be those of the header, the block and the line ends.

At the first member that is not clean this gives up, and the scanner goes on from there. Of clean members it gives the
same records (a test compares the two), and it knows what to do with all others.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fastwarc.warc import ArchiveIterator

from tasks.extract.warc.items import MAX_RECORD_BYTES

_VERSIONS = ("WARC/1.0", "WARC/1.1")
_AROUND = len("WARC/1.0\r\n") + len("\r\n") + len("\r\n\r\n")
"""Bytes of a record beside its fields and its block."""

_TAIL_BUFFER = 1 << 20
"""Bytes read at once to see the ends of members. (A memory map of the file would be quicker by a hundredth, and each
page of it that was looked at counts as memory of the process: 1.6 GB after an archive of ten gigabytes, measured.)"""


class Clean(NamedTuple):
    """A member that is one record: its place in the file, and the record, as in `Parsed`."""

    start: int
    stop: int
    headers: dict[str, str]
    payload: bytes


def clean_records(path: str | Path, unread_before: int = 0) -> Iterator[Clean]:
    """The clean members at the start of a gzip file, up to the first that is not. It ends without a word, also where
    the file can't be decoded.

    Arguments:
        unread_before: the payload of a member that starts before this byte is passed over, and empty.
    Raises: OSError if the file can't be opened.
    """
    end = os.path.getsize(path)
    with open(path, "rb", buffering=_TAIL_BUFFER) as tails:
        start = decoded = 0
        headers: dict[str, str] = {}
        payload = b""
        records = ArchiveIterator(os.fspath(path), parse_http=False, inplace=True, fsspec_args=False)
        while True:
            # A member is known to be clean when the next one is seen to begin where it ends.
            try:
                record = next(records, None)
            except OSError:
                return  # the scanner will say what is wrong
            stop = end if record is None else record.stream_pos
            if decoded:
                if stop <= start:
                    return
                tails.seek(stop - 4)
                if int.from_bytes(tails.read(4), "little") != decoded:
                    return
                yield Clean(start, stop, headers, payload)
            elif stop:
                return  # the first record does not begin with the file
            if record is None:
                return
            start = stop
            fields = record.headers
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
                return
            decoded = _AROUND + len(text) + len(": \r\n") * len(pairs) + size
            if start < unread_before:
                payload = b""
                continue
            try:
                payload = record.reader.read(size)
            except OSError:
                return
            if len(payload) != size:
                return
