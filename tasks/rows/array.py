"""Rows that are the elements of a JSON array. It is parsed whole, in one guarded call."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tasks.executor import RecordDied
from tasks.extract.reasons import LossReason
from tasks.extract.warc.members import Broken, Data, Kind, decode, kind_of
from tasks.rows.lines import Take, as_row
from tasks.rows.place import Guard, Place, Row, Unread, died

MAX_ARRAY_BYTES = 256 << 20
"""A longer array belongs into JSONL."""


def read_json_array(path: str | Path, take: Take, guard: Guard) -> Iterator[Any]:
    """Every element of a JSON array as what `take` makes of it, or an Unread; what is wrong with the rest is the last
    one.
    """
    try:
        yield from guard(0, _read, path, take)
    except RecordDied as death:
        yield died(Place("file", 0, os.path.getsize(path)), death)


def _read(path: str | Path, take: Take) -> list[Any]:
    return [row if isinstance(row, Unread) else take(row) for row in _read_array(path)]


def _read_array(path: str | Path) -> Iterator[Row | Unread]:
    space, content, broken = "file" if kind_of(path) is Kind.PLAIN else "stream", bytearray(), None
    for event in decode(path):
        if isinstance(event, Broken):
            broken = event
            break
        if isinstance(event, Data):
            content += event.data
        if len(content) > MAX_ARRAY_BYTES:
            size = os.path.getsize(path)
            yield Unread(Place("file", 0, size), LossReason.TOO_LARGE, "a JSON array this long belongs into JSONL")
            return
    wrong: tuple[str, str] | None
    try:
        text = content.decode("utf-8")
        ends, values, wrong = _elements(text)
    except UnicodeDecodeError as error:
        text, ends, values = "", [], []
        wrong = (LossReason.BAD_ENCODING, f"not UTF-8 at byte {error.start}")
    total = len(content)
    if broken is not None:  # whatever else is wrong, is wrong because of it
        wrong = (broken.reason, broken.detail)
        total += broken.stop - broken.start
    start = offset = 0
    for number, (end, value) in enumerate(zip(ends, values, strict=True)):
        last = wrong is None and number == len(ends) - 1  # the closing bracket belongs to the last element
        length = total - offset if last else len(text[start:end].encode())
        yield as_row(value, Place(space, offset, length))
        start, offset = end, offset + length
    if wrong is not None:
        yield Unread(Place(space, offset, total - offset), *wrong)


def _elements(text: str) -> tuple[list[int], list[object], tuple[str, str] | None]:
    """Where each element of a JSON array ends, the elements, and what is wrong after the last (None: nothing)."""
    ends: list[int] = []
    values: list[object] = []
    decoder = json.JSONDecoder()
    at, wanted = _skip(text, 0), "["
    while True:
        if at >= len(text) or text[at] not in wanted:
            return ends, values, (LossReason.BAD_JSON, f"expected {' or '.join(wanted)} at character {at}")
        closed = text[at] == "]"
        at = _skip(text, at + 1)
        if closed:
            break
        if text[at : at + 1] == "]" and wanted == "[":
            return ends, values, (LossReason.EMPTY_FILE, "a list without elements")
        try:
            value, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            return ends, values, (LossReason.BAD_JSON, f"{error.msg} at character {error.pos}")
        except (RecursionError, ValueError) as error:  # nested too deep; a number of thousands of digits
            return ends, values, (LossReason.BAD_JSON, type(error).__name__)
        ends.append(at)
        values.append(value)
        at, wanted = _skip(text, at), ",]"
    wrong = None if at == len(text) else (LossReason.BAD_JSON, f"more after the list, at character {at}")
    return ends, values, wrong


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n\ufeff":
        at += 1
    return at
