"""The compression layer of an archive: a file as a sequence of members, each decoded in bounded memory.

A WARC is usually compressed record by record, so a file is many gzip members (or zstd frames) one after the other. This
layer knows nothing of records. It tells where members start and end in the file, hands out their decoded bytes, and
where decoding fails it says so and goes on at the next member that decodes.
"""

import contextlib
import os
import re
import zlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Protocol

import zstandard
from fastwarc.stream_io import Lz4Reader

from tasks.extract.reasons import LossReason

CHUNK_BYTES = 16 << 10
"""Read at once. Deflate expands by at most 1,032, so that one chunk decodes to at most 17 MB."""
ZSTD_CHUNK_BYTES = 2 << 10
"""A zstd frame makes 128 KiB of 4 bytes, and the decoder has no limit on its output: 2 KiB decode to at most 64 MiB."""
TRIAL_BYTES = 64 << 10
"""How far a possible member is decoded to see whether it is one: a BGZF block fits."""
HEAD_BYTES = 32
"""The first piece of a member has at least so many bytes, or is all of it: enough for a version line."""
SEARCH_BYTES = 1 << 20
LOOK_BYTES = 512
MAX_WINDOW_BYTES = 128 << 20
MAX_DICTIONARY_BYTES = 64 << 20

GZIP_MAGIC = b"\x1f\x8b\x08"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
DICTIONARY_MAGIC = b"\x5d\x2a\x4d\x18"

RECORD_START = re.compile(rb"WARC/\d+\.\d+[ \t\r]*\n|[\r\n]*(?:filedesc|https?|dns|ftp|whois):")
"""What a member begins with that begins with a record: a WARC version line, or the URL of an ARC record."""


class Kind(StrEnum):
    """How a file is compressed, recognised by its first bytes."""

    EMPTY = "empty"
    GZIP = "gzip"
    ZSTD = "zstd"
    LZ4 = "lz4"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Start:
    """A member begins at this byte of the file."""

    position: int


@dataclass(frozen=True, slots=True)
class Data:
    """Decoded bytes of the member. `position`: file bytes read so far, at most those up to the member's end."""

    data: bytes
    position: int


@dataclass(frozen=True, slots=True)
class End:
    """The member ended whole, its checksum right, before this byte of the file."""

    position: int


@dataclass(frozen=True, slots=True)
class Broken:
    """The file's bytes from `start` to `stop` could not be decoded. If a member was open, it ends here."""

    start: int
    stop: int
    reason: LossReason
    detail: str


Event = Start | Data | End | Broken


