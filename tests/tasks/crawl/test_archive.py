"""The files of a crawl: whole members whatever happened, as other readers of WARC see them."""

import gzip
import os
import resource
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from warcio.archiveiterator import ArchiveIterator

from tasks.crawl.archive import Archive, exchange, recover, whole_members


def write(folder: Path, count: int, file_bytes: int = 1 << 30) -> Archive:
    """An archive of some exchanges that is still open."""
    archive = Archive(folder, "site-1", {"software": "a test"}, file_bytes)
    for number in range(count):
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"
        members, _, _ = exchange(
            f"http://a.example/{number}", b"GET / HTTP/1.1\r\n\r\n", head + b"page %d" % number, len(head), "192.0.2.1"
        )
        archive.write(members)
    return archive


def types(path: Path) -> list[str]:
    """The types of a file's records, each with right digests, as warcio reads them."""
    with open(path, "rb") as stream:
        found = []
        for record in ArchiveIterator(stream, check_digests="raise"):
            record.content_stream().read()
            found.append(record.rec_type)
        return found


def test_a_file_is_a_part_until_it_is_closed_and_other_readers_take_it(tmp_path: Path):
    archive = write(tmp_path, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["site-1-00000.warc.gz.part"]
    archive.close()
    (path,) = tmp_path.iterdir()
    assert archive.files == [path]
    assert path.name == "site-1-00000.warc.gz"
    assert types(path) == ["warcinfo", "response", "request", "response", "request"]


def test_files_are_closed_at_their_size_between_exchanges(tmp_path: Path):
    archive = write(tmp_path, 5, file_bytes=1200)
    archive.close()
    found = [types(path) for path in archive.files]
    assert len(found) > 1
    assert all(one[0] == "warcinfo" for one in found)
    assert [kind for one in found for kind in one].count("response") == 5


@settings(max_examples=60)
@given(cut=st.floats(0, 1))
def test_a_part_cut_anywhere_is_kept_up_to_its_last_whole_record(tmp_path_factory, cut: float):
    folder = tmp_path_factory.mktemp("cut")
    archive = write(folder, 4)
    assert archive.part is not None
    whole = archive.part.read_bytes()
    archive.part.write_bytes(whole[: int(cut * len(whole))])
    found = recover(folder)
    before = types_of_prefixes(whole)
    expected = max((count for end, count in before.items() if end <= int(cut * len(whole))), default=0)
    assert sum(len(types(path)) for path in found) == expected
    assert list(folder.glob("*.part")) == []


def types_of_prefixes(data: bytes) -> dict[int, int]:
    """Where each member ends -> how many there are by then; found by trying to read each prefix as gzip."""
    ends, start = {}, 0
    for end in range(1, len(data) + 1):
        if end == len(data) or data[end : end + 3] == b"\x1f\x8b\x08":
            try:
                gzip.decompress(data[start:end])
            except (EOFError, gzip.BadGzipFile, OSError):
                continue
            start = end
            ends[end] = len(ends) + 1
    return ends


def test_zeros_after_a_crash_are_no_members(tmp_path: Path):
    archive = write(tmp_path, 1)
    assert archive.part is not None
    size = archive.part.stat().st_size
    with open(archive.part, "ab") as stream:
        stream.write(bytes(5000))
    assert whole_members(archive.part) == size


def test_a_full_disk_leaves_whole_records(tmp_path: Path):
    archive = write(tmp_path, 2)
    assert archive.part is not None
    size = archive.part.stat().st_size
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            archive.write(os.urandom(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    archive.close()
    assert types(archive.files[0]) == ["warcinfo", "response", "request", "response", "request"]
