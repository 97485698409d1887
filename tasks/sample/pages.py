"""The pages of the carriers: HTML as it is shipped, and pages rendered here from Markdown and reStructuredText."""

import posixpath
import re
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from tasks.sample.carriers import Carrier
from tasks.sample.markup import Rendered, render_markdown, render_rst
from tasks.sample.unpack import Member, read_members
from tasks.sample.warcs import RENDERED, SHIPPED, Page, url_of

NEIGHBOURS = 12
"""How many pages of its section a rendered page's navigation shows."""

LANGUAGE_TAGS = {"ptbr": "pt-BR"}
"""Folders of languages that are called otherwise than the language is."""


def shipped_pages(archive: Path, within: str) -> list[Page]:
    """Every HTML file of a package whose path matches the pattern `within`, as it is."""
    pattern = re.compile(within)
    found = read_members(archive, lambda path: path.endswith(".html") and pattern.match(path) is not None)
    return [Page(path.removeprefix("docs/").removeprefix("doc/"), data, SHIPPED) for path, data in found]


def markdown_pages(archive: Path, carrier: Carrier) -> list[Page]:
    """The pages of a MkDocs site: `docs/<language>/docs/**.md`, with the programs that they include."""
    texts = re.compile(r"docs/([^/]+)/docs/(.+)\.md$")
    members = read_members(archive, lambda path: bool(texts.match(path)) or path.startswith("docs_src/"))
    programs = {path: data.decode("utf-8") for path, data in members if path.startswith("docs_src/")}

    def include(path: str) -> str | None:
        return programs.get(path[path.find("docs_src/") :])

    rendered: dict[str, Rendered] = {}
    for path, data in members:
        if match := texts.match(path):
            rendered[f"{match[1]}/{match[2]}.html"] = render_markdown(data.decode("utf-8"), include)
    return list(_framed(rendered, carrier))


def rst_pages(archive: Path, carrier: Carrier, within: str) -> list[Page]:
    """The pages of a Sphinx manual whose path matches the pattern `within`; its groups, joined, are the page's path."""
    pattern = re.compile(within)
    rendered: dict[str, Rendered] = {}
    for member in read_members(archive, lambda path: pattern.match(path) is not None):
        rendered[_path_of(pattern, member)] = render_rst(member.data.decode("utf-8-sig"))
    return list(_framed(rendered, carrier))


def _path_of(pattern: re.Pattern[str], member: Member) -> str:
    match = pattern.match(member.path)
    assert match is not None, "only members that match are read"
    return "/".join(part for part in match.groups() if part) + ".html"


def _framed(rendered: dict[str, Rendered], carrier: Carrier) -> Iterator[Page]:
    """Each page in our frame, with links to its neighbours: those of its folder that stand next to it."""
    sections: dict[str, list[str]] = {}
    for path in sorted(rendered):
        sections.setdefault(posixpath.dirname(path), []).append(path)
    for folder, paths in sorted(sections.items()):
        for number, path in enumerate(paths):
            start = max(0, min(number - NEIGHBOURS // 2, len(paths) - NEIGHBOURS))
            near = [
                (url_of(carrier, one), rendered[one].title or _name(one)) for one in paths[start : start + NEIGHBOURS]
            ]
            folders = [part for part in folder.split("/") if part]
            language = LANGUAGE_TAGS.get(folders[0], folders[0]) if folders else "en"
            body = frame(rendered[path], language, carrier, [*folders, _name(path)], near)
            yield Page(path, body.encode(), RENDERED, "text/html; charset=utf-8")


def _name(path: str) -> str:
    return posixpath.basename(path).removesuffix(".html").replace("_", " ").replace("-", " ")


def frame(
    page: Rendered, language: str, carrier: Carrier, trail: Sequence[str], neighbours: Sequence[tuple[str, str]]
) -> str:
    """A whole HTML page: header, navigation to `neighbours` (address, title), bread crumbs, the body, footer."""
    name, title = escape(carrier.name), escape(page.title or trail[-1])
    links = "\n".join(f'<li><a href="{escape(url)}">{escape(text)}</a></li>' for url, text in neighbours)
    crumbs = " » ".join(escape(step) for step in trail)
    return f"""<!DOCTYPE html>
<html lang="{escape(language)}">
<head>
<meta charset="utf-8">
<title>{title} | {name} {escape(carrier.version)}</title>
<link rel="stylesheet" href="/static/manual.css">
</head>
<body>
<header><a class="logo" href="/">{name}</a>
<form action="/search" role="search"><input name="q" type="search" placeholder="Search the manual"></form></header>
<nav aria-label="Pages"><ul>
{links}
</ul></nav>
<div class="breadcrumbs">{crumbs}</div>
<main><article>
{page.body}
</article></main>
<footer><p>Manual of {name} {escape(carrier.version)}. Licence: {escape(carrier.license)}.
Back to top. Report a mistake on this page.</p></footer>
</body>
</html>
"""
