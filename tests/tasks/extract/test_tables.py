"""Rows of JSONL, Parquet and plain files: each one document or one loss, with its place."""

import gzip
import json
import os
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from tasks.executor import Death, RecordDied
from tasks.extract.config import ExtractConfig
from tasks.extract.dispatch import Row, read_file
from tasks.extract.documents import DocumentRow, LossRow
from tasks.extract.formats import Format, format_of
from tasks.extract.stage import extract
from tasks.extract.warc.members import Kind, kind_of
from tasks.ingest import Source, ingest
from tasks.run import running
from tests.tasks.extract.crawls import SENTENCE, gzip_each, page, records, write

CONFIG = ExtractConfig()
LINES = [
    json.dumps({"id": n, "text": f"Line {n}: {SENTENCE}", "url": f"http://example.org/{n}"}).encode() for n in range(50)
]
JSONL = b"".join(line + b"\n" for line in LINES)


def read_covered(path: Path, config: ExtractConfig = CONFIG) -> list[Row]:
    """Every row of a file, whose places are checked to follow one another."""
    rows = list(read_file(path, config))
    assert rows
    end = 0
    for row in rows:
        assert row.offset == end
        end += row.length
    assert rows[0].space != "file" or end == os.path.getsize(path)
    return rows


def losses(rows: list[Row]) -> list[tuple[int, str]]:
    return [(number, row.reason) for number, row in enumerate(rows) if isinstance(row, LossRow)]


@pytest.mark.parametrize(
    ("name", "pack", "space"),
    [
        ("a.jsonl", bytes, "file"),
        ("a.jsonl.gz", gzip.compress, "stream"),
        ("a.jsonl.zst", zstandard.compress, "stream"),
        ("a.ndjson", lambda data: data[:-1], "file"),
    ],
)
def test_jsonl_in_every_form(tmp_path: Path, name: str, pack: Callable[[bytes], bytes], space: str):
    rows = read_covered(write(tmp_path, pack(JSONL), name))
    assert [(row.record_id, row.text) for row in rows if isinstance(row, DocumentRow)] == [
        (str(n), f"Line {n}: {SENTENCE}") for n in range(50)
    ]
    for row, line in zip(rows, LINES, strict=True):
        assert row.space == space
        assert JSONL[row.offset : row.offset + row.length].rstrip() == line


BAD_LINES: dict[str, tuple[bytes, str]] = {
    "no JSON": (b'{"text": "cut', "bad json"),
    "no object": (b'["text"]', "bad row"),
    "a null": (b"null", "bad row"),
    "no text": (b'{"title": "x"}', "bad row"),
    "null text": (b'{"text": null}', "bad row"),
    "a number for text": (b'{"text": 5}', "bad row"),
    "empty text": (b'{"text": ""}', "no text"),
    "blank text": (b'{"text": " \\n\\t"}', "no text"),
    "no UTF-8": (b'{"text": "caf\xe9"}', "bad encoding"),
    "blank": (b"  ", "bad row"),
    "nothing": (b"", "bad row"),
    "nested": (b'{"text": ' + b"[" * 100_000 + b"}", "bad json"),
    "a huge number": (b'{"text": "x", "id": ' + b"9" * 10_000 + b"}", "bad json"),
}


@pytest.mark.parametrize("bad", BAD_LINES)
def test_a_bad_line_is_one_loss_and_costs_no_other(tmp_path: Path, bad: str):
    line, reason = BAD_LINES[bad]
    rows = read_covered(write(tmp_path, b"\n".join([*LINES[:3], line, *LINES[3:], b""]), "a.jsonl"))
    assert losses(rows) == [(3, reason)]
    assert len(rows) == 51


def test_lines_end_at_line_feeds_alone(tmp_path: Path):
    text = "one\u2028two\u0085three\x0bfour\rfive"
    line = json.dumps({"text": text}, ensure_ascii=False).encode()
    rows = read_covered(write(tmp_path, line + b"\r\n" + line, "a.jsonl"))
    assert [row.text for row in rows if isinstance(row, DocumentRow)] == [text, text]


