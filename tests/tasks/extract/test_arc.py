"""ARC files: the same records as their WARC twins, with odd lines, and with damage."""

import gzip
import zlib
from collections import Counter
from pathlib import Path

import pytest

from tasks.extract.archive import Record, read_archive
from tasks.extract.config import ExtractConfig
from tasks.extract.documents import DocumentRow, LossRow, extract_record
from tasks.extract.formats import Format, format_of
from tasks.extract.reasons import LossReason
from tests.tasks.extract.crawls import gzip_each, page, read_whole, readable, response, unreadable, urls, write

HEAD = b"1 0 Test\nURL IP-address Archive-date Content-type Archive-length\n\n"


def arc_record(
    block: bytes,
    url: str = "http://example.org/",
    date: str = "20240506070809",
    length: str | None = None,
    media: str = "text/html",
    address: str = "127.0.0.1",
) -> bytes:
    """An ARC record. `length`: what it says of its length, if that is a lie."""
    said = len(block) if length is None else length
    return f"{url} {address} {date} {media} {said}\n".encode() + block + b"\n"


def arc(count: int) -> list[bytes]:
    """A file description and `count` pages."""
    first = arc_record(HEAD, "filedesc://a.arc", media="text/plain", address="0.0.0.0")
    return [first, *(arc_record(response(page(n)), f"http://example.org/{n}") for n in range(count))]


RECORDS = arc(30)
URLS = [f"http://example.org/{n}" for n in range(30)]
FORMS = {
    "plain": (b"".join(RECORDS), "file"),
    "gzip, a record a member": (gzip_each(RECORDS), "file"),
    "gzip, one member": (gzip.compress(b"".join(RECORDS)), "stream"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_records(tmp_path: Path, form: str):
    data, space = FORMS[form]
    path = write(tmp_path, data, "no-telling-name")
    assert format_of(path) is Format.ARCHIVE
    items = read_whole(path)
    assert not unreadable(items)
    assert urls(items) == URLS
    assert {item.space for item in items} == {space}
    assert [item.payload for item in readable(items)][1:] == [response(page(n)) for n in range(30)]
    rows = [extract_record(item, ExtractConfig()) for item in items]
    assert isinstance(rows[0], LossRow)
    assert rows[0].reason == LossReason.WARCINFO
    assert all(isinstance(row, DocumentRow) and row.http_status == 200 for row in rows[1:])


DATES = {
    "20240506070809": "2024-05-06T07:08:09Z",
    "2024050607": "2024-05-06T07:00:00Z",
    "202405060708": "2024-05-06T07:08:00Z",
    "202405060708091": "2024-05-06T07:08:09Z",
    "202405060708091234": "2024-05-06T07:08:09Z",
    "20240506070809text": "2024-05-06T07:08:09Z",
    "a0d1fdddf3165d0447b1": None,
}


@pytest.mark.parametrize("date", DATES)
def test_dates_of_ten_to_eighteen_digits_and_none(tmp_path: Path, date: str):
    items = read_whole(write(tmp_path, b"".join([*arc(1), arc_record(response(page(7)), date=date)])))
    last = items[-1]
    assert isinstance(last, Record)
    assert last.date == DATES[date]


ODD_LINES = {
    "spaces in the URL": {"url": "http://example.org/a b  c d"},
    "control characters in the URL": {"url": "http://example.org/a\rb\x0cc"},
    "no media type": {"media": ""},
    "parameters of the media type": {"media": "text/html; Charset=iso-8859-1"},
    "an address that is none": {"address": "None"},
    "an address of version 6": {"address": "2001:db8::1"},
    "address and date change places": {"address": "20240506070809", "date": "127.0.0.1"},
    "fields of version 2": {"media": "text/html 200 abcdef - 1234 a.arc"},
}


@pytest.mark.parametrize("odd", ODD_LINES)
def test_odd_lines(tmp_path: Path, odd: str):
    block = response(page(7))
    odd_record = arc_record(block, **({"url": "http://example.org/odd"} | ODD_LINES[odd]))
    for data in (
        b"".join([*RECORDS[:3], odd_record, *RECORDS[3:5]]),
        gzip_each([*RECORDS[:3], odd_record, *RECORDS[3:5]]),
    ):
        items = read_whole(write(tmp_path, data))
        record = items[3]
        assert isinstance(record, Record)
        assert record.url == ODD_LINES[odd].get("url", "http://example.org/odd")
        assert (record.date, record.payload) == ("2024-05-06T07:08:09Z", block)
        assert urls(items)[-2:] == URLS[2:4]


@pytest.mark.parametrize("lie", ["-1", "abc", "0", "100", "99999999"])
def test_a_length_that_lies_loses_no_other_record(tmp_path: Path, lie: str):
    liar = arc_record(response(page(7)), "http://example.org/liar", length=lie)
    parts = [*RECORDS[:5], liar, *RECORDS[5:]]
    for data in (b"".join(parts), gzip_each(parts)):
        items = read_whole(write(tmp_path, data))
        assert [url for url in urls(items) if url not in ("http://example.org/liar", "filedesc://a.arc")] == URLS
        assert sum(item.url == "http://example.org/liar" for item in items) == 1


def test_two_hundred_flipped_bytes_cost_the_records_they_hit(tmp_path: Path):
    members = [gzip.compress(part, mtime=0) for part in RECORDS]
    data = bytearray(b"".join(members))
    starts = [sum(map(len, members[:n])) for n in range(len(members) + 1)]
    middle = starts[12] + 30
    data[middle : middle + 200] = bytes(byte ^ 0xFF for byte in data[middle : middle + 200])
    hit = {n for n in range(len(members)) if starts[n] < middle + 200 and starts[n + 1] > middle}
    items = read_whole(write(tmp_path, bytes(data)))
    assert urls(items) == [url for number, url in enumerate(URLS, start=1) if number not in hit]
    assert [item.reason for item in unreadable(items)] == [LossReason.DAMAGED]


def test_an_arc_and_its_warc_twin_give_the_same_documents(test_data: Path):
    told: dict[str, Counter[object]] = {}
    for name in ("aut-example.arc.gz", "aut-example.warc.gz"):
        items = read_archive(test_data / "crawl" / "ia2008" / name)
        pages = [item for item in items if item.record_type not in ("request", "metadata", "warcinfo")]
        told[name] = Counter((item.url, item.date, item.payload) for item in readable(pages))
        # a fifth of them through the extractor: it is the same payload that it gets
        rows = [extract_record(item, ExtractConfig()) for item in pages if item.url and hash_of(item.url) % 5 == 0]
        told[name].update(
            (row.url, row.capture_date, row.text, row.http_status)
            if isinstance(row, DocumentRow)
            else (row.url, row.reason, row.detail)
            for row in rows
        )
    arc_rows, warc_rows = told.values()
    assert arc_rows.total() > 299 + 50
    assert arc_rows == warc_rows


def hash_of(text: str) -> int:
    return zlib.crc32(text.encode())
