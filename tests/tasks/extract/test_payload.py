"""Bodies as the server meant them, from headers that tell the truth and from headers that don't."""

import gzip
import random
import tracemalloc
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tasks.extract.payload import Refused, decode_body, join_chunks, parse_response
from tasks.extract.reasons import LossReason
from tests.tasks.extract.crawls import page, response

PAGE = page(1)
LIMIT = 1 << 20


def deflate_bare(data: bytes) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    return compressor.compress(data) + compressor.flush()


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "Deflate": deflate_bare,
    "br": brotli.compress,
    "zstd": zstandard.compress,
    "identity": bytes,
}


def chunked(body: bytes, size: int = 100) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x;name=value\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def decoded(body: bytes, headers: str, limit: int = LIMIT) -> bytes:
    parsed = parse_response(response(body, headers))
    assert parsed is not None
    return decode_body(parsed, limit)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("HTTP/1.1 200 OK", 200),
        ("HTTP/1.1 HTTP/1.1 200 OK", 200),
        ("HTTP/1.0 404", 404),
        ("HTTP/2 301 Moved", 301),
        ("HTTP/1.1 200 geoiplookup", 200),
        ("200 geoiplookup", 200),
        ("http/1.1  200  OK", 200),
    ],
)
def test_status_lines(line: str, status: int):
    parsed = parse_response(response(PAGE, status=line))
    assert parsed is not None
    assert (parsed.status, parsed.headers["content-type"], parsed.body) == (status, "text/html; charset=utf-8", PAGE)


@pytest.mark.parametrize(
    "block", [b"", b"<html>200 OK</html>", b"HTTP/1.1 OK", b"2000 leagues\r\n\r\n", b"\x00\x01", b"ICY OK\r\n\r\n"]
)
def test_what_begins_with_no_status_line_is_no_response(block: bytes):
    assert parse_response(block) is None


@pytest.mark.parametrize(
    "block", [b"HTTP/1.1 200 OK\r\n\r\nbody", b"HTTP/1.1 200 OK\n\nbody", b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody"]
)
def test_the_body_starts_after_the_first_empty_line(block: bytes):
    parsed = parse_response(block)
    assert parsed is not None
    assert parsed.body == b"body"


def test_a_response_that_is_cut_off_in_its_headers_has_no_body():
    parsed = parse_response(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nServ")
    assert parsed is not None
    assert (parsed.headers["content-type"], parsed.body) == ("text/html", b"")


def test_header_bytes_that_are_no_utf8():
    parsed = parse_response(b"HTTP/1.1 200 OK\r\nX-Name: caf\xe9\r\nContent-Type: text/html\r\n\r\n")
    assert parsed is not None
    assert parsed.headers == {"x-name": "café", "content-type": "text/html"}


@pytest.mark.parametrize("coding", CODINGS)
def test_every_coding_is_taken_off(coding: str):
    assert decoded(CODINGS[coding](PAGE), f"Content-Encoding: {coding}") == PAGE
    assert decoded(chunked(CODINGS[coding](PAGE)), f"Content-Encoding: {coding}\r\nTransfer-Encoding: chunked") == PAGE


@pytest.mark.parametrize("coding", [*CODINGS, "gzip, br", "made-up", "utf-8"])
@pytest.mark.parametrize("transfer", ["", "\r\nTransfer-Encoding: chunked"])
def test_headers_that_lie_about_a_body_that_is_decoded_already(coding: str, transfer: str):
    for body in (PAGE, b"Just a few words.\n", "Größe, 大小\n".encode(), b"200 lines of this\nand more of it"):
        assert decoded(body, f"Content-Encoding: {coding}{transfer}") == body


def test_two_codings_and_one_that_is_not_named():
    assert decoded(gzip.compress(brotli.compress(PAGE)), "Content-Encoding: br, gzip") == PAGE
    assert decoded(gzip.compress(gzip.compress(PAGE)), "Content-Encoding: gzip") == PAGE
    assert decoded(gzip.compress(PAGE), "Content-Type: text/html") == PAGE


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_bomb_is_refused_without_being_unpacked(coding: str):
    bomb = CODINGS[coding](bytes(40 << 20))
    tracemalloc.start()
    with pytest.raises(Refused) as refused:
        decoded(bomb, f"Content-Encoding: {coding}")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refused.value.reason is LossReason.TOO_LARGE
    assert peak < 20 << 20


@pytest.mark.parametrize("coding", ["gzip", "zstd", "br"])
def test_a_body_that_is_cut_off_gives_what_is_there(coding: str):
    # Of zstd whole blocks of 128 KiB are decoded.
    body = random.Random(1).randbytes(300_000).hex().encode()
    packed = CODINGS[coding](body)
    part = decoded(packed[: len(packed) * 2 // 3], f"Content-Encoding: {coding}")
    assert part == body[: len(part)]
    assert len(part) > 500


def test_a_body_whose_checksum_alone_is_wrong_is_read():
    packed = gzip.compress(PAGE)
    assert decoded(packed[:-8] + b"\0\1\2\3" + packed[-4:], "Content-Encoding: gzip") == PAGE


@pytest.mark.parametrize("coding", ["gzip", "br"])
def test_a_body_that_is_damaged_is_refused(coding: str):
    packed = bytearray(CODINGS[coding](PAGE))
    packed[20:60] = bytes(byte ^ 0xA5 for byte in packed[20:60])
    with pytest.raises(Refused) as refused:
        decoded(bytes(packed), f"Content-Encoding: {coding}")
    assert refused.value.reason is LossReason.BAD_ENCODING


@given(st.binary(max_size=2000), st.integers(1, 300))
def test_chunks_are_joined(body: bytes, size: int):
    assert join_chunks(chunked(body, size)) == body


@given(st.binary(max_size=300))
def test_joining_chunks_never_fails_and_adds_nothing(body: bytes):
    assert len(join_chunks(body)) <= len(body)


def test_chunks_that_break_off_keep_what_is_there():
    assert join_chunks(b"5\r\nhello\r\n6\r\n wor") == b"hello wor"
    assert join_chunks(b"5\r\nhello\r\nxyz\r\n world") == b"helloxyz\r\n world"