def test_a_line_beyond_the_limit_is_not_held(tmp_path: Path):
    long = json.dumps({"text": "x" * 300_000}).encode()
    rows = read_covered(
        write(tmp_path, b"\n".join([LINES[0], long, LINES[1]]), "a.jsonl"), ExtractConfig(max_bytes=1000)
    )
    assert losses(rows) == [(1, "too large")]


def test_compressed_lines_that_are_damaged(tmp_path: Path):
    data = bytearray(
        gzip.compress(b"".join(os.urandom(40).hex().encode().join([b'{"text": "', b'"}\n']) for _ in range(5000)))
    )
    data[len(data) // 2 : len(data) // 2 + 50] = bytes(50)
    rows = read_covered(write(tmp_path, bytes(data), "a.jsonl.gz"))
    assert any(row.reason == "damaged" for row in rows if isinstance(row, LossRow))
    assert sum(isinstance(row, DocumentRow) for row in rows) > 1000
    cut = read_covered(write(tmp_path, gzip.compress(JSONL)[:-20], "b.jsonl.gz"))
    assert cut[-1].reason == "truncated"  # type: ignore[union-attr]


def test_fields_by_common_names_and_by_the_names_given(tmp_path: Path):
    row: dict[str, Any] = {
        "content": "words",
        "metadata": {"url": "http://a/", "license": "CC0"},
        "headline": "T",
        "timestamp": "2024-05-06T07:08:09Z",
        "mine": {"deep": "other words"},
    }
    path = write(tmp_path, json.dumps(row).encode(), "a.jsonl")
    (found,) = read_covered(path)
    assert isinstance(found, DocumentRow)
    assert (found.text, found.url, found.license, found.title) == ("words", "http://a/", "CC0", "T")
    assert found.capture_date == datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    (other,) = read_covered(path, ExtractConfig(fields={"text": "mine.deep", "url": "none"}))
    assert isinstance(other, DocumentRow)
    assert (other.text, other.url) == ("other words", None)


def test_a_misspelt_field_is_refused():
    with pytest.raises(ValueError, match="txet"):
        ExtractConfig(fields={"txet": "content"})  # type: ignore[dict-item]


def test_parquet(tmp_path: Path):
    count = 700
    table = pa.table(
        {
            "text": [None if n == 5 else "" if n == 6 else f"Row {n}: {SENTENCE}" for n in range(count)],
            "id": list(range(count)),
            "date": [date(2024, 5, 6)] * count,
            "other": [b"x" * 100] * count,
        }
    )
    path = tmp_path / "a.parquet"
    pq.write_table(table, path, row_group_size=300)
    rows = read_covered(path)
    assert [(row.space, row.offset, row.length) for row in rows] == [("row", n, 1) for n in range(count)]
    assert losses(rows) == [(5, "bad row"), (6, "no text")]
    first = rows[0]
    assert isinstance(first, DocumentRow)
    assert (first.text, first.record_id) == (f"Row 0: {SENTENCE}", "0")
    assert first.capture_date == datetime(2024, 5, 6, tzinfo=UTC)


def test_parquet_that_is_no_parquet_or_has_no_text_or_is_damaged(tmp_path: Path):
    (row,) = read_covered(write(tmp_path, b"PAR1 and nothing more PAR1", "a.parquet"))
    assert row.reason == "damaged"  # type: ignore[union-attr]
    path = tmp_path / "b.parquet"
    pq.write_table(pa.table({"number": [1, 2, 3]}), path)
    assert losses(read_covered(path)) == [(0, "bad row"), (1, "bad row"), (2, "bad row")]
    texts = [os.urandom(300).hex() for _ in range(1000)]
    pq.write_table(pa.table({"text": texts}), path, row_group_size=250, compression="zstd", write_page_checksum=True)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 500] = bytes(500)
    rows = read_covered(write(tmp_path, bytes(data), "c.parquet"))
    (lost,) = [row for row in rows if isinstance(row, LossRow)]
    assert lost.reason == "damaged"
    assert (lost.offset + lost.length) % 250 == 0  # up to the end of its row group
    assert sum(row.length for row in rows) == 1000
    kept = texts[: lost.offset] + texts[lost.offset + lost.length :]
    assert [row.text for row in rows if isinstance(row, DocumentRow)] == kept


