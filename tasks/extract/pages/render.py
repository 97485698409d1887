"""From chosen blocks of a page to its text, plain or in Markdown, with the lines of code, tables and lists kept."""

import re
import unicodedata
from collections.abc import Sequence
from html import unescape
from typing import Any, Literal, NamedTuple

import numpy as np
from numba import types

from tasks.extract.pages import columns
from tasks.extract.pages.layout import Layout
from tasks.extract.pages.text import INTS2
from tasks.extract.pages.vocabulary import TAG
from tasks.sign_kernels import compiled

Output = Literal["text", "markdown"]

_MARKS = {columns.STRONG: "**", columns.EMPHASIS: "*", columns.CODE: "`"}
_ALL_MARKS = re.compile(f"[{''.join(map(chr, _MARKS))}]")
_MARK_BYTES = bytes(_MARKS)
_HEADINGS = {TAG[f"h{level}"]: "#" * level + " " for level in range(1, 7)}
_UL, _OL, _MENU, _LI, _QUOTE, _TD, _TH = (TAG[name] for name in ("ul", "ol", "menu", "li", "blockquote", "td", "th"))
_CELLS = frozenset({_TD, _TH})
_BLANK_LINES = re.compile(r"\n{3,}")
_LINE_END = re.compile(r"[ \t]+\n")


def render(layout: Layout, chosen: Sequence[int], output: Output = "text", tables: bool = True) -> str:
    """The text of the chosen blocks, by their numbers in rising order.

    A block is a line (in Markdown a paragraph); cells of a row stand on one line between bars; an item of a list begins
    with "- " (in Markdown "1. " where the list has an order). `tables` False leaves out what stands in rows.
    """
    rows = layout.blocks[np.asarray(chosen, np.int64)]
    places = np.empty((len(rows), len(_Place._fields)), np.int32)
    _find_places(layout.nodes, rows, places)
    pieces: list[str] = []
    before = _NOWHERE
    bounds = rows[:, (columns.START, columns.END)].tolist()
    for place, (start, end) in zip(map(_Place._make, places.tolist()), bounds, strict=True):
        preformatted = place.preformatted
        if place.row >= 0 and not tables:
            continue
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


class _Place(NamedTuple):
    """What stands around a block, as far as it decides how it is written; -1: no such element."""

    tag: int
    row: int
    preformatted: int
    item: int
    depth: int
    ordered: int
    quote: int


_NOWHERE = _Place(0, -1, 0, -1, 0, 0, 0)


@compiled(types.void(INTS2, INTS2, INTS2))
def _find_places(nodes: Any, blocks: Any, places: Any) -> None:
    """The place of each block, in the order of the fields of `_Place`."""
    for block in range(len(blocks)):
        node = blocks[block, columns.NODE]
        places[block, 0] = nodes[node, columns.NODE_TAG]
        places[block, 1] = blocks[block, columns.ROW]
        places[block, 2] = blocks[block, columns.PREFORMATTED]
        item, depth, ordered, quote = -1, 0, 0, 0
        while node > 0:
            tag = nodes[node, columns.NODE_TAG]
            if tag == _LI and item < 0:
                item = node
            elif tag in (_UL, _OL, _MENU):
                if depth == 0:
                    ordered = 1 if tag == _OL else 0
                depth += 1
            elif tag == _QUOTE:
                quote = 1
            node = nodes[node, columns.PARENT]
        places[block, 3] = item
        places[block, 4] = depth
        places[block, 5] = ordered
        places[block, 6] = quote


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
