"""Rows that are stretches of a file's text: lines of JSONL, records of CSV.

**CSV.** The first record is the header: the names of the columns. The delimiter is the one of comma, semicolon, tab and
bar that the header has most often outside quotes (a tab in a `.tsv`). A record ends at the first line feed outside
quotes, and a field is quoted if it begins with a double quote, so that the bytes of a record are known before any of
them is parsed: its place reaches from its first byte to behind its line feed, line feeds in quotes included. A quote
that is never closed costs the line that it stands on, not the rest of the file: the reading goes on behind that line.
A record with fewer fields than the header lacks the last ones; one with more is a loss. Every value is text.
"""

import csv
import functools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tasks.executor import RecordDied
from tasks.extract.reasons import LossReason
from tasks.extract.warc.members import Broken, Data, Kind, decode, kind_of
from tasks.rows.place import Guard, Place, Row, Unread, died

GROUP, GROUP_BYTES = 256, 4 << 20
"""Stretches in one guarded call: so many, or as many as reach so many bytes."""
DELIMITERS = ",;\t|"
BOM = b"\xef\xbb\xbf"

csv.field_size_limit(1 << 30)  # a process-wide setting; what is parsed here is bounded by the size of a row

Take = Callable[[Row], Any]
"""What is made of a row, inside the guarded call that parses it."""
Parse = Callable[["Stretch"], Row | Unread]


class Stretch(NamedTuple):
    """The bytes of one row, at most a bit more than a row may have."""

    data: bytes
    place: Place


def read_json_lines(path: str | Path, limit: int, take: Take, guard: Guard) -> Iterator[Any]:
    """Every line of a JSONL file as what `take` makes of it, or an Unread."""
    yield from _in_groups(_stretches(path, limit, _Lines()), functools.partial(_json, limit=limit), take, guard)


def read_csv(path: str | Path, limit: int, take: Take, guard: Guard, delimiter: str | None = None) -> Iterator[Any]:
    """Every record of a CSV file as what `take` makes of it, or an Unread; the header is an Unread of its own."""
    records = _Records()
    stretches = _stretches(path, limit, records)
    for first in stretches:
        if isinstance(first, Unread):
            yield first
            continue
        header = _header(first, limit, delimiter)
        if isinstance(header, Unread):
            yield header
            yield from (one if isinstance(one, Unread) else header._replace(place=one.place) for one in stretches)
            return
        names, delimiter = header
        records.narrow(delimiter)  # before the next one is looked for
        yield Unread(first.place, LossReason.HEADER, f"{len(names)} columns")
        parse = functools.partial(_record, limit=limit, names=names, delimiter=delimiter)
        yield from _in_groups(stretches, parse, take, guard)
        return


# Groups.


def _in_groups(stretches: Iterator[Stretch | Unread], parse: Parse, take: Take, guard: Guard) -> Iterator[Any]:
    waiting: list[Stretch] = []
    size = 0
    for one in stretches:
        if isinstance(one, Stretch):
            waiting.append(one)
            size += len(one.data)
        if isinstance(one, Unread) or len(waiting) >= GROUP or size >= GROUP_BYTES:
            yield from _guarded(waiting, parse, take, guard)
            waiting, size = [], 0
        if isinstance(one, Unread):
            yield one
    yield from _guarded(waiting, parse, take, guard)


def _guarded(stretches: list[Stretch], parse: Parse, take: Take, guard: Guard) -> list[Any]:
    """The rows of these stretches in one guarded call; if that dies, in one for each."""
    if not stretches:
        return []
    try:
        return guard(stretches[0].place.offset, _taken, stretches, parse, take)
    except RecordDied as death:
        if len(stretches) == 1:
            return [died(stretches[0].place, death)]
    return [row for one in stretches for row in _guarded([one], parse, take, guard)]


def _taken(stretches: list[Stretch], parse: Parse, take: Take) -> list[Any]:
    rows = map(parse, stretches)
    return [row if isinstance(row, Unread) else take(row) for row in rows]


# Stretches.


class _Lines:
    """Finds where rows end: at line feeds."""

    def end(self, buffer: bytearray, start: int, final: bool) -> int:
        """Where the row that begins at `start` ends, its line feed included; -1 if that is not known yet."""
        end = buffer.find(b"\n", start) + 1
        return end or (len(buffer) if final else -1)

    def give_up(self, buffer: bytearray, start: int) -> int:
        """The same for a row that has more bytes than a row may have."""
        return _Lines.end(self, buffer, start, False)


class _Records(_Lines):
    """Finds where rows end: at line feeds that are not in quotes. `delimiters` may be narrowed after the header."""

    def __init__(self) -> None:
        self._tried = 0
        """Bytes of the record that were looked at in vain: it is tried again when there are twice as many."""
        self.narrow(DELIMITERS)

    def narrow(self, delimiters: str) -> None:
        """What stands between fields is one of these."""
        plain = b"[^%s\n]*+" % re.escape(delimiters).encode()
        field = rb"(?:\"(?:[^\"]++|\"\")*+\"%s|(?!\")%s)" % (plain, plain)
        self._record = re.compile(rb"%s(?:[%s]%s)*+(\n|\Z)" % (field, re.escape(delimiters).encode(), field))

    def end(self, buffer: bytearray, start: int, final: bool) -> int:
        line_end = super().end(buffer, start, final)
        if line_end >= 0 and buffer.find(b'"', start, line_end) < 0:
            return line_end
        if not final and len(buffer) - start < 2 * self._tried:
            return -1
        match = self._record.match(buffer, start)
        if match is not None and (match[1] or final):
            self._tried = 0
            return match.end()
        self._tried = 0 if final else len(buffer) - start
        return line_end if final else -1

    def give_up(self, buffer: bytearray, start: int) -> int:
        self._tried = 0
        return super().give_up(buffer, start)


