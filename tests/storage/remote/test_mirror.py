"""Remote files as local ones, from a server that cuts, refuses and lies, and from an object store in memory."""

import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from storage.hashes import HashCache
from storage.remote.mirror import Mirror
from storage.remote.patience import Patience
from storage.remote.places import RemoteFile, find_remote, is_remote
from storage.sources import SourceError
from tests.storage.remote.server import Files, busy, claim_length, cut_after, serving

DATA = bytes(range(256)) * 1000


@pytest.fixture
def server() -> Iterator[Files]:
    with serving({"a/pages.warc.gz": DATA}) as store:
        yield store


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def mirror(tmp_path: Path, slept: list[float]) -> Mirror:
    return Mirror(tmp_path / "mirror", patience=Patience(tries=3, sleep=slept.append))


def pages(server: Files, **more: bool) -> RemoteFile:
    return RemoteFile(server.url("a/pages.warc.gz"), "pages.warc.gz", **more)


def test_a_file_is_fetched_once_and_known_by_its_tag(server: Files, mirror: Mirror):
    first = mirror.fetch(pages(server))
    assert first.read_bytes() == DATA
    assert first.name == "pages.warc.gz"
    assert mirror.fetch(pages(server)) == first
    assert [status for *_, status in server.said] == [200, 304]


def test_an_unchanging_file_that_is_here_is_not_even_asked_for(server: Files, mirror: Mirror):
    first = mirror.fetch(pages(server, immutable=True))
    assert mirror.fetch(pages(server, immutable=True)) == first
    assert len(server.said) == 1


def test_a_changed_file_lies_beside_the_old_one(server: Files, mirror: Mirror):
    first = mirror.fetch(pages(server))
    server.files["a/pages.warc.gz"] = DATA[::-1]
    second = mirror.fetch(pages(server))
    assert (first.read_bytes(), second.read_bytes()) == (DATA, DATA[::-1])


def test_the_same_bytes_under_a_new_tag_are_the_same_file(server: Files, mirror: Mirror):
    server.validators = False
    first = mirror.fetch(pages(server))
    changed = first.stat().st_mtime_ns
    assert mirror.fetch(pages(server)) == first
    assert first.stat().st_mtime_ns == changed
    assert [status for *_, status in server.said] == [200, 200]


def test_a_copy_that_was_deleted_is_fetched_again(server: Files, mirror: Mirror):
    mirror.fetch(pages(server)).unlink()
    assert mirror.fetch(pages(server)).read_bytes() == DATA


def test_a_cut_connection_goes_on_where_it_was_cut(server: Files, mirror: Mirror):
    server.next("a/pages.warc.gz", cut_after(100_000), cut_after(70_000))
    assert mirror.fetch(pages(server)).read_bytes() == DATA
    assert server.asked("a/pages.warc.gz") == [None, "bytes=100000-", "bytes=170000-"]


def test_a_fetch_that_gave_up_goes_on_in_the_next_run(server: Files, mirror: Mirror, tmp_path: Path):
    server.next("a/pages.warc.gz", cut_after(100_000), cut_after(0), cut_after(0))
    with pytest.raises(SourceError, match=r"pages\.warc\.gz did not come: .*100,000 bytes of it are here"):
        mirror.fetch(pages(server))
    server.said.clear()
    assert Mirror(mirror.folder).fetch(pages(server)).read_bytes() == DATA
    assert server.asked("a/pages.warc.gz") == ["bytes=100000-"]


def test_what_changed_after_a_cut_is_read_from_its_beginning(server: Files, mirror: Mirror):
    def change(handler, data: bytes) -> None:
        server.files["a/pages.warc.gz"] = DATA[::-1]
        handler.serve(data, cut=100_000)

    server.next("a/pages.warc.gz", change)
    assert mirror.fetch(pages(server)).read_bytes() == DATA[::-1]


@pytest.mark.parametrize("lacking", ["validators", "ranges"])
def test_a_server_without_tags_or_ranges_is_read_from_the_beginning_again(server: Files, mirror: Mirror, lacking: str):
    setattr(server, lacking, False)
    server.next("a/pages.warc.gz", cut_after(100_000))
    assert mirror.fetch(pages(server)).read_bytes() == DATA


def test_a_content_length_that_says_too_much_is_found_out(server: Files, mirror: Mirror):
    server.next("a/pages.warc.gz", claim_length(5000))
    assert mirror.fetch(pages(server)).read_bytes() == DATA
    assert server.asked("a/pages.warc.gz") == [None, f"bytes={len(DATA)}-"]


def test_a_busy_server_is_given_the_time_it_asks_for(server: Files, mirror: Mirror, slept: list[float]):
    server.next("a/pages.warc.gz", busy(503, "7"), busy(429))
    assert mirror.fetch(pages(server)).read_bytes() == DATA
    assert slept == [7.0, 2.0]


def test_a_server_that_asks_for_a_day_is_left_alone(server: Files, mirror: Mirror, slept: list[float]):
    server.next("a/pages.warc.gz", busy(503, "86400"))
    with pytest.raises(SourceError, match="asks to wait 86,400 s"):
        mirror.fetch(pages(server))
    assert slept == []


