"""WACZ: a zip that holds archives, their indexes and a list of pages.

**Places.** `space="file"`: the zip's own bytes, of which every entry, and the directory at the end, is one row of the
losses, "container" or "not an archive", so that the rows cover the file. The records of an archive in it stand in a
space of their own, `file:NAME` or `stream:NAME`, which they cover from 0 to its end: an offset in `file:NAME` counts
bytes of the entry NAME as it is after the zip's unpacking, one in `stream:NAME` those that this decodes to (see
`tasks.extract.archive`). An entry whose name is no plain path, or that others share, is called by its number.

An entry that is stored, as the format asks for, is read where it lies. One that is deflated is unpacked into a
temporary file first, within limits on its size and ratio. Where the zip's directory or an entry is
damaged, that is a loss.
"""

import io
import os
import re
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from tasks.executor import RecordDied
from tasks.extract.archive import Item, read_archive
from tasks.extract.config import ExtractConfig
from tasks.extract.documents import LossRow
from tasks.extract.files.zips import open_zip, unpack
from tasks.extract.payload import Refused
from tasks.extract.reasons import LossReason
from tasks.rows import Guard

_ARCHIVE = re.compile(r"\Aarchive/.+\.(?:warc|arc)(?:\.gz|\.zst)?\Z", re.IGNORECASE)
_PLAIN_NAME = re.compile(r"\A(?!/)(?!.*\.\.)[\x20-\x7e]{1,200}\Z")
_HEADER_BYTES = 30


class Entry(NamedTuple):
    """An entry as the directory tells of it. `start`: of its header; `data`: of its bytes; `stop`: of what follows."""

    number: int
    label: str
    archive: bool
    stored: bool
    start: int
    data: int
    size: int
    stop: int


class Inside(NamedTuple):
    """An item of an archive in the zip, and the space that its place is in."""

    item: Item
    space: str


def read_wacz(path: Path, config: ExtractConfig, guard: Guard) -> Iterator[LossRow | Inside]:
    """Every row of the zip itself, and every item of the archives in it, in the order of the file."""
    size = os.path.getsize(path)
    try:
        entries = guard(-1, _entries, path, config)
    except Refused as refused:
        yield _loss(0, size, refused.reason, refused.detail)
        return
    except RecordDied as died:
        yield _loss(0, size, LossReason(died.death.reason), died.death.detail)
        return
    place = 0
    for entry in entries:
        if entry.start > place:
            yield _loss(place, entry.start - place, LossReason.NO_ARCHIVE, "bytes between the zip's entries")
        if not entry.archive:
            yield _loss(entry.start, entry.stop - entry.start, LossReason.NO_ARCHIVE, f"the entry {entry.label}")
        else:
            yield from _read_entry(path, entry, config)
        place = entry.stop
    yield _loss(place, size - place, LossReason.CONTAINER, "the zip's directory")


def _read_entry(path: Path, entry: Entry, config: ExtractConfig) -> Iterator[LossRow | Inside]:
    with open(path, "rb") as file, tempfile.TemporaryFile() as unpacked:
        try:
            if entry.stored:
                source = cast(BinaryIO, Window(file, entry.data, entry.size))
            else:
                source = _unpacked(file, entry, unpacked, config)
        except Refused as refused:
            yield _loss(entry.start, entry.stop - entry.start, refused.reason, refused.detail)
            return
        yield _loss(entry.start, entry.stop - entry.start, LossReason.CONTAINER, f"an archive: file:{entry.label}")
        for item in read_archive(source):
            yield Inside(item, f"{item.space}:{entry.label}")


def _entries(path: Path, config: ExtractConfig) -> list[Entry]:
    """The entries in the order of their bytes. Raises: Refused, also where entries share bytes."""
    with open(path, "rb") as file, open_zip(file, config) as opened:
        directory = opened.start_dir
        found = sorted(opened.infolist(), key=lambda one: one.header_offset)
        names = Counter(one.filename for one in found)
        stops = [*(one.header_offset for one in found[1:]), directory]
        return [
            _entry(file, number, one, stop, names[one.filename] == 1)
            for number, (one, stop) in enumerate(zip(found, stops, strict=True))
        ]


def _entry(file: BinaryIO, number: int, about: zipfile.ZipInfo, stop: int, alone: bool) -> Entry:
    file.seek(max(about.header_offset, 0))
    header = file.read(_HEADER_BYTES)
    if about.header_offset < 0 or len(header) < _HEADER_BYTES or not header.startswith(b"PK\x03\x04"):
        raise Refused(LossReason.DAMAGED, f"zip: entry {number} does not begin where the directory says")
    names = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    data = about.header_offset + _HEADER_BYTES + names
    if data + about.compress_size > stop:
        raise Refused(LossReason.DAMAGED, f"zip: entry {number} reaches into the next one")
    return Entry(
        number,
        about.filename if alone and _PLAIN_NAME.match(about.filename) else f"entry {number}",
        _ARCHIVE.match(about.filename) is not None,
        about.compress_type == zipfile.ZIP_STORED and not about.flag_bits & 0x1,
        about.header_offset,
        data,
        about.compress_size,
        stop,
    )


def _unpacked(file: BinaryIO, entry: Entry, into: BinaryIO, config: ExtractConfig) -> BinaryIO:
    """A deflated entry, unpacked. Raises: Refused."""
    with open_zip(file, config) as opened:
        about = next(one for one in opened.infolist() if one.header_offset == entry.start)
        for piece in unpack(opened, about, config.max_unpacked_bytes, config):
            into.write(piece)
    return into


def _loss(start: int, length: int, reason: LossReason, detail: str) -> LossRow:
    return LossRow("file", start, length, None, None, reason.value, detail)


class Window(io.RawIOBase):
    """A part of an open file as a file of its own."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        super().__init__()
        self._file, self._start, self._size, self._at = file, start, size, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """To a byte of the part."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """Which byte of the part comes next."""
        return self._at

    def read(self, size: int = -1) -> bytes:
        """So many bytes, fewer only at the end of the part."""
        left = max(0, self._size - self._at)
        self._file.seek(self._start + self._at)
        data = self._file.read(left if size < 0 else min(size, left))
        self._at += len(data)
        return data

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """The same into a buffer."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
