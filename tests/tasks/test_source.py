"""Sources that lie elsewhere: URLs, object stores, Common Crawl by name; ingested as files of this machine are."""

import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastwarc.warc import ArchiveIterator
from pydantic import ValidationError

from flows.recipe import RecipeError, check_recipe, load_recipe
from storage.lake import Lake
from storage.remote.mirror import Mirror, mirror_folder
from storage.remote.patience import Patience
from storage.sources import SourceError, claim, locate
from storage.sql import connect
from tasks.common_crawl import CommonCrawl
from tasks.console import Console
from tasks.extract.config import ExtractConfig
from tasks.extract.stage import extract
from tasks.ingest import Source, ingest
from tasks.run import running
from tasks.source import gather
from tests.storage.remote.server import Files, busy, claim_length, cut_after, serving
from tests.tasks.extract.crawls import gzip_each, page, record, response

SNAPSHOT = "CC-MAIN-2025-05"
PATHS = [f"crawl-data/{SNAPSHOT}/segments/1/warc/CC-{number:05}.warc.gz" for number in range(5)]


def members(number: int) -> list[bytes]:
    """The gzip members of a file of the snapshot."""
    pages = [record(response(page(10 * number + n)), url=f"https://site{number}.example/{n}") for n in range(3)]
    return [gzip_each([one]) for one in pages]


@pytest.fixture
def crawl() -> Iterator[Files]:
    """A server with the layout of Common Crawl."""
    files = {path: b"".join(members(number)) for number, path in enumerate(PATHS)}
    files[f"crawl-data/{SNAPSHOT}/warc.paths.gz"] = gzip.compress("\n".join(PATHS).encode() + b"\n")
    with serving(files) as store:
        yield store


def read(source: Source, lake: Path) -> dict[str, bytes]:
    """Ingest a source: name -> bytes of every file that its snapshots list, found as every stage finds them."""
    with running(lake, "test", quiet=True) as run:
        placed = [found for snapshot in ingest(source) for found in locate(run.lake, snapshot)]
    return {row["path"]: place.path.read_bytes() for row, place in placed}


def read_at(server: Files, **more: object) -> CommonCrawl:
    return CommonCrawl(snapshot=SNAPSHOT, base=server.address, **more)  # type: ignore[arg-type]


def quick(lake: Path, tries: int = 3) -> Mirror:
    return Mirror(mirror_folder(lake), patience=Patience(tries=tries, sleep=lambda seconds: None))


def test_a_url_is_ingested_as_a_file_and_an_unchanged_one_makes_no_snapshot(crawl: Files, lake: Path):
    source = Source(name="web", path=crawl.url(PATHS[0]))
    with running(lake, "test", quiet=True) as run:
        (first,) = ingest(source)
        assert ingest(source) == [first]
        ((row, place),) = locate(run.lake, first)
    assert row["path"] == "CC-00000.warc.gz"
    assert place.path.read_bytes() == crawl.files[PATHS[0]]
    assert [status for *_, status in crawl.said] == [200, 304]


def test_a_changed_remote_file_is_a_new_file_and_the_old_one_stays(crawl: Files, lake: Path):
    source = Source(name="web", path=crawl.url(PATHS[0]))
    before = crawl.files[PATHS[0]]
    with running(lake, "test", quiet=True) as run:
        ingest(source)
        crawl.files[PATHS[0]] = crawl.files[PATHS[1]]
        snapshots = ingest(source)
        placed = [found for snapshot in snapshots for found in locate(run.lake, snapshot)]
    assert [place.path.read_bytes() for _, place in placed] == [before, crawl.files[PATHS[1]]]


def test_a_glob_of_an_object_store_is_ingested_without_what_is_unfinished(lake: Path):
    memory = fsspec.filesystem("memory")
    memory.pipe(
        {"/lot/a/one.jsonl": b"1\n", "/lot/b/two.jsonl": b"2\n", "/lot/b/three.jsonl.part": b"3", "/lot/.x": b"x"}
    )
    assert read(Source(name="lot", path="memory://lot"), lake) == {"a/one.jsonl": b"1\n", "b/two.jsonl": b"2\n"}
    memory.rm("/lot", recursive=True)


def test_a_snapshot_by_name_gives_the_files_that_were_asked_for(crawl: Files, lake: Path):
    source = Source(name="cc", common_crawl=read_at(crawl, files=2, start=1))
    assert read(source, lake) == {path: crawl.files[path] for path in PATHS[1:3]}
    crawl.said.clear()
    read(source, lake)
    assert [(path, status) for path, *_, status in crawl.said] == [(f"crawl-data/{SNAPSHOT}/warc.paths.gz", 304)]


