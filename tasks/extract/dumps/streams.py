"""What the readers of dumps share: the decoded bytes of a file, elements cut out of them, and rows.

XML of dumps is not parsed as a whole: a dump writes `<` in a text as `&lt;`, so that `<page>` and `<row` stand only
where an element begins. So each is cut out by its bytes and parsed alone: in bounded memory, with its place, going on
after damage, and no entity that the head of a file declares is known there.
"""

import bz2
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import lxml.etree

from tasks.executor import RecordDied
from tasks.extract.documents import DocumentRow, LossRow
from tasks.extract.payload import Refused
from tasks.extract.reasons import LossReason
from tasks.extract.warc.members import Broken, Data, Event, Kind, decode, kind_of

Guard = Callable[..., Any]
Row = DocumentRow | LossRow
BZIP2 = b"BZh"
CHUNK_BYTES = 1 << 20
PIECE_BYTES = 4 << 20
"""Decoded at once: bzip2 packs 45 MB of one byte into 40 bytes."""


class Place(NamedTuple):
    """Where something stands: bytes of the `file`, or of the `stream` that it decodes to."""

    space: str
    offset: int
    length: int


class Element(NamedTuple):
    """An element cut out of a stream, up to the next one. `data` is None if it is longer than may be; `closed` is False
    if its end is not there.
    """

    offset: int
    length: int
    data: bytes | None
    closed: bool


class Gap(NamedTuple):
    """Bytes that hold no element: what stands before the first one, or a stretch that could not be decoded."""

    offset: int
    length: int
    reason: LossReason
    detail: str


def space_of(path: Path) -> str:
    """`file` for what lies there as it is, `stream` for what is packed."""
    return "file" if kind_of(path) is Kind.PLAIN and not _is_bzip2(path) else "stream"


def decoded(path: Path) -> Iterator[Event]:
    """The file's bytes, unpacked if they are gzip, zstd, lz4 or bzip2. Raises: OSError if it can't be read."""
    yield from _decode_bzip2(path) if _is_bzip2(path) else decode(path)


def _is_bzip2(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(3) == BZIP2


def _decode_bzip2(path: Path) -> Iterator[Event]:
    """The streams of a bzip2 file one after the other. After damage it goes on at the next stream that begins."""
    with path.open("rb") as file:
        decoder, began, position, waiting = bz2.BZ2Decompressor(), 0, 0, b""
        while True:
            if decoder.eof:
                waiting = decoder.unused_data
                began, decoder = position - len(waiting), bz2.BZ2Decompressor()
            if not waiting and decoder.needs_input:
                waiting = file.read(CHUNK_BYTES)
                position += len(waiting)
                if not waiting:
                    break
            try:
                data = decoder.decompress(waiting, PIECE_BYTES)
            except (OSError, EOFError, ValueError) as error:
                stop = _next_stream(path, began + 1)
                yield Broken(began, stop, LossReason.DAMAGED, f"bzip2 stream at byte {began}: {error}")
                file.seek(stop)
                decoder, began, position, waiting = bz2.BZ2Decompressor(), stop, stop, b""
                continue
            waiting = b""
            if data:
                yield Data(data, position)
        if position > began:
            yield Broken(position, position, LossReason.TRUNCATED, f"bzip2 stream at byte {began} has no end")


def _next_stream(path: Path, start: int) -> int:
    """Where the next stream begins, its first block's magic number read too; the file's end if none does."""
    magic = b"\x31\x41\x59\x26\x53\x59"
    with path.open("rb") as file:
        file.seek(start)
        position, rest = start, b""
        while chunk := file.read(CHUNK_BYTES):
            text = rest + chunk
            at = text.find(magic)
            while at >= 0:
                if at >= 4 and text[at - 4 : at - 1] == BZIP2 and text[at - 1 : at] in b"123456789":
                    return position - len(rest) + at - 4
                at = text.find(magic, at + 1)
            rest = text[-16:]
            position += len(chunk)
        return position


def elements(path: Path, begin: bytes, end: bytes, limit: int) -> Iterator[Element | Gap]:
    """Every element that begins with `begin` and ends with `end`, up to where the next one begins; each at most `limit`
    bytes, or without its data. Together with the gaps they cover the decoded stream.
    """
    buffer, base = bytearray(), 0  # the bytes not yet told of, and where they begin
    inside = False
    dropped = 0  # bytes that are held no more, of an element that is too long
    gap: Gap | None = (
        None  # a stretch that could not be decoded: what follows it up to the next element is lost as well
    )

    def told(data: bytearray) -> Element | Gap:
        length = dropped + len(data)
        if gap is not None:
            return gap._replace(length=gap.length + length)
        if not inside:
            return Gap(base, length, LossReason.METADATA, "what stands before the first record")
        if dropped or length > limit:
            return Element(base, length, None, True)
        stop = data.rfind(end)
        return Element(base, length, bytes(data[: stop + len(end)] if stop >= 0 else data), stop >= 0)

    for event in decoded(path):
        if isinstance(event, Data):
            buffer += event.data
        elif isinstance(event, Broken):
            if buffer or dropped or gap:
                yield told(buffer)
            base += dropped + len(buffer) + (gap.length if gap else 0)
            gap, dropped, inside = Gap(base, event.stop - event.start, event.reason, event.detail), 0, False
            buffer.clear()
        look = len(begin) if inside and not dropped else 0
        while (at := buffer.find(begin, look)) >= 0:
            if at or dropped or gap:
                yield told(buffer[:at])
            base += dropped + at + (gap.length if gap else 0)
            dropped, inside, gap = 0, True, None
            del buffer[:at]
            look = len(begin)
        if len(buffer) > limit + len(begin):
            keep = len(begin) - 1
            dropped += len(buffer) - keep
            del buffer[:-keep]
    if buffer or dropped or gap:
        yield told(buffer)


def parse_element(data: bytes) -> lxml.etree._Element:
    """An element on its own. Raises: Refused for what is no XML; no entity is known but XML's own five."""
    parser = lxml.etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False)
    try:
        return lxml.etree.fromstring(data, parser)
    except lxml.etree.XMLSyntaxError as error:
        huge = "huge" in str(error) or "excessive" in str(error).lower()
        if not huge:
            raise Refused(LossReason.NOT_PARSED, "no XML") from error
    try:  # a text of more than 10 MB: its size is bounded by who cut it out
        return lxml.etree.fromstring(
            data, lxml.etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
        )
    except lxml.etree.XMLSyntaxError as error:
        raise Refused(LossReason.NOT_PARSED, "no XML") from error


def loss(place: Place, reason: LossReason | str, detail: str = "", url: str | None = None) -> LossRow:
    """A loss at a place."""
    return LossRow(*place, None, url, str(reason), detail)


def guarded(guard: Guard, place: Place, function: Callable[..., Row], *arguments: Any) -> Row:
    """The row that a guarded call gives, or the loss that its death is."""
    try:
        return guard(place.offset, function, *arguments)
    except RecordDied as died:
        return loss(place, died.death.reason, died.death.detail)


def document(place: Place, text: str, **columns: Any) -> DocumentRow:
    """A document of a dump: its place, its text, and what else is known of it."""
    usual: dict[str, Any] = dict.fromkeys(DocumentRow._fields)
    usual |= {"charset": "utf-8", "text": text, "text_bytes": len(text.encode())}
    return DocumentRow(**(usual | place._asdict() | columns))