def _stretches(path: str | Path, limit: int, rows: _Lines) -> Iterator[Stretch | Unread]:
    """The rows of a file, each cut at `limit` bytes and a bit, and the stretches that can't be decoded."""
    space = "file" if kind_of(path) is Kind.PLAIN else "stream"
    buffer = bytearray()
    base = 0  # the stream's byte at the buffer's start
    passed = 0  # bytes before it of a row that is too long to be held; it ends with its line
    for event in decode(path):
        if isinstance(event, Broken):
            # The row that the damage cut off, and the stretch that stands in the stream for itself.
            lost = len(buffer) + event.stop - event.start
            yield Unread(Place(space, base - passed, passed + lost), event.reason, event.detail)
            base += lost
            passed = 0
            buffer.clear()
        if not isinstance(event, Data):
            continue
        buffer += event.data
        start = 0
        while True:
            end = rows.give_up(buffer, start) if passed else rows.end(buffer, start, False)
            if end < 0 and len(buffer) - start > limit:
                end = rows.give_up(buffer, start)
            if end < 0:
                break
            yield _stretch(buffer, start, end, Place(space, base + start - passed, passed + end - start))
            start, passed = end, 0
        if passed or len(buffer) - start > limit:
            passed += len(buffer) - start
            start = len(buffer)
        del buffer[:start]
        base += start
    start = 0
    while start < len(buffer) or passed:
        end = rows.end(buffer, start, True)
        yield _stretch(buffer, start, end, Place(space, base + start - passed, passed + end - start))
        start, passed = end, 0


def _stretch(buffer: bytearray, start: int, end: int, place: Place) -> Stretch:
    return Stretch(bytes(memoryview(buffer)[start:end]), place)


# What stands in them.


def _too_long(one: Stretch, limit: int) -> Unread | None:
    if one.place.length <= limit:
        return None
    return Unread(one.place, LossReason.TOO_LARGE, f"a line of {one.place.length} bytes")


def _text(one: Stretch) -> str | Unread:
    data = one.data.removeprefix(BOM) if one.place.offset == 0 else one.data
    if not data.strip():
        return Unread(one.place, LossReason.BAD_ROW, "a blank line")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        return Unread(one.place, LossReason.BAD_ENCODING, f"not UTF-8 at byte {error.start} of the line")


def _json(one: Stretch, limit: int) -> Row | Unread:
    text = _too_long(one, limit) or _text(one)
    if isinstance(text, Unread):
        return text
    try:
        return as_row(json.loads(text), one.place)
    except json.JSONDecodeError as error:
        return Unread(one.place, LossReason.BAD_JSON, f"{error.msg} at character {error.pos} of the line")
    except (RecursionError, ValueError) as error:  # nested too deep; a number of thousands of digits
        return Unread(one.place, LossReason.BAD_JSON, type(error).__name__)


def as_row(value: object, place: Place) -> Row | Unread:
    """A parsed value as a row, if it is an object."""
    if isinstance(value, dict):
        return Row(place, value)
    return Unread(place, LossReason.BAD_ROW, f"a {type(value).__name__}, not an object")


def _header(one: Stretch, limit: int, delimiter: str | None) -> tuple[list[str], str] | Unread:
    text = _too_long(one, limit) or _text(one)
    if isinstance(text, Unread):
        return text._replace(reason=LossReason.BAD_HEADER, detail=f"the header: {text.detail}")
    if delimiter is None:
        bare = re.sub(r'"(?:[^"]|"")*+"', "", text)
        delimiter = max(DELIMITERS, key=bare.count)
    fields = _fields(text, delimiter)
    if isinstance(fields, str):
        return Unread(one.place, LossReason.BAD_HEADER, f"the header: {fields}")
    return [name.strip() for name in fields], delimiter


def _record(one: Stretch, limit: int, names: list[str], delimiter: str) -> Row | Unread:
    text = _too_long(one, limit) or _text(one)
    if isinstance(text, Unread):
        return text
    fields = _fields(text, delimiter)
    if isinstance(fields, str):
        return Unread(one.place, LossReason.BAD_ROW, fields)
    if len(fields) > len(names):
        return Unread(one.place, LossReason.BAD_ROW, f"{len(fields)} fields where the header names {len(names)}")
    # An empty field is no value: CSV has no other word for null.
    return Row(one.place, {name: field for name, field in zip(names, fields, strict=False) if field})


def _fields(text: str, delimiter: str) -> list[str] | str:
    """The fields of one record, or what is wrong with it."""
    try:
        rows = list(csv.reader([text.removesuffix("\n").removesuffix("\r")], delimiter=delimiter))
    except csv.Error as error:
        return str(error)
    if len(rows) != 1:
        return "no record"
    return rows[0]