def test_files_are_counted_among_those_that_match(crawl: Files, lake: Path):
    source = Source(name="cc", common_crawl=read_at(crawl, files=9, match="*-0000[24].*"))
    assert list(read(source, lake)) == [PATHS[2], PATHS[4]]


def test_a_bad_server_of_the_layout_is_outlasted_over_one_connection(crawl: Files, lake: Path):
    crawl.next(f"crawl-data/{SNAPSHOT}/warc.paths.gz", busy(503, "0"))
    crawl.next(PATHS[0], busy(429), cut_after(100), claim_length(1000))
    crawl.next(PATHS[1], cut_after(0), busy(500), cut_after(50))
    source = Source(name="cc", common_crawl=read_at(crawl, files=2))
    found = gather(source, quick(lake, tries=6), Console(quiet=True))
    assert {name: path.read_bytes() for name, path in found} == {path: crawl.files[path] for path in PATHS[:2]}
    assert "bytes=100-" in crawl.asked(PATHS[0])
    assert crawl.most_connections == 1


def listed(folder: Path, rows: list[tuple[int, int]]) -> str:
    """A list of records as the columnar index has it: (file's number, record's number)."""
    table = []
    for number, record_ in rows:
        parts = members(number)
        offset = sum(map(len, parts[:record_]))
        table.append((PATHS[number], offset, len(parts[record_])))
    names = ["warc_filename", "warc_record_offset", "warc_record_length"]
    pq.write_table(pa.table(list(zip(*table, strict=True)), names=names), folder / "index.parquet")
    return str(folder / "index.parquet")


def test_single_records_are_fetched_by_their_bytes_into_one_archive(crawl: Files, lake: Path, tmp_path: Path):
    source = Source(name="cc", common_crawl=read_at(crawl, records=listed(tmp_path, [(3, 1), (0, 2), (3, 1)])))
    ((name, data),) = read(source, lake).items()
    assert data == members(0)[2] + members(3)[1]
    urls = [one.headers["WARC-Target-URI"] for one in ArchiveIterator(io.BytesIO(data))]
    assert urls == ["https://site0.example/2", "https://site3.example/1"]
    assert name.startswith(SNAPSHOT)
    assert name.endswith(".warc.gz")
    crawl.said.clear()
    read(source, lake)
    assert crawl.said == []


def test_single_records_of_a_snapshot_become_documents(crawl: Files, lake: Path, tmp_path: Path):
    source = Source(name="cc", common_crawl=read_at(crawl, records=listed(tmp_path, [(3, 1), (0, 2)])))
    with running(lake, "test", workers=0, quiet=True):
        (snapshot,) = ingest(source)
        extract(ExtractConfig(), snapshot=snapshot)
    rows = connect(lake).execute("select url, title, file from extract order by url").fetchall()
    assert [(url, title) for url, title, _ in rows] == [
        ("https://site0.example/2", "Page 2"),
        ("https://site3.example/1", "Page 31"),
    ]
    assert {file.split("/")[0] for *_, file in rows} == {SNAPSHOT}


def test_a_list_of_records_that_was_cut_goes_on_behind_the_last_whole_one(crawl: Files, lake: Path, tmp_path: Path):
    config = read_at(crawl, records=listed(tmp_path, [(0, 0), (1, 1), (2, 2)]))
    crawl.next(PATHS[2], *[cut_after(40)] * 3)
    with pytest.raises(SourceError, match=r"CC-00002.*did not come"):
        gather(Source(name="cc", common_crawl=config), quick(lake), Console(quiet=True))
    crawl.said.clear()
    ((_, path),) = gather(Source(name="cc", common_crawl=config), quick(lake), Console(quiet=True))
    assert path.read_bytes() == members(0)[0] + members(1)[1] + members(2)[2]
    assert [one for one, *_ in crawl.said] == [PATHS[2]]


def test_ranges_that_are_no_records_are_said(crawl: Files, lake: Path, tmp_path: Path):
    csv = tmp_path / "index.csv"
    csv.write_text(f"filename,offset,length\n{PATHS[0]},5,50\n")
    source = Source(name="cc", common_crawl=read_at(crawl, records=str(csv)))
    with pytest.raises(SourceError, match=r"CC-00000.*bytes 5 to 54: no gzip member begins there"):
        gather(source, quick(lake), Console(quiet=True))
    csv.write_text(f"filename,offset\n{PATHS[0]},5\n")
    with pytest.raises(SourceError, match="has no column 'warc_record_length'"):
        gather(source, quick(lake), Console(quiet=True))


