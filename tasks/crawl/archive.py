"""The WARC files of a crawl: whole members only, `.part` while they grow, and put right after a crawl was killed."""

import os
import time
import uuid
import zlib
from collections.abc import Mapping
from pathlib import Path

from storage.files import CHUNK_BYTES
from storage.warc import digest, record_member

SAME_BYTES = "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest"
NOT_MODIFIED = "http://netpreserve.org/warc/1.1/revisit/server-not-modified"


def now() -> str:
    """The time as WARC has it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def new_id() -> str:
    """An id for a record."""
    return f"<urn:uuid:{uuid.uuid4()}>"


class Archive:
    """Writes records into `<prefix>-00000.warc.gz` and so on in a folder, each closed at `file_bytes`.

    Every record is one write to the file of a whole gzip member.
    """

    def __init__(self, folder: Path, prefix: str, info: Mapping[str, str], file_bytes: int) -> None:
        self.folder, self.prefix, self.info, self.file_bytes = folder, prefix, info, file_bytes
        self.files: list[Path] = []
        self.part: Path | None = None
        self.size = 0

    def write(self, *members: bytes) -> None:
        """Append records that belong together; a file is begun or closed between such groups."""
        if self.part is None:
            self._begin()
        self._append(b"".join(members))
        if self.size >= self.file_bytes:
            self.close()

    def close(self) -> None:
        """Give the file that is being written its own name; the next record begins another."""
        if self.part is not None:
            os.fsync(self.descriptor)
            os.close(self.descriptor)
            self.files.append(finish(self.part))
            self.part = None

    def _begin(self) -> None:
        path = self.folder / f"{self.prefix}-{len(self.files):05}.warc.gz.part"
        self.descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        self.part, self.size = path, 0
        fields = "".join(f"{name}: {value}\r\n" for name, value in self.info.items()).encode()
        headers = {
            "WARC-Type": "warcinfo",
            "WARC-Record-ID": new_id(),
            "WARC-Date": now(),
            "WARC-Filename": path.stem,
            "Content-Type": "application/warc-fields",
        }
        self._append(record_member(headers, fields))

    def _append(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self.descriptor, rest) :]
        except OSError:
            os.ftruncate(self.descriptor, self.size)  # a full disk: what stands in front stays whole
            raise
        self.size += len(data)


def exchange(url: str, asked: bytes, answered: bytes, body_at: int, address: str | None) -> tuple[bytes, str, str]:
    """The members of a response and its request, the response's record id, and its payload's digest.

    `body_at`: where the body begins in `answered`.
    """
    record_id, date, payload = new_id(), now(), digest(answered[body_at:])
    about = {"WARC-Target-URI": url, "WARC-Date": date, **({"WARC-IP-Address": address} if address else {})}
    response = {
        "WARC-Type": "response",
        "WARC-Record-ID": record_id,
        **about,
        "WARC-Payload-Digest": payload,
        "WARC-Block-Digest": digest(answered),
        "Content-Type": "application/http; msgtype=response",
    }
    return record_member(response, answered) + _request(about, record_id, asked), record_id, payload


def revisit(
    url: str,
    asked: bytes,
    answered: bytes,
    address: str | None,
    profile: str,
    before: tuple[str, str, str],
) -> bytes:
    """The members of a page that is as it was: the answer's head, and which record holds the body.

    `before`: that record's id, its date, and the digest of its payload.
    """
    record_id = new_id()
    about = {"WARC-Target-URI": url, "WARC-Date": now(), **({"WARC-IP-Address": address} if address else {})}
    headers = {
        "WARC-Type": "revisit",
        "WARC-Record-ID": record_id,
        **about,
        "WARC-Profile": profile,
        "WARC-Refers-To": before[0],
        "WARC-Refers-To-Target-URI": url,
        "WARC-Refers-To-Date": before[1],
        "WARC-Payload-Digest": before[2],
        "Content-Type": "application/http; msgtype=response",
    }
    return record_member(headers, answered) + _request(about, record_id, asked)


def _request(about: Mapping[str, str], answer: str, asked: bytes) -> bytes:
    headers = {
        "WARC-Type": "request",
        "WARC-Record-ID": new_id(),
        **about,
        "WARC-Concurrent-To": answer,
        "Content-Type": "application/http; msgtype=request",
    }
    return record_member(headers, asked)


def finish(part: Path) -> Path:
    """Take `.part` off a file's name."""
    path = part.with_suffix("")
    os.replace(part, path)
    return path


def recover(folder: Path) -> list[Path]:
    """Put right what a killed crawl left: each `.part` is cut behind its last whole member and gets its own name.

    A file without a whole member is deleted. Returns the files that are now there.
    """
    found = []
    for part in sorted(folder.glob("*.warc.gz.part")):
        whole = whole_members(part)
        if whole == 0:
            part.unlink()
            continue
        os.truncate(part, whole)
        found.append(finish(part))
    return found


def whole_members(path: Path) -> int:
    """The bytes of a file up to the end of its last whole gzip member."""
    whole, place = 0, 0
    with open(path, "rb") as stream:
        squeezed = zlib.decompressobj(zlib.MAX_WBITS | 16)
        data = b""
        while True:
            if not data and not (data := stream.read(CHUNK_BYTES)):
                return whole
            try:
                squeezed.decompress(data, CHUNK_BYTES)  # what comes out is bounded too
            except zlib.error:
                return whole
            rest = squeezed.unused_data or squeezed.unconsumed_tail
            place += len(data) - len(rest)
            data = rest
            if squeezed.eof:
                whole, squeezed = place, zlib.decompressobj(zlib.MAX_WBITS | 16)