class Deadly:
    """A guard under which calls for some keys die, as they do in a worker."""

    def __init__(self, *keys: int) -> None:
        self.keys = keys

    def __call__(self, key: int, function: Callable[..., Any], *arguments: Any) -> Any:
        if key in self.keys:
            raise RecordDied(Death("crash", "killed by SIGSEGV"), key)
        return function(*arguments)


def test_a_parquet_file_that_kills_loses_the_rest_of_a_row_group_or_all_if_it_kills_at_once(tmp_path: Path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [f"Row {n}: {SENTENCE}" for n in range(1500)]}), path, row_group_size=600)
    rows = list(read_file(path, CONFIG, Deadly(856)))
    assert [(row.offset, row.length, row.reason) for row in rows if isinstance(row, LossRow)] == [(856, 344, "crash")]
    assert [row.offset for row in rows] == [*range(857), *range(1200, 1500)]
    (row,) = read_file(path, CONFIG, Deadly(-1))
    assert isinstance(row, LossRow)
    assert (row.space, row.offset, row.length, row.reason) == ("file", 0, os.path.getsize(path), "crash")


def test_a_line_that_kills_is_lost_alone(tmp_path: Path):
    path = write(tmp_path, JSONL, "a.jsonl")
    place = 7 * len(LINES[0] + b"\n")
    rows = list(read_file(path, CONFIG, Deadly(0, place)))
    assert losses(rows) == [(0, "crash"), (7, "crash")]
    assert len(rows) == 50
    assert sum(row.length for row in rows) == len(JSONL)


def test_a_row_group_that_never_ends_in_arrow_is_a_loss_and_the_others_are_documents(tmp_path: Path):
    """A real run: the row group holds one row with a list of times so long that it takes many seconds to read."""
    (tmp_path / "rows").mkdir()
    schema = pa.schema([("text", pa.string()), ("metadata", pa.list_(pa.timestamp("us", "UTC")))])
    with pq.ParquetWriter(tmp_path / "rows" / "a.parquet", schema) as writer:
        for first, length in ((0, 1), (300, 8_000_000), (301, 1)):
            texts = [f"Row {n}: {SENTENCE}" for n in range(first, first + (1 if length > 1 else 300))]
            values = pa.array(np.zeros(length * len(texts), np.int64)).cast(pa.timestamp("us", "UTC"))
            offsets = pa.array(np.arange(0, length * len(texts) + 1, length, dtype=np.int32))
            writer.write_table(pa.table([texts, pa.ListArray.from_arrays(offsets, values)], schema=schema))
    (tmp_path / "rows" / "b.txt").write_text(SENTENCE)
    with running(tmp_path / "lake", "rows", workers=1, cpu_seconds=0.3, quiet=True):
        (snapshot,) = ingest(Source(name="rows", path=str(tmp_path / "rows")))
        documents = extract(ExtractConfig(), snapshot=snapshot)
    (lost,) = documents.read(table="losses").to_pylist()
    assert (lost["space"], lost["offset"], lost["length"], lost["reason"]) == ("row", 300, 1, "timeout")
    places = documents.read(["file", "offset"]).to_pylist()
    assert [row["offset"] for row in places if row["file"] == "a.parquet"] == [*range(300), *range(301, 601)]
    assert sum(row["file"] == "b.txt" for row in places) == 1


