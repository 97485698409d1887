"""The main text of an HTML page, through trafilatura, as a function of the page alone.

Trafilatura is called in its fast mode: without the second opinions of readability and justext, which take most of its
time. Deduplication
stays off: it keeps a cache for the whole process, so that a page read twice, or after another, would give other text.
Comments are left out. Tables are kept, a row a line with its cells between bars. Formatting and links are not: the text
is plain, in Unicode's form NFC. No metadata is extracted, as it would look for dates up to today's.
"""

import logging
import re
from dataclasses import dataclass

import lxml.etree
import trafilatura
from lxml.html import HtmlElement
from trafilatura.utils import load_html

from tasks.extract.config import ExtractConfig
from tasks.extract.payload import Refused
from tasks.extract.reasons import LossReason

# A page without text is a row of ours; trafilatura's words about it would only be said twice, and quote its address.
logging.getLogger("trafilatura").setLevel(logging.CRITICAL)

TITLE_CHARACTERS = 1000
_SPACE = re.compile(r"\s+")

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


@dataclass(frozen=True, slots=True)
class Page:
    """A page's main text, never empty, and its title, None if it has none."""

    text: str
    title: str | None


def extract_page(html: str, url: str | None = None, config: ExtractConfig | None = None) -> Page:
    """The main text and title of a page. Depends on its arguments alone; opens no connection.

    Arguments:
        url: where the page is from; trafilatura may look at it, nothing is fetched.
    Raises: Refused: too large, too many nodes, too deep, not parsed, no text.
    """
    config = config or ExtractConfig()
    if not html.strip():
        raise Refused(LossReason.EMPTY_BODY)
    # Every "<" can begin a node: a bound that costs nothing, before the parser builds the tree.
    if html.count("<") > 2 * config.max_nodes:
        raise Refused(LossReason.TOO_MANY_NODES, f"more than {config.max_nodes} nodes")
    if len(html) > config.max_bytes:
        raise Refused(LossReason.TOO_LARGE, f"{len(html)} characters")
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
    title = _title(tree)
    try:
        text = trafilatura.extract(
            tree,
            url=url,
            fast=True,
            deduplicate=False,
            include_comments=False,
            include_tables=config.include_tables,
            include_formatting=False,
            include_links=False,
            include_images=False,
            output_format="txt",
            with_metadata=False,
        )
    except _PARSER_ERRORS as error:
        raise Refused(LossReason.NOT_PARSED, type(error).__name__) from error
    text = clean_text(text or "")
    if not text.strip():
        raise Refused(LossReason.NO_TEXT)
    return Page(text, title)


def clean_text(text: str) -> str:
    """The text without what UTF-8 can't carry: lone surrogates become U+FFFD, NUL goes."""
    if text.isascii():
        return text.replace("\0", "") if "\0" in text else text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\0", "")


def _check_tree(tree: HtmlElement, config: ExtractConfig) -> None:
    nodes = int(float(str(tree.xpath("count(//node())"))))
    if nodes > config.max_nodes:
        raise Refused(LossReason.TOO_MANY_NODES, f"{nodes} nodes")
    # A path of so many steps that is found by the parser's own code: asking each element for its ancestors is
    # quadratic.
    if tree.xpath("boolean(" + "/*" * (config.max_depth + 1) + ")"):
        raise Refused(LossReason.TOO_DEEP, f"more than {config.max_depth} elements deep")


def _title(tree: HtmlElement) -> str | None:
    """The first `<title>` outside a picture, else the first `<h1>`, with single spaces."""
    for element in (tree.find(".//head/title"), tree.find(".//title"), tree.find(".//h1")):
        if element is not None:
            title = _SPACE.sub(" ", clean_text("".join(element.itertext()))).strip()
            if title:
                return title[:TITLE_CHARACTERS]
    return None
