"""Rows of JSONL, CSV and Parquet files as documents and losses. Their places are told in `tasks.rows`."""

import functools
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path

from tasks.extract.config import ExtractConfig, RowField
from tasks.extract.documents import DocumentRow, LossRow, parse_date
from tasks.extract.page import clean_text
from tasks.extract.reasons import LossReason
from tasks.rows import Guard, Place, Row, Unread, find, read_rows, unguarded

COMMON_NAMES: dict[RowField, tuple[str, ...]] = {
    "text": ("text", "content", "raw_content", "body"),
    "id": ("id", "record_id", "doc_id", "uuid"),
    "url": ("url", "uri", "metadata.url", "meta.url", "metadata.source_url"),
    "title": ("title", "metadata.title", "meta.title", "headline"),
    "author": ("author", "metadata.author", "meta.author"),
    "date": ("date", "timestamp", "created", "metadata.date", "meta.date", "crawl_date"),
    "license": ("license", "licence", "metadata.license", "meta.license"),
    "origin": ("origin", "metadata.origin"),
    "carrier": ("carrier", "metadata.carrier"),
}
"""Where each field is looked for, in this order, if the configuration does not say."""


def read_table(path: str | Path, config: ExtractConfig, guard: Guard = unguarded) -> Iterator[DocumentRow | LossRow]:
    """Every row of a JSONL, CSV or Parquet file, in its order: each a document or a loss.

    Raises: OSError if the file can't be opened.
    """
    limit = 2 * config.max_bytes + (1 << 16)  # escapes make a line longer than its text
    columns = frozenset(name.split(".")[0] for field in COMMON_NAMES for name in _names(field, config))
    for row in read_rows(path, functools.partial(_document, config=config), guard, limit, columns):
        yield _loss(row.place, row.reason, row.detail) if isinstance(row, Unread) else row


def _names(field: RowField, config: ExtractConfig) -> tuple[str, ...]:
    return (config.fields[field],) if field in config.fields else COMMON_NAMES[field]


def _loss(place: Place, reason: str, detail: str = "", url: str | None = None) -> LossRow:
    return LossRow(*place, None, url, str(reason), detail)


def _document(row: Row, config: ExtractConfig) -> DocumentRow | LossRow:
    place, values = row

    def said(field: RowField) -> str | None:
        """A field as text; numbers as they are written, anything else is none."""
        value = find(values, _names(field, config))
        if isinstance(value, str):
            return clean_text(value) or None
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else None

    url = said("url")
    text = find(values, _names("text", config))
    if text is None:
        return _loss(place, LossReason.BAD_ROW, f"no text in {' or '.join(_names('text', config))}", url)
    if not isinstance(text, str):
        return _loss(place, LossReason.BAD_ROW, f"the text is a {type(text).__name__}", url)
    text = clean_text(text)
    if not text.strip():
        return _loss(place, LossReason.NO_TEXT, "", url)
    size = len(text.encode())
    if size > config.max_bytes:
        return _loss(place, LossReason.TOO_LARGE, f"{size} bytes", url)
    return DocumentRow(
        *place,
        record_id=said("id"),
        url=url,
        capture_date=_moment(find(values, _names("date", config))),
        http_status=None,
        content_type="text/plain",
        charset="utf-8",
        charset_from=None,
        license=said("license"),
        origin=said("origin"),
        carrier=said("carrier"),
        title=said("title"),
        author=said("author"),
        text_bytes=size,
        text=text,
    )


def _moment(value: object) -> datetime | None:
    """A row's date in UTC: a timestamp, a day, or a text that `parse_date` reads.

    A time without a zone is taken as UTC.
    """
    if isinstance(value, str):
        return parse_date(value)
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return datetime.combine(value, time(), UTC) if isinstance(value, date) else None
