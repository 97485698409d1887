"""Archives that are broken: what is whole is read, what is not is a row, and the rows cover the file."""

import gzip
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.extract.archive import Record, read_archive
from tasks.extract.config import ExtractConfig
from tasks.extract.documents import LossRow, extract_record
from tasks.extract.reasons import LossReason
from tests.tasks.extract.crawls import (
    assert_covered,
    gzip_each,
    page,
    read_whole,
    readable,
    record,
    records,
    response,
    unreadable,
    urls,
    write,
    zstd_each,
)

RECORDS = records(40)
PLAIN = b"".join(RECORDS)
URLS = [f"http://example.org/{number}" for number in range(40)]
PAYLOADS = {part[part.index(b"\r\n\r\n") + 4 : -4] for part in RECORDS}
GZIP = gzip_each(RECORDS)
FORMS: dict[str, bytes] = {
    "gzip": GZIP,
    "gzip stream": gzip.compress(PLAIN),
    "uncompressed": PLAIN,
    "zstd": zstd_each(RECORDS),
    "zstd stream": zstandard.ZstdCompressor(write_checksum=True).compress(PLAIN),
}


def member_starts(parts: list[bytes]) -> list[int]:
    starts = [0]
    for part in parts:
        starts.append(starts[-1] + len(gzip.compress(part, mtime=0)))
    return starts


STARTS = member_starts(RECORDS)


