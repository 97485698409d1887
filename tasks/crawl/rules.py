"""Scrapy's way to and from a server, with our rules on it: what may be asked for, robots.txt, limits."""

import asyncio
import fnmatch
import logging
from typing import Any
from urllib.parse import urlsplit

from protego import Protego
from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest, StopDownload
from scrapy.http import Response
from scrapy.http.request import NO_CALLBACK

from storage.remote.patience import retry_after
from tasks.crawl.session import session_of
from tasks.crawl.state import Known

LONGEST_URL = 2000
ROBOTS_BYTES = 512 << 10
"""What is read of a robots.txt (RFC 9309, 2.5: at least 500 KiB)."""
BUSY = {429, 503}
BUSY_IN_A_ROW = 5
"""After so many answers that the server has no time, a host is left alone."""

logger = logging.getLogger(__name__)


class Refused(IgnoreRequest):
    """A URL that is not fetched; `reason` is one word of those that the summary counts."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Rules:
    """Refuses what the configuration does not allow: before robots.txt is asked, and for redirects as for links."""

    def __init__(self, crawler: Crawler) -> None:
        self.config = session_of(crawler).config

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "Rules":
        """Scrapy's constructor."""
        return cls(crawler)

    def process_request(self, request: Request) -> None:
        """Raises: Refused."""
        if reason := self.refusal(request.url, anywhere=bool(request.meta.get("robots"))):
            raise Refused(reason)

    def refusal(self, url: str, anywhere: bool = False) -> str | None:
        """Why a URL may not be fetched, or None. A robots.txt may be redirected `anywhere` (RFC 9309, 2.3.1.2)."""
        if len(url) > LONGEST_URL:
            return "long"
        try:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
                return "address"
        except ValueError:  # half an IPv6 address, a port of 99999
            return "address"
        if parts.username or parts.password:
            return "password"
        host = parts.hostname.lower().rstrip(".")
        domains = self.config.allowed_domains
        if not anywhere and not any(host == one or host.endswith(f".{one}") for one in domains):
            return "domain"
        if any(fnmatch.fnmatchcase(url, pattern) for pattern in self.config.exclude):
            return "excluded"
        return None


class Robots:
    """Asks each host for its robots.txt first, and obeys it with its Crawl-delay (RFC 9309).

    A file that is not there (4xx) allows everything; a host whose file can't be had (5xx, no answer) is left alone for
    this crawl. What is no robots.txt at all (a page, say) says nothing and allows everything.
    """

    def __init__(self, crawler: Crawler) -> None:
        self.crawler = crawler
        self.config = session_of(crawler).config
        self.state = session_of(crawler).state
        self.verdicts: dict[str, asyncio.Future[Protego | str]] = {}

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "Robots":
        """Scrapy's constructor."""
        return cls(crawler)

    async def process_request(self, request: Request) -> None:
        """Raises: Refused."""
        if request.meta.get("robots"):
            return
        parts = urlsplit(request.url)
        origin = f"{parts.scheme}://{parts.netloc}"
        if origin not in self.verdicts:
            self.verdicts[origin] = asyncio.ensure_future(self._ask(origin, parts.hostname or ""))
        verdict = await self.verdicts[origin]
        if isinstance(verdict, str):
            raise Refused(verdict)
        if not verdict.can_fetch(request.url, "gristmill"):
            raise Refused("robots")

    async def _ask(self, origin: str, host: str) -> Protego | str:
        """The rules of a host, or the reason why it is left out."""
        engine: Any = self.crawler.engine
        meta = {"robots": True, "download_maxsize": 10 * ROBOTS_BYTES}
        request = Request(f"{origin}/robots.txt", priority=1000, callback=NO_CALLBACK, meta=meta)
        try:
            response = await engine.download_async(request)
        except Exception as error:  # whatever it is, the file could not be had
            logger.info("%s/robots.txt could not be had: %r", origin, error)
            self._keep(origin, None, b"")
            return "private" if "NotPublic" in repr(error) else "no-robots"
        self._keep(origin, response.status, response.body)
        if response.status >= 500 or response.status == 429:
            return "no-robots"
        body = response.body[:ROBOTS_BYTES] if response.status < 300 else b""
        rules = Protego.parse(body.decode("utf-8", "replace"))
        asked = rules.crawl_delay("gristmill")
        if asked and asked > self.config.longest_delay:
            logger.info("%s asks for a delay of %s s: left out", origin, asked)
            return "slow-robots"
        if asked and asked > self.config.delay:
            slow_down(engine, host, float(asked))
        if self.config.robots_sitemaps:
            spider: Any = self.crawler.spider
            for one in spider.sitemap_requests(list(rules.sitemaps), 0):
                engine.crawl(one)
        return rules

    def _keep(self, origin: str, status: int | None, body: bytes) -> None:
        if self.state:
            self.state.robots(origin, status, body[:ROBOTS_BYTES])


