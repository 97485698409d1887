"""Candidates become spans: each is decided on with what stands around it, and of two that overlap one stays."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from tasks.redact import kernels
from tasks.redact.addresses import find_email, find_obfuscated, is_address
from tasks.redact.numbers import REGIONS, find_iban, find_identity, find_phones, is_card
from tasks.redact.secrets import PEM, is_assigned_secret, is_token
from tasks.words import utf8

CONTEXT = 48  # bytes that are looked at before and after a candidate
ORDER = ("secret", "email", "iban", "credit_card", "national_id", "phone", "ip")
"""Which of two kinds stays where their spans overlap: the first."""


class Wanted(NamedTuple):
    """What is looked for."""

    kinds: frozenset[str]
    countries: tuple[str, ...]
    reserved_domains: bool
    obfuscated: bool


class Found(NamedTuple):
    """Spans of n texts: of text i those from offsets[i] to offsets[i + 1], in characters, sorted, none overlapping."""

    starts: np.ndarray
    ends: np.ndarray
    kinds: list[str]
    offsets: np.ndarray


Span = tuple[int, int, str]


class _Around:
    """A candidate as text, with what stands before and after it in its document."""

    def __init__(self, data: bytes | memoryview, begin: int, start: int, end: int, stop: int) -> None:
        self._data, self._begin, self._start, self._end, self._stop = data, begin, start, end, stop

    def _text(self, start: int, end: int) -> str:
        return bytes(self._data[start:end]).decode("utf-8", "ignore")

    @property
    def said(self) -> str:
        return self._text(self._start, self._end)

    @property
    def before(self) -> str:
        return self._text(max(self._begin, self._start - CONTEXT), self._start)

    @property
    def after(self) -> str:
        return self._text(self._end, min(self._stop, self._end + CONTEXT))

    def on(self, size: int) -> str:
        """What stands from the candidate's start on, `size` bytes at most."""
        return self._text(self._start, min(self._stop, self._start + size))

    def size(self, characters: int) -> int:
        """How many bytes the first characters of it take; a candidate starts where a character does."""
        said = self.on(4 * characters)[:characters]
        return characters if said.isascii() else len(said.encode())


def find_spans(texts: pa.Array, languages: Sequence[str | None], wanted: Wanted) -> Found:
    """The spans of texts without nulls; `languages` (or None for each) say how phone numbers are written."""
    text, offsets = utf8(texts)
    flags = kernels.byte_flags()
    found = np.empty((1024, 4), np.int64)
    while (count := kernels.find_candidates(text, offsets, flags, kernels.byte_pairs(), found)) > len(found):
        found = np.empty((count, 4), np.int64)
    data = text.data
    starts, ends, kinds, bounds = [], [], [], np.zeros(len(offsets), np.int64)
    candidates = found[:count]
    of = np.searchsorted(candidates[:, 1], np.arange(len(offsets)))
    for document in range(len(offsets) - 1):
        some = candidates[of[document] : of[document + 1]]
        if len(some):
            begin, stop = int(offsets[document]), int(offsets[document + 1])
            spans = _decide(data, begin, stop, some.tolist(), languages[document], wanted)
            if spans:
                places = np.array([place for start, end, _ in spans for place in (start, end)], np.int64)
                characters = np.empty_like(places)
                kernels.count_characters(text, begin, places, characters)
                starts += characters[::2].tolist()
                ends += characters[1::2].tolist()
                kinds += [kind for _, _, kind in spans]
        bounds[document + 1] = len(starts)
    return Found(np.array(starts, np.int32), np.array(ends, np.int32), kinds, bounds)


def _decide(
    data: memoryview, begin: int, stop: int, candidates: list[list[int]], language: str | None, wanted: Wanted
) -> list[Span]:
    """Spans of one document in bytes, sorted, none overlapping."""
    regions = REGIONS.get(language or "", ())
    spans: list[Span] = []
    for kind, _, start, end in candidates:
        around = _Around(data, begin, start, end, stop)
        for low, high, name in DECIDERS[kind](around, regions, wanted):
            if name in wanted.kinds:
                spans.append((start + around.size(low), start + around.size(high), name))
    return _without_overlaps(spans)


