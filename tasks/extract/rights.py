"""What a page, or its server, states of rights: a licence, directives for robots, the reservation of text mining.

Licences are looked for where they are declared for the page: `rel=license`, `itemprop=license`, JSON-LD that is about
no picture, `dc.rights` and the like. An `<a>` to a Creative Commons licence without any of these is a `link`: it may be
about a picture, so it counts only where nothing else is stated. So does a declaration inside a figure, a quotation, an
aside, or what says itself that it is about another work. Of several declarations of one kind the first counts.

A page is searched with a few quick tests and expressions, not parsed, in time that is linear in its length.
"""

import html as entities
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tasks.extract import licenses

HEAD_CHARACTERS = 1 << 20
MAX_DIRECTIVES = 64
MAX_ELEMENTS = 500
"""Elements that are looked at of a kind: no page is worth more, and time stays linear whatever it holds."""
ELEMENT_CHARACTERS = 4000
SCOPE_CHARACTERS = 1 << 14
"""How far back is looked for what an element lies in."""
_PART_TAGS = ("figure", "blockquote", "aside")
_ENDS = ("</div", "</p>", "</span", "</section", "</article")
_NO_MARKUP = ("script", "style", "template", "textarea")
_ABOUT = re.compile(r"<(?:div|p|span|section|article)\b[^>]*\babout\s*=\s*[\"']?[^\"'\s>]")
_ITEM_TYPE = re.compile(r"itemtype\s*=\s*[\"']?[^\"'\s>]*?(\w+)(?=[\"'\s>])")
_ATTRIBUTE = re.compile(r"([a-zA-Z:._-]+)\s*=\s*(\"[^\"]*\"|'[^']*'|[^\s\"'>]+)")
_META = re.compile(r"<meta\b", re.IGNORECASE)
_TAG_END = re.compile(r"(?:[^>\"']++|\"[^\"]*+\"|'[^']*+')*+>")
_NAMED = re.compile(r"licen[sc]e", re.IGNORECASE)
_TAG_NAME = re.compile(r"<(?:a|link|area|span|div|meta|p|footer)\b", re.IGNORECASE)
_HEAD_END = re.compile(r"</head\b|<body\b", re.IGNORECASE)
_ROBOTS_HEADER = re.compile(
    rb"^(x-robots-tag|tdm-reservation|tdm-policy)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE
)
_DIRECTIVE = re.compile(r"[a-z][a-z_-]{1,30}(?::[a-z0-9_-]{1,30})?\Z")
_VALUED = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})
_OPT_OUTS = frozenset({"noindex", "nofollow", "none", "noai", "noimageai", "noarchive", "nocache", "nosnippet"})
_AGENT = re.compile(r"\s*([\w.+-]{2,40})\s*:\s*(.*)\Z", re.DOTALL)
_ROBOT_NAMES = re.compile(r"(robots|[\w-]*bot(?:-[\w-]+)?|slurp|teoma|anthropic-ai|google-extended|[\w-]*crawler)\Z")
_RIGHTS_NAMES = frozenset(
    {
        "dc.rights",
        "dc.rights.license",
        "dcterms.rights",
        "dcterms.license",
        "dc.license",
        "dc:rights",
        "dcterms:license",
    }
    | {"license", "licence", "copyright-license", "rights", "og:license", "citation_license"}
)
_PARTS = frozenset(
    {"imageobject", "videoobject", "audioobject", "mediaobject", "photograph", "logo", "softwareapplication"}
)


class Rights(NamedTuple):
    """What is stated; None where nothing is. `linked`: the licence of a bare link, which may be about a part alone."""

    license: str | None = None
    linked: str | None = None
    robots: list[str] | None = None
    tdm_reservation: bool | None = None
    tdm_policy: str | None = None

    @property
    def license_from(self) -> str | None:
        """Who names the licence: `page`, or a mere `link`."""
        return "page" if self.license else "link" if self.linked else None


def page_rights(html: str | None, head: bytes = b"") -> Rights:
    """What a page and its response state.

    Args: `html` the decoded page, None for what is no HTML; `head` the lines of the HTTP header.
    """
    metas = dict_of_metas(html) if html is not None else {}
    headers = _headers(head)
    late = _metas_of_body(html) if html is not None else {}
    for name in late:
        if name == "tdm-reservation" or _ROBOT_NAMES.match(name):
            metas.setdefault(name, []).extend(late[name])
    license, linked = _licenses(html, metas) if html is not None else (None, None)
    stated = (*headers.get("tdm-reservation", ()), *metas.get("tdm-reservation", ()))
    reserved = [piece.strip() for value in stated for piece in value.split(",")]
    policies = [*headers.get("tdm-policy", ()), *metas.get("tdm-policy", ())]
    policy = next((one.strip() for one in policies if 0 < len(one.strip()) <= licenses.MAX_ADDRESS), None)
    return Rights(license, linked, _directives(headers.get("x-robots-tag", ()), metas), _reservation(reserved), policy)


