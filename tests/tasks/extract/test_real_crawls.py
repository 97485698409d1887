"""Real archives, whole and wounded: covered, without an exception, and no record lost that was not touched."""

import gzip
import zlib
from collections import defaultdict
from pathlib import Path

import pytest
from warcio.archiveiterator import ArchiveIterator

from tasks.extract.archive import Record, read_archive
from tasks.extract.config import ExtractConfig
from tasks.extract.dispatch import read_file
from tests.tasks.extract.crawls import assert_covered


def edge_files(test_data: Path) -> list[Path]:
    return sorted(path for path in (test_data / "crawl" / "edge").rglob("*") if path.is_file())


def test_every_edge_case_ends_as_documents_and_losses_that_cover_it(test_data: Path):
    files = edge_files(test_data)
    assert len(files) == 97
    documents = 0
    for path in files:
        spaces: dict[str, int] = defaultdict(int)
        rows = list(read_file(path, ExtractConfig()))
        assert rows, path
        for row in rows:
            assert row.offset == spaces[row.space], path
            spaces[row.space] += row.length
            documents += hasattr(row, "text")
        assert "stream" in spaces or spaces["file"] == path.stat().st_size, path
    assert documents > 100


def oracle(path: Path) -> list[str | None]:
    """Ids (of an ARC: addresses) of the records that warcio reads in the undamaged file."""
    with path.open("rb") as file:
        return [
            record.rec_headers.get_header("WARC-Record-ID") or record.rec_headers.get_header("uri")
            for record in ArchiveIterator(file, no_record_parse=True)
        ]


def member_starts(data: bytes) -> list[int]:
    """Where the gzip members begin, and the file's end."""
    starts, place = [], 0
    while place < len(data):
        starts.append(place)
        decoder = zlib.decompressobj(31)
        piece = place
        while not decoder.eof:
            decoder.decompress(data[piece : piece + (1 << 16)])
            piece += 1 << 16
        place = min(piece, len(data)) - len(decoder.unused_data)
    return [*starts, len(data)]


@pytest.mark.parametrize("name", ["debdocs.warc.gz", "ia2008/aut-example.warc.gz", "ia2008/aut-example.arc.gz"])
def test_two_hundred_bad_bytes_cost_the_records_they_touch_and_no_other(test_data: Path, tmp_path: Path, name: str):
    """Where warcio, given the same bytes, stops without a word."""
    path = tmp_path / "first"
    whole = (test_data / "crawl" / name).read_bytes()
    starts = member_starts(whole[: 12 << 20] if len(whole) < 12 << 20 else gzip_prefix(whole, 12 << 20))
    data = bytearray(whole[: starts[-1]])
    path.write_bytes(data)
    expected = oracle(path)
    assert len(expected) == len(starts) - 1 > 290
    for share in (0.2, 0.5, 0.9):
        middle = int(len(data) * share)
        wounded = bytearray(data)
        wounded[middle : middle + 200] = bytes(byte ^ 0xFF for byte in wounded[middle : middle + 200])
        path.write_bytes(wounded)
        items = list(read_archive(path))
        assert_covered(items, path)
        touched = [n for n in range(len(expected)) if starts[n] < middle + 200 and starts[n + 1] > middle]
        found = [item.record_id or item.url for item in items if isinstance(item, Record)]
        assert found == [one for n, one in enumerate(expected) if n not in touched]
        lost = [item for item in items if not isinstance(item, Record)]
        assert sum(item.length for item in lost) == sum(starts[n + 1] - starts[n] for n in touched)
    if name == "debdocs.warc.gz":
        assert len(expected) > 1385


def gzip_prefix(whole: bytes, size: int) -> bytes:
    """The members that lie whole in the first `size` bytes."""
    end = size
    while not whole.startswith(b"\x1f\x8b\x08\x00", end):
        end += 1
    assert gzip.decompress(whole[:end])
    return whole[:end]
