"""What tells WARC from ARC: how a record begins, how its header is read, what stands between two records.

An ARC record (version 1) begins with one line, `URL IP-address date media-type length`, and a line feed stands behind
its block. Its fields become those of the WARC record that a converter would write, so that nothing behind the scanner
knows of two formats. Lines of real archives are odd: URLs hold spaces and control characters, the address and the
date change places, a date has 10 to 18 digits or none, the media type is missing, the length is negative.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from tasks.extract.warc.items import HEADER_END, decode_field, parse_headers

_WARC_LINE = rb"WARC/\d+\.\d+[ \t\r]*\n"
_ADDRESS = rb"None|-|[0-9.]{7,15}|[0-9A-Fa-f:]{2,39}"
_ARC_LINE = (
    rb"(?P<url>[A-Za-z][A-Za-z0-9+.-]{1,15}:[^\n]{0,8000}?) "
    rb"(?:(?:%(address)s) (?P<date>[0-9A-Za-z]{8,40})|(?P<moved>[0-9]{10,18}) (?:%(address)s))"
    rb" (?P<media>[^\n]{0,1000}?) ?(?P<length>-?[0-9A-Za-z]{1,20})[ \t]*\r?\n" % {b"address": _ADDRESS}
)
_ARC_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)?(\d\d)?")

_ARC_START = re.compile(rb"[\r\n]*(?:filedesc|https?|dns|ftp|whois):")


class Dialect(NamedTuple):
    """A record format, as the scanner sees it.

    Attributes:
        line: a record's first line.
        start: what the first bytes of a member look like if a record begins there.
        look: so many bytes show whether one stands here, or that none does.
        header_end: where the header ends and the block begins.
        fields: a header's fields, lower-case names.
        next_record: the gap before another record.
        next_line: a line feed before another record.
        padding: what stands behind a block at the end of its member.
        gap: so many line feeds behind a block show that its length was right; 0: only a record does.
    """

    name: str
    line: re.Pattern[bytes]
    start: re.Pattern[bytes]
    look: int
    header_end: re.Pattern[bytes]
    fields: Callable[[bytes], dict[str, str]]
    next_record: re.Pattern[bytes]
    next_line: re.Pattern[bytes]
    padding: re.Pattern[bytes]
    gap: int


def dialect_of(first_bytes: bytes) -> Dialect:
    """The format of an archive whose first member begins with these bytes: ARC, or else WARC."""
    return ARC if _ARC_START.match(first_bytes) else WARC


def _warc_fields(header: bytes) -> dict[str, str]:
    return parse_headers(header)[1]


def _arc_fields(line: bytes) -> dict[str, str]:
    """An ARC record's line as the fields of a WARC record. The block of an http URL is a response, as a WARC has it."""
    match = _ARC.match(line)
    assert match is not None  # the scanner matched the same line
    url = decode_field(match["url"])
    media = match["media"].decode("latin-1").strip()
    http = url[:6].lower() in ("http:/", "https:")
    fields = {
        "warc-type": "warcinfo" if url.startswith("filedesc:") else "response",
        "warc-target-uri": url,
        "content-type": "application/http; msgtype=response" if http else media,
        "content-length": match["length"].decode("latin-1"),
    }
    if date := _ARC_DATE.match((match["date"] or match["moved"]).decode("latin-1")):
        year, month, day, hour, minute, second = date.groups("00")
        fields["warc-date"] = f"{year}-{month}-{day}T{hour}:{minute}:{second}Z"
    return fields


_ARC = re.compile(_ARC_LINE)

WARC = Dialect(
    "WARC",
    re.compile(_WARC_LINE),
    re.compile(_WARC_LINE),
    16,
    HEADER_END,
    _warc_fields,
    re.compile(rb"\r*\n\r*\n(?=%s)" % _WARC_LINE),
    re.compile(rb"\n(?=%s)" % _WARC_LINE),
    re.compile(rb"\r?\n\r?\n\Z"),
    2,
)
ARC = Dialect(
    "ARC",
    _ARC,
    _ARC_START,
    10_000,
    re.compile(rb"\n"),
    _arc_fields,
    re.compile(rb"\r?\n(?=%s)" % _ARC_LINE),
    re.compile(rb"\n(?=%s)" % _ARC_LINE),
    re.compile(rb"\r?\n\Z"),
    0,
)
