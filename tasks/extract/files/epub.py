"""EPUB: the chapters in the order of its spine, block by block; title, author, date and rights from its package.

Trafilatura looks for the article of a page among navigation and advertisements; a chapter is all article. So its text
is that of its blocks, a block a line, with an empty line between paragraphs. Navigation documents are left out.
"""

import io
import posixpath
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import lxml.etree
import lxml.html
from lxml.etree import _Element as Element

from tasks.extract.charset import decode_text
from tasks.extract.config import ExtractConfig
from tasks.extract.files.whole import Whole, day, short
from tasks.extract.files.zips import open_zip, read_entry
from tasks.extract.page import clean_text
from tasks.extract.payload import Refused
from tasks.extract.reasons import LossReason

MAX_PACKAGE_BYTES = 8 << 20
_BLOCKS = """address article aside blockquote body caption center dd details div dl dt fieldset figcaption figure
footer form h1 h2 h3 h4 h5 h6 header hr html li main ol p pre section summary table tbody td tfoot th thead tr ul"""
_PARAGRAPHS = "blockquote h1 h2 h3 h4 h5 h6 hr p pre section table ul ol dl div"
_SKIPPED = "head script style nav template svg math object iframe"
BLOCKS, PARAGRAPHS, SKIPPED = (frozenset(names.split()) for names in (_BLOCKS, _PARAGRAPHS, _SKIPPED))
_SPACE = re.compile(r"[ \t\r\n\f]+")


def read_epub(body: bytes, path: Path, config: ExtractConfig) -> Whole:
    """The text of a book. Raises: Refused: damaged, encrypted, too large, not parsed, no text."""
    book = open_zip(io.BytesIO(body), config)
    package_name = _package_name(book, config)
    package = _xml(read_entry(book, package_name, MAX_PACKAGE_BYTES, config), "the package file", package_name)
    locked = _locked(book, config)
    chapters: list[str] = []
    left = config.max_bytes
    for name in _spine(package, posixpath.dirname(package_name)):
        if name in locked:
            raise Refused(LossReason.ENCRYPTED, "a chapter")
        content = read_entry(book, name, left, config)
        if content is None:
            continue
        left -= len(content)
        chapters.append(_text(content, config))
    return Whole(
        "\n\n".join(chapter for chapter in chapters if chapter),
        "application/epub+zip",
        _said(package, "title"),
        short(", ".join(filter(None, (short("".join(one.itertext())) for one in _named(package, "creator"))))),
        day(_said(package, "date")),
        _said(package, "rights"),
        extractor="epub",
    )


def _xml(content: bytes | None, what: str, name: str = "") -> Element:
    """An XML file as a tree. No entity is expanded and nothing is fetched."""
    if content is None:
        raise Refused(LossReason.NOT_PARSED, f"{what} is missing")
    parser = lxml.etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, recover=True)
    try:
        root = lxml.etree.fromstring(content, parser)
    except (lxml.etree.LxmlError, ValueError) as error:
        raise Refused(LossReason.NOT_PARSED, f"{what} is no XML") from error
    if root is None:
        raise Refused(LossReason.NOT_PARSED, f"{what} is no XML")
    return root


def _named(root: Element, name: str) -> Iterator[Element]:
    """All elements of this local name, whatever their namespace."""
    return (one for one in root.iter("{*}" + name))


def _said(package: Element, name: str) -> str | None:
    return next((text for one in _named(package, name) if (text := short("".join(one.itertext())))), None)


def _package_name(book: zipfile.ZipFile, config: ExtractConfig) -> str:
    container = _xml(read_entry(book, "META-INF/container.xml", MAX_PACKAGE_BYTES, config), "META-INF/container.xml")
    for root_file in _named(container, "rootfile"):
        if name := root_file.get("full-path"):
            return name
    raise Refused(LossReason.NOT_PARSED, "META-INF/container.xml names no package file")


def _spine(package: Element, folder: str) -> list[str]:
    """Names of the chapters' entries, in the order of reading, each once."""
    items = {item.get("id"): item for item in _named(package, "item")}
    names: dict[str, None] = {}
    for reference in _named(package, "itemref"):
        item = items.get(reference.get("idref"))
        if item is None or "nav" in (item.get("properties") or "").split():
            continue
        if "html" in (item.get("media-type") or "html"):
            names[posixpath.normpath(posixpath.join(folder, unquote(item.get("href") or "")))] = None
    return list(names)


def _locked(book: zipfile.ZipFile, config: ExtractConfig) -> set[str]:
    """Entries that are encrypted, by the book's own list. Fonts often are, which costs no text."""
    content = read_entry(book, "META-INF/encryption.xml", MAX_PACKAGE_BYTES, config)
    if content is None:
        return set()
    references = _named(_xml(content, "META-INF/encryption.xml"), "CipherReference")
    return {unquote(one.get("URI") or "") for one in references}


def _text(content: bytes, config: ExtractConfig) -> str:
    """A chapter's text. Raises: Refused: too many nodes, too deep, not parsed."""
    text = decode_text(content, None, True).text
    if text.count("<") > 2 * config.max_nodes:
        raise Refused(LossReason.TOO_MANY_NODES, f"more than {config.max_nodes} nodes")
    parser = lxml.html.HTMLParser(
        encoding="utf-8", no_network=True, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = lxml.html.document_fromstring(clean_text(text).encode(), parser=parser)
    except (lxml.etree.LxmlError, ValueError):
        return ""  # an empty chapter
    if root.xpath("boolean(" + "/*" * (config.max_depth + 1) + ")"):  # the parser cuts off what lies deeper
        raise Refused(LossReason.TOO_DEEP, f"more than {config.max_depth} elements deep")
    body = root.find("body")
    return block_text(root if body is None else body)


def block_text(root: Element) -> str:
    """The text below an element: a block a line, an empty line between paragraphs, spaces as a browser shows them."""
    lines: list[str] = []
    open_line: list[str] = []

    def end_line(paragraph: bool) -> None:
        line = _SPACE.sub(" ", "".join(open_line)).strip()
        open_line.clear()
        if line:
            lines.append(line)
        if paragraph and lines and lines[-1]:
            lines.append("")

    walk = lxml.etree.iterwalk(root, events=("start", "end"))
    for event, element in walk:
        tag = element.tag
        if tag in BLOCKS:
            end_line(tag in PARAGRAPHS)
        elif tag == "br" and event == "start":
            end_line(False)
        if event == "end":
            open_line.append(element.tail or "" if element is not root else "")
        elif tag == "pre":
            lines += ["".join(element.itertext()).strip("\n").rstrip(), ""]
            walk.skip_subtree()
        elif tag in SKIPPED:
            walk.skip_subtree()
        else:
            open_line.append(element.text or "")
    end_line(False)
    return "\n".join(lines).strip("\n")