def dict_of_metas(html: str) -> dict[str, list[str]]:
    """Contents of the `<meta>` elements of a page's head by their name or property, lower case, in their order."""
    return _metas(_without_comments(html[: _end_of_head(html)]))


def _end_of_head(html: str) -> int:
    end = _HEAD_END.search(html, 0, HEAD_CHARACTERS)
    return end.start() if end else min(len(html), 1 << 16)


def _metas_of_body(html: str) -> dict[str, list[str]]:
    """The same of the body. Browsers and robots take them there too; here they matter for opt-outs alone."""
    end = _end_of_head(html)
    if html.find("<meta", end) < 0 and html.find("<META", end) < 0:
        return {}
    return _metas(_without_comments(html[end:]))


def _metas(html: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for start in itertools.islice(_META.finditer(html), MAX_ELEMENTS):
        tag = _TAG_END.match(html, start.end(), start.end() + ELEMENT_CHARACTERS)
        attributes = _attributes(tag.group()) if tag else {}
        name = attributes.get("name") or attributes.get("property") or attributes.get("http-equiv") or ""
        if "content" in attributes and (name := name.strip().lower()):
            found.setdefault(name, []).append(attributes["content"])
    return found


def _without_comments(html: str) -> str:
    pieces, at = [], 0
    while (start := html.find("<!--", at)) >= 0 and (stop := html.find("-->", start + 4)) >= 0:
        pieces.append(html[at:start])
        at = stop + 3
    return "".join([*pieces, html[at:]]) if pieces else html


def _attributes(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in _ATTRIBUTE.findall(text):
        value = value[1:-1] if value[:1] in "\"'" else value
        found.setdefault(name.lower(), entities.unescape(value) if "&" in value else value)
    return found


def _headers(head: bytes) -> dict[str, list[str]]:
    """Values of the headers that matter, of each all of them."""
    if b"-" not in head or not re.search(rb"x-robots-tag|tdm-", head, re.IGNORECASE):
        return {}
    found: dict[str, list[str]] = {}
    for name, value in _ROBOTS_HEADER.findall(head):
        found.setdefault(name.decode("ascii").lower(), []).append(value.decode("utf-8", "replace"))
    return found


def _reservation(values: Sequence[str]) -> bool | None:
    """TDMRep: 1 is reserved, 0 is not; where header and page differ, reserved."""
    known = {value for value in values if value in ("0", "1")}
    return "1" in known if known else None


def _directives(headers: Sequence[str], metas: Mapping[str, Sequence[str]]) -> list[str] | None:
    found: set[str] = set()
    for value in headers:
        found.update(_split(value, None))
    for name, values in metas.items():
        if _ROBOT_NAMES.match(name):
            for value in values:
                found.update(_split(value, None if name == "robots" else name))
    return sorted(found)[:MAX_DIRECTIVES] or None


def _split(value: str, agent: str | None) -> Iterator[str]:
    """The directives of one value: `noai`, `max-snippet:20`, for one robot `ccbot:noindex`."""
    value = value.strip().lower()
    if agent is None and (match := _AGENT.match(value)) and match.group(1) not in _VALUED:
        agent, value = match.group(1), match.group(2)
    for piece in value.split(","):
        word = re.sub(r"\s*:\s*", ":", piece.strip())
        if word.startswith("unavailable_after"):
            word = "unavailable_after"
        elif agent is None and (match := _AGENT.match(word)) and match.group(1) not in _VALUED:
            agent, word = match.group(1), match.group(2)  # several headers that a proxy joined to one
        # `noindex nofollow`, without a comma, is no directive; what in it is an opt-out is meant
        words = [word] if _DIRECTIVE.match(word) else [one for one in word.split() if one in _OPT_OUTS]
        yield from words if agent is None else (f"{agent}:{one}" for one in words)


def _licenses(html: str, metas: Mapping[str, Sequence[str]]) -> tuple[str | None, str | None]:
    """The licence that is declared for the page, and the one that is merely linked to."""
    creative = "creativecommons.org" in html
    declared = part = None
    if creative or "icense" in html or "icence" in html or "ICENSE" in html:
        clean = _without_comments(html)
        declared, part = _in_elements(clean)
        declared = declared or _in_json(clean)
    declared = declared or next(
        (
            found
            for name in metas
            if name in _RIGHTS_NAMES
            for value in metas[name]
            if (found := licenses.declared(value))
        ),
        None,
    )
    linked = part
    if declared is None and linked is None and creative:
        linked = _linked(html)
    return declared, linked


def _in_elements(html: str) -> tuple[str | None, str | None]:
    """The licence that an element declares for the page, and, where none does, one for a part of it."""
    part = None
    for place, start, tag in _elements(html, _NAMED.finditer(html)):
        attributes = _attributes(tag)
        relations = f"{attributes.get('rel', '')} {attributes.get('itemprop', '')} {attributes.get('property', '')}"
        words = {word.rpartition(":")[2] for word in relations.lower().split()}
        if words & {"license", "licence"} and not (start.lower() == "<meta" and "name" in attributes):
            value = attributes.get("href") or attributes.get("content") or attributes.get("resource") or ""
            if found := licenses.declared(value):
                if not attributes.get("about") and not _is_of_a_part(html, place):
                    return found, None
                part = part or found
    return None, part


def _is_of_a_part(html: str, place: int) -> bool:
    """Whether what begins at `place` lies in a figure or a quotation, or in an element that is about another work."""
    before = html[max(0, place - SCOPE_CHARACTERS) : place].lower()
    if any(before.rfind(f"<{tag}") > before.rfind(f"</{tag}") for tag in _PART_TAGS):
        return True
    scope = before[max(before.rfind(tag) for tag in _ENDS) + 1 :]
    kinds = _ITEM_TYPE.findall(scope)
    return bool(_ABOUT.search(scope)) or (bool(kinds) and kinds[-1] in _PARTS)


def _linked(html: str) -> str | None:
    for _, start, tag in _elements(html, re.finditer(r"creativecommons\.org/", html)):
        if start.lower() == "<a" and (found := licenses.of_address(_attributes(tag).get("href", ""))):
            return found
    return None


def _elements(html: str, words: Iterator[re.Match[str]]) -> Iterator[tuple[int, str, str]]:
    """The tags in which the words stand: their place, `<a`, and what follows up to the tag's end. None of a script."""
    last = -1
    for word in itertools.islice(words, MAX_ELEMENTS):
        start = html.rfind("<", max(0, word.start() - ELEMENT_CHARACTERS), word.start())
        if start <= last or html.find(">", start, word.start()) >= 0:
            continue
        last = start
        name = _TAG_NAME.match(html, start)
        end = html.find(">", word.end(), word.end() + ELEMENT_CHARACTERS)
        if name and end >= 0 and not _is_in_a_script(html, start):
            yield start, name.group(), html[name.end() : end]


def _is_in_a_script(html: str, place: int) -> bool:
    before = html[max(0, place - SCOPE_CHARACTERS) : place].lower()
    return any(before.rfind(f"<{tag}") > before.rfind(f"</{tag}") for tag in _NO_MARKUP)


def _in_json(html: str) -> str | None:
    for script in _scripts(html):
        if "license" not in script:
            continue
        try:
            content = json.loads(script)
        except (ValueError, RecursionError):
            continue
        for one in _things(content):
            if found := _license_of(one.get("license")):
                return found
    return None


def _scripts(html: str) -> Iterator[str]:
    """What stands in the page's JSON-LD scripts."""
    at = 0
    for _ in range(MAX_ELEMENTS):
        named = html.find("ld+json", at)
        begin = html.find(">", named) + 1 if named >= 0 else 0
        end = html.find("</script", begin) if begin else -1
        if end < 0:
            return
        yield html[begin:end]
        at = end


def _things(content: Any) -> Iterator[dict[str, Any]]:
    """The things that JSON-LD is about, without pictures, sounds and films."""
    waiting = content if isinstance(content, list) else [content]
    for one in waiting:
        if not isinstance(one, dict):
            continue
        kinds = one.get("@type")
        names = {str(kind).lower() for kind in (kinds if isinstance(kinds, list) else [kinds])}
        if not names & _PARTS:
            yield one
        graph = one.get("@graph")
        if isinstance(graph, list):
            yield from _things([inner for inner in graph if isinstance(inner, dict) and "@graph" not in inner])
        if isinstance(one.get("mainEntity"), dict):
            yield one["mainEntity"]


def _license_of(value: Any) -> str | None:
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, dict):
            one = one.get("@id") or one.get("url") or one.get("name")
        if isinstance(one, str) and (found := licenses.declared(one)):
            return found
    return None
