"""Wikitext as plain text, through mwparserfromhell's parser.

What a reader would read stays: paragraphs, headings on lines of their own, list items after `- ` or their number,
tables a row a line with bars between cells, code and formulas as they stand. Templates go (what they would say stands
in other pages), with references, comments, pictures, categories and links to other languages. A heading under which
nothing is left goes too.
"""

import html
import re
from collections.abc import Iterable

import mwparserfromhell
from mwparserfromhell import nodes, wikicode

MAX_DEPTH = 40
_DROPPED_TAGS = frozenset({"ref", "references", "gallery", "imagemap", "timeline", "score", "graph", "templatestyles"})
_KEPT_AS_IS = frozenset(
    {"code", "syntaxhighlight", "source", "pre", "nowiki", "math", "chem", "ce", "tt", "kbd", "samp"}
)
_BLOCKS = frozenset({"p", "div", "blockquote", "center", "poem", "section", "dl"})
_LANGUAGE_LINK = re.compile(r"[a-z]{2,3}(?:-[a-z-]{2,12})?:\S")
FILES = frozenset({"file", "image", "media", "category"})
"""Names of namespaces whose links are no words. Wikis in other languages have their own besides."""
_MAGIC = re.compile(r"__[A-Z]{3,20}__")
_SPACES = re.compile(r"[ \t\xa0]+")
_INLINE = {"convert": (1, 2), "cvt": (1, 2), "lang": (2,), "nowrap": (1,), "nobr": (1,), "abbr": (1,), "frac": (1, 2)}
_INLINE |= {"transl": (2,), "transliteration": (2,), "mvar": (1,), "math": (1,), "quote": (1,), "blockquote": (1,)}
"""Templates whose argument is a word of the sentence: its position."""


def wikitext_to_text(wikitext: str, include_tables: bool = True, files: frozenset[str] = FILES) -> str:
    """The plain text of a page; empty if nothing is left. Any text is taken: what is no markup stays as it is.

    Args: `files` names, in lower case, of the namespaces of files and categories.
    """
    code = mwparserfromhell.parse(wikitext)
    writer = _Writer(include_tables, files)
    writer.write(code.nodes)
    return _tidy("".join(writer.pieces))


class _Writer:
    """Puts pieces of text together; a heading is a line that begins with a mark which `_tidy` takes away."""

    def __init__(self, include_tables: bool, files: frozenset[str]) -> None:
        self.pieces: list[str] = []
        self._tables = include_tables
        self._files = files
        self._depth = 0

    def write(self, all_nodes: Iterable[nodes.Node]) -> None:
        """The nodes in their order."""
        if self._depth >= MAX_DEPTH:
            return
        self._depth += 1
        for node in all_nodes:
            self._one(node)
        self._depth -= 1

    def inner(self, code: wikicode.Wikicode | None) -> str:
        """The text of a piece of code alone."""
        if code is None:
            return ""
        writer = _Writer(self._tables, self._files)
        writer._depth = self._depth
        writer.write(code.nodes)
        return "".join(writer.pieces)

    def _one(self, node: nodes.Node) -> None:
        match node:
            case nodes.Text():
                self.pieces.append(_MAGIC.sub("", str(node.value)))
            case nodes.Heading():
                title = " ".join(self.inner(node.title).split())
                self.pieces.append(f"\n\n{HEADING}{node.level}{title}\n\n")
            case nodes.Wikilink():
                self._wikilink(node)
            case nodes.ExternalLink():
                if node.title is not None:
                    self.write(node.title.nodes)
                elif not node.brackets:
                    self.pieces.append(str(node.url))
            case nodes.HTMLEntity():
                self.pieces.append(html.unescape(str(node)))
            case nodes.Tag():
                self._tag(node)
            case nodes.Template():
                self._template(node)
            case _:
                return

    def _wikilink(self, node: nodes.Wikilink) -> None:
        target = str(node.title).strip()
        namespace, colon, _ = target.partition(":")
        if colon and namespace.strip().lower() in self._files:
            return
        if node.text is not None:
            self.pieces.append(self.inner(node.text))
        elif not _LANGUAGE_LINK.match(target):
            self.pieces.append(target.lstrip(": ").partition("#")[0])

    def _tag(self, node: nodes.Tag) -> None:
        name = str(node.tag).strip().lower()
        if name in _DROPPED_TAGS:
            return
        if name in ("br", "hr"):
            self.pieces.append("\n")
        elif name == "li" and node.wiki_markup in ("*", "#"):
            if not self.pieces or self.pieces[-1] != "- ":  # of `**` each sign is an item
                self.pieces.append("- ")
        elif name in ("dt", "dd") and node.wiki_markup:
            return
        elif name == "table":
            if self._tables:
                self._table(node)
        elif name in _KEPT_AS_IS:
            content = html.unescape(str(node.contents or ""))
            block = name in ("syntaxhighlight", "source", "pre") and "\n" in content
            self.pieces.append(f"\n{content.strip(chr(10))}\n" if block else content)
        elif node.contents:
            text = self.inner(node.contents)
            self.pieces.append(f"\n{text}\n" if name in _BLOCKS else text)

    def _table(self, node: nodes.Tag) -> None:
        rows: list[list[nodes.Tag]] = [[]]  # the cells before the first row mark are a row
        lines = []
        for row in node.contents.filter_tags(recursive=False) if node.contents else ():
            kind = str(row.tag).strip().lower()
            if kind in ("td", "th"):
                rows[0].append(row)
            elif kind == "caption":
                lines.append(" ".join(self.inner(row.contents).split()))
            elif kind == "tr" and row.contents:
                rows.append(row.contents.filter_tags(recursive=False))
        for cells in rows:
            texts = [" ".join(self.inner(cell.contents).split()) for cell in cells]
            if any(texts):
                lines.append(" | ".join(texts))
        if lines:
            self.pieces.append("\n" + "\n".join(lines) + "\n")

    def _template(self, node: nodes.Template) -> None:
        wanted = _INLINE.get(str(node.name).strip().lower())
        if wanted is None:
            return
        words = [self.inner(node.get(str(number)).value).strip() for number in wanted if node.has(str(number))]
        self.pieces.append(" ".join(words))


HEADING = "\0"


def _tidy(text: str) -> str:
    """Lines without blanks at their ends, one empty line at most, no heading without text under it."""
    lines: list[str] = []
    for line in text.split("\n"):
        line = line.rstrip() if line.startswith(("  ", "\t")) else _SPACES.sub(" ", line).strip()
        if line in ("-", "|", "*", ":", ";") or (not line and (not lines or not lines[-1])):
            continue
        lines.append(line)
    kept: list[str] = []
    headings: list[str] = []
    for line in lines:
        if line.startswith(HEADING):
            level = line[1:2]
            headings = [one for one in headings if one[1:2] < level] + [line]
        elif line:
            for heading in headings:
                kept += [heading[2:], ""]
            headings = []
            kept.append(line)
        elif kept and kept[-1]:
            kept.append("")
    return "\n".join(kept).strip("\n").replace(HEADING, "")
