"""Members of a tar with their places, read from front to back in bounded memory, packed or not."""

import io
import lzma
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tasks.extract.dumps.streams import decoded
from tasks.extract.reasons import LossReason
from tasks.extract.warc.members import Broken, Data

CHUNK_BYTES = 1 << 20
MAX_HEADER_BYTES = 1 << 20


class Member(NamedTuple):
    """A member, from its header (the first: from 0) to the next one's (the last: to the stream's end).

    `kind`: file, folder, link or special. `data` is None for what is no file, or is longer than may be.
    """

    name: str
    offset: int
    length: int
    kind: str
    size: int
    data: bytes | None


class TarError(NamedTuple):
    """A stretch that gave no member."""

    offset: int
    length: int
    reason: LossReason
    detail: str


class _Stream(io.RawIOBase):
    """Decoded bytes as a file that is read once. `position`: bytes given; `broken`: the damage that ended it."""

    def __init__(self, path: Path) -> None:
        self._events = _xz(path) if path.name.lower().endswith(".xz") else decoded(path)
        self._waiting = memoryview(b"")
        self.position = 0
        self.broken: Broken | None = None

    def readable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Bytes given."""
        return self.position

    def readinto(self, buffer: Any) -> int:
        """As of io.RawIOBase: 0 at the end, and where the bytes are damaged."""
        while not self._waiting and self.broken is None:
            event = next(self._events, None)
            if event is None:
                return 0
            if isinstance(event, Broken):
                self.broken = event
            elif isinstance(event, Data):
                self._waiting = memoryview(event.data)
        count = min(len(buffer), len(self._waiting))
        buffer[:count] = self._waiting[:count]
        self._waiting = self._waiting[count:]
        self.position += count
        return count


def _xz(path: Path) -> Iterator[Data | Broken]:
    with path.open("rb") as file:
        decoder, chunk = lzma.LZMADecompressor(memlimit=256 << 20), b""
        while not decoder.eof:
            if decoder.needs_input:
                chunk = file.read(CHUNK_BYTES)
                if not chunk:
                    yield Broken(file.tell(), file.tell(), LossReason.TRUNCATED, "xz: no end")
                    return
            try:
                data = decoder.decompress(chunk, 4 * CHUNK_BYTES)
            except lzma.LZMAError as error:
                yield Broken(file.tell(), path.stat().st_size, LossReason.DAMAGED, f"xz: {error}")
                return
            chunk = b""
            yield Data(data, file.tell())


class _BoundedHeader(tarfile.TarInfo):
    """A header whose extension (long names, pax records) is held in memory by tarfile: refused where it is a bomb."""

    def _proc_member(self, tar: tarfile.TarFile) -> Any:
        if self.size > MAX_HEADER_BYTES and not (self.isreg() or self.isdir() or self.issym() or self.islnk()):
            raise tarfile.ReadError("a header that is too long")
        return super()._proc_member(tar)  # type: ignore[misc]


def members(path: Path, limit: int) -> Iterator[Member | TarError]:
    """The members of a tar in their order; together they cover its stream. Raises: OSError if it can't be read."""
    stream = _Stream(path)
    waiting: Member | None = None
    told = ends = 0  # up to where members are told of; where the one that waits ends
    problem = ""
    try:
        with tarfile.open(
            fileobj=io.BufferedReader(stream, CHUNK_BYTES), mode="r|", errorlevel=1, tarinfo=_BoundedHeader
        ) as archive:
            for info in archive:
                if waiting is not None:
                    yield waiting._replace(length=info.offset - told)
                    told, waiting = info.offset, None
                kind = _kind(info)
                data = None
                if kind == "file" and info.size <= limit:
                    opened = archive.extractfile(info)
                    data = opened.read() if opened is not None else b""
                waiting = Member(info.name, told, 0, kind, info.size, data)
                ends = info.offset_data + (
                    -(-info.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE if info.isreg() else 0
                )
    except (tarfile.TarError, ValueError, EOFError, OverflowError) as error:
        problem = type(error).__name__
    while stream.readinto(bytearray(CHUNK_BYTES)):
        continue
    damage = stream.broken
    end = stream.position + (damage.stop - damage.start if damage else 0)
    if waiting is not None and not problem and damage is None and ends <= end:
        yield waiting._replace(length=end - told)
        return
    if waiting is not None and ends <= stream.position:  # it is whole, whatever came after it
        yield waiting._replace(length=ends - told)
        told = ends
    detail = damage.detail if damage else f"tar: {problem or 'no member, or one without its end'}"
    yield TarError(told, end - told, damage.reason if damage else LossReason.DAMAGED, detail)


def _kind(info: tarfile.TarInfo) -> str:
    if info.isreg():
        return "file"
    return "folder" if info.isdir() else "link" if info.issym() or info.islnk() else "special"
