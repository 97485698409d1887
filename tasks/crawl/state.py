"""What a crawler remembers of a folder between crawls: of each page its tag, its record and its links."""

import json
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

STATE = ".crawl.sqlite"
"""Hidden, so that a source of documents that reads the folder passes over it."""

_TABLES = """
create table if not exists pages (
    url text primary key, fetched real not null, status integer not null, etag text, modified text,
    record_id text not null, date text not null, payload text not null, links text not null default '[]'
);
create table if not exists robots (origin text primary key, fetched real not null, status integer, body blob);
create table if not exists refused (url text primary key, reason text not null, at real not null);
"""
MOST_REFUSED = 100_000
"""So many URLs that were not fetched are remembered with the reason; more are only counted."""


@dataclass(frozen=True)
class Known:
    """A page as it was when it was last fetched whole, and when it was last asked for (seconds since 1970).

    `record`: the id, the date and the payload's digest of the record that holds it.
    """

    fetched: float
    status: int
    etag: str | None
    modified: str | None
    record: tuple[str, str, str]
    links: tuple[str, ...]


class State:
    """The state file of a crawl's folder; one process writes it."""

    def __init__(self, folder: Path) -> None:
        self.connection = sqlite3.connect(folder / STATE, isolation_level=None)
        self.connection.execute("pragma journal_mode = wal")
        self.connection.execute("pragma synchronous = normal")  # after a crash of the machine a page is asked for again
        self.connection.executescript(_TABLES)
        (self.refused_before,) = self.connection.execute("select count(*) from refused").fetchone()

    def page(self, url: str) -> Known | None:
        """What is known of a page."""
        row = self.connection.execute(
            "select fetched, status, etag, modified, record_id, date, payload, links from pages where url = ?", (url,)
        ).fetchone()
        if row is None:
            return None
        fetched, status, etag, modified, *record, links = row
        record_id, date, payload = record
        return Known(fetched, status, etag, modified, (record_id, date, payload), tuple(json.loads(links)))

    def put(self, url: str, status: int, etag: str | None, modified: str | None, record: tuple[str, str, str]) -> None:
        """A page was fetched whole. `record`: its id, date and the digest of its payload."""
        self.connection.execute(
            "insert or replace into pages (url, fetched, status, etag, modified, record_id, date, payload) "
            "values (?, ?, ?, ?, ?, ?, ?, ?)",
            (url, time.time(), status, etag, modified, *record),
        )
        self.connection.execute("delete from refused where url = ?", (url,))

    def seen(self, url: str) -> None:
        """A page was asked for, and is as it was."""
        self.connection.execute("update pages set fetched = ? where url = ?", (time.time(), url))

    def link(self, url: str, links: Sequence[str]) -> None:
        """Where a page leads to: followed without reading it again where it has not changed."""
        self.connection.execute("update pages set links = ? where url = ?", (json.dumps(list(links)), url))

    def robots(self, origin: str, status: int | None, body: bytes) -> None:
        """What a host said in its robots.txt, and when."""
        row = (origin, time.time(), status, body)
        self.connection.execute("insert or replace into robots values (?, ?, ?, ?)", row)

    def refuse(self, url: str, reason: str) -> None:
        """A URL was not fetched, and why: a rule of ours or the site's, or what went wrong."""
        if self.refused_before < MOST_REFUSED:
            self.refused_before += 1
            row = (url[:2000], reason, time.time())
            self.connection.execute("insert or replace into refused values (?, ?, ?)", row)
