"""A page of a hundred megabytes ends as one row, soon and in bounded memory, however it comes."""

import gzip
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.extract.config import ExtractConfig
from tasks.extract.dispatch import read_file
from tasks.extract.documents import DocumentRow, LossRow
from tasks.extract.page import extract_page
from tests.tasks.extract.crawls import SENTENCE, page, record, response, write

SIZE = 100_000_000
PARAGRAPHS = f"<p>{SENTENCE * 10}</p>\n"


def large_page(size: int = SIZE) -> bytes:
    """A page of so many bytes or a little more."""
    return b"<html><body>" + PARAGRAPHS.encode() * (size // len(PARAGRAPHS) + 1) + b"</body></html>"


def packed(data: bytes) -> bytes:
    """Quickly compressed."""
    return gzip.compress(data, 1, mtime=0)


def coded() -> bytes:
    """A record whose body is the page under a content coding: small until it is decoded."""
    return record(response(zlib.compress(large_page(), 1), "Content-Type: text/html\r\nContent-Encoding: deflate"))


AFTER = record(response(page(1)))
FORMS: dict[str, tuple[str, Callable[[], bytes], int]] = {
    "a file": ("a.html", large_page, 0),
    "a packed file": ("a.html.gz", lambda: packed(large_page()), 0),
    "a record": ("a.warc", lambda: record(response(large_page())) + AFTER, 1),
    "a record in a member": ("a.warc.gz", lambda: packed(record(response(large_page()))) + packed(AFTER), 1),
    "a body under a content coding": ("a.warc.gz", lambda: packed(coded()) + packed(AFTER), 1),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_page_of_a_hundred_megabytes_is_one_loss_and_what_follows_is_read(tmp_path: Path, form: str):
    name, make, behind = FORMS[form]
    path = write(tmp_path, make(), name)
    tracemalloc.start()
    try:
        lost, *others = read_file(path, ExtractConfig())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(lost, LossRow)
    assert lost.reason == "too large"
    assert [type(row) for row in others] == [DocumentRow] * behind
    # Nothing of the size of the page is held: neither the file nor what it unpacks to.
    assert peak < SIZE


def test_with_limits_to_match_a_larger_page_than_usual_is_read_whole():
    size = SIZE // 4
    config = ExtractConfig(extractor="cascade-quick", max_bytes=2 * size, max_nodes=10**7)
    text = extract_page(large_page(size).decode(), None, config).text
    assert text.count(SENTENCE.strip()) == 10 * (size // len(PARAGRAPHS) + 1)
