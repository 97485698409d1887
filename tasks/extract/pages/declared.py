"""What a page declares of itself: title, author, the day it was published. From its elements alone, nothing is fetched.

A day must be of the years 1990 to 2099 to be believed; today's date is not looked at.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from html import unescape
from typing import Any

from tasks.extract.pages.layout import Element

LONGEST = 1000
"""Characters of a title or author that are kept."""
DEEPEST = 8
"""How deep JSON-LD is looked into."""

_SPACE = re.compile(r"\s+")
_DAY = re.compile(r"(?<!\d)(19[9]\d|20\d\d)[-/.](0?[1-9]|1[0-2])[-/.](0?[1-9]|[12]\d|3[01])(?!\d)")
_COMPACT = re.compile(r"(?<!\d)(199\d|20\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?!\d)")
_REVERSED = re.compile(r"(?<!\d)(0?[1-9]|[12]\d|3[01])\.(0?[1-9]|1[0-2])\.(199\d|20\d\d)(?!\d)")
_IN_URL = re.compile(r"/(199\d|20\d\d)/(0[1-9]|1[0-2])/(0[1-9]|[12]\d|3[01])(?=/|$)")

_AUTHOR_NAMES = (
    "author",
    "article:author",
    "dc.creator",
    "dc.creator.personalname",
    "dcterms.creator",
    "citation_author",
    "parsely-author",
    "sailthru.author",
    "byl",
    "og:article:author",
    "creator",
    "twitter:creator",
)
_DATE_NAMES = (
    "article:published_time",
    "og:article:published_time",
    "article:published",
    "datepublished",
    "dc.date.issued",
    "dcterms.issued",
    "dc.date.created",
    "dcterms.created",
    "citation_publication_date",
    "citation_date",
    "parsely-pub-date",
    "sailthru.date",
    "pubdate",
    "publishdate",
    "publish-date",
    "publish_date",
    "published_time",
    "publication_date",
    "cxenseparse:recs:publishtime",
    "dc.date",
    "dcterms.date",
    "og:published_time",
    "article.published",
    "displaydate",
    "date",
    "datecreated",
    "created",
)
_PAGES = ("article", "posting", "report", "webpage", "review", "recipe", "creativework", "videoobject")


@dataclass(frozen=True, slots=True)
class Declared:
    """What a page says of itself.

    Attributes:
        title: `<title>`, else None (its first heading may stand in).
        author: names, several with "; " between.
        published: the day that it states for its publication.
    """

    title: str | None
    author: str | None
    published: date | None


def read_declared(elements: tuple[Element, ...], url: str | None = None) -> Declared:
    """What these elements declare; the day may also stand in the address."""
    metas: dict[str, list[str]] = {}
    for element in elements:
        if element.tag == "meta" and (content := element.attributes.get("content")):
            for key in ("name", "property", "itemprop"):
                if name := element.attributes.get(key):
                    metas.setdefault(name.lower(), []).append(content)
    things = list(_things(elements))
    return Declared(_title(elements), _author(metas, things), _published(metas, things, elements, url))


def one_line(text: str) -> str | None:
    """With single spaces, cut where it is too long; None where nothing is left."""
    return _SPACE.sub(" ", unescape(text)).strip()[:LONGEST] or None


def _title(elements: Sequence[Element]) -> str | None:
    titles = [element for element in elements if element.tag == "title"]
    for element in sorted(titles, key=lambda element: element.aside):
        if title := one_line(element.text):
            return title
    return None


def _things(elements: Sequence[Element]) -> Iterator[dict[str, Any]]:
    """The objects of JSON-LD that describe a page, in its order."""
    for element in elements:
        if element.tag != "script":
            continue
        try:
            data = json.loads(element.text.strip().removeprefix("<!--").removesuffix("-->"), strict=False)
        except (ValueError, RecursionError):
            continue
        yield from _pages(data, 0)


def _pages(data: Any, depth: int) -> Iterator[dict[str, Any]]:
    if depth > DEEPEST:
        return
    if isinstance(data, list):
        for item in data[:200]:
            yield from _pages(item, depth + 1)
    elif isinstance(data, dict):
        kinds = data.get("@type")
        kinds = kinds if isinstance(kinds, list) else [kinds]
        if any(isinstance(kind, str) and kind.lower().endswith(_PAGES) for kind in kinds):
            yield data
        for key in ("@graph", "mainEntity", "mainEntityOfPage"):
            yield from _pages(data.get(key), depth + 1)


def _author(metas: dict[str, list[str]], things: list[dict[str, Any]]) -> str | None:
    for thing in things:
        if names := _names(thing.get("author")):
            return one_line("; ".join(names))
    for key in _AUTHOR_NAMES:
        names = [name for value in metas.get(key, []) if (name := one_line(value)) and _is_name(name)]
        if names:
            return one_line("; ".join(dict.fromkeys(names)))
    return None


def _names(value: Any) -> list[str]:
    if isinstance(value, dict):
        value = value.get("name")
    if isinstance(value, list):
        return list(dict.fromkeys(name for item in value[:50] for name in _names(item)))
    if isinstance(value, str) and (name := one_line(value)) and _is_name(name):
        return [name]
    return []


def _is_name(text: str) -> bool:
    return "://" not in text and not text.startswith(("@", "/", "www.")) and len(text) <= 200


def _published(
    metas: dict[str, list[str]], things: list[dict[str, Any]], elements: Sequence[Element], url: str | None
) -> date | None:
    for thing in things:
        for key in ("datePublished", "uploadDate", "dateCreated"):
            if isinstance(thing.get(key), str) and (day := day_of(thing[key])):
                return day
    for key in _DATE_NAMES:
        for value in metas.get(key, []):
            if day := day_of(value):
                return day
    times = [element for element in elements if element.tag == "time" and "datetime" in element.attributes]
    for element in sorted(times, key=lambda element: not _is_publication(element)):
        if day := day_of(element.attributes["datetime"]):
            return day
    return day_of_url(url)


def _is_publication(element: Element) -> bool:
    about = element.attributes.get("itemprop", "") + element.attributes.get("class", "")
    return "pubdate" in element.attributes or "publish" in about.lower()


def day_of(text: str) -> date | None:
    """The day in a date such as 2024-05-03T10:00:00Z, 2024/5/3, 20240503, 3.5.2024; None if there is none."""
    text = text[:100]
    if match := _DAY.search(text) or _COMPACT.search(text):
        year, month, day = map(int, match.groups())
    elif match := _REVERSED.search(text):
        day, month, year = map(int, match.groups())
    else:
        return None
    try:
        return date(year, month, day)
    except ValueError:
        return None


def day_of_url(url: str | None) -> date | None:
    """The day in an address such as https://example.org/2024/05/03/title."""
    if url and (match := _IN_URL.search(url)):
        try:
            return date(*map(int, match.groups()))
        except ValueError:
            return None
    return None
