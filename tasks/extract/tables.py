"""Sources that are no archives: JSONL, Parquet, and plain files. Their rows become the same documents and losses.

- JSONL: `space="file"`, or `"stream"` if it is compressed: the bytes of a line with its newline. Lines end at "\\n" and
  nowhere else.
- Parquet: `space="row"`: the row's number, length 1.
- A plain file (text, Markdown, code, or an HTML page) is one document: `space="file"`, all its bytes.
"""

import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.extract.charset import decode_text
from tasks.extract.config import ExtractConfig, RowField
from tasks.extract.documents import DocumentRow, LossRow, parse_date
from tasks.extract.formats import HTML_SUFFIXES, TEXT_TYPES, Format, format_of
from tasks.extract.page import clean_text, extract_page
from tasks.extract.payload import Refused, looks_binary
from tasks.extract.reasons import LossReason
from tasks.extract.warc.members import Broken, Data, Kind, decode, kind_of

Row = DocumentRow | LossRow

COMMON_NAMES: dict[RowField, tuple[str, ...]] = {
    "text": ("text", "content", "raw_content", "body"),
    "id": ("id", "record_id", "doc_id", "uuid"),
    "url": ("url", "uri", "metadata.url", "meta.url", "metadata.source_url"),
    "title": ("title", "metadata.title", "meta.title", "headline"),
    "date": ("date", "timestamp", "created", "metadata.date", "meta.date", "crawl_date"),
    "license": ("license", "licence", "metadata.license", "meta.license"),
    "origin": ("origin", "metadata.origin"),
    "carrier": ("carrier", "metadata.carrier"),
}
"""Where each field is looked for, in this order, if the configuration does not say."""

PARQUET_ROWS = 256
"""Rows held at once."""


class _Place(NamedTuple):
    space: str
    offset: int
    length: int


def read_table(path: str | Path, config: ExtractConfig) -> Iterator[Row]:
    """Every row of a JSONL, Parquet or plain file, by `format_of`, in its order: each a document or a loss. An empty
    file is one loss.

    A file that is none of these, or can't be read as what its name says, is one loss too.
    Raises: OSError if the file can't be opened.
    """
    size = os.path.getsize(path)
    if size == 0:
        yield _loss(_Place("file", 0, 0), LossReason.EMPTY_FILE, "the file has no bytes")
        return
    form = format_of(path)
    if form is Format.JSONL:
        yield from _read_jsonl(path, config)
    elif form is Format.PARQUET:
        yield from _read_parquet(path, config)
    elif form is Format.TEXT:
        yield _read_text(path, config)
    else:
        detail = (
            "an archive, which read_archive reads"
            if form is Format.ARCHIVE
            else "neither its name nor its first bytes say what it is"
        )
        yield _loss(_Place("file", 0, size), LossReason.UNKNOWN_FORMAT, detail)


def _loss(place: _Place, reason: LossReason, detail: str = "", url: str | None = None) -> LossRow:
    return LossRow(*place, None, url, reason.value, detail)


# JSONL.


def _read_jsonl(path: str | Path, config: ExtractConfig) -> Iterator[Row]:
    space = "file" if kind_of(path) is Kind.PLAIN else "stream"
    limit = 2 * config.max_bytes + (1 << 16)  # escapes make a line longer than its text
    line = bytearray()
    start = end = 0
    for event in decode(path):
        if isinstance(event, Broken):
            # The line that the damage cut off, and the stretch that stands in the stream for itself.
            end += event.stop - event.start
            yield _loss(_Place(space, start, end - start), event.reason, event.detail)
            start = end
            line.clear()
        if not isinstance(event, Data):
            continue
        pieces = event.data.split(b"\n")
        for index, piece in enumerate(pieces):
            last = index == len(pieces) - 1
            end += len(piece) + (not last)
            if end - start <= limit:
                line += piece
            if not last:
                yield _read_line(bytes(line), _Place(space, start, end - start), limit, config)
                start = end
                line.clear()
    if end > start:
        yield _read_line(bytes(line), _Place(space, start, end - start), limit, config)


def _read_line(line: bytes, place: _Place, limit: int, config: ExtractConfig) -> Row:
    if place.length > limit:
        return _loss(place, LossReason.TOO_LARGE, f"a line of {place.length} bytes")
    if place.offset == 0:
        line = line.removeprefix(b"\xef\xbb\xbf")
    if not line.strip():
        return _loss(place, LossReason.BAD_ROW, "a blank line")
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return _loss(place, LossReason.BAD_ENCODING, f"not UTF-8 at byte {error.start} of the line")
    except json.JSONDecodeError as error:
        return _loss(place, LossReason.BAD_JSON, f"{error.msg} at character {error.pos} of the line")
    except (RecursionError, ValueError) as error:  # nested too deep; a number of thousands of digits
        return _loss(place, LossReason.BAD_JSON, type(error).__name__)
    if not isinstance(row, dict):
        return _loss(place, LossReason.BAD_ROW, f"a {type(row).__name__}, not an object")
    return _row(row, place, config)


