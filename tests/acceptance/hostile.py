"""Input built to cost time or memory, to lie, or to lead astray: name of a file -> its bytes, and what must become of
it.

`python -m tests.acceptance.hostile FOLDER LAKE` reads all of it through the real stage with one worker, and prints the
largest memory that a worker had.
"""

import gzip
import json
import resource
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import brotli
import zstandard

from tasks.executor import shared_executor
from tasks.extract.config import ExtractConfig
from tasks.extract.stage import extract
from tasks.ingest import Source, ingest
from tasks.run import running
from tests.tasks.extract.books import chapter, encrypted_pdf, epub, pdf, zip_of
from tests.tasks.extract.crawls import SENTENCE, page, record, response

ZEROS = 64 << 20
HTML = "Content-Type: text/html; charset=utf-8"
GOOD = page(1)
LAUGHS = (
    "<!DOCTYPE p [<!ENTITY a0 'ha'>"
    + "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 12))
    + "<!ENTITY file SYSTEM 'file:///etc/passwd'>]>"
)
Expected = str | None
"""The reason of the loss; None: a document."""


def one(block: bytes, **about: str) -> bytes:
    """A WARC of one record."""
    return gzip.compress(record(block, **about), 1)  # type: ignore[arg-type]


def chunked(body: bytes, size: int = 700) -> bytes:
    """A chunked body."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def redirects() -> bytes:
    """Two pages that send a reader to each other for ever, and one that sends it to itself."""
    ways = {"a": "b", "b": "a", "c": "c"}
    return b"".join(
        one(
            response(b"", f"Location: http://example.org/{there}", "HTTP/1.1 301 Moved"),
            url=f"http://example.org/{here}",
        )
        for here, there in ways.items()
    )


def a_million_objects() -> bytes:
    """A PDF of a page, and a million objects that nothing asks for."""
    whole = pdf([[SENTENCE]])
    body, end = whole.split(b"xref\n", 1)
    filler = b"".join(b"%d 0 obj null endobj\n" % number for number in range(10, 1_000_010))
    place = len(body) + len(filler)
    return body + filler + b"xref\n" + end.split(b"startxref\n")[0] + b"startxref\n%d\n%%%%EOF\n" % place


def deep_package() -> bytes:
    """An EPUB whose package names entities that unfold without end, and a file of this machine."""
    title = f"<?xml version='1.0'?>{LAUGHS}<package><metadata><title>&file;&a11;</title></metadata>"
    package = f"{title}<manifest><item id='a' href='a.xhtml'/></manifest><spine><itemref idref='a'/></spine></package>"
    return epub({"a.xhtml": f"<p>{SENTENCE}</p>"}, more={"OEBPS/book.opf": package})


def packed(coding: str, pack: Callable[[bytes], bytes]) -> bytes:
    """A response whose body unpacks to a great many zeros."""
    return one(response(pack(bytes(ZEROS)), f"{HTML}\r\nContent-Encoding: {coding}"))


INPUTS: dict[str, tuple[Callable[[], bytes], Expected]] = {
    "bomb-body-gzip.warc.gz": (lambda: packed("gzip", lambda data: gzip.compress(data, 1)), "too large"),
    "bomb-body-deflate.warc.gz": (lambda: packed("deflate", lambda data: zlib.compress(data, 1)), "too large"),
    "bomb-body-zstd.warc.gz": (lambda: packed("zstd", zstandard.compress), "too large"),
    "bomb-body-brotli.warc.gz": (lambda: packed("br", lambda data: brotli.compress(data, quality=1)), "too large"),
    "bomb-twice.warc.gz": (
        lambda: packed("gzip, gzip", lambda data: gzip.compress(gzip.compress(data, 1), 1)),
        "too large",
    ),
    "bomb.warc.gz": (lambda: gzip.compress(bytes(ZEROS + 1), 1), "not a record"),
    "bomb.warc.zst": (lambda: zstandard.compress(bytes(ZEROS)), "not a record"),
    "bomb.jsonl.gz": (lambda: gzip.compress(bytes(ZEROS), 1), "too large"),
    "bomb.csv.zst": (lambda: zstandard.compress(b"text\n" + bytes(ZEROS)), "too large"),
    "bomb.txt.gz": (lambda: gzip.compress(b"x" * ZEROS, 1), "too large"),
    "bomb.md.zst": (lambda: zstandard.compress(b"x" * ZEROS), "too large"),
    "bomb.pdf.zst": (lambda: zstandard.compress(b"%PDF-1.4" + bytes(5 * ZEROS)), "too large"),
    "bomb.epub": (lambda: epub({"a.xhtml": "x" * ZEROS}), "too large"),
    "bomb-many.epub": (lambda: epub({f"{n}.xhtml": "<p>word</p>" * 150_000 for n in range(20)}), "too large"),
    "laughs.epub": (deep_package, "no text"),  # libxml2 stops at the first, and sees no chapter
    "laughs-chapter.epub": (
        lambda: epub({"a.xhtml": ""}, more={"OEBPS/a.xhtml": LAUGHS + chapter(f"&a11;&file; {SENTENCE}")}),
        None,
    ),
    "bomb.wacz": (lambda: zip_of({"archive/a.warc": bytes(ZEROS)}), "too large"),
    "redirects.warc.gz": (redirects, "redirect"),
    "nested.html": (lambda: b"<div>" * 1_000_000 + b"x", "too deep"),
    "nested.warc.gz": (lambda: one(response(b"<html>" + b"<b>" * 1_000_000 + b"x")), "too many nodes"),
    "nested.epub": (lambda: epub({"a.xhtml": "<div>" * 100_000 + SENTENCE}), "too deep"),
    "100-megabytes.warc.gz": (lambda: one(response(b"<p>" + b"word " * 20_000_000)), "too large"),
    "100-megabytes.html": (lambda: b"<p>" + b"word " * 20_000_000, "too large"),
    "no-utf8.warc.gz": (lambda: one(response(GOOD.replace(b"river", b"r\xffv\xc3r"))), None),
    "only-bad-bytes.warc.gz": (lambda: one(response(b"<html><body>" + b"\xff\xfe\xfd\x81" * 2000)), "bad encoding"),
    "length-too-long.warc.gz": (lambda: one(response(GOOD, f"{HTML}\r\nContent-Length: 999999999")), None),
    "length-too-short.warc.gz": (lambda: one(response(GOOD, f"{HTML}\r\nContent-Length: 3")), None),
    "record-length-lies.warc.gz": (lambda: one(response(GOOD), length="17"), None),
    "record-length-huge.warc.gz": (lambda: one(response(GOOD), length=str(10**18)), None),
    "encoding-lies.warc.gz": (lambda: one(response(GOOD, f"{HTML}\r\nContent-Encoding: gzip")), None),
    "encoding-unsaid.warc.gz": (lambda: one(response(gzip.compress(GOOD))), None),
    "chunked.warc.gz": (lambda: one(response(chunked(GOOD), f"{HTML}\r\nTransfer-Encoding: chunked")), None),
    "chunked-broken.warc.gz": (
        lambda: one(response(chunked(GOOD)[:900], f"{HTML}\r\nTransfer-Encoding: chunked")),
        None,
    ),
    "chunked-lies.warc.gz": (lambda: one(response(GOOD, f"{HTML}\r\nTransfer-Encoding: chunked")), None),
    "chunk-of-a-terabyte.warc.gz": (
        lambda: one(response(b"ffffffff\r\n" + GOOD, f"{HTML}\r\nTransfer-Encoding: chunked")),
        None,
    ),
    "no-url.warc.gz": (lambda: one(response(GOOD), url=""), None),
    "from-1970.warc.gz": (lambda: gzip.compress(record(response(GOOD)).replace(b"2024-05-06", b"1970-01-01")), None),
    "from-2099.warc.gz": (lambda: gzip.compress(record(response(GOOD)).replace(b"2024-05-06", b"2099-12-31")), None),
    "encrypted.pdf": (encrypted_pdf, "encrypted"),
    "broken.pdf": (lambda: pdf([[SENTENCE]])[:250], "not parsed"),
    "a-million-pages.pdf": (lambda: pdf([[SENTENCE]]).replace(b"[5 0 R]", b"[" + b"5 0 R " * 1_000_000 + b"]"), None),
    "says-a-million-pages.pdf": (lambda: pdf([[SENTENCE]], count=1_000_000), "too many pages"),
    "a-million-objects.pdf": (a_million_objects, None),
}


def main(folder: Path, lake: Path) -> None:
    """Read everything in the folder with one worker; print what it took."""
    started = time.monotonic()
    with running(lake, "hostile", workers=1, cpu_seconds=20, quiet=True):
        for snapshot in ingest(Source(name="hostile", path=str(folder))):
            extract(ExtractConfig(), snapshot=snapshot)
    shared_executor(1).close()
    print(json.dumps({"seconds": time.monotonic() - started}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
    # of the workers, which have ended by now
    print(json.dumps({"peak_bytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024}))