def test_a_server_without_ranges_gives_no_single_records(crawl: Files, lake: Path, tmp_path: Path):
    crawl.ranges = False
    source = Source(name="cc", common_crawl=read_at(crawl, records=listed(tmp_path, [(0, 0)])))
    with pytest.raises(SourceError, match="gives no parts of files"):
        gather(source, quick(lake), Console(quiet=True))


def test_a_snapshot_that_is_not_there_is_said_before_anything_is_fetched(crawl: Files, tmp_path: Path):
    recipe = tmp_path / "recipe.yaml"
    wrong = f"{{snapshot: CC-MAIN-1999-01, files: 1, base: '{crawl.address}'}}"
    recipe.write_text(f"name: mine\nsources: [{{name: cc, common_crawl: {wrong}}}]\n")
    with pytest.raises(RecipeError, match=r"Source 'cc': .*CC-MAIN-1999-01/warc\.paths\.gz does not exist"):
        check_recipe(load_recipe(str(recipe)))


def test_a_server_that_is_away_is_no_mistake_of_the_recipe(tmp_path: Path, lake: Path):
    with serving({}) as gone:
        address = gone.address
    recipe = tmp_path / "recipe.yaml"
    places = f"[{{name: file, path: '{address}/a.jsonl'}}, {{name: glob, path: '{address}/*.jsonl'}}]"
    recipe.write_text(f"name: mine\nsources: {places}\n")
    for source in check_recipe(load_recipe(str(recipe))).sources:
        with pytest.raises(SourceError, match=f"Source '{source.name}': {address}"):
            gather(source, quick(lake), Console(quiet=True))


def test_a_file_that_the_listing_says_is_unchanged_is_not_asked_for(lake: Path, monkeypatch: pytest.MonkeyPatch):
    memory = fsspec.filesystem("memory")
    memory.pipe({"/lot/one.jsonl": b"1\n", "/lot/two.jsonl": b"2\n"})
    source = Source(name="lot", path="memory://lot/*.jsonl")
    before = gather(source, quick(lake), Console(quiet=True))
    opened: list[str] = []
    true_open = type(memory)._open

    def count(self: Any, path: str, *rest: Any, **more: Any) -> Any:
        opened.append(path)
        return true_open(self, path, *rest, **more)

    monkeypatch.setattr(type(memory), "_open", count)
    memory.pipe("/lot/two.jsonl", b"3\n")
    after = gather(source, quick(lake), Console(quiet=True))
    memory.rm("/lot", recursive=True)
    assert (before[0], [path.read_bytes() for _, path in after]) == (after[0], [b"1\n", b"3\n"])
    assert set(opened) == {"/lot/two.jsonl"}


def test_a_start_behind_the_end_of_the_list_is_said(crawl: Files, lake: Path):
    source = Source(name="cc", common_crawl=read_at(crawl, files=1, start=5))
    with pytest.raises(SourceError, match=r"lists 5 files .*none from number 5 on"):
        gather(source, quick(lake), Console(quiet=True))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"path": "x", "common_crawl": {"snapshot": SNAPSHOT, "files": 1}},
        {"path": "https://me:secret@host.example/x.jsonl"},
        {"path": "https://host.example/x", "crawl": {"contact": "m@mill.example", "seeds": ["https://a.example/"]}},
        {"common_crawl": {"snapshot": SNAPSHOT}},
        {"common_crawl": {"snapshot": SNAPSHOT, "files": 1, "records": "x.parquet"}},
        {"common_crawl": {"snapshot": SNAPSHOT, "files": 1, "base": "crawls"}},
    ],
)
def test_a_source_says_once_where_it_reads(fields: dict):
    with pytest.raises(ValidationError):
        Source(name="web", **fields)


def test_a_url_in_a_recipe_stays_a_url_in_the_recipe_and_in_the_lakes_claims(crawl: Files, lake: Path, tmp_path: Path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"name: mine\nsources: [{{name: web, path: '{crawl.url(PATHS[0])}'}}]\n")
    loaded = check_recipe(load_recipe(str(recipe)))
    assert loaded.sources[0].path == crawl.url(PATHS[0])
    claim(Lake(lake), "web", "mine", loaded.sources[0].place)
    assert crawl.url(PATHS[0]) in (lake / "sources.json").read_text()
