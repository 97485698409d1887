"""Pages as WARC 1.1 files, one gzip member a record, the same bytes for the same pages.

Nothing was crawled, and the records say so: a page that a package ships, or that is rendered here, is a `resource`;
where a program answered requests there are `request` and `response` records. Record ids are hashes of what the record
holds, dates are those of the package's release. (The bytes in a member are the same everywhere; another zlib may
squeeze them otherwise.)
"""

import hashlib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from storage.files import write_atomically
from storage.warc import digest as block_digest
from storage.warc import record_member
from tasks.sample.carriers import Carrier

SHIPPED = "as shipped"
TEMPLATED = "program's templates"
RENDERED = "rendered"
"""How a page came to be: a file of the package as it is; made by the package's program with its own templates; made
here, with our template, from Markdown or reStructuredText."""

HOST = "docs.example.org"
"""A name that is reserved for examples: these addresses lead nowhere, they only name pages."""


@dataclass(frozen=True)
class Page:
    """A page of a carrier: its path on the made-up host, its bytes, what they are, how they came to be.

    `status` is what the program that made it answered ("200 OK"), with `content_type` among its headers; None where no
    program did.
    """

    path: str
    body: bytes
    origin: str
    content_type: str = "text/html"
    status: str | None = None


def url_of(carrier: Carrier, path: str) -> str:
    """The made-up, stable address of a carrier's page."""
    return f"https://{HOST}/{carrier.name}/{carrier.version}/{path}"


def write_warc(path: Path, carrier: Carrier, pages: Iterable[Page]) -> int:
    """Write a WARC file, whole or not at all: a `warcinfo`, then the pages in their order. Returns how many records.

    Raises: ValueError for a page whose path, type or status holds a line end.
    """
    about = (
        "software: Gristmill, the sample's builder\r\n"
        "format: WARC File Format 1.1\r\n"
        f"description: pages carried by {carrier.pin}; made from the package, not crawled\r\n"
    )
    members = [_member(carrier, "warcinfo", None, "application/warc-fields", about.encode(), path.name)]
    for page in pages:
        members += _page_members(carrier, page)
    write_atomically(path, lambda temporary: temporary.write_bytes(b"".join(members)))
    return len(members)


def _page_members(carrier: Carrier, page: Page) -> list[bytes]:
    url = url_of(carrier, page.path)
    if any(end in f"{url}{page.content_type}{page.status}" for end in "\r\n"):
        raise ValueError(f"The page {page.path!r} of {carrier.pin} has a line end in its path, type or status.")
    if page.status is None:
        return [_member(carrier, "resource", url, page.content_type, page.body, page.origin)]
    asked = f"GET /{carrier.name}/{carrier.version}/{page.path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n"
    answered = (
        f"HTTP/1.1 {page.status}\r\nContent-Type: {page.content_type}\r\nContent-Length: {len(page.body)}\r\n\r\n"
    )
    response = answered.encode() + page.body
    return [
        _member(carrier, "request", url, "application/http; msgtype=request", asked.encode(), page.origin),
        _member(carrier, "response", url, "application/http; msgtype=response", response, page.origin),
    ]


def _member(carrier: Carrier, kind: str, url: str | None, content_type: str, block: bytes, about: str) -> bytes:
    """One record as one gzip member. `about` is the page's origin, or the file's name for its `warcinfo`."""
    digest = hashlib.sha256(
        "\0".join((carrier.pin, kind, url or about, content_type)).encode() + b"\0" + block
    ).digest()
    headers = {
        "WARC-Type": kind,
        "WARC-Record-ID": f"<urn:uuid:{uuid.UUID(bytes=digest[:16], version=5)}>",
        "WARC-Date": f"{carrier.date}T00:00:00Z",
        **({"WARC-Target-URI": url} if url else {"WARC-Filename": about}),
        "WARC-Block-Digest": block_digest(block),
        "Gristmill-Carrier": carrier.pin,
        "Gristmill-License": carrier.license,
        **({"Gristmill-Origin": about} if url else {}),
        "Content-Type": content_type,
    }
    return record_member(headers, block)