def _without_overlaps(spans: list[Span]) -> list[Span]:
    """Those that stay, in order: by kind as in ORDER, then the longer, then the first."""
    if len(spans) < 2:
        return spans
    taken: list[Span] = []
    for span in sorted(set(spans), key=lambda one: (ORDER.index(one[2]), one[0] - one[1], one[0])):
        if all(span[1] <= other[0] or other[1] <= span[0] for other in taken):
            taken.append(span)
    return sorted(taken)


Decider = Callable[[_Around, tuple[str, ...], Wanted], Iterator[Span]]
"""Decides on a candidate: yields (start, end, kind) in characters from the candidate's start."""


def _email(around: _Around, regions: tuple[str, ...], wanted: Wanted) -> Iterator[Span]:
    found = find_email(around.said, around.before, around.after, wanted.reserved_domains)
    if found is not None:
        yield *found, "email"


def _obfuscated(around: _Around, regions: tuple[str, ...], wanted: Wanted) -> Iterator[Span]:
    for start, end in find_obfuscated(around.said) if wanted.obfuscated else ():
        yield start, end, "email"


def _address(around: _Around, regions: tuple[str, ...], wanted: Wanted) -> Iterator[Span]:
    said = around.said.rstrip(".")
    said = said[:-1] if said.endswith(":") and not said.endswith("::") else said
    if is_address(said, around.before, around.after):
        yield 0, len(said), "ip"


def _number(around: _Around, regions: tuple[str, ...], wanted: Wanted) -> Iterator[Span]:
    before, window = around.before, around.on(64)
    if "phone" in wanted.kinds:
        for start, end in find_phones(before + window, len(before), regions):
            yield start - len(before), end - len(before), "phone"
    yield from _identity(around, window, before, wanted)


def _identity(around: _Around, window: str, before: str, wanted: Wanted) -> Iterator[Span]:
    if "national_id" in wanted.kinds:
        length = find_identity(window, before, wanted.countries)
        if length is not None:
            yield 0, length, "national_id"


def _card(around: _Around, regions: tuple[str, ...], wanted: Wanted) -> Iterator[Span]:
    said, before = around.said, around.before
    if is_card(said, before):
        yield 0, len(said), "credit_card"
    yield from _number(around, regions, wanted)


def _code(around: _Around, regions: tuple[str, ...], wanted: Wanted) -> Iterator[Span]:
    window = around.said
    if "iban" in wanted.kinds and (length := find_iban(window)) is not None:
        yield 0, length, "iban"
    yield from _identity(around, window, around.before, wanted)


def _token(around: _Around, regions: tuple[str, ...], wanted: Wanted) -> Iterator[Span]:
    said = around.said
    if is_token(said):
        yield 0, len(said), "secret"


def _assigned(around: _Around, regions: tuple[str, ...], wanted: Wanted) -> Iterator[Span]:
    said = around.said
    if is_assigned_secret(said):
        yield 0, len(said), "secret"


def _pem(around: _Around, regions: tuple[str, ...], wanted: Wanted) -> Iterator[Span]:
    found = PEM.match(around.on(17_000))
    if found is not None:
        yield 0, found.end(), "secret"


DECIDERS: dict[int, Decider] = {
    kernels.EMAIL: _email,
    kernels.OBFUSCATED: _obfuscated,
    kernels.IPV4: _address,
    kernels.IPV6: _address,
    kernels.NUMBER: _number,
    kernels.CARD: _card,
    kernels.CODE: _code,
    kernels.TOKEN: _token,
    kernels.ASSIGNED: _assigned,
    kernels.PEM: _pem,
}
