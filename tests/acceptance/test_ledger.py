"""Every input record is a document or a loss, with the bytes it took up: on the sample, and where a record kills."""

from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from warcio.archiveiterator import ArchiveIterator

from flows.sample import prepare_sample
from storage.sql import connect
from tasks.conversations import read_conversations
from tasks.extract.config import ExtractConfig
from tasks.extract.stage import extract
from tasks.ingest import Source, ingest
from tasks.questions import read_questions
from tasks.run import running
from tasks.sample.build import sample_sources
from tests.acceptance.world import write_page, write_warc

READERS = {"documents": extract, "conversations": read_conversations, "questions": read_questions}
"""What reads the files of a source, by what it holds."""

HEAVY = "<html><body>" + "<p>A line of the heaviest page of all.</p>" * 150_000 + "</body></html>"
"""A page over which trafilatura takes some seconds of CPU time; one of the small world takes a hundredth."""
SLOW = ExtractConfig(extractor="trafilatura-fast")


def check_covered(sql: duckdb.DuckDBPyConnection, root: Path, path: Path, view: str = "extract") -> int:
    """The places of a file's rows cover it without gap or overlap: an archive from its first byte to its last, a
    Parquet file from its first row to its last. Gives how many rows there are."""
    parquet = path.suffix == ".parquet"
    places = f"""select space, "offset", length from {view} where source = $1 and file = $2 union all
        select space, "offset", length from {view}_losses where source = $1 and file = $2 order by all"""
    rows = sql.execute(places, [root.name, path.relative_to(root).as_posix()]).fetchall()
    end = pq.read_metadata(path).num_rows if parquet else path.stat().st_size
    assert {space for space, *_ in rows} == {"row" if parquet else "file"}, path
    assert rows[0][1] == 0, path
    assert [start + length for _, start, length in rows] == [*(start for _, start, _ in rows[1:]), end], path
    return len(rows)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_on_the_sample_every_record_has_its_row_and_warcio_counts_as_many(tmp_path):
    root = prepare_sample() / "pages"
    with running(tmp_path / "lake", "ledger", quiet=True):
        for snapshot in ingest(Source(name=root.name, path=str(root))):
            extract(ExtractConfig(), snapshot=snapshot)
    sql = connect(tmp_path / "lake")
    archives = sorted(root.rglob("*.warc.gz"))
    assert len(archives) >= 5
    pages = 0
    for path in archives:
        with open(path, "rb") as stream:
            counted = sum(1 for _ in ArchiveIterator(stream))
        assert check_covered(sql, root, path) == counted
        pages += counted
    documents, losses = sql.sql(
        "select (select count(*) from extract), (select count(*) from extract_losses)"
    ).fetchall()[0]
    assert documents + losses == pages
    assert documents >= 2000
    about = sql.sql(
        "select count(license), count(carrier), count(origin), count(*) filter (origin <> 'rendered') from extract"
    )
    licensed, carried, originated, shipped = about.fetchall()[0]
    assert (licensed, carried, originated) == (documents,) * 3
    assert shipped >= 1000


@pytest.mark.slow
def test_on_the_sample_every_row_of_books_code_conversations_and_questions_is_a_row_or_a_loss(tmp_path):
    sample = prepare_sample()
    sources = [source for source in sample_sources(sample) if source.name != "pages"]
    with running(tmp_path / "lake", "rows", quiet=True):
        for source in sources:
            read = READERS[source.holds]
            for snapshot in ingest(Source.model_validate(vars(source))):
                read(read.config(), snapshot=snapshot)
    sql = connect(tmp_path / "lake")
    counted = {}
    for source in sources:
        files = sorted(path for path in (sample / source.name).rglob("*") if path.is_file())
        assert {path.suffix for path in files} == {".parquet"}
        view = READERS[source.holds].name
        counted |= {path: check_covered(sql, sample / source.name, path, view) for path in files}
    # a loss may stand for many rows, the rest of a damaged group: no file of the sample is damaged
    assert counted == {path: pq.read_metadata(path).num_rows for path in counted}
    assert {path.parent.name for path in counted} == {"books", "code", "conversations", "questions"}
    found = [
        sql.sql(f'select count(*), count(distinct (source, file, "offset")) from {view}').fetchall()[0]
        for view in ("extract", "conversations", "questions", "losses")
    ]
    assert all(rows == places for rows, places in found)
    assert sum(rows for rows, _ in found) == sum(counted.values())
    assert min(rows for rows, _ in found[:3]) > 100


def test_a_page_that_outlasts_its_cpu_time_is_a_loss_and_the_rest_of_its_shard_is_kept(tmp_path):
    folder = tmp_path / "crawl"
    records = write_warc(folder / "one.warc.gz", 0, 10)
    whole = folder / "one.warc.gz"
    heavy = folder / "heavy.html"
    heavy.write_text(HEAVY)
    with running(tmp_path / "lake", "heavy", workers=2, cpu_seconds=0.4, quiet=True):
        for snapshot in ingest(Source(name="crawl", path=str(folder))):
            made = extract(SLOW, snapshot=snapshot)
    sql = connect(tmp_path / "lake")
    assert check_covered(sql, folder, whole) == records
    assert sql.sql("select file, reason from extract_losses where reason = 'timeout'").fetchall() == [
        ("heavy.html", "timeout")
    ]
    assert [place for place in made.provenance["notes"].values() if place.get("timeouts")] == [
        {"timeouts": [["file", 0]]}
    ]


def test_a_page_of_a_crawl_that_kills_its_worker_is_a_loss_alone_and_its_neighbours_are_documents(tmp_path):
    """One archive, one shard: ten pages, the one that its worker dies of, and ten more."""
    folder, url = tmp_path / "crawl", "http://mill.example/heavy"
    records = write_warc(tmp_path / "before.warc.gz", 0, 10) + write_warc(tmp_path / "after.warc.gz", 10, 10) + 1
    write_page(tmp_path / "heavy.warc.gz", url, HEAVY)
    pieces = [(tmp_path / f"{name}.warc.gz").read_bytes() for name in ("before", "heavy", "after")]
    crawl = folder / "crawl.warc.gz"
    crawl.parent.mkdir()
    crawl.write_bytes(b"".join(pieces))
    with running(tmp_path / "lake", "killed", workers=2, cpu_seconds=0.4, quiet=True):
        for snapshot in ingest(Source(name="crawl", path=str(folder))):
            made = extract(SLOW, snapshot=snapshot)
    sql = connect(tmp_path / "lake")
    with open(crawl, "rb") as stream:
        assert check_covered(sql, folder, crawl) == records == sum(1 for _ in ArchiveIterator(stream))
    assert {part.shard for part in made.manifest.parts} == {0}
    own = ("warcinfo", "request", "redirect", "media type", "http error")  # what is no page
    losses = """select url, "offset", length, reason, detail from extract_losses where not list_contains($1, reason)"""
    place = len(pieces[0]), len(pieces[1])
    # four times the limit: it was tried again, alone, in a process of its own, which died of it as well
    assert sql.execute(losses, [own]).fetchall() == [(url, *place, "timeout", "used more than 1.6 s of CPU")]
    assert made.provenance["notes"] == {"0": {"timeouts": [["file", place[0]]]}}
    addresses = sql.sql("""select url from extract order by "offset" """).fetchall()
    assert [address for (address,) in addresses] == [
        f"http://mill.example/{'de' if number % 5 == 4 else 'en'}/{number}" for number in range(20)
    ]
