"""Trafilatura and resiliparse as functions of the page alone.

Trafilatura's deduplication stays off: it keeps a cache for the whole process, so that a page read twice, or after
another, would give other text. Its metadata is not asked for, as it would look for dates up to today's.
"""

import logging
from typing import Any

import lxml.etree
import trafilatura
from lxml.html import HtmlElement
from resiliparse.extract.html2text import extract_plain_text
from trafilatura.utils import load_html

from tasks.extract.config import ExtractConfig
from tasks.extract.payload import Refused
from tasks.extract.reasons import LossReason

# A page without text is a row of ours; trafilatura's words about it would only be said twice, and quote its address.
logging.getLogger("trafilatura").setLevel(logging.CRITICAL)

MODES: dict[str, dict[str, bool]] = {
    "trafilatura": {},
    "trafilatura-fast": {"fast": True},
    "trafilatura-precision": {"favor_precision": True},
    "trafilatura-recall": {"favor_recall": True},
}
"""Trafilatura's modes by the names of extractors."""

# What trafilatura and lxml have been seen to raise on odd pages. MemoryError and the like are not the page's fault
# and pass through.
_PARSER_ERRORS = (
    lxml.etree.LxmlError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


def by_trafilatura(html: str, url: str | None, mode: str, config: ExtractConfig) -> str:
    """The page's text by a mode of trafilatura; comments, links and pictures are left out.

    Raises: Refused: too deep, too many nodes, not parsed, no element.
    """
    try:
        tree = load_html(html)
        if tree is None:
            # Trafilatura takes a fragment, one element without `<html>` around it, for no page at all.
            tree = load_html(f"<html><body>{html}</body></html>")
    except _PARSER_ERRORS as error:
        raise Refused(LossReason.NOT_PARSED, type(error).__name__) from error
    if tree is None:
        raise Refused(LossReason.NO_TEXT, "no HTML element")
    _check_tree(tree, config)
    markdown = config.output == "markdown"
    options: dict[str, Any] = {
        "deduplicate": False,
        "include_comments": False,
        "include_tables": config.include_tables,
        "include_formatting": markdown,
        "include_links": False,
        "include_images": False,
        "output_format": "markdown" if markdown else "txt",
        "with_metadata": False,
        **MODES[mode],
    }
    try:
        return trafilatura.extract(tree, url=url, **options) or ""
    except _PARSER_ERRORS as error:
        raise Refused(LossReason.NOT_PARSED, type(error).__name__) from error


def by_resiliparse(html: str) -> str:
    """The page's main content by resiliparse, plain text alone."""
    return extract_plain_text(html, main_content=True, alt_texts=False, links=False, comments=False)


def _check_tree(tree: HtmlElement, config: ExtractConfig) -> None:
    """The limits again, on the tree that trafilatura walks: parsers differ in what they make of the same page."""
    nodes = int(float(str(tree.xpath("count(//node())"))))
    if nodes > config.max_nodes:
        raise Refused(LossReason.TOO_MANY_NODES, f"{nodes} nodes")
    # A path of so many steps that is found by the parser's own code: asking each element for its ancestors is
    # quadratic.
    if tree.xpath("boolean(" + "/*" * (config.max_depth + 1) + ")"):
        raise Refused(LossReason.TOO_DEEP, f"more than {config.max_depth} elements deep")
