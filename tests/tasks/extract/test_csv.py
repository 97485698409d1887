"""CSV: every record one document or one loss, with the bytes that it takes up, whatever stands in quotes."""

import csv
import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.extract.config import ExtractConfig
from tasks.extract.dispatch import read_file
from tasks.extract.documents import DocumentRow, LossRow
from tasks.rows import Row, Unread, read_rows
from tests.tasks.extract.crawls import SENTENCE, write
from tests.tasks.extract.test_tables import Deadly, losses, read_covered


def test_records_with_quoted_newlines_have_their_bytes(tmp_path: Path):
    parts = [b"id,text,author\r\n", b'1,"two\nlines, ""quoted""",Ann\r\n', b"2,plain,\r\n", b'3,"last",Bo']
    rows = read_covered(write(tmp_path, b"".join(parts), "a.csv"))
    assert [row.length for row in rows] == [len(part) for part in parts]
    assert losses(rows) == [(0, "header")]
    found = [(row.record_id, row.text, row.author) for row in rows if isinstance(row, DocumentRow)]
    assert found == [("1", 'two\nlines, "quoted"', "Ann"), ("2", "plain", None), ("3", "last", "Bo")]


@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ","), ("a.csv", ";"), ("a.tsv", "\t"), ("a.csv", "|")])
@pytest.mark.parametrize("packed", [False, True])
def test_delimiters_and_compression(tmp_path: Path, name: str, delimiter: str, packed: bool):
    text = f"\ufefftext{delimiter}id\n" + "".join(f"{SENTENCE}{delimiter}{n}\n" for n in range(600))
    data = text.encode()
    rows = read_covered(write(tmp_path, gzip.compress(data) if packed else data, name + packed * ".gz"))
    assert len(rows) == 601
    assert {row.space for row in rows} == {"stream" if packed else "file"}
    assert [row.record_id for row in rows if isinstance(row, DocumentRow)] == [str(n) for n in range(600)]
    assert sum(row.length for row in rows) == len(data)


FIELD = st.text(st.sampled_from('ab",;\n\r\t|é \u2028'), max_size=12)


@given(st.lists(st.lists(FIELD, min_size=2, max_size=4), max_size=8), st.sampled_from(",;\t|"))
def test_what_a_csv_writer_wrote_is_read_and_covers_the_file(
    tmp_path_factory: pytest.TempPathFactory, records: list[list[str]], delimiter: str
):
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
    names = ["w", "x", "y", "z"]
    writer.writerow(names)
    writer.writerows(records)
    data = file.getvalue().encode()
    path = write(tmp_path_factory.mktemp("csv"), data, "a.csv")
    found = list(read_rows(path))
    assert [dict(one.values) for one in found if isinstance(one, Row)] == [
        {name: value for name, value in zip(names, record, strict=False) if value} for record in records
    ]
    edges = [0, *(one.place.offset + one.place.length for one in found)]
    assert edges == [*(one.place.offset for one in found), len(data)]
    assert [one.reason for one in found if isinstance(one, Unread)] == ["header"]


@given(st.lists(st.binary(max_size=40), max_size=12), st.binary(max_size=20))
def test_any_bytes_are_covered(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], header: bytes):
    path = write(tmp_path_factory.mktemp("csv"), b"\n".join([header, *lines]) or b"x", "a.csv")
    read_covered(path)


BAD_RECORDS = {
    "too many fields": (b"1,2,3", "bad row"),
    "no UTF-8": (b"caf\xe9,1", "bad encoding"),
    "a blank line": (b"", "bad row"),
    "no text": (b",7", "bad row"),
    "a bare carriage return": (b"a\rb,1", "bad row"),
}


@pytest.mark.parametrize("what", BAD_RECORDS)
def test_a_bad_record_is_one_loss_and_costs_no_other(tmp_path: Path, what: str):
    line, reason = BAD_RECORDS[what]
    rows = read_covered(write(tmp_path, b"text,id\none,1\n" + line + b"\ntwo,2\n", "a.csv"))
    assert losses(rows) == [(0, "header"), (2, reason)]
    assert [row.text for row in rows if isinstance(row, DocumentRow)] == ["one", "two"]


def test_a_quote_that_is_never_closed_costs_its_line(tmp_path: Path):
    data = b'text,id\none,1\n"open,2\nthree,3\nfour,4\n'
    rows = read_covered(write(tmp_path, data, "a.csv"))
    texts = [row.text for row in rows if isinstance(row, DocumentRow)]
    assert (texts[0], texts[-2:]) == ("one", ["three", "four"])
    # also where the rest of the file is longer than a row may be
    long = data + b"more,5\n" * 40_000
    rows = read_covered(write(tmp_path, long, "b.csv"), ExtractConfig(max_bytes=1000))
    assert sum(isinstance(row, DocumentRow) for row in rows) >= 40_003


def test_a_record_beyond_the_limit_is_not_held(tmp_path: Path):
    data = b'text,id\none,1\n"' + b"x" * 300_000 + b'",2\ntwo,3\n'
    rows = read_covered(write(tmp_path, data, "a.csv"), ExtractConfig(max_bytes=1000))
    assert losses(rows) == [(0, "header"), (2, "too large")]


def test_a_header_that_cannot_be_read_is_said_of_every_row(tmp_path: Path):
    rows = read_covered(write(tmp_path, b"caf\xe9,text\none,1\ntwo,2\n", "a.csv"))
    assert losses(rows) == [(0, "bad header"), (1, "bad header"), (2, "bad header")]


def test_a_record_that_kills_is_lost_alone(tmp_path: Path):
    data = b"text\n" + b"".join(b"row %d\n" % n for n in range(9))
    rows = list(read_file(write(tmp_path, data, "a.csv"), ExtractConfig(), Deadly(5, 5 + 6 * 4)))
    assert losses(rows) == [(0, "header"), (1, "crash"), (5, "crash")]
    assert [row.offset for row in rows if isinstance(row, LossRow)] == [0, 5, 29]
