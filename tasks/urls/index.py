"""Block lists in memory: domains and URLs as sorted 64-bit hashes, 10 bytes each; words; an automaton of substrings.

What is looked up for a URL (all in lower case):

- **domains**: its host and every domain above it: `a.b.example.org`, `b.example.org`, `example.org`, `org`.
- **urls**: the URL without scheme, `www.`, user, port, fragment and the slash at its end, query kept.
- **words**, **soft words**: its runs of letters and digits, of `https://` too.
- **substrings**: one of letters and digits alone is looked for in the URL without anything else (`p-o-r-t` is `port`,
  after RefinedWeb's and datatrove's filters); any other in the URL as it stands.
"""

import functools
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from models.fasttext.inference import utf8
from tasks.urls.kernels import DOMAINS, FILTER_BITS, URLS, WORDS, hash_keys, hash_lines
from tasks.urls.lists import BlockList, BlockListMissing, Kind, files_of, fingerprint, pieces
from tasks.urls.scan import hash_table, scan_urls
from tasks.urls.suffixes import registered, suffix_table

_KINDS: dict[Kind, int] = {"domains": DOMAINS, "urls": URLS}
_URL = re.compile(
    r"(?:[a-z][a-z0-9+.-]*:)?//(?:[^/?#@]*@)?(\[[^\]/]*\]|[^/?#:]*)(?::\d*(?=[/?#]|\Z))?([^#]*)", re.DOTALL
)
_ADDRESS = re.compile(r"[\d.]+\Z|\[")
_SEPARATORS = re.compile(r"[^a-z0-9]+")


class Match(NamedTuple):
    """What the lists say of a URL: those that hold it, in the recipe's order, the entry of the first, how many
    different soft words stand in it; and its host (`split_url`), None if it has none.
    """

    lists: list[str]
    entry: str | None
    soft_words: int
    host: str | None


class Address(NamedTuple):
    """A URL's host (lower case, IDNA's ASCII form, no dot at its end), and what follows it, without the fragment."""

    host: str
    rest: str


def split_url(url: str) -> Address | None:
    """Host and rest of a URL in lower case; None for one without a host (`dns:`, `urn:`, a path)."""
    url = url.strip().strip("<>").lower()
    match = _URL.match(url)
    if match is None:
        if ":" in url.split("/")[0].split("?")[0]:
            return None
        match = _URL.match(f"//{url}")
    if match is None or not match.group(1).strip("."):
        return None
    return Address(_ascii(match.group(1).rstrip(".")), match.group(2))


def normal_entry(kind: Kind, line: str) -> str | None:
    """An entry in the form in which it is compared; None for a comment or an empty line. See the module.

    The slow, readable form of `kernels.hash_lines`, which does the same for ASCII.
    """
    entry = line.strip()
    if not entry or entry.startswith("#"):
        return None
    if kind == "domains":
        entry = entry.split("#")[0].split()[-1].lstrip(".*").rstrip(".").lower()
        return _ascii(entry) or None
    if kind == "urls":
        address = split_url(entry)
        return _normal_url(address) if address else None
    return entry.lower()


def _normal_url(address: Address) -> str:
    return (address.host.removeprefix("www.") + address.rest).rstrip("/")


@functools.lru_cache(maxsize=4096)
def _to_ascii(host: str) -> str:
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        return host


def _ascii(host: str) -> str:
    return host if host.isascii() else _to_ascii(host)


class Found(NamedTuple):
    """What the lists say of a batch: the rows of which they say anything, and the registered domain of every row."""

    matches: dict[int, Match]
    registered: list[str | None]


class _Substrings(NamedTuple):
    """An automaton; the entry and the list of each of its patterns; whether it is for the bare letters and digits."""

    automaton: object
    entries: list[str]
    lists: list[int]
    bare: bool