def test_progress_is_told_in_bytes_of_the_file(server: Files, mirror: Mirror):
    told = []
    server.next("a/pages.warc.gz", cut_after(100_000))
    mirror.fetch(pages(server), lambda here, size: told.append((here, size)))
    assert told[-1] == (len(DATA), len(DATA))
    assert told == sorted(told)


def test_the_hash_of_a_fetched_file_is_known_without_reading_it(server: Files, tmp_path: Path):
    hashes = HashCache(tmp_path)
    copy = Mirror(tmp_path / "mirror", hashes).fetch(pages(server))
    sha256, size = hashes.sha256(copy)
    assert size == len(DATA)
    copied = tmp_path / "copy"
    copied.write_bytes(DATA)
    assert hashes.sha256(copied)[0] == sha256  # counted from the bytes, by a file nobody knew
    assert hashes.locate(sha256) is not None


@pytest.mark.parametrize(
    ("path", "sentence"),
    [("gone.warc.gz", r"gone\.warc\.gz does not exist \(the server answers 404\)")],
)
def test_what_is_not_there_is_said(server: Files, mirror: Mirror, slept: list[float], path: str, sentence: str):
    with pytest.raises(SourceError, match=sentence):
        mirror.fetch(RemoteFile(server.url(path), path))
    assert slept == []


def test_a_server_that_nobody_runs_is_said_after_some_tries(mirror: Mirror, slept: list[float]):
    with serving({}) as gone:
        address = gone.address
    with pytest.raises(SourceError, match=r"a\.gz did not come: .*tried 3 times"):
        mirror.fetch(RemoteFile(f"{address}/a.gz", "a.gz"))
    assert slept == [1.0, 2.0]


def test_names_cannot_leave_the_folder(server: Files, mirror: Mirror):
    server.files["x"] = b"data"
    copy = mirror.fetch(RemoteFile(server.url("x"), "..%2f..%2f.hidden\n.gz"))
    assert copy.resolve().is_relative_to(mirror.folder.resolve())
    assert copy.name == "hidden_.gz"


@pytest.fixture
def store() -> Iterator[str]:
    memory = fsspec.filesystem("memory")
    memory.pipe({"/lot/a/one.jsonl": b"1\n", "/lot/a/two.jsonl": b"2\n", "/lot/b/three.txt": b"3\n"})
    yield "memory://lot"
    memory.rm("/lot", recursive=True)


def test_a_glob_in_an_object_store_lists_its_files_below_the_root(store: str, mirror: Mirror):
    found = find_remote(f"{store}/**/*.jsonl")
    assert [file.name for file in found] == ["a/one.jsonl", "a/two.jsonl"]
    assert [mirror.fetch(file).read_bytes() for file in found] == [b"1\n", b"2\n"]


@pytest.mark.parametrize(
    ("path", "names"), [("", ["a/one.jsonl", "a/two.jsonl", "b/three.txt"]), ("/b/three.txt", ["three.txt"])]
)
def test_a_folder_of_a_store_is_everything_below_it_and_a_file_itself(store: str, path: str, names: list[str]):
    assert [file.name for file in find_remote(store + path)] == names


def test_a_changed_file_of_a_store_is_a_new_one(store: str, mirror: Mirror):
    (file,) = find_remote(f"{store}/b/*.txt")
    first = mirror.fetch(file)
    assert mirror.fetch(file) == first
    fsspec.filesystem("memory").pipe("/lot/b/three.txt", b"4\n")
    assert mirror.fetch(file).read_bytes() == b"4\n"
    assert first.read_bytes() == b"3\n"


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("memory://nowhere/*.gz", "matches no file"),
        ("memory://nowhere/x.gz", "does not exist"),
        ("nosuch://bucket/x", "there is no file system nosuch://"),
        ("https://host.example/folder/", "names a folder, and http has none"),
    ],
)
def test_a_place_without_files_is_said(path: str, sentence: str):
    with pytest.raises(SourceError, match=sentence):
        find_remote(path)


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(SourceError, match=r"pip install 'gristmill\[s3\]'"):
        find_remote("s3://bucket/*.warc.gz")


def test_an_http_glob_reads_the_servers_listing(server: Files):
    listing = (
        '<a href="one.warc.gz">1</a> <a href="two%20b.warc.gz">2</a> <a href="notes.txt">n</a> <a href="../">up</a>'
    )
    server.files["lot/"] = listing.encode()
    server.files |= {"lot/one.warc.gz": b"1", "lot/two%20b.warc.gz": b"2", "lot/notes.txt": b"n"}
    found = find_remote(server.url("lot/*.warc.gz"))
    assert [file.name for file in found] == ["one.warc.gz", "two b.warc.gz"]
    assert found[1].url == server.url("lot/two%20b.warc.gz")


def test_what_is_remote():
    paths = ["https://a/b", "s3://a/b", "file:///a", "a/b:c", "/a//b"]
    assert [path for path in paths if is_remote(path)] == ["https://a/b", "s3://a/b"]
