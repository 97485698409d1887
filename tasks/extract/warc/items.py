"""What an archive holds, item by item, and how a header block is read."""

import io
import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

from fastwarc.warc import HeaderMap

from tasks.extract.reasons import LossReason

MAX_HEADER_BYTES = 1 << 20
MAX_RECORD_BYTES = 64 << 20
"""A larger block is passed over without being held. The largest pages of Common Crawl are 1 MiB (truncated there)."""
NEWLINES = re.compile(rb"[\r\n]*")
# Some writers end header lines with two carriage returns.
HEADER_END = re.compile(rb"\n\r*\n")


Space = Literal["file", "stream"]
"""What places count; see `tasks.extract.archive`."""


class Record(NamedTuple):
    """One record of a WARC, or of an ARC, whose line is told in a WARC record's fields.

    Attributes:
        offset, length, space: the bytes it takes up, padding after it included; see `tasks.extract.archive`.
        record_type: WARC-Type, lower case; "unknown" if it has none.
        url: WARC-Target-URI without angle brackets.
        date: WARC-Date as it stands.
        headers: the WARC header's fields, lower-case names, the first of each.
        payload: the block, at most 64 MiB: for a response its HTTP header and body.
        declared_length: the Content-Length, if it has one; the payload is shorter or longer where that was wrong.
        member_record: how many items begin before it in its compressed member.
    """

    offset: int
    length: int
    space: Space
    record_type: str
    record_id: str | None
    url: str | None
    date: str | None
    headers: dict[str, str]
    payload: bytes
    declared_length: int | None
    member_record: int = 0


class Unreadable(NamedTuple):
    """A stretch of a file that gave no record: where it is, why, and of which record it seems to be a part."""

    offset: int
    length: int
    space: Space
    reason: LossReason
    detail: str
    record_type: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Parsed:
    """A record as it stands. `headers`: lower-case names, the first of each.

    `declared`: its Content-Length, None if it has none.
    """

    headers: dict[str, str]
    payload: bytes
    declared: int | None


@dataclass(frozen=True, slots=True)
class Lost:
    """Bytes that gave no record. `headers` are those of the record they belong to, where they could be read."""

    reason: LossReason
    detail: str
    headers: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One item, in the order of the file; it ends where the next one starts.

    Attributes:
        file: byte of the file: where its member begins, plus `index`.
        stream: byte of the decoded stream, in which a stretch that could not be decoded stands for itself.
        index: how many items begin before it in the same member.
        shares: whether it shows that members are no records: it shares the file's first member with the item before it,
            or it is the first item and goes on in the second member.
    """

    file: int
    stream: int
    index: int
    shares: bool
    content: Parsed | Lost


def parse_headers(block: bytes) -> tuple[str, dict[str, str]]:
    """The first line and the fields of a WARC or HTTP header block: lower-case names, the first value of each,
    stripped.

    Bytes that aren't UTF-8 are read as ISO-8859-1.
    """
    if b"\r\r" in block or block.count(b"\r\n") != block.count(b"\n"):
        block = re.sub(rb"\r*\n", b"\r\n", block)
    header_map = HeaderMap()
    header_map.parse(io.BytesIO(block))
    if block.isascii():
        pairs = header_map.to_tuples()
        first_line = header_map.status_line or ""
    else:
        pairs = tuple((decode_field(name), decode_field(value)) for name, value in header_map.items_bytes())
        first_line = decode_field(header_map.status_line_bytes or b"")
    fields: dict[str, str] = {}
    for name, value in pairs:
        fields.setdefault(name.lower(), value)
    return first_line, fields


def decode_field(data: bytes) -> str:
    """Bytes of a header as text: UTF-8, else ISO-8859-1."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def url_of(headers: dict[str, str]) -> str | None:
    """WARC-Target-URI without angle brackets."""
    return headers.get("warc-target-uri", "").strip("<>") or None
