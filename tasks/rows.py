"""Rows of JSONL, JSON and Parquet files with the place of each: what readers of instruction and evaluation sets share.

- JSONL: `space="file"`, or `"stream"` if it is compressed: the bytes of a line with its newline. Lines end at "\\n" and
  nowhere else.
- JSON, an array of objects: the same spaces; an element reaches from the end of the one before it to its own end, so
  that the elements cover the file.
- Parquet: `space="row"`: the row's number, length 1.

Nothing here knows what a row means. Every byte or row of a file is told of: by a `Row`, or by an `Unread`.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from storage.artifact import MAIN_TABLE, Artifact
from storage.commit import ShardOutput
from storage.schemas.documents import LOSSES
from storage.sources import locate
from storage.table import Table
from tasks.executor import Watch
from tasks.extract.formats import Format, format_of
from tasks.extract.reasons import LossReason
from tasks.extract.warc.members import Broken, Data, Kind, decode, kind_of
from tasks.run import current_run
from tasks.stage import Shard

PARQUET_ROWS = 256
"""Rows of a Parquet file held at once."""
BATCH_ROWS = 512
MAX_ARRAY_BYTES = 256 << 20
"""A JSON array is parsed whole: a longer one belongs into JSONL."""
COMPRESSIONS = (".gz", ".zst", ".zstd", ".lz4")


class Place(NamedTuple):
    """Where something stands in its file; see the module for `space`."""

    space: str
    offset: int
    length: int


class Row(NamedTuple):
    """A row and its place."""

    place: Place
    values: Mapping[str, Any]


class Unread(NamedTuple):
    """A stretch of the file that gave no row, and why."""

    place: Place
    reason: str
    detail: str


class Unusable(ValueError):
    """A row that is not what its reader takes: `reason` to count by, `detail` for a person (never text of the row)."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def read_rows(path: str | Path, max_row_bytes: int = 16 << 20) -> Iterator[Row | Unread]:
    """Every row of a file, in its order.

    Raises: OSError if the file can't be opened.
    """
    size = os.path.getsize(path)
    if size == 0:
        yield Unread(Place("file", 0, 0), LossReason.EMPTY_FILE, "the file has no bytes")
    elif _suffix(path) == ".json":
        yield from _read_array(path)
    else:
        form = format_of(path)
        if form is Format.JSONL:
            yield from _read_lines(path, max_row_bytes)
        elif form is Format.PARQUET:
            yield from _read_parquet(path)
        else:
            detail = "rows are read from .jsonl, .json and .parquet files (.gz and .zst too)"
            yield Unread(Place("file", 0, size), LossReason.UNKNOWN_FORMAT, detail)


def plan_files(snapshot: Artifact) -> list[Shard]:
    """One shard for each file of a snapshot; its content is the file's row in the snapshot.

    Raises: SourceError if a file is not where it was ingested.
    """
    return [
        Shard(number, row, row["bytes"], {"place": place}, row["path"])
        for number, (row, place) in enumerate(locate(current_run().lake, snapshot))
    ]


def read_into(
    shard: Shard,
    output: ShardOutput,
    watch: Watch,
    declared: Table,
    read: Callable[[Row], dict[str, Any]],
    max_row_bytes: int,
) -> None:
    """One row of the main table for each row of the shard's file that `read` takes, and a loss for each other.

    `read` gives the columns that a row's place and source do not, or raises Unusable.
    """
    about = shard.content
    where = {"source": about["source"], "file": about["path"], "file_sha256": about["sha256"]}
    rows: list[dict[str, Any]] = []
    losses: list[dict[str, Any]] = []

    def write(least: int) -> None:
        for waiting, schema, name in ((rows, declared.schema, MAIN_TABLE), (losses, LOSSES.schema, "losses")):
            if len(waiting) >= least:
                output.write(pa.RecordBatch.from_pylist(waiting, schema=schema), name)
                waiting.clear()

    for number, row in enumerate(read_rows(shard.where["place"].path, max_row_bytes), start=1):
        here = where | row.place._asdict()
        try:
            if isinstance(row, Unread):
                raise Unusable(row.reason, row.detail)
            rows.append(here | read(row))
        except Unusable as loss:
            losses.append(here | {"record_type": None, "url": None, "reason": str(loss.reason), "detail": loss.detail})
        write(BATCH_ROWS)
        watch.progress(number)
    write(1)
    shard.where["place"].check()


