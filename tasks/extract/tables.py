"""Sources that are no archives: JSONL, Parquet, and plain files. Their rows become the same documents and losses.

- JSONL: `space="file"`, or `"stream"` if it is compressed: the bytes of a line with its newline. Lines end at "\\n" and
  nowhere else.
- Parquet: `space="row"`: the row's number, length 1.
- A plain file (text, Markdown, code, or an HTML page) is one document: `space="file"`, all its bytes.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.executor import RecordDied
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
"""Rows held at once, and read in one guarded call."""
LINES, LINES_BYTES = 256, 4 << 20
"""Lines of JSONL in one guarded call: so many, or as many as reach so many bytes."""
OPENING = -1
"""Key of the call that opens a Parquet file; its rows have their numbers."""


class _Place(NamedTuple):
    space: str
    offset: int
    length: int


class _Line(NamedTuple):
    data: bytes
    place: _Place


class Guard(Protocol):
    """`tasks.executor.Watch.guard`, or what stands in for it: calls a function for a key, which grows."""

    def __call__(self, key: int, function: Callable[..., Any], *arguments: Any) -> Any: ...


def _unguarded(key: int, function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


def read_table(path: str | Path, config: ExtractConfig, guard: Guard = _unguarded) -> Iterator[Row]:
    """Every row of a JSONL, Parquet or plain file, by `format_of`, in its order: each a document or a loss. An empty
    file is one loss.

    A file that is none of these, or can't be read as what its name says, is one loss too. What parses bytes of the file
    is called through `guard`: where that raises RecordDied, what the call was for is a loss (a plain file; a line of
    JSONL; of a Parquet file all of it if it can't be opened, else the rest of a row group), and the rest is read.
    Raises: OSError if the file can't be opened.
    """
    size = os.path.getsize(path)
    if size == 0:
        yield _loss(_Place("file", 0, 0), LossReason.EMPTY_FILE, "the file has no bytes")
        return
    form = format_of(path)
    if form is Format.JSONL:
        yield from _read_jsonl(path, config, guard)
    elif form is Format.PARQUET:
        yield from _read_parquet(path, config, guard)
    elif form is Format.TEXT:
        try:
            yield guard(0, _read_text, path, config)
        except RecordDied as died:
            yield _died(_Place("file", 0, size), died)
    else:
        detail = (
            "an archive, which read_archive reads"
            if form is Format.ARCHIVE
            else "neither its name nor its first bytes say what it is"
        )
        yield _loss(_Place("file", 0, size), LossReason.UNKNOWN_FORMAT, detail)


def _died(place: _Place, died: RecordDied) -> LossRow:
    return _loss(place, LossReason(died.death.reason), died.death.detail)


def _loss(place: _Place, reason: LossReason, detail: str = "", url: str | None = None) -> LossRow:
    return LossRow(*place, None, url, reason.value, detail)


# JSONL.


def _read_jsonl(path: str | Path, config: ExtractConfig, guard: Guard) -> Iterator[Row]:
    limit = 2 * config.max_bytes + (1 << 16)  # escapes make a line longer than its text
    waiting: list[_Line] = []
    size = 0
    for line in _lines(path, limit):
        if isinstance(line, _Line):
            waiting.append(line)
            size += len(line.data)
        if not isinstance(line, _Line) or len(waiting) >= LINES or size >= LINES_BYTES:
            yield from _read_lines(waiting, limit, config, guard)
            waiting, size = [], 0
        if not isinstance(line, _Line):
            yield line
    yield from _read_lines(waiting, limit, config, guard)


def _lines(path: str | Path, limit: int) -> Iterator[_Line | LossRow]:
    """The lines of a file, each cut at `limit` bytes and a bit, and the stretches that can't be decoded."""
    space = "file" if kind_of(path) is Kind.PLAIN else "stream"
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
                yield _Line(bytes(line), _Place(space, start, end - start))
                start = end
                line.clear()
    if end > start:
        yield _Line(bytes(line), _Place(space, start, end - start))


def _read_lines(lines: list[_Line], limit: int, config: ExtractConfig, guard: Guard) -> list[Row]:
    """The rows of these lines in one guarded call; if that dies, in one for each."""
    if not lines:
        return []
    try:
        return guard(lines[0].place.offset, _rows_of, lines, limit, config)
    except RecordDied as died:
        if len(lines) == 1:
            return [_died(lines[0].place, died)]
    return [row for line in lines for row in _read_lines([line], limit, config, guard)]


def _rows_of(lines: list[_Line], limit: int, config: ExtractConfig) -> list[Row]:
    return [_read_line(line.data, line.place, limit, config) for line in lines]


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


def _read_parquet(path: str | Path, config: ExtractConfig, guard: Guard) -> Iterator[Row]:
    whole = _Place("file", 0, os.path.getsize(path))
    names = {name.split(".")[0] for field in COMMON_NAMES for name in _names(field, config)}
    try:
        columns, groups = guard(OPENING, _layout, path, names)
    except RecordDied as died:
        yield _died(whole, died)
        return
    except (pa.ArrowException, OSError) as error:
        yield _loss(whole, LossReason.DAMAGED, f"Parquet: {_first_line(error)}")
        return
    total = sum(groups)
    if total == 0:
        yield _loss(whole, LossReason.EMPTY_FILE, "a Parquet file without rows")
    if not columns:
        yield from (_loss(_Place("row", row, 1), LossReason.BAD_ROW, "no text column") for row in range(total))
        return
    batches = _Batches(path, columns)
    row = 0
    for group, rows in enumerate(groups):
        end, number = row + rows, 0
        while row < end:
            try:
                read = guard(row, batches.read, group, number, row, config)
            except RecordDied as died:
                yield _died(_Place("row", row, end - row), died)
                row = end
            except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
                yield _loss(_Place("row", row, end - row), LossReason.DAMAGED, f"Parquet: {_first_line(error)}")
                row = end
            else:
                yield from read
                row, number = row + len(read), number + 1
    batches.close()


def _layout(path: str | Path, names: set[str]) -> tuple[list[str], list[int]]:
    """The columns of a Parquet file that are among `names`, and the rows of each row group."""
    with pq.ParquetFile(path) as file:
        about = file.metadata
        columns = [name for name in file.schema_arrow.names if name in names]
        return columns, [about.row_group(group).num_rows for group in range(about.num_row_groups)]


class _Batches:
    """The rows of a Parquet file, a batch at a time.

    A call goes on where the last one was, if that was in the same process. A forked child opens the file for itself and
    passes over what lies before in the row group: nothing that Arrow holds open is shared with its parent.
    """

    def __init__(self, path: str | Path, columns: list[str]) -> None:
        self._path, self._columns = path, columns
        self._file: pq.ParquetFile | None = None
        self._batches: Iterator[pa.RecordBatch] = iter(())
        self._next = (0, 0, 0)  # process, row group, number of the batch in it

    def read(self, group: int, number: int, first_row: int, config: ExtractConfig) -> list[Row]:
        """The rows of a batch, `PARQUET_ROWS` or fewer. Raises: ArrowException, OSError, UnicodeDecodeError."""
        here = os.getpid()
        if self._next != (here, group, number):
            self.close()
            self._file = pq.ParquetFile(self._path)
            self._batches = self._file.iter_batches(PARQUET_ROWS, [group], self._columns, use_threads=False)
            for _ in range(number):
                next(self._batches)
        self._next = (0, 0, 0)
        batch = next(self._batches, None)
        if batch is None or not batch.num_rows:
            raise pa.ArrowInvalid("the row group has fewer rows than the file says")
        values = batch.to_pylist()
        self._next = (here, group, number + 1)
        return [_row(value, _Place("row", first_row + n, 1), config) for n, value in enumerate(values)]

    def close(self) -> None:
        """Close the file, if it is open."""
        self._batches = iter(())
        if self._file is not None:
            self._file.close()
            self._file = None


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
    text, page = clean_text(decoded.text), None
    if html:
        try:
            page = extract_page(decoded.text, None, config)
            text = page.text
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
        title=page.title if page else None,
        text_bytes=len(text.encode()),
        text=text,
        author=page.author if page else None,
        published=page.published if page else None,
        extractor=page.extractor if page else None,
    )
