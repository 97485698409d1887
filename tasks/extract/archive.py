"""WARC, WET and ARC files as records: each with the bytes it takes up, and a row for every stretch that gave none.

**Places.** Of the items of a file, those with the same `space` cover that space from 0 to its end without gap or
overlap; padding, and whatever else lies between two items, belongs to the one before.

- `space="file"`: bytes of the file as it lies on the disk. So it is for an uncompressed WARC, and for one compressed
  record by record (gzip members, zstd frames). A member is one record; where a member of such a file holds several, its
  bytes can't be divided between them, so record i of n is given the member's byte i and the last one all the rest
  (`member_record` is i). A record that goes on in the next member ends there.
- `space="stream"`: bytes of the decoded file, for one whose first member holds several records, or only a part of one
  (a WARC compressed as a whole, in parallel, or in blocks; lz4). A stretch that can't be decoded stands in the stream
  for itself. An empty member has no byte there, and so no row.

**Damage.** A member that can't be decoded, or whose checksum is wrong, is lost up to the next member that decodes. In a
stream, the records decoded before the damage was noticed stay, and the rest of the member is lost.

**Wrong lengths.** Where the end of a record is certain, its payload reaches to there whatever its Content-Length says
(see `tasks.extract.warc.scanner`); `declared_length` keeps what it said.
"""

import itertools
from collections.abc import Generator, Iterator
from pathlib import Path

from tasks.extract.reasons import LossReason
from tasks.extract.warc.clean import clean_records
from tasks.extract.warc.items import Found, Lost, Parsed, Record, Space, Unreadable, url_of
from tasks.extract.warc.members import (
    RECORD_START,
    Broken,
    Data,
    End,
    Kind,
    Source,
    Start,
    decode,
    kind_of,
    size_of,
)
from tasks.extract.warc.scanner import Scanner

MAX_PIECES = 16
"""The reader of a piece decodes what lies before it: together, half as many readings of the file as it has pieces.
That is 7 % of the time that its pages take (measured on 7,756 records: 0.9 s to read, 108 s to extract)."""
WORTH_BYTES = 64 << 10
"""So many bytes of clean members behind an odd one make it worth to look behind the next odd one at once."""
MAX_WAIT = 256
"""Members between two looks, where members are odd one and all."""

Item = Record | Unreadable


def read_archive(path: Source, start: int = 0, stop: int | None = None) -> Iterator[Item]:
    """The items of an archive that begin in [start, stop), in the order of the file. Which they are depends on the file
    alone.

    Where a member begins can't be known from its bytes alone (a WARC may hold a WARC.gz as a picture holds pixels), so
    what lies before `start` is decoded and left out: about a tenth of a millisecond a record, where extracting a page
    takes ten milliseconds.

    Arguments:
        start, stop: bytes of the file, at any place; None: to the end. In a file whose places are in the stream every
            item counts as beginning at 0.
    Raises: OSError if the file can't be read; ValueError for a range that is none.
    """
    if start < 0 or (stop is not None and stop < start):
        raise ValueError(
            f"{path}: bytes {start} to {stop} are no range; the first must be 0 or more, and at most the second."
        )
    size = size_of(path)
    if stop is not None and stop >= size:
        stop = None  # a stretch of no bytes at the very end belongs to the piece that reaches there
    if stop == start or start >= size > 0:
        return
    kind = kind_of(path)
    if kind is Kind.EMPTY:
        if start == 0:
            yield Unreadable(0, 0, "file", LossReason.EMPTY_FILE, "the file has no bytes")
        return
    # A stretch of no bytes at the very end belongs to the piece that reaches there.
    yield from _read(path, kind, start, size + 1 if stop is None else stop)


def _read(path: Source, kind: Kind, start: int, stop: int) -> Iterator[Item]:
    """Every item that begins in [start, stop)."""
    size = size_of(path)
    pace = _Pace() if kind is Kind.GZIP and isinstance(path, str | Path) else None
    begun_at = (yield from clean_records(path, start, stop)) if pace and isinstance(path, str | Path) else 0
    while begun_at < min(stop, size):
        begun_at = yield from _read_by_scanner(path, kind, begun_at, start, stop, pace)


