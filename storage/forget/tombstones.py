"""Tombstones: `tombstones/<n>.json`, appended to and never changed. Each names rows that were read from sources, and
whose text is forgotten: documents, conversations, questions, examples.

A tombstone holds for what is read later too: a page that is crawled again has no text either.
"""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.files import Damaged, canonical_json, read_fields, write_once

if TYPE_CHECKING:
    from storage.lake import Lake

FOLDER = "tombstones"
NUMBERED = f"{'[0-9]' * 6}.json"
Kind = Literal["url", "domain", "glob", "regex", "doc_id", "record", "source"]
KINDS: tuple[str, ...] = get_args(Kind)
_DOC_ID = re.compile(r"[0-9a-f]{32}\Z")
_HOST = re.compile(r"[^\s/:?#@*]+\.[^\s/:?#@*.]+\Z")
_PARTS = r"(?i)^(?:https?://)?(?:[^/?#@]*@)?(?P<host>[^/?#:@]*)(?::(?P<port>\d*))?(?P<rest>[^#]*)"
_PROBES = (
    ("a", "http://a.example/", "17"),
    ("pages", "https://www.b.test/c/d?e=f", "urn:uuid:b"),
    ("x_y", "http://8.test/page.html", "talk"),
)
"""Source, URL and own id of rows that have nothing in common."""


class BadTombstone(ValueError):
    """What was given names nothing that can be forgotten: what is wrong with it."""


@dataclass(frozen=True, order=True)
class Tombstone:
    """What is forgotten.

    - `url`: the page at this address, whatever the scheme (http, https), case of the host, default port and fragment.
    - `domain`: every page of this host and of its subdomains.
    - `glob`: every address that this fits from end to end; `*` is any characters, and nothing else is special.
    - `regex`: every address in which this regular expression (RE2) is found.
    - `doc_id`: the one row with this id, whether it is a document's, a conversation's, a question's or an example's.
    - `record`: every row that its source calls so: `talks/17` is the row of the source `talks` whose own id is `17`;
      `*` is any characters.
    - `source`: every row of this source.
    """

    kind: Kind
    pattern: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.pattern}"


def parse(given: str) -> Tombstone:
    """The tombstone for what a person typed: a URL, a domain, a glob, a doc_id; or with its kind, as `regex:…`.

    Raises: BadTombstone with what to write.
    """
    kind, mark, rest = given.partition(":")
    if mark and kind in KINDS and not rest.startswith("//"):
        found = Tombstone(kind, rest)  # type: ignore[arg-type]
    elif _DOC_ID.match(given):
        found = Tombstone("doc_id", given)
    elif "*" in given:
        found = Tombstone("glob", given)
    elif _HOST.match(given):
        found = Tombstone("domain", given)
    else:
        found = Tombstone("url", given)
    return _checked(found)


def _checked(one: Tombstone) -> Tombstone:
    kind, pattern = one.kind, one.pattern.strip()
    if not pattern:
        raise BadTombstone(f"{kind}: names nothing. Give a URL, a domain, a pattern (with *) or an id.")
    if kind == "doc_id" and not _DOC_ID.match(pattern):
        raise BadTombstone(f"{pattern!r} is no id: those have 32 hexadecimal characters (0 to 9, a to f).")
    if kind == "record" and "/" not in pattern:
        raise BadTombstone(f"{pattern!r} names no record: write the source before its id, as in talks/{pattern}.")
    if kind == "domain":
        pattern = _ascii_host(pattern.strip("."))
        if not pattern or re.search(r"[\s/:?#@*]", pattern):
            raise BadTombstone(f"{one.pattern!r} is no domain: write it as in example.org.")
    if kind == "url" and not _address_keys(pa.array([pattern]))[0].as_py().strip("/"):
        raise BadTombstone(f"{pattern!r} is no URL: write it as in https://example.org/page.")
    if kind == "regex":
        try:
            pc.match_substring_regex(pa.array(["x"]), pattern)  # type: ignore[attr-defined]
        except pa.ArrowInvalid as error:
            raise BadTombstone(f"{pattern!r} is no regular expression ({error}).") from error
    return Tombstone(kind, pattern)


def _ascii_host(host: str) -> str:
    try:
        return host.lower().encode("idna").decode() if not host.isascii() else host.lower()
    except UnicodeError:
        return host.lower()


def fits_everything(one: Tombstone) -> bool:
    """Whether a pattern fits addresses, or records, that have nothing in common."""
    sources, urls, records = map(pa.array, zip(*_PROBES, strict=True))
    return bool(Matcher([one]).matches(pa.array([""] * len(_PROBES)), urls, sources, records).all())


