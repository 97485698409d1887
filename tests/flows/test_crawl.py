"""A site crawled, refreshed into documents and asked about by SQL; and crawls that are stopped and killed."""

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import yaml

from flows.annotations import annotate
from flows.crawl import crawl
from flows.grow import read
from flows.recipe import RecipeError, check_recipe, load_recipe
from storage.sql import connect
from tasks.run import running
from tests.acceptance.drive import COMMAND, ROOT, gristmill
from tests.tasks.crawl.site import Answer, Site, moved, page, serving
from tests.tasks.crawl.test_archive import types


def write_recipe(folder: Path, site: Site) -> str:
    """A recipe with one crawled source."""
    rules = {
        "contact": "miller@mill.example", "seeds": [site.url()], "delay": 0, "allow_private": ["127.0.0.1"],
        "refetch_hours": 0,
    }  # fmt: skip
    content = {"name": "mill", "sources": [{"name": "site", "path": "pages", "license": "CC0-1.0", "crawl": rules}]}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return str(folder / "recipe.yaml")


def test_a_crawled_site_becomes_documents_and_a_second_crawl_costs_what_changed(tmp_path: Path, lake: Path):
    robots: Answer = (200, {"Content-Type": "text/plain"}, b"User-agent: *\nDisallow: /attic\n")
    pages = {
        "/robots.txt": robots,
        "/": page("one", "/a", "/old", "/attic"),
        "/a": page("two"),
        "/old": moved("/a", 301),
    }

    def documents() -> list[tuple[str, str]]:
        recipe = check_recipe(load_recipe(name))
        with running(lake, "refresh", workers=0, quiet=True):
            for extracted in read(recipe.sources[0], recipe):
                annotate(extracted, recipe)
        asked = "select split_part(url, '/', 4), title from extract where source = 'site' order by capture_date, url"
        return connect(lake).execute(asked).fetchall()

    with serving(pages) as site:
        name = write_recipe(tmp_path, site)
        with pytest.raises(RecipeError, match=r"pages does not exist\. Fill it first: gristmill crawl"):
            check_recipe(load_recipe(name))
        crawl.fn(recipe=name, lake=str(lake))
        assert sorted(documents()) == [("", "one"), ("a", "two")]
        pages["/a"] = page("two and a half")
        time.sleep(1.1)  # the dates of WARC have whole seconds
        crawl.fn(recipe=name, lake=str(lake))
        assert documents()[-1] == ("a", "two and a half")
        assert len(documents()) == 3
    rows = connect(lake).execute("select reason, count(*) from losses where source = 'site' group by all").fetchall()
    lost = dict(rows)
    assert lost["revisit"] == 2  # the first page, and the redirect whose answer was the same
    assert lost["warcinfo"] == 2
    assert lost["request"] == 6


def endless(path: str) -> Answer:
    """A page that leads to the next, for ever."""
    return 200, {}, page(path, f"/{int(path.strip('/') or 0) + 1}")


class Running:
    """A crawl of an endless site from the command line, some pages on its way."""

    def __init__(self, site: Site, folder: Path) -> None:
        words = ["crawl", "--seed", site.url("/0"), "--contact", "miller@mill.example", "--output", str(folder)]
        words += ["--delay", "0", "--depth", "100000", "--max-pages", "100000", "--allow-private", "127.0.0.1"]
        self.parent = subprocess.Popen(
            [*COMMAND, *words], cwd=ROOT, stderr=subprocess.PIPE, text=True, preexec_fn=listen
        )
        wait_for(lambda: len(site.asked) > 10)
        (self.child,) = psutil.Process(self.parent.pid).children()

    def ended(self) -> tuple[int, str]:
        """The exit code and what was said, once no process is left."""
        said = self.parent.communicate(timeout=60)[1]
        wait_for(lambda: not self.child.is_running() or self.child.status() == psutil.STATUS_ZOMBIE)
        return self.parent.returncode, said


def listen() -> None:
    """A shell starts what it puts into the background with SIGINT ignored, and with it the whole test run."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for(happened: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not come to be so"
        time.sleep(0.02)


def pages_in(folder: Path) -> int:
    """How many whole responses the folder's finished files hold; nothing is unfinished."""
    assert list(folder.glob("*.part")) == []
    return sum(types(path).count("response") for path in folder.glob("*.warc.gz"))


def test_ctrl_c_ends_a_crawl_with_whole_files(tmp_path: Path):
    with serving({"/robots.txt": (404, {}, b"")}) as site:
        site.anything = endless
        running_ = Running(site, tmp_path)
        running_.parent.send_signal(signal.SIGINT)
        code, said = running_.ended()
    assert (code, "what came by then is kept" in said) == (130, True)
    assert pages_in(tmp_path) >= 8


def test_a_crawl_whose_parent_is_killed_ends_with_whole_files(tmp_path: Path):
    with serving({"/robots.txt": (404, {}, b"")}) as site:
        site.anything = endless
        running_ = Running(site, tmp_path)
        running_.parent.kill()
        running_.ended()
    assert pages_in(tmp_path) >= 8


def test_a_killed_crawl_leaves_whole_records_and_the_next_goes_on_behind_them(tmp_path: Path):
    with serving({"/robots.txt": (404, {}, b"")}) as site:
        site.anything = endless
        running_ = Running(site, tmp_path)
        running_.child.kill()
        code, said = running_.ended()
        assert (code, "ended with -9" in said) == (1, True)
        kept = pages_in(tmp_path)
        assert kept >= 8
        before = {path for path, *_ in site.asked}
        site.asked.clear()
        running_ = Running(site, tmp_path)
        running_.parent.send_signal(signal.SIGINT)
        running_.ended()
    again = before & {path for path, *_ in site.asked} - {"/robots.txt"}
    assert len(again) <= 1  # the page that was on its way


def test_the_command_says_who_asks_and_what_it_would_fetch(tmp_path: Path, lake: Path):
    with serving({"/": page("one")}) as site:
        refused = gristmill("crawl", "--seed", site.url(), lake=lake)
        words = [
            "crawl",
            "--seed",
            site.url(),
            "--contact",
            "m@mill.example",
            "--allow-private",
            "127.0.0.1",
            "--dry-run",
        ]
        listed = gristmill(*words, lake=lake)
    assert (refused.returncode, "--contact" in refused.stderr) == (1, True)
    assert (listed.returncode, listed.stdout.split()) == (0, [site.url()])
    assert site.paths == []
