"""Reading whole archives: every form a WARC comes in gives the same records, each with its place."""

import gzip
import io
import itertools
import os
import tempfile
from pathlib import Path

import pytest
import zstandard
from fastwarc.stream_io import Lz4Writer, ZstdWriter
from fastwarc.warc import ArchiveIterator as FastArchive
from hypothesis import given
from hypothesis import strategies as st
from warcio.archiveiterator import ArchiveIterator as OtherArchive
from warcio.warcwriter import WARCWriter

from tasks.extract.archive import MAX_PIECES, Record, cut_points, read_archive
from tasks.extract.reasons import LossReason
from tasks.extract.warc import items as warc_items
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

RECORDS = records(30)
PLAIN = b"".join(RECORDS)
PAYLOADS = [part[part.index(b"\r\n\r\n") + 4 : -4] for part in RECORDS]


def in_blocks(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def lz4(data: bytes) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        with Lz4Writer(f"{folder}/a.lz4") as writer:
            writer.write(data)
        return Path(folder, "a.lz4").read_bytes()


def zstd_with_dictionary(parts: list[bytes], compressed: bool) -> bytes:
    dictionary = zstandard.train_dictionary(4096, parts * 8)
    content = dictionary.as_bytes()
    content = zstandard.compress(content) if compressed else content
    frame = b"\x5d\x2a\x4d\x18" + len(content).to_bytes(4, "little") + content
    compressor = zstandard.ZstdCompressor(dict_data=dictionary)
    return frame + b"".join(compressor.compress(part) for part in parts)


FORMS = {
    "uncompressed": (PLAIN, "file"),
    "gzip, a record a member": (gzip_each(RECORDS), "file"),
    "gzip, stored": (gzip_each(RECORDS, 0), "file"),
    "gzip, one member": (gzip.compress(PLAIN), "stream"),
    "gzip, blocks that cut records": (gzip_each(in_blocks(PLAIN, 700)), "stream"),
    "gzip, three members of many records": (gzip_each([b"".join(RECORDS[i : i + 11]) for i in (0, 11, 22)]), "stream"),
    "zstd, a record a frame": (zstd_each(RECORDS), "file"),
    "zstd, one frame": (zstandard.compress(PLAIN), "stream"),
    "zstd, blocks that cut records": (zstd_each(in_blocks(PLAIN, 700)), "stream"),
    "lz4": (lz4(PLAIN), "stream"),
    "line feeds alone": (PLAIN.replace(b"\r\n", b"\n"), None),
}


@pytest.mark.parametrize("form", [form for form in FORMS if form != "line feeds alone"])
def test_every_form_of_a_file_gives_the_same_records(tmp_path: Path, form: str):
    data, space = FORMS[form]
    items = read_whole(write(tmp_path, data, "no-telling-name"))
    assert [item.payload for item in items if isinstance(item, Record)] == PAYLOADS
    assert not unreadable(items)
    assert {item.space for item in items} == {space}
    assert [item.declared_length for item in readable(items)] == [len(payload) for payload in PAYLOADS]
    if space == "stream":
        assert sum(item.length for item in items) == len(PLAIN)


@pytest.mark.parametrize("form", ["uncompressed", "gzip, a record a member", "gzip, one member"])
def test_places_point_at_the_record(tmp_path: Path, form: str):
    data, space = FORMS[form]
    for item, part in zip(read_whole(write(tmp_path, data)), RECORDS, strict=True):
        there = (data if space == "file" else PLAIN)[item.offset : item.offset + item.length]
        assert (gzip.decompress(there) if form == "gzip, a record a member" else there) == part


@pytest.mark.parametrize("form", FORMS)
def test_fields_of_a_record(tmp_path: Path, form: str):
    if form == "line feeds alone":
        part = record(response(page(0)), url="http://example.org/0").replace(b"\r\n", b"\n")
        (item,) = read_whole(write(tmp_path, gzip_each([part])))
    else:
        item = read_whole(write(tmp_path, FORMS[form][0]))[1]
    assert isinstance(item, Record)
    assert (item.record_type, item.url, item.date) == ("response", "http://example.org/0", "2024-05-06T07:08:09Z")
    assert item.headers["content-type"] == "application/http; msgtype=response"


@pytest.mark.parametrize("compressed", [False, True])
def test_zstd_frames_that_share_a_dictionary(tmp_path: Path, compressed: bool):
    items = read_whole(write(tmp_path, zstd_with_dictionary(RECORDS, compressed), "a.warc.zst"))
    assert [item.payload for item in readable(items)] == PAYLOADS
    assert [item.reason for item in unreadable(items)] == [LossReason.SKIPPABLE_FRAME]


def test_the_same_as_two_other_readers_on_files_that_others_wrote(tmp_path: Path):
    for gz in (True, False):
        buffer = io.BytesIO()
        writer = WARCWriter(buffer, gzip=gz)
        writer.write_record(writer.create_warcinfo_record("x.warc.gz", {"software": "test"}))
        for number in range(20):
            block = io.BytesIO(response(page(number)))
            writer.write_record(writer.create_warc_record(f"http://example.org/{number}", "response", payload=block))
        path = write(tmp_path, buffer.getvalue())
        ours = readable(read_whole(path))
        theirs = [
            (r.rec_headers["WARC-Record-ID"], r.raw_stream.read())
            for r in OtherArchive(path.open("rb"), no_record_parse=True)
        ]
        fast = [(r.record_id, r.reader.read()) for r in FastArchive(str(path), parse_http=False)]
        assert [(item.record_id, item.payload) for item in ours] == theirs
        assert [(f"<{record_id.strip('<>')}>" if record_id else None, payload) for record_id, payload in fast] == theirs


def test_frames_that_fastwarc_wrote(tmp_path: Path):
    path = tmp_path / "a.warc.zst"
    with ZstdWriter(str(path)) as writer:
        for part in RECORDS:
            writer.write(part)
            writer.finish()
    assert [item.payload for item in readable(read_whole(path))] == PAYLOADS


def test_an_empty_file_is_a_row(tmp_path: Path):
    (item,) = read_whole(write(tmp_path, b""))
    assert (item.offset, item.length, item.reason) == (0, 0, LossReason.EMPTY_FILE)
    assert cut_points(tmp_path / "a.warc.gz", 10) == [(0, 0)]


def test_empty_members_are_rows_wherever_they_stand(tmp_path: Path):
    parts = [b"", b"", *RECORDS[:2], b"", *RECORDS[2:4], b""]
    items = read_whole(write(tmp_path, gzip_each(parts)))
    assert [isinstance(item, Record) for item in items] == [bool(part) for part in parts]
    assert {item.reason for item in unreadable(items)} == {LossReason.EMPTY_MEMBER}


def test_several_records_in_a_member_of_a_file_of_single_ones(tmp_path: Path):
    parts = [*RECORDS[:3], b"".join(RECORDS[3:10]), *RECORDS[10:]]
    items = read_whole(write(tmp_path, gzip_each(parts)))
    assert [item.payload for item in readable(items)] == PAYLOADS
    assert {item.space for item in items} == {"file"}
    shared = readable(items)[3:10]
    assert [item.member_record for item in shared] == list(range(7))
    assert len({item.offset - item.member_record for item in shared}) == 1


def test_a_record_that_goes_on_in_the_next_member_of_a_file_of_single_ones(tmp_path: Path):
    parts = [*RECORDS[:3], RECORDS[3][:500], RECORDS[3][500:], *RECORDS[4:]]
    data = gzip_each(parts)
    items = read_whole(write(tmp_path, data))
    assert [item.payload for item in readable(items)] == PAYLOADS
    assert gzip.decompress(data[items[3].offset :][: items[3].length]) == RECORDS[3]


def test_more_records_than_bytes_in_a_member_are_counted_not_lost_silently(tmp_path: Path):
    tiny = b"WARC/1.0\r\nContent-Length: 0\r\n\r\n\r\n\r\n"
    data = gzip_each([*RECORDS[:3], tiny * 20_000, RECORDS[3]], 9)
    items = read_whole(write(tmp_path, data))
    assert [item.reason for item in unreadable(items)] == [LossReason.TOO_MANY_IN_MEMBER]
    assert readable(items)[-1].payload == PAYLOADS[3]


def test_a_record_above_the_limit_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for module in ("scanner", "clean"):
        monkeypatch.setattr(f"tasks.extract.warc.{module}.MAX_RECORD_BYTES", 10_000)
    parts = [*RECORDS[:2], record(response(b"x" * 50_000), url="http://example.org/large"), *RECORDS[2:]]
    for data in (gzip_each(parts), gzip.compress(b"".join(parts)), b"".join(parts), zstd_each(parts)):
        items = read_whole(write(tmp_path, data))
        (large,) = unreadable(items)
        assert (large.reason, large.record_type, large.url) == (
            LossReason.TOO_LARGE,
            "response",
            "http://example.org/large",
        )
        assert [item.payload for item in readable(items)] == PAYLOADS


def test_memory_is_bounded_by_the_largest_record_held(tmp_path: Path):
    import tracemalloc

    head = record(b"", length=str(1 << 30))[:-4]
    path = tmp_path / "a.warc.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(head)
        for _ in range(1024):
            file.write(bytes(1 << 20))
        file.write(b"\r\n\r\n" + RECORDS[1])
    tracemalloc.start()
    items = read_whole(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < warc_items.MAX_RECORD_BYTES
    assert [item.reason for item in unreadable(items)] == [LossReason.TOO_LARGE]
    assert urls(items) == ["http://example.org/0"]


def nested() -> bytes:
    """A crawl that caught a WARC, stored without compression: a member begins inside a member."""
    inner = gzip_each(records(5))
    return gzip_each([RECORDS[0], record(response(inner, "Content-Type: application/gzip")), *RECORDS[1:4]], 0)


CUT = {
    "gzip": gzip_each([*RECORDS[:9], b"", b"".join(RECORDS[9:13]), *RECORDS[13:]]),
    "damaged": gzip_each(RECORDS[:9])[:-30] + b"nothing" + gzip_each(RECORDS[9:]) + b"tail",
    "nested": nested(),
    "uncompressed": PLAIN,
    "zstd": zstd_each(RECORDS),
    "stream": gzip.compress(PLAIN),
    "stub": gzip_each(RECORDS[:3]) + b"\x1f",
    "cut off": b"".join([gzip_each(RECORDS[:4]), gzip.compress(b"".join(RECORDS[4:8]))[:-4]]),
    "empty": b"",
}


@pytest.fixture(scope="module")
def cut_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("cut")
    return {name: write(folder, data, name) for name, data in CUT.items()}


@given(st.sampled_from(sorted(CUT)), st.lists(st.floats(0, 1), max_size=6))
def test_pieces_cut_anywhere_are_together_the_whole(cut_files: dict[str, Path], name: str, shares: list[float]):
    path = cut_files[name]
    size = os.path.getsize(path)
    bounds = sorted({0, *(round(share * size) for share in shares)})
    pieces = [list(read_archive(path, a, b)) for a, b in zip(bounds, [*bounds[1:], None], strict=True)]
    assert [item for piece in pieces for item in piece] == list(read_archive(path))
    for piece, start, stop in zip(pieces, bounds, [*bounds[1:], size + 1], strict=True):
        assert all(start <= item.offset <= stop for item in piece if item.space == "file")


@given(st.sampled_from(sorted(CUT)), st.integers(2_000, 40_000))
def test_cut_points_cover_the_file_and_cut_no_stream(cut_files: dict[str, Path], name: str, target: int):
    path = cut_files[name]
    pieces = cut_points(path, target)
    assert pieces[0][0] == 0
    assert pieces[-1][1] == os.path.getsize(path)
    assert all(before[1] == after[0] for before, after in itertools.pairwise(pieces))
    assert name not in ("stream", "empty") or len(pieces) == 1
    assert [item for start, stop in pieces for item in read_archive(path, start, stop)] == list(read_archive(path))


def test_a_large_file_is_cut_into_few_pieces(cut_files: dict[str, Path]):
    assert len(cut_points(cut_files["gzip"], 1)) == MAX_PIECES


def test_a_member_inside_a_member_is_not_one(cut_files: dict[str, Path]):
    items = list(read_archive(cut_files["nested"]))
    assert len(items) == 5
    assert_covered(items, cut_files["nested"])


@pytest.mark.parametrize(("start", "stop"), [(-1, None), (5, 4), (0, -1)])
def test_a_range_that_is_none_is_refused(tmp_path: Path, start: int, stop: int | None):
    with pytest.raises(ValueError, match="are no range"):
        list(read_archive(write(tmp_path, PLAIN), start, stop))


def test_a_file_that_is_not_there(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        list(read_archive(tmp_path / "none.warc.gz"))


@pytest.mark.parametrize("data", [lz4(b""), lz4(b"") * 2], ids=["one frame", "two frames"])
def test_an_lz4_file_without_a_byte_of_data_is_one_loss_and_one_piece(tmp_path: Path, data: bytes):
    path = write(tmp_path, data, "a.warc.lz4")
    (item,) = read_whole(path)
    assert (item.offset, item.length, item.space) == (0, len(data), "file")
    assert [item.reason for item in unreadable([item])] == [LossReason.EMPTY_MEMBER]
    assert cut_points(path, 1 << 20) == [(0, len(data))]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_a_file_of_empty_members_has_a_loss_in_its_first_piece(tmp_path: Path, pack):
    path = write(tmp_path, pack(b"") * 3, "a.warc")
    assert {item.reason for item in unreadable(read_whole(path))} == {LossReason.EMPTY_MEMBER}
    assert cut_points(path, 1 << 20) == [(0, os.path.getsize(path))]
