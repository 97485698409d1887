"""Small archives of our own making, and what every reading of an archive must hold."""

import gzip
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import zstandard

from tasks.extract.archive import Item, Record, Unreadable, read_archive

SENTENCE = "The mill by the river grinds rye on Mondays and wheat on all the other days of the week. "


def page(number: int, sentences: int = 8) -> bytes:
    """An HTML page whose text says which it is."""
    text = "".join(f"<p>{SENTENCE}This is sentence {index} of page {number}.</p>\n" for index in range(sentences))
    return f"<html><head><title>Page {number}</title></head><body><article>{text}</article></body></html>".encode()


def response(
    body: bytes, headers: str = "Content-Type: text/html; charset=utf-8", status: str = "HTTP/1.1 200 OK"
) -> bytes:
    """An HTTP response, as it stands in a record's block."""
    return f"{status}\r\n{headers}\r\n\r\n".encode() + body


def record(
    block: bytes,
    record_type: str = "response",
    url: str | None = "http://example.org/",
    content_type: str | None = "application/http; msgtype=response",
    length: str | None = None,
    extra: Sequence[str] = (),
) -> bytes:
    """A WARC record. `length`: what it says of its length, if that is a lie; an empty text leaves the field out."""
    lines = ["WARC/1.0", f"WARC-Type: {record_type}", "WARC-Date: 2024-05-06T07:08:09Z"]
    lines += [f"WARC-Target-URI: {url}"] if url else []
    lines += [f"Content-Type: {content_type}"] if content_type else []
    said = str(len(block)) if length is None else length
    lines += [f"Content-Length: {said}"] if said else []
    return "\r\n".join([*lines, *extra, "", ""]).encode() + block + b"\r\n\r\n"


def records(count: int, size: int = 8) -> list[bytes]:
    """A warcinfo record and `count` pages, of different sizes."""
    info = record(b"software: a test\r\n", "warcinfo", None, "application/warc-fields")
    pages = [record(response(page(n, size + n % 5)), url=f"http://example.org/{n}") for n in range(count)]
    return [info, *pages]


def gzip_each(parts: Iterable[bytes], level: int = 6) -> bytes:
    """One gzip member a part."""
    return b"".join(gzip.compress(part, level, mtime=0) for part in parts)


def zstd_each(parts: Iterable[bytes]) -> bytes:
    """One zstd frame a part, with checksums."""
    return b"".join(zstandard.ZstdCompressor(write_checksum=True).compress(part) for part in parts)


def write(folder: Path, data: bytes, name: str = "a.warc.gz") -> Path:
    """The bytes as a file."""
    path = folder / name
    path.write_bytes(data)
    return path


def read_whole(path: Path) -> list[Item]:
    """Every item of a file, whose ranges are checked to cover it."""
    items = list(read_archive(path))
    assert_covered(items, path)
    return items


def assert_covered(items: Sequence[Item], path: Path) -> None:
    """The ranges of the items, space by space, go from 0 to the end without gap or overlap, and no two start alike."""
    assert items
    spaces: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        spaces[item.space].append(item)
    for space, members in spaces.items():
        end = 0
        for item in members:
            assert item.offset == end, (
                f"{path.name}: {space} has a gap or overlap at {end}: the next item is at {item.offset}"
            )
            assert item.length >= 0
            end += item.length
        assert space == "stream" or end == os.path.getsize(path)
    places = [(item.space, item.offset) for item in items if isinstance(item, Record)]
    assert len(set(places)) == len(places)


def readable(items: Iterable[Item]) -> list[Record]:
    """The records among the items."""
    return [item for item in items if isinstance(item, Record)]


def unreadable(items: Iterable[Item]) -> list[Unreadable]:
    """The others."""
    return [item for item in items if isinstance(item, Unreadable)]


def urls(items: Iterable[Item]) -> list[str | None]:
    """The addresses of the readable records, without the warcinfo's."""
    return [item.url for item in readable(items) if item.record_type != "warcinfo"]