# Parquet.


def _read_parquet(path: str | Path, config: ExtractConfig) -> Iterator[Row]:
    size = os.path.getsize(path)
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        yield _loss(_Place("file", 0, size), LossReason.DAMAGED, f"Parquet: {_first_line(error)}")
        return
    with file:
        total = file.metadata.num_rows
        names = {name.split(".")[0] for field in COMMON_NAMES for name in _names(field, config)}
        columns = [name for name in file.schema_arrow.names if name in names]
        if total == 0:
            yield _loss(_Place("file", 0, size), LossReason.EMPTY_FILE, "a Parquet file without rows")
        if not columns:
            yield from (_loss(_Place("row", row, 1), LossReason.BAD_ROW, "no text column") for row in range(total))
            return
        row = 0
        try:
            for batch in file.iter_batches(batch_size=PARQUET_ROWS, columns=columns):
                for values in batch.to_pylist():
                    yield _row(values, _Place("row", row, 1), config)
                    row += 1
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            yield _loss(_Place("row", row, total - row), LossReason.DAMAGED, f"Parquet: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    """What Arrow says, without its stack, and without bytes of the file."""
    return (
        type(error).__name__
        if isinstance(error, UnicodeDecodeError)
        else (str(error).splitlines() or [type(error).__name__])[0][:200]
    )


# Rows of both.


def _names(field: RowField, config: ExtractConfig) -> tuple[str, ...]:
    return (config.fields[field],) if field in config.fields else COMMON_NAMES[field]


def _find(row: Mapping[str, Any], field: RowField, config: ExtractConfig) -> Any:
    """The row's first value for a field that is not null."""
    for name in _names(field, config):
        value = row.get(name)
        if value is None and "." in name:
            value = row
            for key in name.split("."):
                value = value.get(key) if isinstance(value, Mapping) else None
        if value is not None:
            return value
    return None


def _find_text(row: Mapping[str, Any], field: RowField, config: ExtractConfig) -> str | None:
    """A field as text; numbers as they are written, anything else is none."""
    value = _find(row, field, config)
    if isinstance(value, str):
        return clean_text(value) or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _row(row: Mapping[str, Any], place: _Place, config: ExtractConfig) -> Row:
    url = _find_text(row, "url", config)
    text = _find(row, "text", config)
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
        record_id=_find_text(row, "id", config),
        url=url,
        capture_date=_moment(_find(row, "date", config)),
        http_status=None,
        content_type="text/plain",
        charset="utf-8",
        charset_from=None,
        license=_find_text(row, "license", config),
        origin=_find_text(row, "origin", config),
        carrier=_find_text(row, "carrier", config),
        title=_find_text(row, "title", config),
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


# Plain files.


def _read_text(path: str | Path, config: ExtractConfig) -> Row:
    size = os.path.getsize(path)
    place = _Place("file", 0, size)
    if size > config.max_bytes:
        return _loss(place, LossReason.TOO_LARGE, f"{size} bytes")
    body = Path(path).read_bytes()
    suffix = Path(path).suffix.lower()
    html = suffix in HTML_SUFFIXES
    decoded = decode_text(body, None, html)
    if looks_binary(body) and not decoded.charset.startswith("utf-16"):
        return _loss(place, LossReason.BAD_ENCODING, "binary")
    if decoded.replaced > config.max_replaced_share * len(decoded.text):
        return _loss(
            place,
            LossReason.BAD_ENCODING,
            f"{decoded.replaced} of {len(decoded.text)} characters are not {decoded.charset}",
        )
    text, title = clean_text(decoded.text), None
    if html:
        try:
            text, title = (page := extract_page(decoded.text, None, config)).text, page.title
        except Refused as refused:
            return _loss(place, refused.reason, refused.detail)
    if not text.strip():
        return _loss(place, LossReason.NO_TEXT)
    return DocumentRow(
        *place,
        record_id=None,
        url=None,
        capture_date=None,
        http_status=None,
        content_type="text/html" if html else TEXT_TYPES.get(suffix, "text/plain"),
        charset=decoded.charset,
        charset_from=decoded.charset_from,
        license=None,
        origin=None,
        carrier=None,
        title=title,
        text_bytes=len(text.encode()),
        text=text,
    )
