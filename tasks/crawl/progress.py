"""What a crawl's process tells the one that started it: a line of JSON now and then, and one at the end."""

import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

EVERY = 0.5
"""Seconds between two lines."""


@dataclass
class Progress:
    """Counts of a crawl."""

    asked: int = 0
    pages: int = 0
    unchanged: int = 0
    failed: int = 0
    bytes: int = 0
    queued: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    ended_by: str = "done"
    files: list[str] = field(default_factory=list)
    said: float = field(default_factory=time.monotonic)

    def tell(self, crawler: Any = None) -> None:
        """Say the counts, if the last time is some time ago."""
        if time.monotonic() - self.said < EVERY:
            return
        self.said = time.monotonic()
        scheduler = getattr(getattr(crawler.engine, "_slot", None), "scheduler", None) if crawler else None
        self.queued = (len(scheduler) + len(crawler.engine.downloader.active)) if scheduler else 0
        self._say("progress", asked=self.asked, pages=self.pages, queued=self.queued, failed=self.failed)

    def would(self, url: str) -> None:
        """Say what would be fetched."""
        self._say("would", url=url)

    def end(self, crawler: Any, reason: str) -> None:
        """Let the crawl end, for this reason unless it has one already."""
        if self.ended_by != "done":
            return
        self.ended_by = reason
        from scrapy.utils.defer import _schedule_coro

        _schedule_coro(crawler.engine.close_spider_async(reason=reason))

    def summary(self) -> None:
        """Say everything, as the last line."""
        counts = {name: getattr(self, name) for name in ("pages", "unchanged", "failed", "bytes", "ended_by", "files")}
        self._say("summary", **counts, refused=dict(self.refused), errors=dict(self.errors))

    def _say(self, kind: str, **more: Any) -> None:
        sys.stdout.write(json.dumps({"kind": kind, **more}) + "\n")
        sys.stdout.flush()
