"""Every input record is a document or a loss, with the bytes it took up: on the sample, and where a record kills."""

from pathlib import Path

import duckdb
import pytest
from warcio.archiveiterator import ArchiveIterator

from flows.sample import prepare_sample
from storage.sql import connect
from tasks.extract.config import ExtractConfig
from tasks.extract.stage import extract
from tasks.ingest import Source, ingest
from tasks.run import running
from tests.acceptance.world import write_warc

RANGES = """select space, "offset", length from extract where file = $1
    union all select space, "offset", length from extract_losses where file = $1 order by all"""


def check_covered(sql: duckdb.DuckDBPyConnection, root: Path, path: Path) -> int:
    """The ranges of a file's rows cover it from 0 to its end; gives how many there are."""
    rows = sql.execute(RANGES, [path.relative_to(root).as_posix()]).fetchall()
    assert {space for space, *_ in rows} == {"file"}, path
    assert rows[0][1] == 0
    assert [start + length for _, start, length in rows] == [*(start for _, start, _ in rows[1:]), path.stat().st_size]
    return len(rows)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_on_the_sample_every_record_has_its_row_and_warcio_counts_as_many(tmp_path):
    root = prepare_sample() / "pages"
    with running(tmp_path / "lake", "ledger", quiet=True):
        for snapshot in ingest(Source(name="pages", path=str(root))):
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


def test_a_page_that_outlasts_its_cpu_time_is_a_loss_and_the_rest_of_its_shard_is_kept(tmp_path):
    folder = tmp_path / "crawl"
    records = write_warc(folder / "one.warc.gz", 0, 10)
    whole = folder / "one.warc.gz"
    heavy = folder / "heavy.html"
    heavy.write_text("<html><body>" + "<p>A line of the heaviest page of all.</p>" * 150_000 + "</body></html>")
    with running(tmp_path / "lake", "heavy", workers=2, cpu_seconds=0.4, quiet=True):
        for snapshot in ingest(Source(name="heavy", path=str(folder))):
            made = extract(ExtractConfig(), snapshot=snapshot)
    sql = connect(tmp_path / "lake")
    assert check_covered(sql, folder, whole) == records
    assert sql.sql("select file, reason from extract_losses where reason = 'timeout'").fetchall() == [
        ("heavy.html", "timeout")
    ]
    assert [place for place in made.provenance["notes"].values() if place.get("timeouts")] == [
        {"timeouts": [["file", 0]]}
    ]
