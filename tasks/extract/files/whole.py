"""From a file that is one document to its row."""

import os
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple

from tasks.executor import RecordDied
from tasks.extract.config import ExtractConfig
from tasks.extract.documents import DocumentRow, LossRow
from tasks.extract.page import clean_text
from tasks.extract.payload import Refused
from tasks.extract.reasons import LossReason
from tasks.extract.warc.members import Broken, Data, decode
from tasks.rows import Guard

METADATA_CHARACTERS = 1000


class Whole(NamedTuple):
    """What a file gave. Of its metadata, what it says itself."""

    text: str
    content_type: str
    title: str | None = None
    author: str | None = None
    published: date | None = None
    license: str | None = None
    charset: str | None = None
    charset_from: str | None = None
    extractor: str | None = None
    truncated: str | None = None


Read = Callable[[bytes, Path, ExtractConfig], Whole]
"""From the file's bytes (unpacked, if it is compressed) to what it gave. Raises: Refused."""


def read_whole(
    path: Path, config: ExtractConfig, guard: Guard, read: Read, max_bytes: int
) -> Iterator[DocumentRow | LossRow]:
    """The file's one row. `read` is called through `guard`; a file of more than `max_bytes` is not read."""
    try:
        yield guard(0, _row, path, config, read, max_bytes)
    except RecordDied as died:
        yield _loss(path, LossReason(died.death.reason), died.death.detail)


def short(value: object) -> str | None:
    """A piece of metadata as it may stand in a column: one line, not endless; None if there is nothing."""
    text = " ".join(clean_text(value).split()) if isinstance(value, str) else ""
    return text[:METADATA_CHARACTERS] or None


def day(value: object) -> date | None:
    """The day that metadata states, as a date or a text that begins with one (2024-05-06, 20240506); else None."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    digits = value.strip()[:10].replace("-", "") if isinstance(value, str) else ""
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8])) if digits[:8].isdecimal() else None
    except ValueError:
        return None


def _row(path: Path, config: ExtractConfig, read: Read, max_bytes: int) -> DocumentRow | LossRow:
    try:
        whole = read(_unpack(path, max_bytes), path, config)
        text = clean_text(whole.text)
        size = len(text.encode())
        if not text.strip():
            raise Refused(LossReason.NO_TEXT)
        if size > config.max_bytes:
            raise Refused(LossReason.TOO_LARGE, f"{size} bytes of text")
    except Refused as refused:
        return _loss(path, refused.reason, refused.detail)
    return DocumentRow(
        space="file",
        offset=0,
        length=os.path.getsize(path),
        record_id=None,
        url=None,
        capture_date=None,
        http_status=None,
        content_type=whole.content_type,
        charset=whole.charset,
        charset_from=whole.charset_from,
        license=whole.license,
        origin=None,
        carrier=None,
        title=whole.title,
        text_bytes=size,
        text=text,
        author=whole.author,
        published=whole.published,
        extractor=whole.extractor,
        truncated=whole.truncated,
        license_from="record" if whole.license else None,
    )


def _loss(path: Path, reason: LossReason, detail: str) -> LossRow:
    return LossRow("file", 0, os.path.getsize(path), None, None, reason.value, detail)


def _unpack(path: Path, max_bytes: int) -> bytes:
    """The file's bytes, without its compression if it has one. Raises: Refused: too large, damaged, truncated."""
    content = bytearray()
    for event in decode(path):
        if isinstance(event, Broken):
            raise Refused(event.reason, event.detail)
        if isinstance(event, Data):
            content += event.data
        if len(content) > max_bytes:
            raise Refused(LossReason.TOO_LARGE, f"more than {max_bytes} bytes")
    return bytes(content)
