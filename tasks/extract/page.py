"""The main text of an HTML page by the extractor that the recipe names, and what the page declares of itself.

A function of the page alone: no cache of a process, no date of today, no connection. The page is scanned once
(`tasks.extract.pages.layout`), which holds its limits and gives title, author and date whichever the extractor
is; ours work on that scan, trafilatura and resiliparse parse the page for themselves. Comments are left out.
Tables are kept, a row a line with its cells between bars. Text is in Unicode's form NFC.
"""

from dataclasses import dataclass
from datetime import date

from tasks.extract.config import ExtractConfig
from tasks.extract.pages import columns
from tasks.extract.pages.cascade import PROFILES, by_cascade
from tasks.extract.pages.declared import one_line, read_declared
from tasks.extract.pages.layout import Layout, read_layout
from tasks.extract.pages.libraries import MODES, by_resiliparse, by_trafilatura
from tasks.extract.pages.render import render, tidy
from tasks.extract.pages.vocabulary import TAG
from tasks.extract.payload import Refused
from tasks.extract.reasons import LossReason


@dataclass(frozen=True, slots=True)
class Page:
    """A page's main text, never empty, and what it declares, None where it declares nothing.

    Attributes:
        extractor: the name of what gave the text.
    """

    text: str
    title: str | None
    author: str | None = None
    published: date | None = None
    extractor: str | None = None


def extract_page(html: str, url: str | None = None, config: ExtractConfig | None = None) -> Page:
    """The main text of a page and what it declares. Depends on its arguments alone; opens no connection.

    Arguments:
        url: where the page is from; its date and trafilatura may look at it, nothing is fetched.
    Raises: Refused: too large, too many nodes, too deep, not parsed, no text.
    """
    config = config or ExtractConfig()
    if not html.strip():
        raise Refused(LossReason.EMPTY_BODY)
    layout = read_layout(html, config)
    if config.extractor in PROFILES:
        text = by_cascade(layout, html, url, config)
    elif config.extractor in MODES:
        text = by_trafilatura(html, url, config.extractor, config)
    else:
        text = tidy(by_resiliparse(html))
    text = clean_text(text)
    if not text.strip():
        raise Refused(LossReason.NO_TEXT)
    declared = read_declared(layout.elements, url)
    title = _clean(declared.title) or _first_heading(layout)
    return Page(text, title, _clean(declared.author), declared.published, config.extractor)


def clean_text(text: str) -> str:
    """The text without what UTF-8 can't carry: lone surrogates become U+FFFD, NUL goes."""
    if text.isascii():
        return text.replace("\0", "") if "\0" in text else text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\0", "")


def _clean(text: str | None) -> str | None:
    return (clean_text(text) or None) if text else None


def _first_heading(layout: Layout) -> str | None:
    """The page's first `<h1>` with text."""
    tags = layout.nodes[layout.blocks[:, columns.NODE], columns.NODE_TAG]
    for block in (tags == TAG["h1"]).nonzero()[0][:1].tolist():
        return _clean(one_line(render(layout, [block])))
    return None