def _read_by_scanner(
    path: Source, kind: Kind, begun_at: int, start: int, stop: int, pace: "_Pace | None"
) -> Generator[Item, None, int]:
    """The items from the member at `begun_at` on; where nothing is open, those of clean members behind it.

    An item is held until the next one begins: only then is its length known, and, of the file's first, its space. A
    file whose members hold no byte at all is one that is unreadable.

    Returns: where the clean members end, or the file's size, if there is nothing more to read.
    """
    size = size_of(path)
    scanner = Scanner(kind is not Kind.PLAIN, size, begun_at)
    space: Space | None = "file" if kind is Kind.PLAIN or begun_at else "stream" if kind is Kind.LZ4 else None
    held: Found | None = None
    silent = True
    for found in _scan(scanner, path, begun_at):
        if isinstance(found, int):
            if pace and space == "file" and held is not None and pace.is_due():
                assert isinstance(path, str | Path)
                clean = clean_records(path, start, stop, found)
                first, end = _first(clean, found)
                if first is not None or end > found:
                    yield from _within(_place(held, found, 0, space), start, stop)
                if first is not None:
                    yield first
                    end = yield from clean
                pace.go_on(end - found)
                if end > found:
                    return end
            continue
        if held is not None:
            space = space or ("stream" if held.shares or found.shares else "file")
            placed = _place(held, found.file, found.stream, space)
            silent = silent and not placed
            if (yield from _within(placed, start, stop)):
                return size
        held = found
    if held is not None:
        space = space or ("stream" if held.shares else "file")
        placed = _place(held, size, scanner.size_of_stream, space)
        silent = silent and not placed
        yield from _within(placed, start, stop)
    if silent and start == 0:
        yield Unreadable(0, size, "file", LossReason.EMPTY_MEMBER, "the file holds no byte of data")
    return size


def _within(items: list[Item], start: int, stop: int) -> Generator[Item, None, bool]:
    """Those that begin in [start, stop). Returns: whether no item behind them does."""
    for item in items:
        place = item.offset if item.space == "file" else 0
        if place >= stop or (item.space == "stream" and start > 0):
            return True
        if place >= start:
            yield item
    return False


class _Pace:
    """How often to look whether members are clean again: at once, and ever more seldom where that is in vain."""

    def __init__(self) -> None:
        self._passed = 0
        self._wait = 1

    def is_due(self) -> bool:
        """Told of each member that ends."""
        self._passed += 1
        return self._passed >= self._wait

    def go_on(self, gained: int) -> None:
        """Clean members of so many bytes were found."""
        self._passed = 0
        self._wait = 1 if gained >= WORTH_BYTES else min(2 * self._wait, MAX_WAIT)


def _first(records: Generator[Record, None, int], begin: int) -> tuple[Record | None, int]:
    """The first record, or where the generator ended without one."""
    try:
        return next(records), begin
    except StopIteration as ended:
        return None, ended.value


def _scan(scanner: Scanner, path: Source, begun_at: int) -> Iterator[Found | int]:
    """The scanner's items, and the places between two members where nothing is open.

    Where a member began with no record there are no such places any more: the search for members behind damage knows of
    it (`tasks.extract.warc.members`), and would not if it began anew.
    """
    records_only, starts = True, False
    for event in decode(path, begun_at):
        scanner.take(event)
        if scanner.found:
            yield from scanner.found
            scanner.found.clear()
        if isinstance(event, Data):
            records_only &= not starts or RECORD_START.match(event.data) is not None
        elif records_only and scanner.idle and isinstance(event, End | Broken):
            yield event.position if isinstance(event, End) else event.stop
        starts = isinstance(event, Start)
    scanner.finish_file()
    yield from scanner.found


def _place(found: Found, file_end: int, stream_end: int, space: Space) -> list[Item]:
    """The item, now that it is known where it ends; nothing for an empty member in a stream."""
    if space == "file":
        return [_item(found, file_end - found.file, space)]
    empty = isinstance(found.content, Lost) and found.content.reason is LossReason.EMPTY_MEMBER
    return [] if empty and stream_end <= found.stream else [_item(found, stream_end - found.stream, space)]


def _item(found: Found, length: int, space: Space) -> Item:
    content = found.content
    offset = found.file if space == "file" else found.stream
    headers = content.headers or {}
    if isinstance(content, Parsed):
        index = found.index if space == "file" else 0
        return Record(
            offset,
            length,
            space,
            headers.get("warc-type", "").lower() or "unknown",
            headers.get("warc-record-id"),
            url_of(headers),
            headers.get("warc-date"),
            headers,
            content.payload,
            content.declared,
            index,
        )
    record_type = headers.get("warc-type", "").lower() or None
    return Unreadable(offset, length, space, content.reason, content.detail, record_type, url_of(headers))


def cut_points(path: Source, target_bytes: int) -> list[tuple[int, int]]:
    """Cuts a file into ranges of bytes for `read_archive`, of about `target_bytes` each, but no more than `MAX_PIECES`.

    Reads no more than the first record. A function of the file's bytes alone. A file whose places are in the stream is
    one piece, as is an empty one.

    Raises: OSError if the file can't be read; ValueError if `target_bytes` is not positive.
    """
    if target_bytes <= 0:
        raise ValueError(f"The size of a piece is {target_bytes} bytes; it must be above 0.")
    size = size_of(path)
    first = next(read_archive(path))
    pieces = min(max(round(size / target_bytes), 1), MAX_PIECES) if first.space == "file" else 1
    bounds = [size * piece // pieces for piece in range(pieces + 1)]
    return list(itertools.pairwise(bounds))