class BlockIndex:
    """The entries of some lists. Made once a process by `load`."""

    def __init__(self, block_lists: Sequence[BlockList]) -> None:
        self.names = [one.name for one in block_lists]
        hashes: list[np.ndarray] = []
        lists: list[np.ndarray] = []
        substrings: dict[tuple[str, int], None] = {}
        self._words: dict[str, list[int]] = {}
        self._soft_words: set[str] = set()
        for number, block_list in enumerate(block_lists):
            for kind, path in files_of(block_list):
                for piece in pieces(path):
                    if kind in ("substrings", "words", "soft_words"):
                        for entry in _entries(kind, piece.decode("utf-8", "replace").split("\n")):
                            if kind == "substrings":
                                substrings[entry, number] = None
                            elif kind == "words":
                                self._words.setdefault(entry, []).append(number)
                            else:
                                self._soft_words.add(entry)
                        continue
                    found = _hashes(kind, piece)
                    hashes.append(found)
                    lists.append(np.full(len(found), number, np.uint16))
        joined, owner = (
            np.concatenate([np.empty(0, np.uint64), *hashes]),
            np.concatenate([np.empty(0, np.uint16), *lists]),
        )
        del hashes, lists
        order = np.argsort(joined, kind="stable")
        self._hashes, self._lists = joined[order], owner[order]
        self._filter = np.zeros(FILTER_BITS // 8, np.uint8)
        bits = self._hashes % np.uint64(FILTER_BITS)
        np.bitwise_or.at(self._filter, (bits >> np.uint64(3)).astype(np.int64), _bit(bits))
        self._substrings = [one for bare in (True, False) if (one := _automaton(substrings, bare))]
        self._kinds = {kind for one in block_lists for kind, _ in files_of(one)}
        words = sorted(self._words.keys() | self._soft_words)
        self._word_table = hash_table(words, [WORDS] * len(words))

    def __len__(self) -> int:
        words = len(self._words) + len(self._soft_words)
        return len(self._hashes) + words + sum(len(one.entries) for one in self._substrings)

    def look_up(self, urls: pa.Array) -> Found:
        """What the lists say of the URLs of a batch; of rows without an entry, a soft word, or a URL: nothing.

        One compiled pass (`scan`); what it leaves over, URLs of an unusual form, goes through `find`.
        """
        text, offsets = utf8(urls.fill_null(""))
        size = int(offsets[-1] - offsets[0]) + len(urls)
        small, bare = np.empty(size, np.uint8), np.empty(size, np.uint8)
        bare_offsets, spans = np.empty(len(urls) + 1, np.int64), np.empty((len(urls), 2), np.int64)
        odd, room, count = np.empty(len(urls), np.bool_), len(urls), None
        while count is None or count > room:
            room = max(room, count or 0)
            hits = np.empty((room, 5), np.int64)
            count = scan_urls(
                text, offsets, self._hashes, self._filter, self._word_table, suffix_table(),
                "domains" in self._kinds, "urls" in self._kinds, small, bare, bare_offsets, odd, spans, hits,
            )  # fmt: skip
        letters = small.tobytes().decode("ascii")
        found, soft = self._read_hits(hits[:count].tolist(), letters)
        for one in self._substrings:
            searched = bare[: bare_offsets[-1]].tobytes().decode("ascii") if one.bare else letters
            starts = bare_offsets if one.bare else offsets - offsets[0] + np.arange(len(urls) + 1)
            places = one.automaton.find_matches_as_indexes(searched, overlapping=True)  # type: ignore[attr-defined]
            rows = np.searchsorted(starts, [start for _, start, _ in places], "right") - 1
            for row, (pattern, _, _) in zip(rows.tolist(), places, strict=True):
                found.setdefault(row, []).append((one.lists[pattern], one.entries[pattern]))
        matches = {row: self._match(found.get(row, []), len(soft.get(row, ())), None) for row in found | soft}
        domains = [letters[start:stop] if start >= 0 else None for start, stop in spans.tolist()]
        rest = np.flatnonzero(odd).tolist()
        for row, match in zip(rest, self.find(urls.take(pa.array(rest, pa.int64())).to_pylist()), strict=True):
            if match is not None:
                domains[row] = registered(match.host) if match.host else None
                if match.lists or match.soft_words:
                    matches[row] = match
        return Found(matches, domains)

    def _read_hits(
        self, hits: list[list[int]], letters: str
    ) -> tuple[dict[int, list[tuple[int, str]]], dict[int, set[str]]]:
        """Of each row its (list, entry) and its soft words, from what the compiled pass found."""
        found: dict[int, list[tuple[int, str]]] = {}
        soft: dict[int, set[str]] = {}
        for row, kind, start, stop, first in hits:
            key = letters[start:stop]
            if kind == WORDS:
                if key in self._soft_words:
                    soft.setdefault(row, set()).add(key)
                if key in self._words:
                    found.setdefault(row, []).extend((number, key) for number in self._words[key])
                continue
            if kind == URLS and (address := split_url(key)):
                key = _normal_url(address)
            last = first
            while last < len(self._hashes) and self._hashes[last] == self._hashes[first]:
                found.setdefault(row, []).append((int(self._lists[last]), key))
                last += 1
        return found, soft

    def find(self, urls: Sequence[str | None]) -> list[Match | None]:
        """What the lists say of each URL, of any form; None where there is no URL."""
        addresses = [None if url is None else split_url(url) for url in urls]
        keys: list[str] = []
        kinds: list[int] = []
        owners: list[int] = []
        for row, address in enumerate(addresses):
            if address is not None:
                before = len(keys)
                self._add_keys(address, keys, kinds)
                owners += [row] * (len(keys) - before)
        hits: dict[int, list[tuple[int, str]]] = {}
        for key, first, last in self._hits(keys, kinds):
            found = hits.setdefault(owners[key], [])
            found += [(int(number), keys[key]) for number in self._lists[first:last]]
        matches: list[Match | None] = []
        for row, (url, address) in enumerate(zip(urls, addresses, strict=True)):
            if url is None:
                matches.append(None)
                continue
            found, soft_words = hits.get(row, []), 0
            if self._words or self._soft_words:
                words = set(_SEPARATORS.split(url.lower()))
                found += [(number, word) for word in words & self._words.keys() for number in self._words[word]]
                soft_words = len(words & self._soft_words)
            if self._substrings:
                found += self._find_substrings(url.lower())
            host = address.host if address else None
            matches.append(self._match(found, soft_words, host))
        return matches

    def _add_keys(self, address: Address, keys: list[str], kinds: list[int]) -> None:
        if "domains" in self._kinds:
            host = address.host
            keys.append(host)
            kinds.append(DOMAINS)
            if not _ADDRESS.match(host):
                at = host.find(".")
                while at >= 0:
                    keys.append(host[at + 1 :])
                    kinds.append(DOMAINS)
                    at = host.find(".", at + 1)
        if "urls" in self._kinds:
            keys.append(_normal_url(address))
            kinds.append(URLS)

    def _hits(self, keys: Sequence[str], kinds: Sequence[int]) -> Iterable[tuple[int, int, int]]:
        """(key, first, last) of the entries from first to before last, for each key that is an entry."""
        if not keys or not len(self._hashes):
            return []
        encoded = [key.encode("utf-8", "replace") for key in keys]
        offsets = np.zeros(len(keys) + 1, np.int64)
        np.cumsum([len(one) for one in encoded], out=offsets[1:])
        hashes = np.empty(len(keys), np.uint64)
        text = np.frombuffer(b"".join(encoded) or b"\0", np.uint8)
        hash_keys(text, offsets, np.array(kinds, np.int64), hashes)
        bits = hashes % np.uint64(FILTER_BITS)
        likely = np.flatnonzero(self._filter[(bits >> np.uint64(3)).astype(np.int64)] & _bit(bits))
        first = np.searchsorted(self._hashes, hashes[likely])
        here = self._hashes[np.minimum(first, len(self._hashes) - 1)] == hashes[likely]
        there, first = likely[here], first[here]
        last = np.searchsorted(self._hashes, hashes[there], "right")
        return zip(there.tolist(), first.tolist(), last.tolist(), strict=True)

    def _find_substrings(self, url: str) -> list[tuple[int, str]]:
        found = []
        for one in self._substrings:
            text = _SEPARATORS.sub("", url) if one.bare else url
            for pattern in one.automaton.find_matches_as_indexes(text, overlapping=True):  # type: ignore[attr-defined]
                found.append((one.lists[pattern[0]], one.entries[pattern[0]]))
        return found

    def _match(self, hits: list[tuple[int, str]], soft_words: int, host: str | None) -> Match:
        if len(hits) < 2:
            return Match([self.names[number] for number, _ in hits], hits[0][1] if hits else None, soft_words, host)
        numbers = sorted({number for number, _ in hits})
        first = [entry for number, entry in hits if number == numbers[0]]
        # the longest says most: the subdomain and not its domain
        entry = min(first, key=lambda one: (-len(one), one))
        return Match([self.names[number] for number in numbers], entry, soft_words, host)


def _bit(bits: np.ndarray) -> np.ndarray:
    """The bit of each in its byte."""
    return np.left_shift(1, (bits & np.uint64(7)).astype(np.uint8)).astype(np.uint8)


def _entries(kind: Kind, lines: Iterable[str]) -> list[str]:
    return [entry for line in lines if (entry := normal_entry(kind, line))]


def _hashes(kind: Kind, piece: bytes) -> np.ndarray:
    """Hashes of the entries of these lines, uint64."""
    text = np.frombuffer(piece, np.uint8)
    lines = piece.count(b"\n") + 1
    hashes, odd = np.empty(lines, np.uint64), np.zeros(lines, np.bool_)
    starts, stops = np.empty(lines, np.int64), np.empty(lines, np.int64)
    count = hash_lines(text, _KINDS[kind], hashes, odd, starts, stops)
    rare = np.flatnonzero(odd[:count])
    if not len(rare):
        return hashes[:count].copy()
    lines_of = (piece[starts[one] : stops[one]].decode("utf-8", "replace") for one in rare)
    entries = [entry.encode("utf-8", "replace") for entry in _entries(kind, lines_of)]
    offsets = np.zeros(len(entries) + 1, np.int64)
    np.cumsum([len(one) for one in entries], out=offsets[1:])
    others = np.empty(len(entries), np.uint64)
    kinds = np.full(len(entries), _KINDS[kind], np.int64)
    hash_keys(np.frombuffer(b"".join(entries) or b"\0", np.uint8), offsets, kinds, others)
    return np.concatenate([hashes[:count][~odd[:count]], others])


def _automaton(substrings: Iterable[tuple[str, int]], bare: bool) -> _Substrings | None:
    chosen = [(entry, number) for entry, number in substrings if (not _SEPARATORS.search(entry)) == bare]
    if not chosen:
        return None
    import ahocorasick_rs

    automaton = ahocorasick_rs.AhoCorasick([entry for entry, _ in chosen], store_patterns=False)
    return _Substrings(automaton, [entry for entry, _ in chosen], [number for _, number in chosen], bare)


def load(block_lists: tuple[BlockList, ...]) -> BlockIndex:
    """The index of these lists, once a process. Raises: BlockListMissing if one is not what its SHA-256 says."""
    return _load(tuple((one, one.path) for one in block_lists))


@functools.lru_cache(maxsize=2)
def _load(block_lists: tuple[tuple[BlockList, str], ...]) -> BlockIndex:
    for block_list, path in block_lists:
        if block_list.sha256 is None or fingerprint(block_list) != block_list.sha256:
            raise BlockListMissing(
                f"The block list {block_list.name} at {path} is not the one that the run began with."
            )
    return BlockIndex([block_list for block_list, _ in block_lists])
