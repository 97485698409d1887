"""Text files: as they are, and Markdown without its front matter, and saved pages by their main text."""

import re
from pathlib import Path
from typing import Any

import yaml

from tasks.extract.charset import decode_text
from tasks.extract.config import ExtractConfig
from tasks.extract.files.whole import Whole, day, short
from tasks.extract.formats import HTML_SUFFIXES, MARKDOWN_SUFFIXES, TEXT_TYPES, suffix_of
from tasks.extract.page import extract_page
from tasks.extract.payload import Refused, looks_binary
from tasks.extract.reasons import LossReason

MAX_FRONT_MATTER = 64 << 10
"""Characters; a longer head is text."""

_FRONT_MATTER = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)(?:^---|^\.\.\.)[ \t]*(?:\r?\n|\Z)", re.S | re.M)
_HEADING = re.compile(r"^#[ \t]+(.+?)[ \t#]*$", re.M)


def read_text(body: bytes, path: Path, config: ExtractConfig) -> Whole:
    """The text of a plain file. Raises: Refused: bad encoding, or why a page gave none."""
    suffix = suffix_of(path)
    html = suffix in HTML_SUFFIXES
    if not body.strip():
        raise Refused(LossReason.EMPTY_BODY if html else LossReason.NO_TEXT)
    decoded = decode_text(body, None, html)
    if looks_binary(body) and not decoded.charset.startswith("utf-16"):
        raise Refused(LossReason.BAD_ENCODING, "binary")
    if decoded.replaced > config.max_replaced_share * len(decoded.text):
        detail = f"{decoded.replaced} of {len(decoded.text)} characters are not {decoded.charset}"
        raise Refused(LossReason.BAD_ENCODING, detail)
    if html:
        page = extract_page(decoded.text, None, config)
        whole = Whole(page.text, "text/html", page.title, page.author, page.published, extractor=page.extractor)
    elif suffix in MARKDOWN_SUFFIXES:
        whole = _markdown(decoded.text)
    else:
        whole = Whole(decoded.text, TEXT_TYPES.get(suffix, "text/plain"))
    return whole._replace(charset=decoded.charset, charset_from=decoded.charset_from)


def _markdown(text: str) -> Whole:
    """Markdown as it stands, but for its front matter: title, author, date and licence are read from there.

    A head that is no YAML mapping is text. Without a title there the first heading of the first level is one.
    """
    head: dict[str, Any] = {}
    match = _FRONT_MATTER.match(text)
    if match is not None and len(match[1]) <= MAX_FRONT_MATTER:
        try:
            found = yaml.load(match[1], yaml.CSafeLoader)
        except (yaml.YAMLError, ValueError, RecursionError, TypeError):
            found = None  # not YAML after all, or a date that is none
        if isinstance(found, dict):
            head, text = found, text[match.end() :]
    heading = _HEADING.search(text)
    authors = head.get("author") or head.get("authors")
    if isinstance(authors, list):
        authors = ", ".join(one for one in authors if isinstance(one, str))
    return Whole(
        text,
        "text/markdown",
        short(head.get("title")) or (short(heading[1]) if heading else None),
        short(authors),
        day(head.get("date")),
        short(head.get("license") or head.get("licence")),
    )
