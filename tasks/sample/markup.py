"""Markdown and reStructuredText as the bodies of HTML pages: a title, and what stands below it."""

import functools
import re
from collections.abc import Callable
from html import escape, unescape
from typing import Any, ClassVar, NamedTuple

import docutils.core
import docutils.utils
import markdown
from docutils import nodes
from docutils.parsers.rst import Directive, directives, roles, states

Include = Callable[[str], str | None]
"""Gives the text of a file that a page includes, or None."""


class Rendered(NamedTuple):
    """A page's title as text, and its body as HTML."""

    title: str
    body: str


# Markdown.

_HEADING = re.compile(r"^#\s+(.+?)\s*(?:\{.*\})?$", re.M)
_INCLUDED = re.compile(r"^([ \t]*)\{!>?\s*(\S+?)\s*!\}[ \t]*$", re.M)
_TAB = re.compile(r'^([ \t]*)===\s+"(.*)"\s*$')
_INLINE_MARKS = re.compile(r"<[^>]+>|[`*]")


def render_markdown(source: str, include: Include) -> Rendered:
    """A Markdown page of MkDocs: included files put in, tabs one below the other, admonitions, tables, fenced code."""

    def put_in(match: re.Match[str]) -> str:
        text = include(match[2])
        return "" if text is None else "\n".join(match[1] + line for line in text.rstrip().split("\n"))

    heading = _HEADING.search(source)
    text = _unfold_tabs(_INCLUDED.sub(put_in, source))
    body = markdown.markdown(text, extensions=["extra", "admonition", "sane_lists"], output_format="html")
    return Rendered(_INLINE_MARKS.sub("", heading[1]).strip() if heading else "", body)


def _unfold_tabs(text: str) -> str:
    """`=== "Name"` with indented lines becomes the name in bold and the lines, a level further out."""
    lines: list[str] = []
    inside: list[int] = []  # indents of the tabs that are open
    for line in text.split("\n"):
        indent = len(line) - len(line.lstrip())
        while inside and line.strip() and indent <= inside[-1]:
            inside.pop()
        line = line[min(4 * len(inside), indent) :]
        tab = _TAB.match(line)
        if tab:
            lines += ["", f"{tab[1]}**{tab[2]}**", ""]
            inside.append(indent)
        else:
            lines.append(line)
    return "\n".join(lines)


# reStructuredText, with what Sphinx adds to it.


class _AnyOption(dict[str, Callable[[str], Any]]):
    def __missing__(self, name: str) -> Callable[[str], Any]:
        return directives.unchanged


class _Lenient(Directive):
    """A directive that takes any options."""

    optional_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec: ClassVar[dict[str, Callable[[str], Any]] | None] = _AnyOption(name=directives.unchanged)


class _Nothing(_Lenient):
    """What shows nothing on a page."""

    def run(self) -> list[nodes.Node]:
        return []


class _Nested(_Lenient):
    """A block with a heading of its own: the argument in bold, then the content."""

    shows_argument = True

    def run(self) -> list[nodes.Node]:
        block = nodes.container(classes=[self.name.replace(":", "-")])
        if self.arguments and self.shows_argument:
            block += nodes.paragraph("", "", nodes.strong("", self.arguments[0]))
        self.state.nested_parse(self.content, self.content_offset, block)
        return [block]


class _NestedOnly(_Nested):
    """The same without the argument, which is a condition."""

    shows_argument = False


class _Code(_Lenient):
    """A program to be shown."""

    def run(self) -> list[nodes.Node]:
        text = "\n".join(self.content)
        return [nodes.literal_block(text, text)]


class _Contents(_Lenient):
    """A table of contents: a list of links."""

    def run(self) -> list[nodes.Node]:
        items = nodes.bullet_list()
        for line in self.content:
            title, target = _split_target(line.strip())
            if target and not target.startswith(":"):
                link = nodes.reference("", title.rsplit("/", 1)[-1], refuri=f"{target}.html")
                items += nodes.list_item("", nodes.paragraph("", "", link))
        return [items] if len(items) else []


_DIRECTIVES: dict[type[Directive], str] = {
    _Nothing: "index highlight moduleauthor sectionauthor automodule autoclass autofunction plot link todo include "
    "literalinclude currentmodule module py:module py:currentmodule default-role tabularcolumns linkall raw",
    _Nested: "tab seealso envvar centered versionadded versionchanged deprecated function class method attribute data "
    "py:function py:class py:method py:attribute py:data describe",
    _NestedOnly: "only",
    _Code: "jupyter-execute ipython code-block sourcecode prompt",
    _Contents: "toctree",
}
_CODE_ROLES = "meth class mod func data attr exc obj const envvar file c:func py:class py:func py:meth py:mod py:attr"
_ROLES = """ref doc doi issue arxiv sage_root kbd wikipedia mathscinet oeis pari soplex singular scip qepcad ppl
polymake pep passagemathissue meson maxima giac_us giac_cascmd gap_package gap ecl common_lisp cmr term command program
option samp menuselection guilabel trac any download numref eq abbr"""


def _split_target(text: str) -> tuple[str, str]:
    """`Title <target>` as its two parts; a target alone is its own title."""
    match = re.fullmatch(r"(.*?)\s*<([^<>]*)>", text, re.S)
    return (match[1] or match[2], match[2]) if match else (text, text)


def _role(
    name: str, rawtext: str, text: str, lineno: int, inliner: states.Inliner, options: Any = None, content: Any = None
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    """A reference of Sphinx as the words that it shows."""
    shown = _split_target(docutils.utils.unescape(text))[0]
    shown = shown.rsplit(".", 1)[-1] if shown.startswith("~") else shown
    return [nodes.literal(rawtext, shown) if name in _CODE_ROLES.split() else nodes.inline(rawtext, shown)], []


@functools.cache
def _teach_docutils() -> None:
    """Register Sphinx's directives and roles, once a process."""
    for kind, names in _DIRECTIVES.items():
        for name in names.split():
            directives.register_directive(name, kind)
    for name in f"{_CODE_ROLES} {_ROLES}".split():
        roles.register_local_role(name, _role)  # pyright: ignore[reportArgumentType] (the stub knows references only)


_SETTINGS = {
    "report_level": 5,  # mistakes in a page are nobody's business here
    "halt_level": 5,
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "math_output": "LaTeX",  # formulas as they are written: turning them into HTML costs more than all the rest
    "syntax_highlight": "none",
    "embed_stylesheet": False,
    "stylesheet_path": None,
    "input_encoding": "unicode",
    "output_encoding": "unicode",
    "_disable_config": True,
    "smart_quotes": False,
    "doctitle_xform": True,
}


def render_rst(source: str) -> Rendered:
    """A reStructuredText page of Sphinx. What docutils can't make sense of is left out."""
    _teach_docutils()
    parts: dict[str, Any] = {**docutils.core.publish_parts(source, writer="html5", settings_overrides=_SETTINGS)}
    title = unescape(re.sub(r"<[^>]+>", "", parts["title"]))
    heading = f"<h1>{escape(title, quote=False)}</h1>\n" if title else ""
    return Rendered(title, heading + parts["body"])