@pytest.mark.parametrize(
    ("name", "body", "content_type", "text"),
    [
        ("a.txt", "Größe\r\nund Maß\n".encode(), "text/plain", "Größe\r\nund Maß\n"),
        ("a.md", b"# Title\n", "text/markdown", "# Title\n"),
        ("a.py", "name = 'é'\n".encode("utf-8-sig"), "text/x-python", "name = 'é'\n"),
        ("a.c", ("/* " + "müde Größe " * 20 + "*/").encode("latin-1"), "text/plain", "/* " + "müde Größe " * 20 + "*/"),
    ],
)
def test_a_plain_file_is_one_document(tmp_path: Path, name: str, body: bytes, content_type: str, text: str):
    (row,) = read_covered(write(tmp_path, body, name))
    assert isinstance(row, DocumentRow), row
    assert (row.space, row.offset, row.length, row.content_type, row.text) == ("file", 0, len(body), content_type, text)


def test_a_saved_page_is_read_as_one(tmp_path: Path):
    (row,) = read_covered(write(tmp_path, page(3), "a.html"))
    assert isinstance(row, DocumentRow)
    assert (row.title, row.content_type) == ("Page 3", "text/html")
    assert "<p>" not in row.text


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        ("a.txt", b"", "empty file"),
        ("a.jsonl", b"", "empty file"),
        ("a.txt", b" \n", "no text"),
        ("a.py", b"\x00\x01\x02" * 50, "bad encoding"),
        ("a.txt", b"x" * 2000, "too large"),
        ("a.bin", b"\x7fELF" * 50, "unknown format"),
        ("a.html", b"<html></html>", "no text"),
    ],
)
def test_files_that_give_no_document(tmp_path: Path, name: str, body: bytes, reason: str):
    (row,) = read_covered(write(tmp_path, body, name), ExtractConfig(max_bytes=1000))
    assert isinstance(row, LossRow)
    assert row.reason == reason


@pytest.mark.parametrize(
    ("name", "body", "expected"),
    [
        ("a.warc.gz", b"x", Format.ARCHIVE),
        ("a.WARC", b"x", Format.ARCHIVE),
        ("a.warc.wet.gz", b"x", Format.ARCHIVE),
        ("a.b.jsonl.zst", b"x", Format.JSONL),
        ("a.parquet", b"x", Format.PARQUET),
        ("README.md", b"x", Format.TEXT),
        ("a", b"WARC/1.0\r\n", Format.ARCHIVE),
        ("a.gz", gzip_each(records(1)), Format.ARCHIVE),
        ("a.gz", gzip.compress(b"words", mtime=0), None),
        ("a", b"PAR1....", Format.PARQUET),
        ("a.txt", gzip.compress(b"words", mtime=0), Format.TEXT),
        ("a", b"words", None),
        ("a", b"", None),
    ],
)
def test_what_a_file_holds(tmp_path: Path, name: str, body: bytes, expected: Format | None):
    assert format_of(write(tmp_path, body, name)) is expected


@example([b"\x1f\x8b", b"\x00"], False)
@given(st.lists(st.binary(max_size=60), max_size=12), st.booleans())
def test_any_bytes_are_covered(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], packed: bool):
    data = b"\n".join(lines)
    path = write(tmp_path_factory.mktemp("lines"), gzip.compress(data) if packed and data else data, "a.jsonl")
    rows = read_covered(path)
    if packed or kind_of(path) in (Kind.PLAIN, Kind.EMPTY):  # what only begins like gzip has no lines
        assert len(rows) == max(data.count(b"\n") + (not data.endswith(b"\n")), 1)


def test_real_rows(test_data: Path):
    for name, count in (("gesetze", 699), ("us-gov-18f", 486), ("cpython-lib", 915)):
        rows = read_covered(test_data / "text" / f"{name}.jsonl.gz")
        assert len(rows) == sum(isinstance(row, DocumentRow) for row in rows) == count
