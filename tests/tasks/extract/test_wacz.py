"""WACZ: a zip of archives, every record with an unambiguous place, whatever the zip says of itself."""

import gzip
import zipfile
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from warcio.archiveiterator import ArchiveIterator

from tasks.extract.config import ExtractConfig
from tasks.extract.dispatch import Row, read_file
from tasks.extract.documents import DocumentRow, LossRow
from tasks.extract.stage import extract
from tasks.ingest import Source, ingest
from tasks.run import running
from tests.tasks.extract.books import zip_of
from tests.tasks.extract.crawls import gzip_each, records, write

CONFIG = ExtractConfig()
FIRST, SECOND = records(20), records(7, 30)
PAGES = '{"format": "json-pages-1.0"}\n'


def wacz(method: int = zipfile.ZIP_STORED, second: str = "archive/b.warc") -> bytes:
    """Two archives, an index and a list of pages."""
    entries = {
        "datapackage.json": "{}",
        "archive/a.warc.gz": gzip_each(FIRST),
        "indexes/index.cdx.gz": gzip.compress(b"an index"),
        second: b"".join(SECOND),
        "pages/pages.jsonl": PAGES,
    }
    return zip_of(entries, method)


def read_covered(path: Path, config: ExtractConfig = CONFIG) -> list[Row]:
    """Every row, whose places are checked to cover the zip and each archive in it, and to be unambiguous."""
    rows = list(read_file(path, config))
    spaces: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        spaces[row.space].append(row)
    for space, members in spaces.items():
        end = 0
        for row in members:
            assert row.offset == end, (space, row)
            end += row.length
        assert space != "file" or end == path.stat().st_size
    places = [(row.space, row.offset) for row in rows if isinstance(row, DocumentRow)]
    assert len(set(places)) == len(places)
    return rows


def reasons(rows: list[Row]) -> Counter[str]:
    return Counter(row.reason for row in rows if isinstance(row, LossRow))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_every_archive_of_a_wacz_is_read_and_each_record_has_its_own_place(tmp_path: Path, method: int):
    rows = read_covered(write(tmp_path, wacz(method), "a.wacz"))
    assert sum(isinstance(row, DocumentRow) for row in rows) == 27
    assert reasons(rows) == {"not an archive": 3, "container": 3, "warcinfo": 2}
    assert {row.space for row in rows} == {"file", "file:archive/a.warc.gz", "file:archive/b.warc"}
    for space, data in (("file:archive/a.warc.gz", gzip_each(FIRST)), ("file:archive/b.warc", b"".join(SECOND))):
        inside = [row for row in rows if row.space == space]
        assert sum(row.length for row in inside) == len(data)
        for row, part in zip(inside, FIRST if "a.warc" in space else SECOND, strict=True):
            there = data[row.offset : row.offset + row.length]
            assert (gzip.decompress(there) if space.endswith("gz") else there) == part


def test_the_bytes_of_a_stored_archive_lie_where_the_container_row_says(tmp_path: Path):
    data = wacz()
    rows = read_covered(write(tmp_path, data, "a.wacz"))
    (row, *_) = [row for row in rows if isinstance(row, LossRow) and row.detail.endswith("file:archive/a.warc.gz")]
    assert gzip_each(FIRST) in data[row.offset : row.offset + row.length]


def test_an_archive_that_is_one_stream_has_its_places_in_that_stream(tmp_path: Path):
    path = write(tmp_path, zip_of({"archive/a.warc.gz": gzip.compress(b"".join(FIRST))}), "a.wacz")
    rows = read_covered(path)
    assert {row.space for row in rows} == {"file", "stream:archive/a.warc.gz"}
    assert sum(row.length for row in rows if row.space != "file") == len(b"".join(FIRST))


def test_two_hundred_bad_bytes_cost_the_records_they_touch(tmp_path: Path):
    data = wacz()
    middle = data.index(gzip_each(FIRST)) + len(gzip_each(FIRST[:10])) + 20
    bad = data[:middle] + bytes(byte ^ 0xFF for byte in data[middle : middle + 200]) + data[middle + 200 :]
    rows = read_covered(write(tmp_path, bad, "a.wacz"))
    assert reasons(rows)["damaged"] == 1
    assert sum(isinstance(row, DocumentRow) for row in rows) in (25, 26)


