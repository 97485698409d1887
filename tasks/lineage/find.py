"""What a person asks about: a document by its URL or doc_id, a conversation or a question by its id, a lost record."""

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit, urlunsplit

import duckdb

from storage.sql import identifier
from storage.statements import Refused

ID_LENGTH = 32
SHORTEST_PREFIX = 6
MOST_FOUND = 20
PORTS = {"http": ":80", "https": ":443"}
IDS = {"extract": "doc_id", "conversations": "conversation_id", "questions": "question_id"}
"""The views of what is read, each with its ids."""
UNREAD = {"text", "messages", "context", "choices"}
"""Columns of text, which no explanation reads."""


@dataclass(frozen=True)
class Found:
    """A document that was asked for."""

    doc_id: str
    url: str | None
    source: str
    captured: str | None


T = TypeVar("T")


@dataclass(frozen=True)
class Listed(Generic[T]):
    """The first of what was found, and how many there are in all."""

    rows: Sequence[T]
    total: int

    @property
    def left_out(self) -> int:
        """How many are not among `rows`."""
        return self.total - len(self.rows)


def columns_of_views(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """The columns of every view, in their order."""
    rows = connection.execute(
        "select table_name, column_name from information_schema.columns order by table_name, ordinal_position"
    ).fetchall()
    found: dict[str, list[str]] = {}
    for view, name in rows:
        found.setdefault(view, []).append(name)
    return found


def is_id(asked: str) -> bool:
    """Whether this is an id, or the start of one that is long enough to tell few apart."""
    return SHORTEST_PREFIX <= len(asked) <= ID_LENGTH and _hexadecimal(asked)


def _hexadecimal(asked: str) -> bool:
    return all(sign in "0123456789abcdef" for sign in asked)


def find_documents(connection: duckdb.DuckDBPyConnection, asked: str, most: int | None = MOST_FOUND) -> Listed[Found]:
    """The documents of a URL (in any of its `spellings`), a doc_id or the start of one, the newest capture first."""
    by_id = is_id(asked)
    where = "starts_with(doc_id, $asked)" if by_id else "list_contains($urls, url)"
    rows = connection.execute(
        f"""select doc_id, url, source, strftime(capture_date, '%Y-%m-%d %H:%M:%S'), count(*) over ()
        from (select distinct doc_id, url, source, capture_date from extract where {where})
        order by capture_date desc nulls last, doc_id {limited(most)}""",
        {"asked": asked} if by_id else {"urls": spellings(asked)},
    ).fetchall()
    return Listed([Found(*row[:-1]) for row in rows], rows[0][-1] if rows else 0)


def find_records(
    connection: duckdb.DuckDBPyConnection, view: str, columns: Sequence[str], asked: str, most: int | None = MOST_FOUND
) -> Listed[dict[str, Any]]:
    """The rows of `conversations` or `questions` with this id, the start of one, or the id that the row itself has.

    Without their texts, in the order of their ids.
    """
    key = IDS[view]
    names = [name for name in columns if name not in UNREAD]
    where = f"starts_with({key}, $asked) or record_id = $asked" if is_id(asked) else "record_id = $asked"
    rows = connection.execute(
        f"""select {", ".join(map(identifier, names))}, count(*) over () from {identifier(view)} where {where}
        order by {key} {limited(most)}""",
        {"asked": asked},
    ).fetchall()
    return Listed([dict(zip(names, row[:-1], strict=True)) for row in rows], rows[0][-1] if rows else 0)


def limited(most: int | None) -> str:
    """The clause that ends a query after so many rows; None: after all."""
    return "" if most is None else f"limit {most}"


def spellings(url: str) -> list[str]:
    """Ways of writing the same URL: host in lower case, no fragment, no usual port, with and without the last slash,
    http and https."""
    try:
        parts = urlsplit(url if "//" in url else f"https://{url}")
        if not parts.hostname:
            return [url]
    except ValueError:
        return [url]
    host = parts.netloc.lower().removesuffix(PORTS.get(parts.scheme.lower(), ""))
    paths = {parts.path, parts.path.rstrip("/"), parts.path.rstrip("/") + "/"}
    found = {
        urlunsplit((scheme, host, path, parts.query, ""))
        for scheme in {parts.scheme.lower(), "http", "https"}
        for path in paths
    }
    return [url, *sorted(found - {url})]


def not_found(connection: duckdb.DuckDBPyConnection, views: Collection[str], asked: str) -> Refused:
    """That nothing has this URL or id, with what is near."""
    what = f"Nothing that was read has the URL or id {asked!r}"
    read = [view for view in IDS if view in views]
    if not read:
        return Refused(f"{what}: nothing has been read into this lake yet.")
    if _hexadecimal(asked) and len(asked) <= ID_LENGTH:
        if len(asked) < SHORTEST_PREFIX:
            return Refused(f"{what}. Of an id its first {SHORTEST_PREFIX} signs are needed, of its {ID_LENGTH}.")
        near, shared = _nearest_id(connection, read, asked)
        if shared < SHORTEST_PREFIX:
            return Refused(f"{what}. No id begins with {asked[:SHORTEST_PREFIX]}.")
        return Refused(f"{what}. The nearest id is {near}: the first {shared} signs are the same.")
    url = _nearest_url(connection, asked) if "extract" in read else None
    return Refused(f"{what}. The nearest URL is {url}" if url else f"{what}.")


def _nearest_id(connection: duckdb.DuckDBPyConnection, views: Collection[str], asked: str) -> tuple[str, int]:
    """The id that begins as this does for longest, and for how many signs: in the order of ids, it is a neighbour."""
    queries = [
        f"select max({key}) filter ({key} <= $1), min({key}) filter ({key} > $1) from {identifier(view)}"
        for view, key in IDS.items()
        if view in views
    ]
    rows = connection.execute(" union all ".join(queries), [asked]).fetchall()
    near = sorted({one for row in rows for one in row if one is not None})
    return max(((one, _shared(one, asked)) for one in near), key=lambda one: one[1], default=("", 0))


def _shared(one: str, other: str) -> int:
    """With how many of the same signs two texts begin."""
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _nearest_url(connection: duckdb.DuckDBPyConnection, asked: str) -> str | None:
    query = """select url from extract where url is not null
        order by jaro_winkler_similarity(url, $1) desc, url limit 1"""
    row = connection.execute(query, [asked]).fetchone()
    return row[0] if row else None
