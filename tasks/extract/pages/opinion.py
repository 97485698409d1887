"""Which blocks of a page another extractor's text holds."""

import re
from html import unescape

from tasks.extract.pages import columns
from tasks.extract.pages.layout import Layout

SHORT = 30
"""A block of fewer characters, without spaces, must be a whole line or cell: a word stands somewhere in most texts."""

_MARKS = re.compile(f"[{chr(columns.STRONG)}{chr(columns.EMPHASIS)}{chr(columns.CODE)}]")
_SPACE = re.compile(r"\s+")
_BULLET = re.compile(r"^[-|\s•]+|[|\s]+$")


class Held:
    """A text in which blocks are looked for: long ones anywhere, short ones as whole lines or cells."""

    def __init__(self, text: str) -> None:
        self._whole = squeezed(text)
        lines = [part for line in text.split("\n") for part in (line, *line.split("|"))]
        self._lines = {squeezed(_BULLET.sub("", line)) for line in lines}

    def __contains__(self, block: str) -> bool:
        plain = squeezed(block)
        return plain in self._whole if len(plain) >= SHORT else plain in self._lines


def squeezed(text: str) -> str:
    """The text without white space and bars, in which extractors differ."""
    return _SPACE.sub("", text).replace("|", "")


def block_texts(layout: Layout) -> list[str]:
    """The text of each block, without marks."""
    bounds = layout.blocks[:, (columns.START, columns.END)].tolist()
    return [unescape(_MARKS.sub("", layout.text[start:end].decode("utf-8", "replace"))) for start, end in bounds]