class _Decoder(Protocol):
    """What `zlib.decompressobj` and zstandard's `decompressobj` have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


Source = str | Path | BinaryIO
"""A file by its path, or one that is open and can be sought in, as a part of another file is."""


@contextlib.contextmanager
def opened(source: Source) -> Iterator[BinaryIO]:
    """The open file, at its start; closed afterwards if it was opened here."""
    if isinstance(source, str | Path):
        with open(source, "rb") as file:
            yield file
    else:
        source.seek(0)
        yield source


def size_of(source: Source) -> int:
    """Bytes of a file."""
    return os.path.getsize(source) if isinstance(source, str | Path) else source.seek(0, os.SEEK_END)


def kind_of(source: Source) -> Kind:
    """How the file is compressed, by its first bytes; its name is not asked.

    Raises: OSError if the file can't be opened.
    """
    with opened(source) as file:
        head = file.read(4)
    if not head:
        return Kind.EMPTY
    if head[:2] == b"\x1f\x8b":
        return Kind.GZIP
    if head == ZSTD_MAGIC or _is_skippable(head):
        return Kind.ZSTD
    if head == b"\x04\x22\x4d\x18":
        return Kind.LZ4
    return Kind.PLAIN


def decode(source: Source, begun_at: int = 0) -> Iterator[Event]:
    """The file as events. Every byte of it is told of: by a member's Start and End, or by a Broken.

    Of a gzip file it is the part from the member at `begun_at` on. An uncompressed file is one member that is its own
    decoded bytes. Within lz4 damage can't be passed: what follows is lost.

    Raises: OSError if the file can't be read.
    """
    kind = kind_of(source)
    with opened(source) as file:
        if kind is Kind.GZIP:
            yield from _Members(file, "gzip member", GZIP_MAGIC, lambda: zlib.decompressobj(31), CHUNK_BYTES).read(
                begun_at
            )
        elif kind is Kind.ZSTD:
            yield from _Members(file, "zstd frame", ZSTD_MAGIC, _zstd_decoders(file), ZSTD_CHUNK_BYTES).read()
        elif kind is Kind.LZ4:
            yield from _decode_lz4(file)
        elif kind is Kind.PLAIN:
            yield Start(0)
            while chunk := file.read(4 * CHUNK_BYTES):
                yield Data(chunk, file.tell())
            yield End(file.tell())


class _Members:
    """Reads members of one kind: gzip members or zstd frames. `name` is for messages."""

    def __init__(
        self, file: BinaryIO, name: str, magic: bytes, new_decoder: Callable[[], _Decoder], chunk_bytes: int
    ) -> None:
        self._file = file
        self._name = name
        self._magic = magic
        self._new_decoder = new_decoder
        self._chunk_bytes = chunk_bytes
        self._size = file.seek(0, os.SEEK_END)
        self._records_only = True
        """Every member so far began with a record.

        A gzipped body that lies unpacked in a damaged member is then not taken for one.
        """

    def read(self, position: int = 0) -> Iterator[Event]:
        """The events of the file from the member at `position` on."""
        chunk = self._read(position)
        while chunk:
            if chunk.startswith(self._magic):
                position, chunk = yield from self._member(position, chunk)
                continue
            if self._magic == ZSTD_MAGIC and _is_skippable(chunk):
                size = 8 + int.from_bytes(chunk[4:8], "little") if len(chunk) >= 8 else self._size
                stop, reason = position + size, LossReason.SKIPPABLE_FRAME
                detail = f"a zstd frame of {size} bytes that holds no data of the archive"
                if stop > self._size:
                    stop, reason, detail = (
                        self._size,
                        LossReason.TRUNCATED,
                        f"{self._name} at byte {position} is cut off",
                    )
            else:
                stop, reason = self._next_member(position + 1), LossReason.NOT_COMPRESSED
                detail = f"{stop - position} bytes at byte {position} that begin no {self._name}"
            yield Broken(position, stop, reason, detail)
            position = stop
            chunk = self._read(position)

    def _member(self, start: int, chunk: bytes) -> Generator[Event, None, tuple[int, bytes]]:
        """One member. Returns where the next one should begin, and the bytes there that are read already."""
        decoder = self._new_decoder()
        chunk_start = start
        head = b""
        started = False
        error: Exception | None = None
        while chunk:
            try:
                data = decoder.decompress(chunk)
            except (zlib.error, zstandard.ZstdError) as failure:
                error = failure
                data, fed = self._decode_to_error(start, chunk_start, chunk)
            else:
                fed = chunk_start + len(chunk) - len(decoder.unused_data)
            if not started:
                data = head = head + data
                started = len(head) >= HEAD_BYTES or decoder.eof or error is not None
                if started:
                    self._records_only &= not head or RECORD_START.match(head) is not None
                    yield Start(start)
            if started and data:
                yield Data(data, fed)
            if error is not None:
                stop = self._next_member(start + 1)
                detail = f"{self._name} at byte {start}: {error}"
                yield Broken(min(fed, stop), stop, LossReason.DAMAGED, detail)
                return stop, self._read(stop)
            if decoder.eof:
                yield End(fed)
                rest = decoder.unused_data
                return fed, rest if len(rest) >= HEAD_BYTES else self._read(fed)
            chunk_start += len(chunk)
            chunk = self._file.read(self._chunk_bytes)
        if not started:
            yield Start(start)
            if head:
                yield Data(head, self._size)
        # Damaged bytes may happen to decode on and on, over the members behind them: look whether there are any.
        stop = self._next_member(start + 1)
        reason = LossReason.TRUNCATED if stop == self._size else LossReason.DAMAGED
        yield Broken(stop, stop, reason, f"{self._name} at byte {start} has no end")
        return stop, self._read(stop)

    def _decode_to_error(self, start: int, chunk_start: int, chunk: bytes) -> tuple[bytes, int]:
        """What the chunk decodes to before the byte at which decoding fails, and that byte's position.

        Decodes the member once more.
        """
        decoder = self._new_decoder()
        self._file.seek(start)
        while (left := chunk_start - self._file.tell()) > 0:
            decoder.decompress(self._file.read(min(self._chunk_bytes, left)))
        data = bytearray()
        for index in range(len(chunk)):
            try:
                data += decoder.decompress(chunk[index : index + 1])
            except (zlib.error, zstandard.ZstdError):
                return bytes(data), chunk_start + index
        return bytes(data), chunk_start + len(chunk)

    def _next_member(self, position: int) -> int:
        """Where the first member at or after `position` begins that decodes; the file's size if there is none."""
        while position < self._size:
            block = self._read(position, SEARCH_BYTES + LOOK_BYTES)
            found = block.find(self._magic, 0, SEARCH_BYTES + len(self._magic) - 1)
            while found >= 0:
                # Magic numbers are three bytes: most that are none fail within the first bytes behind them.
                if self._decodes(position + found, block[found : found + LOOK_BYTES]):
                    return position + found
                found = block.find(self._magic, found + 1, SEARCH_BYTES + len(self._magic) - 1)
            position += SEARCH_BYTES
        return self._size

    def _decodes(self, position: int, chunk: bytes) -> bool:
        """Whether a member begins here: it starts with a record or, in a file where members don't, decodes whole.

        `chunk`: its first bytes.
        """
        decoder = self._new_decoder()
        data = b""
        end = position + TRIAL_BYTES
        while chunk:
            try:
                data = data[:HEAD_BYTES] + decoder.decompress(chunk)
            except (zlib.error, zstandard.ZstdError):
                return False
            if RECORD_START.match(data) is not None:
                return True
            if decoder.eof or (self._records_only and len(data) >= HEAD_BYTES):
                return decoder.eof and bool(data) and not self._records_only
            if not data and position > end - TRIAL_BYTES:
                return False  # a header without an end: bytes full of magic numbers look like that
            position += len(chunk)
            chunk = self._read(position, self._chunk_bytes if position < end else 0)
        return False

    def _read(self, position: int, size: int | None = None) -> bytes:
        self._file.seek(position)
        return self._file.read(self._chunk_bytes if size is None else size)


