"""Between Scrapy and the WARC files: every answer of a page is a record, as it came."""

import http.client
import sqlite3
from typing import Any
from urllib.parse import urljoin, urlsplit

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.http import Response

from tasks.crawl.archive import NOT_MODIFIED, SAME_BYTES, exchange, now, revisit
from tasks.crawl.rules import Refused
from tasks.crawl.session import session_of

_CHANGED_ON_THE_WAY = {b"transfer-encoding", b"content-length", b"connection"}
"""Headers of the transfer: Twisted has taken chunks apart, so the length is written anew."""


class Keeping:
    """Writes answers as they came, before anything is decompressed. Pages alone: no robots.txt and no sitemaps."""

    def __init__(self, crawler: Crawler) -> None:
        self.crawler = crawler
        self.config = session_of(crawler).config
        session = session_of(crawler)
        assert session.state is not None
        assert session.archive is not None
        self.state, self.archive, self.progress = session.state, session.archive, session.progress

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "Keeping":
        """Scrapy's constructor."""
        return cls(crawler)

    def process_response(self, request: Request, response: Response) -> Response:
        """Write an answer and remember it. Where it can't be written, the crawl ends."""
        if request.meta.get("robots") or request.meta.get("sitemap") is not None:
            return response
        try:
            self._keep(request, response)
        except (OSError, sqlite3.Error) as error:
            self.progress.errors[f"writing: {error}"[:80]] += 1
            self.progress.end(self.crawler, "not_written")
            raise Refused("not-written") from error
        self.progress.bytes += len(response.body)
        self.progress.tell(self.crawler)
        if self.progress.bytes >= self.config.max_bytes:
            self.progress.end(self.crawler, "max_bytes")
        return response

    def _keep(self, request: Request, response: Response) -> None:
        url, known = request.url, self.state.page(request.url)
        asked, head = request_block(request), response_head(response)
        address = str(response.ip_address) if response.ip_address else None
        if response.status == 304:
            if known:
                self.archive.write(revisit(url, asked, head, address, NOT_MODIFIED, known.record))
                self.state.seen(url)
                self.progress.unchanged += 1
        else:
            members, record_id, payload = exchange(url, asked, head + response.body, len(head), address)
            if known and (known.record[2], known.status) == (payload, response.status):
                record = known.record
                self.archive.write(revisit(url, asked, head, address, SAME_BYTES, record))
                self.progress.unchanged += 1
            else:
                self.archive.write(members)
                record = record_id, now(), payload
                self.progress.pages += 1
            if response.status < 500 and response.status != 429:
                etag, modified = (_text(response, name) for name in ("ETag", "Last-Modified"))
                self.state.put(url, response.status, etag, modified, record)
                if 300 <= response.status < 400 and (location := _text(response, "Location")):
                    self.state.link(url, [urljoin(url, location)])


def request_block(request: Request) -> bytes:
    """The request as it was sent, but for headers of the connection."""
    parts = urlsplit(request.url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"{request.method} {path} HTTP/1.1".encode(), b"Host: " + parts.netloc.encode()]
    return b"\r\n".join([*lines, *_fields(request.headers), b"", b""])


def response_head(response: Response) -> bytes:
    """Status line and headers of an answer. The length is that of the body as it is kept."""
    reason = http.client.responses.get(response.status, "")
    lines = [f"HTTP/1.1 {response.status} {reason}".encode()]
    kept = [one for one in _fields(response.headers) if one.split(b":")[0].lower() not in _CHANGED_ON_THE_WAY]
    if response.status != 304:
        kept.append(f"Content-Length: {len(response.body)}".encode())
    return b"\r\n".join([*lines, *kept, b"", b""])


def _fields(headers: Any) -> list[bytes]:
    return [
        name + b": " + value.replace(b"\r", b" ").replace(b"\n", b" ")
        for name, values in headers.items()
        for value in values
    ]


def _text(response: Response, name: str) -> str | None:
    value = response.headers.get(name)
    return value.decode("latin-1").strip() if value else None