HOSTILE = {
    "a name that climbs": "archive/../../../tmp/evil.warc",
    "an absolute name": "/archive/evil.warc",
    "a control character": "archive/e\x07vil.warc",
    "a very long name": f"archive/{'x' * 5000}.warc",
    "a folder's name": "archive/",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_names_in_a_zip_are_labels_and_never_paths(tmp_path: Path, what: str):
    before = set(tmp_path.parent.iterdir())
    rows = read_covered(write(tmp_path, wacz(second=HOSTILE[what]), "a.wacz"))
    assert set(tmp_path.parent.iterdir()) == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.wacz"]
    assert all(len(row.space) < 300 and row.space.isprintable() and ".." not in row.space for row in rows)
    assert sum(isinstance(row, DocumentRow) for row in rows) >= 20


def test_two_entries_of_one_name_are_told_apart(tmp_path: Path):
    path = tmp_path / "a.wacz"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/a.warc", b"".join(FIRST))
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr("archive/a.warc", b"".join(SECOND))
    rows = read_covered(path)
    assert {row.space for row in rows} == {"file", "file:entry 0", "file:entry 1"}
    assert sum(isinstance(row, DocumentRow) for row in rows) == 27


def test_a_bomb_is_refused_by_its_ratio_and_by_its_size(tmp_path: Path):
    bomb = zip_of({"archive/a.warc": bytes(300 << 20), "archive/b.warc": b"".join(FIRST)})
    assert len(bomb) < 1 << 20
    rows = read_covered(write(tmp_path, bomb, "a.wacz"))
    assert reasons(rows)["too large"] == 1
    assert sum(isinstance(row, DocumentRow) for row in rows) == 20
    big = zip_of({"archive/a.warc": b"".join(FIRST)})
    assert (
        reasons(read_covered(write(tmp_path, big, "b.wacz"), ExtractConfig(max_unpacked_bytes=1000)))["too large"] == 1
    )


def test_zips_in_a_zip_are_not_opened(tmp_path: Path):
    inner = wacz(zipfile.ZIP_DEFLATED)
    rows = read_covered(write(tmp_path, zip_of({"archive/a.warc": inner, "nested.wacz": inner}), "a.wacz"))
    assert not any(isinstance(row, DocumentRow) for row in rows)
    assert reasons(rows) == {"container": 2, "not an archive": 1, "not a record": 1}


def test_too_many_entries_are_refused(tmp_path: Path):
    path = write(tmp_path, zip_of({f"archive/{n}.warc": "x" for n in range(100)}), "a.wacz")
    assert reasons(read_covered(path, ExtractConfig(max_zip_entries=99))) == {"too large": 1}


def test_entries_that_share_their_bytes_are_refused(tmp_path: Path):
    """The shape of the bombs that unpack one kernel thousands of times."""
    data = bytearray(
        zip_of({"archive/a.warc": b"".join(FIRST), "archive/b.warc": b"".join(SECOND)}, zipfile.ZIP_STORED)
    )
    second = data.rindex(b"PK\x01\x02")
    data[second + 42 : second + 46] = bytes(4)  # the second entry says that it lies where the first does
    assert reasons(read_covered(write(tmp_path, bytes(data), "a.wacz"))) == {"damaged": 1}


def patched(data: bytes, offset: int, value: bytes) -> bytes:
    """Another value in the directory's record of the first entry."""
    at = data.index(b"PK\x01\x02") + offset
    return data[:at] + value + data[at + len(value) :]


LIES = {
    "packed size": (20, b"\xfe\xff\xff\x7f"),
    "unpacked size": (24, b"\xfe\xff\xff\x7f"),
    "place": (42, b"\xfe\xff\xff\x7f"),
    "a zip64 size without its field": (20, b"\xff\xff\xff\xff"),
    "a zip64 place without its field": (42, b"\xff\xff\xff\xff"),
    "method": (10, b"\x63\x00"),
    "encrypted": (8, b"\x01\x00"),
    "length of its name": (28, b"\xff\xff"),
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_directory_that_lies_is_covered(tmp_path: Path, lie: str, method: int):
    data = zip_of({"archive/a.warc": b"".join(FIRST), "archive/b.warc": b"".join(SECOND)}, method)
    rows = read_covered(write(tmp_path, patched(data, *LIES[lie]), "a.wacz"))
    assert all(row.length >= 0 for row in rows)


def test_a_directory_as_large_as_memory_is_not_read(tmp_path: Path):
    data = zip_of({"archive/a.warc": "x"})
    end = data.index(b"PK\x05\x06")
    lying = data[: end + 12] + (1 << 30).to_bytes(4, "little") + data[end + 16 :]
    assert reasons(read_covered(write(tmp_path, lying, "a.wacz"))) == {"too large": 1}


@settings(max_examples=100)
@given(st.data())
def test_random_damage_is_covered(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    content = bytearray(wacz(data.draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))))
    for _ in range(data.draw(st.integers(1, 5))):
        # half of the wounds in the directory, where the lies are
        low = data.draw(st.sampled_from([0, len(content) - 500]))
        place = data.draw(st.integers(low, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 6))] = data.draw(st.binary(max_size=6))
    read_covered(write(tmp_path_factory.mktemp("wacz"), bytes(content), "a.wacz"))


def test_a_wacz_through_the_stage(tmp_path: Path):
    (tmp_path / "crawl").mkdir()
    write(tmp_path / "crawl", wacz(zipfile.ZIP_DEFLATED), "a.wacz")
    with running(tmp_path / "lake", "wacz", workers=1, quiet=True):
        (snapshot,) = ingest(Source(name="wacz", path=str(tmp_path / "crawl")))
        documents = extract(CONFIG, snapshot=snapshot)
    rows = documents.read(["doc_id", "space"]).to_pylist()
    assert len({row["doc_id"] for row in rows}) == len(rows) == 27


def test_a_real_wacz(test_data: Path, tmp_path: Path):
    path = test_data / "crawl" / "edge" / "pywb" / "valid_example_1.wacz"
    rows = read_covered(path)
    with zipfile.ZipFile(path) as file, file.open("archive/example-collection.warc") as warc:
        expected = [record.rec_headers.get_header("WARC-Target-URI") for record in ArchiveIterator(warc)]
    inside = [row for row in rows if row.space == "file:archive/example-collection.warc"]
    assert [row.url for row in inside] == expected
    assert sum(isinstance(row, DocumentRow) for row in inside) == 1
