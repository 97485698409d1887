"""Wikipedia's XML dumps (`*-pages-articles.xml.bz2`, multistream too): an article a document.

- Place: the bytes from `<page>` to the next one, in the `file` if it is not packed, else in the `stream` it decodes
  to. What stands before the first page (the site's name and its namespaces) is a loss.
- Pages outside the main namespace, redirects, and what is no wikitext (style sheets, data) are losses.
- `published` is the day of the revision, `url` the page's address, by the address of the site at the head of the dump.
- The dump states no licence: the recipe does (CC-BY-SA-4.0; of dumps before June 2023 CC-BY-SA-3.0).
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from lxml.etree import _Element

from tasks.extract.config import ExtractConfig
from tasks.extract.documents import parse_date
from tasks.extract.dumps.streams import (
    Element,
    Gap,
    Guard,
    Place,
    Row,
    decoded,
    document,
    elements,
    guarded,
    loss,
    parse_element,
    space_of,
)
from tasks.extract.dumps.wikitext import FILES, wikitext_to_text
from tasks.extract.page import clean_text
from tasks.extract.payload import Refused
from tasks.extract.reasons import LossReason
from tasks.extract.warc.members import Data

BEGIN, END = b"<page>", b"</page>"
WIKITEXT = frozenset({"wikitext", ""})
_FILES = re.compile(rb'<namespace key="(?:-2|6|14)"[^>]*>([^<]{1,100})</namespace>')
_BASE = re.compile(rb"<base>([^<]{1,500})</base>")


def read_wikipedia(
    path: Path, name: str, config: ExtractConfig, guard: Guard, beside: Path | None = None
) -> Iterator[Row]:
    """The pages of a dump. Raises: OSError if it can't be opened."""
    if not path.stat().st_size:
        yield loss(Place("file", 0, 0), LossReason.EMPTY_FILE, "the file has no bytes")
        return
    space, site = space_of(path), _read_head(path)
    for one in elements(path, BEGIN, END, 3 * config.max_bytes):
        place = Place(space, one.offset, one.length)
        if isinstance(one, Gap):
            yield loss(place, one.reason, one.detail)
        else:
            yield guarded(guard, place, _read_page, one, place, site, config)


class _Site(NamedTuple):
    """What the head of a dump says: where its pages stand (`https://en.wikipedia.org/wiki/`), and what it calls its
    namespaces of files and categories.
    """

    address: str | None
    files: frozenset[str]


def _read_head(path: Path) -> _Site:
    head = b""
    for event in decoded(path):
        if isinstance(event, Data):
            head += event.data[: 1 << 16]
        if len(head) >= 1 << 16 or BEGIN in head:
            break
    match = _BASE.search(head)
    address = match.group(1).decode("utf-8", "replace").rpartition("/")[0] + "/" if match else None
    names = (name.decode("utf-8", "replace").strip().lower() for name in _FILES.findall(head))
    return _Site(address, FILES.union(names))


def _read_page(one: Element, place: Place, site: _Site, config: ExtractConfig) -> Row:
    if one.data is None:
        return loss(place, LossReason.TOO_LARGE, f"{one.length} bytes")
    if not one.closed:
        return loss(place, LossReason.TRUNCATED, "the page has no end")
    try:
        page = parse_element(one.data)
    except Refused as refused:
        return loss(place, refused.reason, refused.detail)
    title = _text(page, "title") or None
    url = site.address + quote(title.replace(" ", "_"), safe="/:@!$*(),;'~") if site.address and title else None
    if (namespace := _text(page, "ns")) not in ("0", ""):
        return loss(place, LossReason.NAMESPACE, namespace[:20], url)
    if page.find("redirect") is not None:
        return loss(place, LossReason.REDIRECT, "to another page", url)
    revisions = page.findall("revision")
    if not revisions:
        return loss(place, LossReason.EMPTY_BODY, "no revision", url)
    revision = revisions[-1]
    if (model := _text(revision, "model")) not in WIKITEXT:
        return loss(place, LossReason.MEDIA_TYPE, model[:60], url)
    wikitext = clean_text(_text(revision, "text"))
    if not wikitext.strip():
        return loss(place, LossReason.EMPTY_BODY, "", url)
    if len(wikitext) > config.max_bytes:
        return loss(place, LossReason.TOO_LARGE, f"{len(wikitext)} characters", url)
    if re.match(r"\s*#redirect\b", wikitext, re.IGNORECASE):
        return loss(place, LossReason.REDIRECT, "to another page", url)
    text = wikitext_to_text(wikitext, config.include_tables, site.files)
    if not text.strip():
        return loss(place, LossReason.NO_TEXT, "", url)
    moment = parse_date(_text(revision, "timestamp"))
    return document(
        place,
        text,
        record_id=_text(page, "id") or None,
        url=url,
        content_type="text/x-wiki",
        title=title,
        published=moment.date() if moment else None,
        extractor="wikitext",
    )


def _text(parent: _Element, name: str) -> str:
    found = parent.find(name)
    return "" if found is None else found.text or ""
