"""What a crawl goes through: seeds and sitemaps, then the links of their pages, breadth first."""

import zlib
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import lxml.etree
import scrapy
from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest, StopDownload
from scrapy.http import HtmlResponse, Response
from scrapy.linkextractors import LinkExtractor
from scrapy.utils.gz import gunzip
from scrapy.utils.sitemap import Sitemap

from tasks.crawl.rules import Refused, Rules
from tasks.crawl.session import session_of

LINKS_A_PAGE = 1000
QUEUE = 10
"""So many times `max_pages` are remembered as seen at most: a calendar without an end fills no memory."""
SITEMAPS = 200
"""So many sitemaps are read in one crawl."""
SITEMAP_BYTES = 50 << 20
"""The largest sitemap (sitemaps.org: 50 MB)."""


class SiteSpider(scrapy.Spider):
    """Follows links within the configured hosts and depth."""

    name = "gristmill"
    handle_httpstatus_list = [304]  # noqa: RUF012 (Scrapy's form)

    def __init__(self, crawler: Crawler) -> None:
        super().__init__()
        self.config = session_of(crawler).config
        self.state = session_of(crawler).state
        self.progress = session_of(crawler).progress
        self.rules = Rules(crawler)
        self.links = LinkExtractor(tags=("a", "area"))
        self.reached: set[str] = set()
        self.sitemaps = 0

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> "SiteSpider":
        """Scrapy's constructor."""
        spider = cls(crawler)
        spider._set_crawler(crawler)
        return spider

    async def start(self) -> AsyncIterator[Request]:
        """The requests to begin with."""
        for request in self.sitemap_requests(self.config.sitemaps, 0):
            yield request
        for url in self.config.seeds:
            for request in self.page_requests(url, 0):
                yield request

    def page_requests(self, url: str, links: int) -> Iterator[Request]:
        """The request for a page; for one that was fetched not long ago, those for the pages behind it.

        `links`: how many links away from the beginning it is.
        """
        todo = deque([(url, links)])
        while todo:
            url, links = todo.popleft()
            if url in self.reached:
                continue
            if len(self.reached) >= QUEUE * self.config.max_pages:
                self.progress.refused["queue"] += 1
                return
            if reason := self.rules.refusal(url):
                self._refuse(url, reason)
                continue
            self.reached.add(url)
            known = self.state.page(url) if self.state else None
            if known is None or _hours_since(known.fetched) >= self.config.refetch_hours:
                yield Request(url, callback=self.parse, errback=self.failed, meta={"links": links})
            else:
                self.progress.refused["recent"] += 1
                if links < self.config.depth:
                    todo.extend((one, links + 1) for one in known.links)

    def sitemap_requests(self, urls: Iterable[str], level: int) -> Iterator[Request]:
        """Requests for sitemaps; an index of sitemaps is one too. `level`: how many indexes stand above."""
        for url in urls:
            if self.sitemaps >= SITEMAPS or level > 2:
                return
            if url not in self.reached and not self.rules.refusal(url):
                self.reached.add(url)
                self.sitemaps += 1
                meta = {"sitemap": level, "download_maxsize": SITEMAP_BYTES}
                yield Request(url, callback=self.parse_sitemap, errback=self.failed, meta=meta, priority=10)

    def parse_sitemap(self, response: Response) -> Iterator[Request]:
        """The pages of a sitemap, or the sitemaps of an index."""
        try:
            body = response.body
            if body.startswith(b"\x1f\x8b"):
                body = gunzip(body, max_size=SITEMAP_BYTES)
            sitemap = Sitemap(body)
            places = [entry["loc"] for entry in sitemap if entry.get("loc")]
        except (StopIteration, lxml.etree.LxmlError, OSError, EOFError, zlib.error, ValueError) as error:
            self._fail(response.url, f"sitemap: {type(error).__name__}")
            return
        if sitemap.type == "sitemapindex":
            yield from self.sitemap_requests(places, response.meta["sitemap"] + 1)
            return
        for url in places:
            yield from self.page_requests(url, 0)

    def parse(self, response: Response, **kwargs: Any) -> Iterator[Request]:
        """The links of a page that are not followed yet; of one that has not changed, those that it had."""
        if self.state is None:
            return
        if response.status == 304:
            known = self.state.page(response.url)
            links = list(known.links) if known else []
        else:
            links = self._links(response)
            self.state.link(response.url, links)
        if response.meta["links"] < self.config.depth:
            for url in links:
                yield from self.page_requests(url, response.meta["links"] + 1)

    def _links(self, response: Response) -> list[str]:
        if not isinstance(response, HtmlResponse) or _says_nofollow(response):
            return []
        found = (link.url.partition("#")[0] for link in self.links.extract_links(response) if not link.nofollow)
        return list(dict.fromkeys(found))[:LINKS_A_PAGE]

    def failed(self, failure: Any) -> None:
        """Count what was refused, and what went wrong."""
        error, url = failure.value, failure.request.url
        if isinstance(error, Refused):
            self._refuse(url, error.reason)
        elif isinstance(error, StopDownload) or failure.request.meta.get("unwanted"):
            self._refuse(url, "type")
        elif "NotPublic" in repr(error) or "is not a public address" in str(error):
            self._refuse(url, "private")
        elif isinstance(error, IgnoreRequest) and "HttpError" not in type(error).__name__:
            self._fail(url, str(error))
        else:
            response = getattr(error, "response", None)
            self._fail(url, f"status {response.status}" if response is not None else type(error).__name__)

    def _refuse(self, url: str, reason: str) -> None:
        self.progress.refused[reason] += 1
        self.logger.info("not fetched (%s): %s", reason, url)
        if self.state:
            self.state.refuse(url, reason)

    def _fail(self, url: str, what: str) -> None:
        self.progress.failed += 1
        self.progress.errors[what[:80]] += 1
        if self.state:
            self.state.refuse(url, what[:80])
        self.logger.info("failed (%s): %s", what, url)


def _hours_since(fetched: float) -> float:
    import time

    return (time.time() - fetched) / 3600


def _says_nofollow(response: HtmlResponse) -> bool:
    """Whether a page asks robots not to follow its links, in its head or in a header."""
    said = [value.decode("latin-1") for value in response.headers.getlist("X-Robots-Tag")]
    said += response.xpath("//meta[translate(@name, 'ROBTS', 'robts') = 'robots']/@content").getall()
    return any(word.strip().lower() in ("nofollow", "none") for one in said for word in one.split(","))
