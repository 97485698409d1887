"""What the parts of one crawl share, as they find it in Scrapy's settings."""

from dataclasses import dataclass
from typing import Any

from scrapy.crawler import Crawler

from tasks.crawl.archive import Archive
from tasks.crawl.config import CrawlConfig
from tasks.crawl.progress import Progress
from tasks.crawl.state import State

KEY = "GRISTMILL_SESSION"


@dataclass(frozen=True)
class Session:
    """One crawl. Without a state and an archive it is a rehearsal: robots.txt and sitemaps alone are fetched."""

    config: CrawlConfig
    progress: Progress
    state: State | None = None
    archive: Archive | None = None

    def __deepcopy__(self, memo: Any) -> "Session":
        """Itself: Scrapy copies its settings, and an open file has no copy."""
        return self


def session_of(crawler: Crawler) -> Session:
    """The session that a part of Scrapy works for."""
    return crawler.settings[KEY]