def count_rows(artifact: Artifact, column: str) -> list[dict[str, Any]]:
    """Rows by source and `column`, and losses by reason: rows of (source, what, rows)."""
    counted = []
    for name, by, prefix in ((MAIN_TABLE, column, ""), ("losses", "reason", "lost: ")):
        table = artifact.read(["source", by], name).group_by(["source", by]).aggregate([([], "count_all")])
        counted += [(one["source"], prefix + one[by], one["count_all"]) for one in table.to_pylist()]
    return [{"source": source, "what": what, "rows": rows} for source, what, rows in sorted(counted)]


def row_id(source: str, file_sha256: str, place: Place) -> str:
    """128-bit hash of where a row stands, 32 hexadecimal characters: unique by construction."""
    return hashlib.sha256(f"{source}\0{file_sha256}\0{place.space}\0{place.offset}".encode()).hexdigest()[:32]


def find(values: Mapping[str, Any], names: Sequence[str]) -> Any:
    """The first value under one of these names (dots lead into objects) that is not null, or None."""
    for name in names:
        value = values.get(name)
        if value is None and "." in name:
            value = values
            for key in name.split("."):
                value = value.get(key) if isinstance(value, Mapping) else None
        if value is not None:
            return value
    return None


def find_word(values: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """The same for a short fact (an id, a licence): text, or a number as it is written; anything else is none."""
    value = find(values, names)
    if isinstance(value, str) and is_text(value):
        return value.strip() or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def is_text(value: str) -> bool:
    """Whether it can be written as UTF-8: JSON may escape half a surrogate pair."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _suffix(path: str | Path) -> str:
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    while suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _space(path: str | Path) -> str:
    return "file" if kind_of(path) is Kind.PLAIN else "stream"


def _read_lines(path: str | Path, limit: int) -> Iterator[Row | Unread]:
    space, line, start, end = _space(path), bytearray(), 0, 0
    for event in decode(path):
        if isinstance(event, Broken):  # the line that it cut off, and the stretch stands in the stream for itself
            end += event.stop - event.start
            yield Unread(Place(space, start, end - start), event.reason, event.detail)
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
                yield _parse_line(bytes(line), Place(space, start, end - start), limit)
                start = end
                line.clear()
    if end > start:
        yield _parse_line(bytes(line), Place(space, start, end - start), limit)


def _parse_line(line: bytes, place: Place, limit: int) -> Row | Unread:
    if place.length > limit:
        return Unread(place, LossReason.TOO_LARGE, f"a line of {place.length} bytes")
    if place.offset == 0:
        line = line.removeprefix(b"\xef\xbb\xbf")
    if not line.strip():
        return Unread(place, LossReason.BAD_ROW, "a blank line")
    try:
        return _row(json.loads(line.decode("utf-8")), place)
    except UnicodeDecodeError as error:
        return Unread(place, LossReason.BAD_ENCODING, f"not UTF-8 at byte {error.start} of the line")
    except json.JSONDecodeError as error:
        return Unread(place, LossReason.BAD_JSON, f"{error.msg} at character {error.pos} of the line")
    except (RecursionError, ValueError) as error:  # nested too deep; a number of thousands of digits
        return Unread(place, LossReason.BAD_JSON, type(error).__name__)


def _row(value: object, place: Place) -> Row | Unread:
    if isinstance(value, dict):
        return Row(place, value)
    return Unread(place, LossReason.BAD_ROW, f"a {type(value).__name__}, not an object")


def _read_array(path: str | Path) -> Iterator[Row | Unread]:
    space, content, broken = _space(path), bytearray(), None
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
        yield _row(value, Place(space, offset, length))
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


def _read_parquet(path: str | Path) -> Iterator[Row | Unread]:
    size = os.path.getsize(path)
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        yield Unread(Place("file", 0, size), LossReason.DAMAGED, f"Parquet: {_first_line(error)}")
        return
    with file:
        total, row = file.metadata.num_rows, 0
        if total == 0:
            yield Unread(Place("file", 0, size), LossReason.EMPTY_FILE, "a Parquet file without rows")
        try:
            for batch in file.iter_batches(batch_size=PARQUET_ROWS):
                for values in batch.to_pylist():
                    yield Row(Place("row", row, 1), values)
                    row += 1
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            yield Unread(Place("row", row, total - row), LossReason.DAMAGED, f"Parquet: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    """What Arrow says, without its stack, and without bytes of the file."""
    if isinstance(error, UnicodeDecodeError):
        return type(error).__name__
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
