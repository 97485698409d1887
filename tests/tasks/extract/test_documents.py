"""Every record becomes one row: a document with what is known of it, or a loss with its reason."""

import pickle
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import brotli
import pytest

from storage.schemas.documents import DOCUMENTS, LOSSES
from tasks.extract.archive import Record, Unreadable
from tasks.extract.config import ExtractConfig
from tasks.extract.documents import DocumentRow, LossRow, extract_record, loss_row, parse_date
from tasks.extract.reasons import LossReason
from tests.tasks.extract.crawls import SENTENCE, gzip_each, page, read_whole, record, response, write

CONFIG = ExtractConfig()


def row_of(folder: Path, part: bytes, config: ExtractConfig = CONFIG) -> DocumentRow | LossRow:
    (item,) = read_whole(write(folder, gzip_each([part])))
    return extract_record(item, config)


def document(folder: Path, part: bytes) -> DocumentRow:
    row = row_of(folder, part)
    assert isinstance(row, DocumentRow), row
    return row


def loss(folder: Path, part: bytes, config: ExtractConfig = CONFIG) -> tuple[str, str]:
    row = row_of(folder, part, config)
    assert isinstance(row, LossRow), row
    return row.reason, row.detail


def test_a_page_with_all_that_is_known_of_it(tmp_path: Path):
    extra = [
        "WARC-Record-ID: <urn:uuid:1>",
        "Gristmill-License: CC0-1.0",
        "Gristmill-Origin: as shipped",
        "Gristmill-Carrier: x==1",
    ]
    row = document(tmp_path, record(response(page(7)), url="<http://example.org/7>", extra=extra))
    assert row._replace(text="", length=0) == DocumentRow(
        space="file",
        offset=0,
        length=0,
        record_id="<urn:uuid:1>",
        url="http://example.org/7",
        capture_date=datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC),
        http_status=200,
        content_type="text/html",
        charset="utf-8",
        charset_from="header",
        license="CC0-1.0",
        license_from="record",
        origin="as shipped",
        carrier="x==1",
        title="Page 7",
        text_bytes=len(row.text.encode()),
        text="",
        extractor="cascade-accurate",
    )
    assert row.text.count(SENTENCE) == 8


def test_the_rows_are_columns_of_the_tables():
    assert set(DocumentRow._fields) <= set(DOCUMENTS.schema.names)
    assert set(LossRow._fields) <= set(LOSSES.schema.names)


def test_rows_records_and_configuration_survive_pickling(tmp_path: Path):
    (item,) = read_whole(write(tmp_path, gzip_each([record(response(page(1)))])))
    again, config = pickle.loads(pickle.dumps((item, CONFIG)))
    assert pickle.loads(pickle.dumps(extract_record(again, config))) == extract_record(item, CONFIG)


@pytest.mark.parametrize(
    ("record_type", "content_type", "block"),
    [
        ("resource", "text/html", page(1)),
        ("resource", "text/plain; charset=iso-8859-1", "Größe, naïve, café".encode("latin-1")),
        ("conversion", "text/plain", "A page's text, as it is: Größe.\r\n".encode()),
        ("conversion", None, b"No type at all.\n"),
        ("response", "application/http", response(b"Plain words.\n", "Content-Type: text/plain")),
        ("response", "application/http", response(page(1), "Server: none")),
        ("response", "application/http", response(page(1), status="HTTP/1.1 HTTP/1.1 200 OK")),
        ("response", None, response(page(1))),
        ("Response", "application/http;msgtype=response", response(b"\n<!-- x --> <!DOCTYPE html>" + page(1), "A: b")),
        (
            "response",
            "application/http",
            response(brotli.compress(page(1)), "Content-Encoding: br\r\nContent-Type: TEXT/HTML"),
        ),
    ],
)
def test_records_that_become_documents(tmp_path: Path, record_type: str, content_type: str | None, block: bytes):
    row = document(tmp_path, record(block, record_type, content_type=content_type))
    assert row.text.strip()
    assert row.text_bytes == len(row.text.encode())


def test_plain_text_is_kept_as_it_is(tmp_path: Path):
    text = "  Zwei  Wörter,\r\n\tund noch eins.\n\n"
    for record_type, block in (
        ("conversion", text.encode()),
        ("response", response(text.encode(), "Content-Type: text/plain")),
    ):
        content_type = "text/plain" if record_type == "conversion" else "application/http"
        assert document(tmp_path, record(block, record_type, content_type=content_type)).text == text