class Matcher:
    """Which rows a set of tombstones names. One pass over the addresses for each pattern, and one for all else."""

    def __init__(self, tombstones: Sequence[Tombstone]) -> None:
        by_kind: dict[str, list[str]] = {kind: [] for kind in KINDS}
        for one in tombstones:
            by_kind[one.kind].append(one.pattern)
        self._doc_ids = pa.array(sorted(set(by_kind["doc_id"])), pa.string())
        urls = pa.array(sorted(set(by_kind["url"])), pa.string())
        self._addresses = _address_keys(urls) if len(urls) else urls
        self._domains = frozenset(by_kind["domain"])
        self._patterns = [*by_kind["regex"], *(_glob(pattern) for pattern in by_kind["glob"])]
        # the source ends at the first slash, whatever stands in the id
        self._records = [tuple(map(_glob, pattern.split("/", 1))) for pattern in by_kind["record"]]
        self._sources = pa.array(sorted(set(by_kind["source"])), pa.string())

    def matches(self, doc_ids: pa.Array, urls: pa.Array, sources: pa.Array, records: pa.Array) -> np.ndarray:
        """Which of n rows are named: (n,) bool. All are strings. A row without a URL, or without an own id (`records`),
        is named by neither's patterns.
        """
        found = np.zeros(len(doc_ids), bool)
        if len(self._doc_ids):
            found |= _bools(pc.is_in(doc_ids, value_set=self._doc_ids))  # type: ignore[attr-defined]
        if len(self._addresses):
            found |= _bools(pc.is_in(_address_keys(urls), value_set=self._addresses))  # type: ignore[attr-defined]
        if self._domains:
            found |= self._of_domains(urls)
        for pattern in self._patterns:
            found |= _bools(pc.match_substring_regex(urls, pattern))  # type: ignore[attr-defined]
        if len(self._sources):
            found |= _bools(pc.is_in(sources, value_set=self._sources))  # type: ignore[attr-defined]
        for source, own in self._records:
            of_source = _bools(pc.match_substring_regex(sources, source))  # type: ignore[attr-defined]
            found |= of_source & _bools(pc.match_substring_regex(records, own))  # type: ignore[attr-defined]
        return found

    def _of_domains(self, urls: pa.Array) -> np.ndarray:
        hosts = pc.dictionary_encode(_hosts(urls))  # type: ignore[attr-defined]
        named = [host is not None and self._holds(host) for host in hosts.dictionary.to_pylist()]
        places = pc.fill_null(hosts.indices, -1).to_numpy(zero_copy_only=False)
        return np.append(np.array(named, bool), False)[places]

    def _holds(self, host: str) -> bool:
        labels = _ascii_host(host.strip(".")).split(".")
        return any(".".join(labels[start:]) in self._domains for start in range(len(labels)))


def _bools(values: pa.Array) -> np.ndarray:
    return pc.fill_null(values, False).to_numpy(zero_copy_only=False).astype(bool)


def _split(urls: pa.Array) -> pa.StructArray:
    return pc.extract_regex(urls, _PARTS)  # type: ignore[attr-defined]


def _hosts(urls: pa.Array) -> pa.Array:
    return pc.utf8_lower(pc.struct_field(_split(urls), "host"))  # type: ignore[attr-defined]


def _address_keys(urls: pa.Array) -> pa.Array:
    """Of each URL its host in lower case, the port unless it is 80 or 443, and all from the path to the fragment."""
    parts = _split(urls)
    host, port, rest = (pc.struct_field(parts, name) for name in ("host", "port", "rest"))  # type: ignore[attr-defined]
    usual = pc.is_in(port, value_set=pa.array(["", "80", "443"]))  # type: ignore[attr-defined]
    port = pc.if_else(usual, "", pc.binary_join_element_wise("", port, ":"))  # type: ignore[attr-defined]
    rest = pc.if_else(pc.starts_with(rest, "/"), rest, pc.binary_join_element_wise("/", rest, ""))  # type: ignore[attr-defined]
    return pc.binary_join_element_wise(pc.utf8_lower(host), port, rest, "")  # type: ignore[attr-defined]


def _glob(pattern: str) -> str:
    return "(?s)^" + ".*".join(re.sub(r"([^\w\s])", r"\\\1", part, flags=re.ASCII) for part in pattern.split("*")) + "$"


@dataclass(frozen=True)
class Entry:
    """A tombstone as it stands in the lake: its number, and when it was written (seconds since 1970)."""

    number: int
    tombstone: Tombstone
    written: float


def entries(lake: "Lake") -> list[Entry]:
    """Every tombstone of the lake, oldest first. Raises: Damaged if one cannot be read."""
    return [read_entry(path) for path in files(lake)]


def files(lake: "Lake") -> list[Path]:
    """The files of the tombstones, oldest first."""
    return sorted((lake.root / FOLDER).glob(NUMBERED))


def read_entry(path: Path) -> Entry:
    """The tombstone in a file. Raises: Damaged if it is none."""
    about = read_fields(path, "kind", "pattern", "written")
    if about["kind"] not in KINDS:
        raise Damaged(path, f"{about['kind']!r} is no kind of tombstone")
    return Entry(int(path.stem), Tombstone(about["kind"], about["pattern"]), about["written"])


def all_tombstones(lake: "Lake") -> tuple[Tombstone, ...]:
    """The tombstones of the lake, sorted, each once."""
    return tuple(sorted({entry.tombstone for entry in entries(lake)}))


def bury(lake: "Lake", tombstone: Tombstone) -> int:
    """Write a tombstone; returns its number. Nothing is written if the lake has it already."""
    folder = lake.root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    about = {"kind": tombstone.kind, "pattern": tombstone.pattern, "written": time.time()}
    while True:
        past = entries(lake)
        for entry in past:
            if entry.tombstone == tombstone:
                return entry.number
        number = (past[-1].number if past else 0) + 1
        if write_once(folder / f"{number:06d}.json", canonical_json(about) + "\n"):
            return number
