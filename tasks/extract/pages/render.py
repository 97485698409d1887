"""From chosen blocks of a page to its text, plain or in Markdown, with the lines of code, tables and lists kept."""

import re
import unicodedata
from collections.abc import Sequence
from html import unescape
from typing import Literal

from tasks.extract.pages import columns
from tasks.extract.pages.layout import Layout
from tasks.extract.pages.vocabulary import NAMES

Output = Literal["text", "markdown"]

_MARKS = {columns.STRONG: "**", columns.EMPHASIS: "*", columns.CODE: "`"}
_ALL_MARKS = re.compile(f"[{''.join(map(chr, _MARKS))}]")
_MARK_BYTES = bytes(_MARKS)
_HEADINGS = {f"h{level}": "#" * level + " " for level in range(1, 7)}
_LISTS = frozenset({"ul", "ol", "menu"})
_CELLS = frozenset({"td", "th"})
_BLANK_LINES = re.compile(r"\n{3,}")
_LINE_END = re.compile(r"[ \t]+\n")


def render(layout: Layout, chosen: Sequence[int], output: Output = "text", tables: bool = True) -> str:
    """The text of the chosen blocks, by their numbers in rising order.

    A block is a line (in Markdown a paragraph); cells of a row stand on one line between bars; an item of a list begins
    with "- " (in Markdown "1. " where the list has an order). `tables` False leaves out what stands in rows.
    """
    wanted = (columns.NODE, columns.START, columns.END, columns.ROW, columns.PREFORMATTED)
    rows = layout.blocks[:, wanted][list(chosen)].tolist()
    pieces: list[str] = []
    before = _Place()
    for node, start, end, row, preformatted in rows:
        if row >= 0 and not tables:
            continue
        place = _Place(layout, node, row, bool(preformatted))
        text = layout.text[start:end]
        if output == "text":
            piece = text.translate(None, _MARK_BYTES).decode("utf-8", "replace")
        else:
            piece = text.decode("utf-8", "replace") if preformatted else _marked(text.decode("utf-8", "replace"))
        piece = piece.rstrip() if preformatted else piece.strip()
        if not piece.strip():
            continue
        if pieces:
            pieces.append(_between(before, place, output))
        pieces.append(_opened(before, place, output) + piece)
        before = place
    if output == "markdown" and before.preformatted:
        pieces.append("\n```")
    text = unescape("".join(pieces))
    text = _BLANK_LINES.sub("\n\n", text) if output == "markdown" and "```" not in text else text
    return tidy(text)


def tidy(text: str) -> str:
    """The text in form NFC, without soft hyphens and spaces at the ends of lines."""
    text = _LINE_END.sub("\n", text.replace("\xad", "").replace("\r", "")).strip("\n")
    return text if text.isascii() or unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)


class _Place:
    """What stands around a block, as far as it decides how it is written."""

    __slots__ = ("cell", "depth", "first", "item", "ordered", "preformatted", "quote", "row", "tag")

    def __init__(self, layout: Layout | None = None, node: int = 0, row: int = -1, preformatted: bool = False) -> None:
        self.row, self.preformatted = row, preformatted
        self.tag, self.cell, self.item, self.depth, self.ordered, self.quote = "", -1, -1, 0, False, False
        if layout is None:
            return
        nodes = layout.nodes
        self.tag = NAMES[nodes[node, columns.NODE_TAG]]
        while node > 0:
            tag = NAMES[nodes[node, columns.NODE_TAG]]
            if tag == "li" and self.item < 0:
                self.item = node
            elif tag in _LISTS:
                if self.depth == 0:
                    self.ordered = tag == "ol"
                self.depth += 1
            elif tag == "blockquote":
                self.quote = True
            elif tag in _CELLS and self.cell < 0:
                self.cell = node
            node = nodes[node, columns.PARENT]


def _between(before: _Place, place: _Place, output: Output) -> str:
    """What separates two blocks."""
    if place.row >= 0 and place.row == before.row and place.tag in _CELLS and before.tag in _CELLS:
        return " | "
    if output == "text":
        return "\n"
    if before.preformatted:
        return "\n" if place.preformatted else "\n```\n\n"
    in_list = place.item >= 0 and before.item >= 0
    in_table = place.tag in _CELLS and before.tag in _CELLS and place.row >= 0
    return "\n" if in_list or in_table else "\n\n"


def _opened(before: _Place, place: _Place, output: Output) -> str:
    """What is written before a block."""
    item = place.item >= 0 and place.item != before.item
    if output == "text":
        return "- " if item and not place.preformatted else ""
    if place.preformatted:
        return "" if before.preformatted else "```\n"
    if place.tag in _HEADINGS:
        return _HEADINGS[place.tag]
    if place.item >= 0:
        indent = "    " * (place.depth - 1)
        return indent + (("1. " if place.ordered else "- ") if item else "    ")
    return "> " if place.quote else ""


def _marked(text: str) -> str:
    """The marks in a block's text as Markdown; each that is not closed is closed at its end."""
    for code, sign in _MARKS.items():
        mark = chr(code)
        if mark not in text:
            continue
        if text.count(mark) % 2:
            text += mark
        text = re.sub(f"{mark}([^{mark}]*){mark}", lambda match, sign=sign: _signed(match.group(1), sign), text)
    return _ALL_MARKS.sub("", text)


def _signed(text: str, sign: str) -> str:
    """A text between signs that stand at its first and last character, or no signs about nothing."""
    bare = text.strip()
    if not _ALL_MARKS.sub("", bare).strip("*` "):
        return text
    start = text.index(bare)
    return f"{text[:start]}{sign}{bare}{sign}{text[start + len(bare) :]}"
