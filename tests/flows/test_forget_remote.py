"""Copies of remote files hold raw bytes of a forgotten page: those of the lake go, those of the user's are named."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.forget import forget, plan_forgetting
from storage import gc
from storage.forget.leftovers import forgotten_copies
from storage.forget.tombstones import parse
from storage.lake import Lake
from storage.remote.mirror import copies, mirror_folder
from tasks.extract.config import ExtractConfig
from tasks.extract.stage import extract
from tasks.ingest import Source, ingest
from tasks.run import running
from tests.acceptance.drive import gristmill
from tests.acceptance.said import find
from tests.acceptance.world import write_page
from tests.storage.remote.server import Files, serving

SENTENCE = "Amber kestrels barter seventeen wooden flutes under Quimper bridges."
PAGE = "http://gossip.example/planted"
CALM = gzip.compress(b'{"url": "http://calm.example/1", "text": "The wheel turns."}\n', mtime=0)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Files]:
    """A crawl with the sentence in two pages, one of them forgotten later; and a file without it."""
    warc = tmp_path / "made" / "crawl.warc.gz"
    write_page(warc, PAGE, f"<html><body><p>{SENTENCE} {'The miller grinds. ' * 30}</p></body></html>")
    with serving({"web/crawl.warc.gz": warc.read_bytes(), "calm/pages.jsonl.gz": CALM}) as store:
        yield store


def read(lake: Lake, *sources: Source) -> None:
    with running(lake, "read", workers=0, quiet=True):
        for source in sources:
            for snapshot in ingest(source):
                extract(ExtractConfig(), snapshot=snapshot)


def web(server: Files) -> Source:
    return Source(name="web", path=server.url("web/crawl.warc.gz"))


def records(server: Files, tmp_path: Path) -> Source:
    """The same page as a single record of a snapshot of Common Crawl, by its byte range."""
    size = len(server.files["web/crawl.warc.gz"])
    (tmp_path / "records.csv").write_text(f"filename,offset,length\nweb/crawl.warc.gz,0,{size}\n", encoding="utf-8")
    crawl = {"snapshot": "CC-MAIN-2026-05", "records": str(tmp_path / "records.csv"), "base": server.address}
    return Source(name="records", common_crawl=crawl)  # type: ignore[arg-type]


def test_copies_that_hold_a_forgotten_page_go_with_gc_and_others_stay(server, tmp_path, monkeypatch):
    monkeypatch.delenv("GRISTMILL_CACHE", raising=False)
    lake, calm = Lake(tmp_path / "lake"), Source(name="calm", path=server.url("calm/pages.jsonl.gz"))
    every = (web(server), records(server, tmp_path), calm)
    read(lake, *every)
    found = find(lake.root, SENTENCE)
    assert found.keys() == {"extract", ".cache"}
    assert len(found[".cache"]) == 2
    listed = gristmill("forget", PAGE, lake=lake.root)
    assert listed.returncode == 0, listed.stderr
    assert {line.split()[1].rstrip(":") for line in listed.stdout.splitlines() if line[:4] == "copy"} == found[".cache"]
    assert "your file" not in listed.stdout
    assert forgotten_copies(lake) == []  # nothing is forgotten yet

    forget(lake, [parse(PAGE)], workers=0)
    gc.collect(lake, gc.Keeping(runs=0))
    assert find(lake.root, SENTENCE) == {}
    (left,) = copies(mirror_folder(lake.root))
    assert left.read_bytes() == CALM
    assert gc.plan(lake).leftovers == []

    # a refresh finds it at its address again: what is read of it says nothing, and the copy goes again
    read(lake, *every)
    assert find(lake.root, SENTENCE).keys() == {".cache"}
    gc.collect(lake, gc.Keeping(runs=0))
    assert find(lake.root, SENTENCE) == {}


def test_what_was_fetched_and_never_read_goes_too_if_it_is_older_than_the_tombstone(server, tmp_path, monkeypatch):
    monkeypatch.delenv("GRISTMILL_CACHE", raising=False)
    lake = Lake(tmp_path / "lake")
    read(lake, Source(name="calm", path=server.url("calm/pages.jsonl.gz")))
    with running(lake, "killed", workers=0, quiet=True):
        ingest(web(server))  # and killed before anything was extracted
    part = mirror_folder(lake.root) / ("0" * 32) / "incoming"
    part.parent.mkdir()
    part.write_bytes(SENTENCE.encode())
    assert find(lake.root, SENTENCE).keys() == {".cache"}
    gc.collect(lake)
    assert len(find(lake.root, SENTENCE)[".cache"]) == 2  # nobody forgot anything
    forget(lake, [parse("http://calm.example/1")], workers=0)
    gc.collect(lake)
    assert find(lake.root, SENTENCE) == {}
    assert copies(mirror_folder(lake.root)) == []
    read(lake, web(server))  # it is fetched again where it is needed
    assert find(lake.root, SENTENCE).keys() == {".cache", "extract"}


def test_no_copy_goes_while_a_run_goes_on_that_may_read_it(server, tmp_path, monkeypatch):
    import subprocess
    import sys

    monkeypatch.delenv("GRISTMILL_CACHE", raising=False)
    lake = Lake(tmp_path / "lake")
    read(lake, web(server))
    forget(lake, [parse(PAGE)], workers=0)
    script = "import sys; from storage.catalog.holds import Hold; from pathlib import Path; "
    script += "hold = Hold(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", script, str(lake.root)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        gc.collect(lake, gc.Keeping(runs=0))
        assert find(lake.root, SENTENCE).keys() == {".cache"}
    finally:
        process.communicate("")
    gc.collect(lake, gc.Keeping(runs=0))
    assert find(lake.root, SENTENCE) == {}


def test_files_of_the_users_own_are_named_and_stay(server, tmp_path, monkeypatch):
    monkeypatch.setenv("GRISTMILL_CACHE", str(tmp_path / "cache"))
    lake, own = Lake(tmp_path / "lake"), tmp_path / "rows" / "pages.jsonl"
    own.parent.mkdir()
    rows = [{"url": f"{PAGE}/{number}", "text": f"{SENTENCE} {number}"} for number in range(3)]
    own.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    read(lake, web(server), Source(name="rows", path=str(own.parent)))
    (copy,) = copies(tmp_path / "cache" / "remote")
    wanted = [parse(PAGE), parse(f"{PAGE}/2"), parse(f"{PAGE}/1")]
    assert plan_forgetting(lake, wanted).files == {own: 2, copy: 1}
    listed = gristmill("forget", "gossip.example", "--force", lake=lake.root).stdout
    assert f"{own}: 3 rows of these. It stays as it is" in listed
    assert f"{copy}: 1 row of these. It stays as it is" in listed
    before = own.read_bytes()
    forget(lake, wanted, workers=0)
    gc.collect(lake, gc.Keeping(runs=0))
    assert (own.read_bytes(), copy.exists()) == (before, True)
