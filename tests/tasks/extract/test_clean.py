"""The fast way through clean members gives what the scanner gives, and lets go of all that it does not understand."""

import gzip
import random
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.extract import archive
from tasks.extract.archive import Item, Record, read_archive
from tasks.extract.warc import clean
from tasks.extract.warc.clean import clean_records
from tests.tasks.extract.crawls import gzip_each, page, record, records, response, write

RECORDS = records(12)


def by_the_scanner(path: Path, *piece: int) -> list[Item]:
    """The items as the scanner alone finds them."""

    def nothing(path: Path, start: int, stop: int, begin: int = 0) -> Generator[Record, None, int]:
        return begin
        yield

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive, "clean_records", nothing)
        return list(read_archive(path, *piece))


def clean_to(path: Path) -> int:
    """Where the fast way ends."""
    return max((one.offset + one.length for one in clean_records(path, 0, path.stat().st_size)), default=0)


def test_a_clean_archive_is_read_to_its_end_and_in_pieces(tmp_path: Path):
    path = write(tmp_path, gzip_each(RECORDS))
    size = path.stat().st_size
    assert clean_to(path) == size
    assert list(read_archive(path)) == by_the_scanner(path)
    assert {type(one.payload) for one in clean_records(path, 0, size)} == {bytes}
    for cut in (1, 400, size // 2, size - 1):
        assert [*read_archive(path, 0, cut), *read_archive(path, cut)] == by_the_scanner(path)


BODY = response(page(1))
ODD = {
    "a field without a space": record(BODY).replace(b"WARC-Date: ", b"WARC-Date:"),
    "two spaces and none": record(BODY).replace(b"WARC-Date: ", b"WARC-Date:  ").replace(b"WARC-Type: ", b"WARC-Type:"),
    "a folded field": record(BODY, extra=["WARC-Note: one\r\n two"]),
    "a field twice": record(BODY, extra=["WARC-Note: one", "WARC-Note: two"]),
    "a field that is no ASCII": record(BODY, extra=["WARC-Note: gr\u00fc\u00df"]),
    "a carriage return in a field": record(BODY, extra=["WARC-Note: one\rtwo"]),
    "two carriage returns behind a field": record(BODY, extra=["WARC-Note: one\r"]),
    "control characters in a field": record(BODY, extra=["WARC-Note: one\0\x0b\x1c two\t\tthree\x7f"]),
    "blanks behind a field": record(BODY, extra=["WARC-Note: one \t\x0c"]),
    "a field without a value": record(BODY, extra=["WARC-Note: "]),
    "a name with a blank": record(BODY, extra=["WARC Note: one"]),
    "a name with a colon": record(BODY, extra=["WARC:Note: one"]),
    "a hundred fields": record(BODY, extra=[f"WARC-Note-{number}: one" for number in range(100)]),
    "a long field": record(BODY, extra=["WARC-Note: " + 9_000 * "x"]),
    "a line that is no field": record(BODY, extra=["nonsense"]),
    "line feeds alone": record(BODY).replace(b"\r\n", b"\n"),
    "no padding": record(BODY)[:-4],
    "less padding": record(BODY)[:-2],
    "more padding": record(BODY) + b"\r\n",
    "junk behind it": record(BODY) + b"junk, and no record",
    "a length too short": record(BODY, length=str(len(BODY) - 9)),
    "a length too long": record(BODY, length=str(len(BODY) + 9)),
    "a length that takes in its padding": record(BODY, length=str(len(BODY) + 4)),
    "no length": record(BODY, length=""),
    "a length with a sign": record(BODY, length=f"+{len(BODY)}"),
    "a length with zeros": record(BODY, length=f"000{len(BODY)}"),
    "another version": record(BODY).replace(b"WARC/1.0", b"WARC/0.9"),
    "two records": record(BODY) + record(BODY),
    "half a record": record(BODY)[: len(BODY) // 2],
    "nothing": b"",
    "words": b"Not a record at all, but words.",
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("place", [0, 1, 5, 12])
def test_what_is_odd_is_read_as_the_scanner_reads_it(tmp_path: Path, odd: str, place: int):
    path = write(tmp_path, gzip_each([*RECORDS[:place], ODD[odd], *RECORDS[place:]]))
    assert list(read_archive(path)) == by_the_scanner(path)


@given(st.lists(st.sampled_from(["clean", "clean", "clean", *ODD, "damaged"]), max_size=12), st.integers(0, 10**9))
def test_what_is_odd_again_and_again_is_read_as_the_scanner_reads_it(
    tmp_path_factory: pytest.TempPathFactory, kinds: list[str], cut: int
):
    members = []
    for number, kind in enumerate(kinds):
        member = bytearray(gzip_each([ODD.get(kind) or RECORDS[1 + number % 12]]))
        if kind == "damaged":
            member[len(member) // 2] ^= 0xFF
        members.append(bytes(member))
    path = write(tmp_path_factory.mktemp("odd"), gzip_each(RECORDS[:2]) + b"".join(members))
    assert list(read_archive(path)) == by_the_scanner(path)
    cut = 1 + cut % path.stat().st_size
    assert [*read_archive(path, 0, cut), *read_archive(path, cut)] == by_the_scanner(path)


@pytest.mark.parametrize("odd", ["a field twice", "more padding", "junk behind it", "damaged"])
def test_behind_an_odd_member_the_fast_way_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odd: str):
    many = records(60, 40)
    member = gzip_each([ODD.get(odd, BODY)])
    before, after = gzip_each(many[:20]), gzip_each(many[20:])
    path = write(tmp_path, before + (member if odd != "damaged" else member[:40] + b"?" + member[41:]) + after)
    ended: list[int] = []

    def watched(path: Path, start: int, stop: int, begin: int = 0) -> Generator[Record, None, int]:
        ended.append((yield from clean_records(path, start, stop, begin)))
        return ended[-1]

    monkeypatch.setattr(archive, "clean_records", watched)
    assert len(list(read_archive(path))) >= 62
    # Of a damaged member the one before it is read by the scanner too: only its end is not seen.
    assert ended[0] <= len(before)
    assert ended[-1] == path.stat().st_size
    assert len(ended) <= 3


@pytest.mark.parametrize("tail", [b"", b"words", bytes(300), b"\x1f\x8b\x08", gzip.compress(b"", mtime=0)])
def test_what_stands_behind_the_last_member(tmp_path: Path, tail: bytes):
    path = write(tmp_path, gzip_each(RECORDS) + tail)
    assert list(read_archive(path)) == by_the_scanner(path)


@given(st.integers(0, 2**32))
def test_damage_is_read_as_the_scanner_reads_it(tmp_path_factory: pytest.TempPathFactory, seed: int):
    numbers = random.Random(seed)
    data = bytearray(gzip_each(RECORDS))
    for _ in range(numbers.randrange(1, 4)):
        place = numbers.randrange(len(data))
        data[place : place + numbers.choice((0, 1, 3, 200))] = numbers.randbytes(numbers.choice((0, 1, 3, 200)))
    path = write(tmp_path_factory.mktemp("damage"), bytes(data))
    assert list(read_archive(path)) == by_the_scanner(path)
    cut = numbers.randrange(1, len(data))
    assert [*read_archive(path, 0, cut), *read_archive(path, cut)] == by_the_scanner(path)


@pytest.mark.parametrize("gap", [bytes(1), bytes(512), b"\x1f\x8b\x08", b"\x1f\x8b\x08" + bytes(30), b"junk" * 9])
def test_bytes_between_members_of_one_size_hide_none(tmp_path: Path, gap: bytes):
    one, other = gzip_each([record(BODY)]), gzip_each([record(BODY.replace(b"page", b"PAGE"))])
    assert one[-4:] == other[-4:]
    path = write(tmp_path, one + gap + other + one + gap + gap + other + other)
    assert list(read_archive(path)) == by_the_scanner(path)


@pytest.mark.parametrize("block_bytes", [1, 13, 700, 1 << 20])
@pytest.mark.parametrize("inner", [1, 5, 20])
def test_a_member_that_holds_gzip_files_is_read_on_whatever_is_read_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inner: int, block_bytes: int
):
    nested = record(response(gzip_each(RECORDS[:1]) * inner))
    stored = gzip.compress(nested, 0)
    assert stored.count(b"\x1f\x8b\x08") == inner + 1
    path = write(tmp_path, gzip_each(RECORDS[:3]) + stored + gzip.compress(RECORDS[4], mtime=1) + gzip_each(RECORDS))
    monkeypatch.setattr(clean, "_BLOCK_BYTES", block_bytes)
    assert list(read_archive(path)) == by_the_scanner(path)


def test_a_size_that_no_member_can_have_takes_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    sizes: list[int] = []
    decompress = clean.deflate.gzip_decompress
    monkeypatch.setattr(
        clean.deflate, "gzip_decompress", lambda data, size: [sizes.append(size), decompress(data, size)][1]
    )
    zeros = gzip.compress(bytes(80 << 20), 1)
    lie = gzip_each(RECORDS[:1])[:-4] + (1 << 26).to_bytes(4, "little")
    path = write(tmp_path, gzip_each(RECORDS[:2]) + lie + gzip_each(RECORDS[2:4]) + zeros + gzip_each(RECORDS[4:]))
    assert list(read_archive(path)) == by_the_scanner(path)
    assert 0 < max(sizes) < 1 << 20


def test_a_large_member_is_left_to_the_scanner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    large = record(response(random.Random(3).randbytes(9_000)))
    path = write(tmp_path, gzip_each([*RECORDS, large, *RECORDS]))
    monkeypatch.setattr(clean, "_BLOCK_BYTES", 1000)
    monkeypatch.setattr(clean, "_MAX_MEMBER_BYTES", 4000)
    assert clean_to(path) <= len(gzip_each(RECORDS))
    assert list(read_archive(path)) == by_the_scanner(path)


def test_real_archives_are_read_as_the_scanner_reads_them(test_data: Path):
    paths = [path for path in sorted((test_data / "crawl").rglob("*.gz")) if path.stat().st_size < 4 << 20]
    read, clean = 0, 0
    for path in paths:
        items = list(read_archive(path))
        assert items == by_the_scanner(path), path
        read += path.stat().st_size
        clean += clean_to(path)
    assert clean > 0.6 * read
