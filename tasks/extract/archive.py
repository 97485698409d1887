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
from collections.abc import Iterator
from pathlib import Path

from tasks.extract.reasons import LossReason
from tasks.extract.warc.clean import clean_records
from tasks.extract.warc.items import Found, Lost, Parsed, Record, Space, Unreadable, url_of
from tasks.extract.warc.members import Kind, Source, decode, kind_of, size_of
from tasks.extract.warc.scanner import Scanner

MAX_PIECES = 16
"""The reader of a piece decodes what lies before it: together, half as many readings of the file as it has pieces.
That is 7 % of the time that its pages take (measured on 7,756 records: 0.9 s to read, 108 s to extract)."""


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
    begun_at = 0
    if kind is Kind.GZIP and isinstance(path, str | Path):
        begun_at = yield from clean_records(path, start, size if stop is None else stop)
        if begun_at >= (size if stop is None else stop):
            return
    for item in _read(path, kind, begun_at):
        place = item.offset if item.space == "file" else 0
        if stop is not None and place >= stop:
            return
        if place >= start:
            yield item
        elif item.space == "stream":
            return


def _read(path: Source, kind: Kind, begun_at: int = 0) -> Iterator[Item]:
    """Every item from the member at `begun_at` on; a file whose frames hold no byte at all is one that is unreadable.

    Each is held until the next one begins: only then is its length known, and, of the first, its space.
    """
    scanner = Scanner(kind is not Kind.PLAIN, size_of(path), begun_at)
    space: Space | None = "file" if kind is Kind.PLAIN or begun_at else "stream" if kind is Kind.LZ4 else None
    held: Found | None = None
    silent = True
    for found in _scan(scanner, path, begun_at):
        if held is not None:
            space = space or ("stream" if held.shares or found.shares else "file")
            for item in _place(held, found.file, found.stream, space):
                silent = False
                yield item
        held = found
    size = size_of(path)
    if held is not None:
        space = space or ("stream" if held.shares else "file")
        for item in _place(held, size, scanner.size_of_stream, space):
            silent = False
            yield item
    if silent:
        yield Unreadable(0, size, "file", LossReason.EMPTY_MEMBER, "the file holds no byte of data")


def _scan(scanner: Scanner, path: Source, begun_at: int) -> Iterator[Found]:
    for event in decode(path, begun_at):
        scanner.take(event)
        if scanner.found:
            yield from scanner.found
            scanner.found.clear()
    scanner.finish_file()
    yield from scanner.found


def _place(found: Found, file_end: int, stream_end: int, space: Space) -> Iterator[Item]:
    """The item, now that it is known where it ends; nothing for an empty member in a stream."""
    if space == "file":
        yield _item(found, file_end - found.file, space)
    elif stream_end > found.stream or not (
        isinstance(found.content, Lost) and found.content.reason is LossReason.EMPTY_MEMBER
    ):
        yield _item(found, stream_end - found.stream, space)


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