@pytest.mark.parametrize(
    ("record_type", "content_type", "block", "reason", "detail"),
    [
        ("warcinfo", "application/warc-fields", b"a: b", "warcinfo", "application/warc-fields"),
        ("request", "application/http; msgtype=request", b"GET / HTTP/1.1\r\n\r\n", "request", None),
        ("metadata", "application/json", b"{}", "metadata", "application/json"),
        ("revisit", "application/http; msgtype=response", response(b""), "revisit", None),
        ("continuation", None, b"rest", "continuation", ""),
        ("made-up", None, b"rest", "unknown record type", "made-up"),
        ("response", "application/http", response(b"", status="HTTP/1.1 301 Moved"), "redirect", "301"),
        ("response", "application/http", response(page(1), status="HTTP/1.1 404 Not Found"), "http error", "404"),
        ("response", "application/http", response(page(1), status="HTTP/1.1 503 Busy"), "http error", "503"),
        ("response", "application/http", response(b"", status="HTTP/1.1 204 No Content"), "no content", "204"),
        ("response", "application/http", response(page(1), status="HTTP/1.1 206 Partial"), "no content", "206"),
        ("response", "application/http", b"hello", "not http", ""),
        ("response", "application/http", b"", "empty body", ""),
        ("response", "text/dns", b"20240506\nexample.org. 1 IN A 192.0.2.1", "media type", "text/dns"),
        ("response", "application/http", response(b"\x89PNG", "Content-Type: image/png"), "media type", "image/png"),
        ("response", "application/http", response(b"{}", "Content-Type: a b\x01c/<d>; x"), "media type", "a?b?c/?d?"),
        ("response", "application/http", response(b"words", "A: b"), "media type", "none"),
        ("response", "application/http", response(b""), "empty body", ""),
        ("response", "application/http", response(b" \r\n\t"), "empty body", ""),
        ("response", "application/http", response(b"<html><body></body></html>"), "no text", ""),
        ("response", "application/http", response(b"\x00\x01\x02" * 99), "bad encoding", "binary"),
        ("response", "application/http", response(b"<p>" * 600_000), "too many nodes", None),
        ("resource", "image/gif", b"GIF89a", "media type", "image/gif"),
        ("conversion", "text/plain", b"", "empty body", ""),
    ],
)
def test_records_that_become_losses(
    tmp_path: Path, record_type: str, content_type: str | None, block: bytes, reason: str, detail: str | None
):
    found = loss(tmp_path, record(block, record_type, content_type=content_type))
    assert found[0] == reason
    assert detail is None or found[1] == detail
    assert LossReason(found[0])


def test_what_is_too_large_or_cannot_be_decoded(tmp_path: Path):
    large = record(response(page(1, 500)))
    assert loss(tmp_path, large, ExtractConfig(max_bytes=1000))[0] == "too large"
    garbled = "Größe ".encode("utf-16-le").replace(b"\0", b"\xff") * 50
    assert loss(tmp_path, record(response(garbled, "Content-Type: text/plain; charset=utf-8")))[0] in ("bad encoding",)


def test_no_loss_holds_text_of_a_page(tmp_path: Path):
    secret = "Nobody but the miller knows where the key lies. "
    parts = [
        record(response((secret * 9).encode(), "Content-Type: text/plain", "HTTP/1.1 404 Not Found")),
        record(response((secret * 9).encode(), "Content-Type: image/png")),
        record((secret * 9).encode()),
        (secret * 9).encode(),
    ]
    for part in parts:
        assert "miller" not in " ".join(loss(tmp_path, part))


def test_an_unreadable_stretch_keeps_its_place():
    row = extract_record(Unreadable(5, 7, "stream", LossReason.DAMAGED, "why", "response", "http://a/"), CONFIG)
    assert row == LossRow("stream", 5, 7, "response", "http://a/", "damaged", "why")
    assert type(row.reason) is str


def test_a_loss_that_only_the_executor_knows():
    item = Record(5, 7, "file", "response", None, "http://a/", None, {}, b"", 0)
    assert loss_row(item, "timeout", "30 s") == LossRow("file", 5, 7, "response", "http://a/", "timeout", "30 s")


@pytest.mark.parametrize(
    ("date", "moment"),
    [
        ("2024-05-06T07:08:09Z", datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)),
        ("2024-05-06T07:08:09.123456789Z", datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)),
        ("2024-05-06T07:08:09+02:00", datetime(2024, 5, 6, 5, 8, 9, tzinfo=UTC)),
        ("20240506070809", datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)),
        ("2024-05-06", datetime(2024, 5, 6, tzinfo=UTC)),
        ("2024-13-06T07:08:09Z", None),
        ("0001-01-01T00:00:00+02:00", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_dates(date: str | None, moment: datetime | None):
    assert parse_date(date) == moment


# Real crawls.


def test_the_documentation_crawl_has_every_record_that_is_known(test_data: Path):
    items = read_whole(test_data / "crawl" / "debdocs.warc.gz")
    assert len(items) == 7756
    assert Counter(item.record_type for item in items) == {"response": 7755, "warcinfo": 1}
    assert all(isinstance(item, Record) for item in items)


def test_every_edge_case_is_covered_and_gives_a_row_for_each_item(test_data: Path):
    files = [path for path in sorted((test_data / "crawl").rglob("*")) if path.is_file() and "debdocs" not in path.name]
    assert len(files) > 100
    for path in (path for path in files if "edge" in path.parts):
        for item in read_whole(path):
            row = extract_record(item, CONFIG)
            assert (row.space, row.offset, row.length) == (item.space, item.offset, item.length)
            assert isinstance(row, DocumentRow) or LossReason(row.reason)


def test_whole_crawls_have_as_many_records_as_warcio_finds(test_data: Path):
    from warcio.archiveiterator import ArchiveIterator

    for folder in ("aql", "commoncrawl", "dolma", "sites", "ia2008"):
        for path in sorted((test_data / "crawl" / folder).glob("*.warc*")):
            items = read_whole(path)
            with path.open("rb") as file:
                expected = sum(1 for _ in ArchiveIterator(file, no_record_parse=True))
            assert sum(isinstance(item, Record) for item in items) == len(items) == expected, path.name


def test_bodies_whose_headers_claim_compression_that_is_not_there(test_data: Path):
    rows = [extract_record(item, CONFIG) for item in read_whole(test_data / "crawl" / "aql" / "wikimedia.warc.gz")]
    assert sum(isinstance(row, DocumentRow) for row in rows) > 0
    assert not [row for row in rows if isinstance(row, LossRow) and row.reason in ("bad encoding", "not http")]