def slow_down(engine: Any, host: str, delay: float) -> None:
    """Let this much time pass between two requests to a host, now and in slots that are made later."""
    downloader = engine.downloader
    downloader.per_slot_settings[host] = {"delay": delay, "concurrency": 1, "jitter": 0.0}
    if host in downloader.slots:
        downloader.slots[host].delay = delay


class Limits:
    """The last gate before the network: counts what is asked for, adds what is known of a page, notices busy hosts."""

    def __init__(self, crawler: Crawler) -> None:
        self.crawler = crawler
        self.config = session_of(crawler).config
        self.state = session_of(crawler).state
        self.progress = session_of(crawler).progress
        self.by_host: dict[str, int] = {}
        self.busy: dict[str, int] = {}
        self.asked = 0
        crawler.signals.connect(self._headers, signal=signals.headers_received)
        crawler.signals.connect(self._closed, signal=signals.spider_closed)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "Limits":
        """Scrapy's constructor."""
        return cls(crawler)

    def process_request(self, request: Request) -> None:
        """Raises: Refused if a limit is reached."""
        if request.meta.get("robots") or request.meta.get("sitemap") is not None:
            return
        host = urlsplit(request.url).hostname or ""
        if self.busy.get(host, 0) >= BUSY_IN_A_ROW:
            raise Refused("busy")
        most = self.config.max_pages_per_host
        if most is not None and self.by_host.get(host, 0) >= most:
            raise Refused("host-limit")
        if self.asked >= self.config.max_pages:
            self.progress.end(self.crawler, "max_pages")
            raise Refused("limit")
        self.asked += 1
        self.by_host[host] = self.by_host.get(host, 0) + 1
        self.progress.asked = self.asked
        if self.state is None:
            self.progress.would(request.url)
            raise Refused("dry-run")
        known = self.state.page(request.url)
        if known:
            ask_if_changed(request, known)

    def process_response(self, request: Request, response: Response) -> Response:
        """Notice a host that has no time, and ask it less often."""
        host = urlsplit(request.url).hostname or ""
        if response.status not in BUSY:
            self.busy[host] = 0
            return response
        self.busy[host] = self.busy.get(host, 0) + 1
        engine: Any = self.crawler.engine
        slot = engine.downloader.slots.get(host)
        delay = slot.delay if slot else self.config.delay
        asked = (response.headers.get("Retry-After") or b"").decode("latin-1")
        wanted = retry_after({"retry-after": asked}) or 0.0
        if wanted > self.config.longest_delay:
            self.busy[host] = BUSY_IN_A_ROW
        if slot and self.busy[host] >= BUSY_IN_A_ROW:
            while slot.queue:  # what waits for its turn there has passed this gate already
                _, waiting = slot.queue.popleft()
                waiting.errback(Refused("busy"))
        slow_down(engine, host, min(max(2 * delay, wanted, 1.0), max(self.config.longest_delay, delay)))
        return response

    def _closed(self, reason: str) -> None:
        if reason == "closespider_timeout":
            self.progress.ended_by = "max_seconds"

    def _headers(self, headers: Any, request: Request) -> None:
        """Do not fetch the body of an answer of a kind that nobody wants."""
        if request.meta.get("robots") or request.meta.get("sitemap") is not None:
            return
        kind = (headers.get("Content-Type") or b"").decode("latin-1").strip().lower()
        if kind and not kind.startswith(self.config.content_types):
            request.meta["unwanted"] = kind
            raise StopDownload(fail=True)


def ask_if_changed(request: Request, known: Known) -> None:
    """Make a request conditional: the server answers 304 if the page is as it was."""
    if known.etag:
        request.headers["If-None-Match"] = known.etag
    if known.modified:
        request.headers["If-Modified-Since"] = known.modified