ENDS: dict[str, set[int]] = {
    "gzip": set(STARTS),
    "gzip stream": set(),
    # An uncompressed file may end after any record, and with any part of the padding behind it.
    "uncompressed": {len(b"".join(RECORDS[:n])) - padding for n in range(1, 41) for padding in range(5)},
    "zstd": {len(zstd_each(RECORDS[:n])) for n in range(1, 41)},
    "zstd stream": set(),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damage")


def flip(data: bytes, start: int, count: int) -> bytes:
    middle = bytes(byte ^ 0xFF for byte in data[start : start + count])
    return data[:start] + middle + data[start + count :]


def test_two_hundred_flipped_bytes_cost_the_records_they_hit(tmp_path: Path):
    middle = STARTS[20] + 40
    items = read_whole(write(tmp_path, flip(GZIP, middle, 200)))
    hit = {number for number in range(41) if STARTS[number] < middle + 200 and STARTS[number + 1] > middle}
    assert urls(items) == [url for number, url in enumerate(URLS, start=1) if number not in hit]
    (lost,) = unreadable(items)
    assert (lost.reason, lost.offset, lost.offset + lost.length) == (
        LossReason.DAMAGED,
        STARTS[min(hit)],
        STARTS[max(hit) + 1],
    )


@pytest.mark.parametrize("count", [1, 2, 16])
def test_any_flipped_bits_of_a_member_cost_that_record_alone(tmp_path: Path, count: int):
    for place in range(STARTS[7], STARTS[8] - count):
        items = read_whole(write(tmp_path, flip(GZIP, place, count)))
        # A member's header holds bytes that change nothing: its time, its system.
        assert urls(items) in ([*URLS[:6], *URLS[7:]], URLS)


def test_a_checksum_that_is_wrong_is_a_damaged_record(tmp_path: Path):
    items = read_whole(write(tmp_path, flip(GZIP, STARTS[8] - 8, 1)))
    (lost,) = unreadable(items)
    assert lost.reason is LossReason.DAMAGED
    assert lost.url == URLS[6]
    assert "check" in lost.detail


def test_damage_in_a_stream_keeps_what_was_decoded_before_it(tmp_path: Path):
    data = FORMS["gzip stream"]
    items = read_whole(write(tmp_path, flip(data, len(data) // 2, 200)))
    assert urls(items) == URLS[: len(urls(items))]
    assert len(urls(items)) > 5
    assert {item.space for item in items} == {"stream"}
    assert unreadable(items)[-1].reason is LossReason.DAMAGED


def test_members_after_a_damaged_one_of_many_records_are_read(tmp_path: Path):
    parts = [gzip.compress(b"".join(RECORDS[i : i + 10])) for i in (0, 10, 20, 30)]
    parts[1] = flip(parts[1], len(parts[1]) // 2, 50)
    items = read_whole(write(tmp_path, b"".join(parts)))
    assert set(urls(items)) >= {*URLS[:9], *URLS[19:39]}


@pytest.mark.parametrize("form", FORMS)
def test_a_file_cut_off_at_any_place(tmp_path: Path, form: str):
    data = FORMS[form]
    for size in [*range(1, 60), *range(60, len(data) - 60, 97), *range(len(data) - 60, len(data))]:
        items = read_whole(write(tmp_path, data[:size]))
        assert urls(items) == URLS[: len(urls(items))]
        at_an_end = (
            size in ENDS[form] or len(data) - size <= 4
        )  # the last four bytes of an uncompressed file are padding
        assert at_an_end or unreadable(items)


def test_a_cut_inside_a_member_is_told_as_such(tmp_path: Path):
    items = read_whole(write(tmp_path, GZIP[: STARTS[20] + 100]))
    assert urls(items) == URLS[:19]
    (lost,) = unreadable(items)
    assert (lost.offset, lost.length, lost.reason, lost.url) == (STARTS[20], 100, LossReason.TRUNCATED, None)
    items = read_whole(write(tmp_path, PLAIN[:-200]))
    assert [(item.reason, item.url, item.record_type) for item in unreadable(items)] == [
        (LossReason.TRUNCATED, URLS[-1], "response")
    ]


TAILS: dict[str, bytes] = {
    "words": b"This is no member at all.",
    "zeros": bytes(1000),
    "one byte": b"\x1f",
    "magic": b"\x1f\x8b\x08",
}


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("form", FORMS)
def test_garbage_after_the_last_record_is_a_row(tmp_path: Path, form: str, tail: str):
    items = read_whole(write(tmp_path, FORMS[form] + TAILS[tail]))
    assert urls(items) == URLS
    (lost,) = unreadable(items)
    assert lost.length in (len(TAILS[tail]), 0)
    assert lost.reason in (LossReason.NOT_COMPRESSED, LossReason.NOT_A_RECORD, LossReason.TRUNCATED)


@pytest.mark.parametrize("form", ["gzip", "zstd"])
def test_what_is_not_compressed_between_members_is_a_row(tmp_path: Path, form: str):
    each = gzip_each if form == "gzip" else zstd_each
    data = each(RECORDS[:10]) + b"<p>not compressed</p>" + each(RECORDS[10:])
    items = read_whole(write(tmp_path, data))
    assert urls(items) == URLS
    assert [(item.reason, item.length) for item in unreadable(items)] == [(LossReason.NOT_COMPRESSED, 21)]


def test_a_member_that_holds_no_record_is_a_row(tmp_path: Path):
    items = read_whole(write(tmp_path, gzip_each([*RECORDS[:10], b"hello, no record here", *RECORDS[10:]])))
    assert urls(items) == URLS
    assert [item.reason for item in unreadable(items)] == [LossReason.NOT_A_RECORD]


def test_a_member_whose_writer_died_costs_that_record_alone(tmp_path: Path):
    parts = [gzip.compress(part, mtime=0) for part in RECORDS]
    parts[12] = parts[12][:150]
    items = read_whole(write(tmp_path, b"".join(parts)))
    assert urls(items) == [url for url in URLS if url != URLS[11]]


def compressed_each(parts: list[bytes]) -> bytes:
    return gzip_each(parts)


def whole(parts: list[bytes]) -> bytes:
    return gzip.compress(b"".join(parts))


def plain(parts: list[bytes]) -> bytes:
    return b"".join(parts)


BLOCK = response(page(99))
LENGTHS = {"too short": str(len(BLOCK) - 50), "too long": str(len(BLOCK) + 3000), "far too long": str(10**12)}
LENGTHS |= {"none": "", "negative": "-1", "no number": "many", "no bytes": "0"}


@pytest.mark.parametrize("lie", LENGTHS)
@pytest.mark.parametrize("form", [compressed_each, whole, plain])
def test_a_length_that_lies_loses_no_other_record(tmp_path: Path, form: Callable[[list[bytes]], bytes], lie: str):
    liar = record(BLOCK, url="http://example.org/liar", length=LENGTHS[lie])
    items = read_whole(write(tmp_path, form([*RECORDS[:10], liar, *RECORDS[10:]])))
    if form is whole and lie == "far too long":
        # In a stream a length of a terabyte can't be told from a true one: the rest is one row.
        assert urls(items) == URLS[:9]
        assert [item.reason for item in unreadable(items)] == [LossReason.TOO_LARGE]
        return
    others = [url for url in urls(items) if url != "http://example.org/liar"]
    assert others == URLS
    told = [item for item in items if item.url == "http://example.org/liar"]
    assert len(told) == 1
    if isinstance(told[0], Record):
        assert told[0].payload == BLOCK
        assert told[0].declared_length != len(BLOCK)
    else:
        assert told[0].reason is LossReason.TOO_LARGE


def test_a_record_inside_a_record_is_not_read(tmp_path: Path):
    outer = record(response(b"".join(RECORDS[:5]), "Content-Type: application/warc"), url="http://example.org/outer")
    for form in (compressed_each, whole, plain):
        items = read_whole(write(tmp_path, form([*RECORDS[:3], outer, *RECORDS[3:]])))
        assert urls(items) == [*URLS[:2], "http://example.org/outer", *URLS[2:]]


@pytest.mark.parametrize(
    ("head", "hint"), [(b"PK\x03\x04", "ZIP"), (b"filedesc://a.arc 0.0.0.0 2008", "ARC"), (b"<html>", "no WARC")]
)
def test_files_that_are_no_warc(tmp_path: Path, head: bytes, hint: str):
    for data in (head + b"x" * 5000, gzip.compress(head + b"x" * 5000)):
        (item,) = read_whole(write(tmp_path, data))
        assert item.reason is LossReason.NOT_A_RECORD  # type: ignore[union-attr]
        assert hint in item.detail  # type: ignore[union-attr]


@settings(max_examples=60)
@given(st.sampled_from(sorted(FORMS)), st.integers(0, 2**32), st.integers(1, 6))
def test_random_damage_is_covered_and_every_item_is_one_row(folder: Path, form: str, seed: int, wounds: int):
    random_numbers = random.Random(seed)
    data = bytearray(FORMS[form])
    for _ in range(wounds):
        place = random_numbers.randrange(len(data))
        size = random_numbers.choice((1, 3, 50, 400))
        match random_numbers.randrange(4):
            case 0:
                data[place : place + size] = random_numbers.randbytes(size)
            case 1:
                del data[place : place + size]
            case 2:
                data[place:place] = random_numbers.randbytes(size)
            case _:
                del data[place:]
                data += FORMS["gzip"][:2000]
        if not data:
            data += b"x"
    path = write(folder, bytes(data), "random")
    items = list(read_archive(path))
    assert_covered(items, path)
    assert list(read_archive(path)) == items
    # What is read was there: damage to a member with a checksum never changes a page.
    if form in ("gzip", "zstd"):
        assert Counter(urls(items)) <= Counter(URLS * (wounds + 1))
        assert {item.payload for item in readable(items)} <= PAYLOADS
    assert all(isinstance(extract_record(item, ExtractConfig()), LossRow) for item in unreadable(items))


def test_damage_takes_no_longer_than_reading_several_times(tmp_path: Path):
    # A file full of magic numbers: each is tried as a member, and none may cost more than a look.
    data = GZIP[:500] + b"\x1f\x8b\x08" * 50_000
    started = time.process_time()
    items = read_whole(write(tmp_path, data))
    assert time.process_time() - started < 10
    assert len(unreadable(items)) == 1
    assert not readable(items) or urls(items) == URLS[: len(urls(items))]