def _zstd_decoders(file: BinaryIO) -> Callable[[], _Decoder]:
    """Makes decoders of frames.

    A skippable frame at the start of the file may hold the dictionary of all the others.
    """
    file.seek(0)
    head = file.read(8)
    dictionary = None
    if head[:4] == DICTIONARY_MAGIC and len(head) == 8:
        data = file.read(min(int.from_bytes(head[4:], "little"), MAX_DICTIONARY_BYTES))
        if data.startswith(ZSTD_MAGIC):
            try:
                data = zstandard.ZstdDecompressor().decompress(data, max_output_size=MAX_DICTIONARY_BYTES)
            except zstandard.ZstdError:
                data = b""  # every frame that needs it is then told as damaged, with zstd's own words
        if data:
            dictionary = zstandard.ZstdCompressionDict(data)
    decompressor = zstandard.ZstdDecompressor(dict_data=dictionary, max_window_size=MAX_WINDOW_BYTES)
    return decompressor.decompressobj


def _decode_lz4(file: BinaryIO) -> Iterator[Event]:
    """The frames of an lz4 file as one member: the decoder tells no place within the file."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    reader = Lz4Reader(file)
    yield Start(0)
    while True:
        try:
            data = reader.read(4 * CHUNK_BYTES)
        except OSError as error:
            yield Broken(size, size, LossReason.DAMAGED, f"lz4: {error}")
            return
        if not data:
            yield End(size)
            return
        yield Data(data, size)


def _is_skippable(head: bytes) -> bool:
    return len(head) >= 4 and head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50
