"""The canonical form of a URL: two addresses with one form are taken to be one page (`duplicates.url`).

| part | rule |
|---|---|
| scheme | dropped from http and https, which are the same page; any other stays, in lower case |
| user | dropped |
| host | lower case, IDNA's ASCII form, without the dot at its end and without `www.` |
| port | dropped where it is the scheme's own (80, 443) or 0 |
| path | `.` and `..` resolved (RFC 3986, 5.2.4), `/` at its end dropped; its case, `//` and `index.html` stay |
| query | sorted by name (values of one name keep their order), without parameters of tracking and sessions |
| fragment | dropped, but for `#!…`, which names a page of its own |
| escapes | of unreserved characters decoded, others in capitals (RFC 3986, 6.2.2); any sign beside escaped as UTF-8 |

A URL that has no host (`urn:…`, `dns:…`, a path) is its own form as it stands.
"""

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

TRACKING = frozenset(
    {
        *("fbclid", "gclid", "gclsrc", "dclid", "gbraid", "wbraid", "msclkid", "yclid", "ysclid", "twclid", "ttclid"),
        *("igshid", "li_fat_id", "mc_cid", "mc_eid", "mkt_tok", "oly_anon_id", "oly_enc_id", "vero_id", "wickedid"),
        *("_ga", "_gl", "_hsenc", "_hsmi", "__hssc", "__hstc", "__hsfp", "hsctatracking"),
        *("jsessionid", "phpsessid", "aspsessionid", "sessionid"),
    }
)
"""Names of parameters (lower case) that tell of the visitor and not of the page; so do all that begin with `utm_`."""

_PARTS = re.compile(
    r"([a-zA-Z][a-zA-Z0-9+.-]*:)?//"
    r"(?:[^/?#]*@)?(\[[^\]/?#@]*\]|[^/?#:@]*)(?::([0-9]*))?"
    r"(/[^?#]*)?(\?[^#]*)?(#.*)?\Z",
    re.DOTALL,
)
_SESSION = re.compile(r";jsessionid=[^/;?#]*", re.IGNORECASE)
_ESCAPE = re.compile(r"%([0-9a-fA-F]{2})?")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_RAW = re.compile(r"[^\x21-\x7e]+|[\"<>\\^`{|}]")
_DELIMITER = re.compile(r"[/?#@:\[\]]")
_OWN_PORTS = {"http:": "80", "https:": "443", "": ""}
# What most addresses of a crawl are, in RE2: nothing in it needs more than to lose its scheme, `www.` and last slashes.
_PLAIN = r"^https?://[a-z0-9-]+(\.[a-z0-9-]+)*(/[A-Za-z0-9_~,()*!'$&+=:@-][A-Za-z0-9._~,()*!'$&+=:@-]*)*/?$"
_PLAIN_ENDS = r"^https?://(?:www\.)*(.*?)/?$"


def canonical_url(url: str) -> str:
    """The canonical form of a URL (see the module)."""
    url = url.strip()
    match = _PARTS.match(url)
    if match is None or not (host := _host(match.group(2))):
        return url
    scheme, _, port, path, query, fragment = (part or "" for part in match.groups())
    scheme = scheme.lower()
    number = port.lstrip("0")
    if number and number != _OWN_PORTS.get(scheme):
        host = f"{host}:{number}"
    path = _resolve(_SESSION.sub("", _escape(path))).rstrip("/")
    query = _query(query[1:])
    kept = _escape(fragment) if fragment.startswith("#!") else ""
    return f"{'' if scheme in _OWN_PORTS else scheme + '//'}{host}{path}{query}{kept}"


def canonical_urls(urls: pa.Array) -> pa.Array:
    """`canonical_url` of each URL, null where it is null: the common plain ones all at once."""
    plain = pc.call_function("match_substring_regex", [urls], pc.MatchSubstringOptions(_PLAIN))
    cut = pc.call_function("replace_substring_regex", [urls], pc.ReplaceSubstringOptions(_PLAIN_ENDS, r"\1"))
    where = np.flatnonzero(~pc.fill_null(plain, True).to_numpy(zero_copy_only=False))
    by_hand = pa.array([canonical_url(url) for url in urls.take(pa.array(where)).to_pylist()], cut.type)
    place = np.arange(len(urls))
    place[where] = len(urls) + np.arange(len(where))
    return pa.concat_arrays([cut, by_hand]).take(pa.array(place))


def _host(host: str) -> str:
    """The host in its one form; empty where nothing is left of it."""
    host = host.lower()
    if not host.isascii():
        try:
            named = host.encode("idna").decode("ascii")
        except UnicodeError:
            named = host
        # A wide sign has the plain one as its IDNA form, at which the address would be cut anew.
        host = host if _DELIMITER.search(named) else named
    host = _escape(_escape(host).lower()).rstrip(".")  # an escaped capital is small, an escape has capitals
    while host.startswith("www."):
        host = host[4:]
    return host


def _escape(text: str) -> str:
    """Escapes in their one form: those of unreserved characters decoded, what may not stand in a URL escaped."""
    text = _RAW.sub(lambda found: "".join(f"%{byte:02X}" for byte in found.group().encode("utf-8", "replace")), text)
    return _ESCAPE.sub(_normal_escape, text)


def _normal_escape(found: re.Match[str]) -> str:
    """One escape; a `%` that begins none is one itself, lest it make one with what follows."""
    if found.group(1) is None:
        return "%25"
    byte = int(found.group(1), 16)
    return chr(byte) if byte in _UNRESERVED else f"%{byte:02X}"


def _resolve(path: str) -> str:
    """The path without its segments `.` and `..`."""
    if "/." not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments[1:]:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    return "/" + "/".join(kept)


def _query(query: str) -> str:
    pairs = [_escape(pair) for pair in query.split("&") if pair]
    kept = [pair for pair in pairs if not _tracks(pair.partition("=")[0].lower())]
    kept.sort(key=lambda pair: pair.partition("=")[0])
    return f"?{'&'.join(kept)}" if kept else ""


def _tracks(name: str) -> bool:
    return name in TRACKING or name.startswith("utm_")
