"""The recipes of sources by name: right for their dumps, and they make a corpus of them."""

import bz2
import gzip
import hashlib
import random
import re
from pathlib import Path

import pytest

from flows.recipe import RecipeError, check_recipe, load_recipe
from tasks.decide.rules import DecideConfig
from tasks.extract.stage import extract
from tasks.ingest import ingest
from tasks.run import running
from tests.storage.remote.server import serving
from tests.tasks.extract.crawls import gzip_each, page, record, response
from tests.tasks.extract.dumps import test_gutenberg, test_repository, test_stackexchange, test_wikipedia
from tests.tasks.test_selection import run_whole

WORDS = re.findall(
    r"\w+",
    "mill stone grain water wheel flour sack river bread oven harvest field wind sail rye wheat barley oats bran husk "
    "sieve hopper shaft gear pond race dam sluice farmer baker cart horse road bridge market winter summer morning "
    "quiet heavy golden narrow ancient slow bright wooden grinds turns carries waits falls rises bakes sells mends",
)


def prose(seed: int) -> str:
    """A text of many words of which none repeats much."""
    draw = random.Random(seed)
    return " ".join(f"The {' '.join(draw.sample(WORDS, 7))} of the {draw.choice(WORDS)}." for _ in range(25))


def wikipedia(folder: Path) -> None:
    """An article and a talk page."""
    pages = [test_wikipedia.page(1, "Mill", prose(1)), test_wikipedia.page(2, "Talk:Mill", prose(2), namespace=1)]
    (folder / "d.xml.bz2").write_bytes(bz2.compress((test_wikipedia.HEAD + "".join(pages)).encode()))


def stackexchange(folder: Path) -> None:
    """A question with its answer, and one that nobody liked."""
    rows = [
        test_stackexchange.row(1, 1, f"<p>{prose(1)}</p>", Title="Mills"),
        test_stackexchange.row(2, 2, "<p>So it is.</p>", ParentId=1),
        test_stackexchange.row(3, 1, f"<p>{prose(2)}</p>", Title="Bad", Score=-3),
    ]
    test_stackexchange.posts(folder, "<posts>\n" + "".join(rows) + "</posts>")


def gutenberg(folder: Path) -> None:
    """A free book and one under copyright."""
    book = test_gutenberg.MODERN.replace("It was a day of wind.", prose(1))
    (folder / "pg1.txt").write_text(book)
    marked = book.replace("This ebook is", "This is a *COPYRIGHTED* Project Gutenberg eBook. It is").replace(
        "mill", "wheel"
    )
    (folder / "pg2.txt").write_text(marked)


def repository(folder: Path) -> None:
    """Code under a free licence, and code under none."""
    code = "".join(f"def grind_{number}():\n    return {number}\n" for number in range(9))
    (folder / "free.tar").write_bytes(test_repository.tarred({"a/LICENSE": test_repository.MIT, "a/mill.py": code}))
    (folder / "closed.tar").write_bytes(test_repository.tarred({"b/mill.py": code.replace("grind", "turn")}))


@pytest.mark.parametrize(
    ("write", "dropped"),
    [
        (wikipedia, set()),
        (stackexchange, {"rules.unloved"}),
        (gutenberg, {"rights.denied_licenses"}),
        (repository, {"rights.license_needed"}),
    ],
    ids=lambda one: one.__name__ if callable(one) else "",
)
def test_a_preset_makes_a_corpus_of_its_dump(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write, dropped: set[str]):
    (tmp_path / "dump").mkdir()
    write(tmp_path / "dump")
    monkeypatch.setenv(f"GRISTMILL_{write.__name__.upper()}", str(tmp_path / "dump"))
    recipe = check_recipe(load_recipe(write.__name__))
    (outcome,) = run_whole(tmp_path / "lake", [recipe], quality=True)
    reasons = [why for _, why in outcome.decided.values()]
    assert outcome.composed
    assert {why for why in reasons if why} == dropped, reasons


def test_a_preset_without_its_dump_says_what_to_give(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("GRISTMILL_WIKIPEDIA", raising=False)
    with pytest.raises(RecipeError, match="Correct `path` in the recipe"):
        check_recipe(load_recipe("wikipedia"))


def test_a_name_that_is_excluded_is_a_source(tmp_path: Path):
    (tmp_path / "a.txt").write_text("A text.")
    path = tmp_path / "r.yaml"
    path.write_text("name: r\nsources: [{name: web, path: a.txt}]\ndecide: {excluded: [wed]}\n")
    with pytest.raises(RecipeError, match=r"decide.excluded: there is no source of documents called 'wed'.*web"):
        check_recipe(load_recipe(str(path)))


def test_a_recipe_pins_its_block_lists_and_names_what_is_missing(tmp_path: Path):
    (tmp_path / "a.txt").write_text("A text.")
    (tmp_path / "domains").write_text("bad.example\n")
    path = tmp_path / "r.yaml"
    sources = "name: r\nsources: [{name: web, path: a.txt}]\n"
    path.write_text(sources + "urls: {block_lists: [{name: bad, path: domains}]}\ndecide: {urls: {}}\n")
    (pinned,) = check_recipe(load_recipe(str(path))).urls.block_lists
    assert pinned.sha256 == hashlib.sha256(b"bad.example\n").hexdigest()
    assert (pinned.kind, "path" in pinned.model_dump()) == ("domains", False)
    path.write_text(sources + "urls: {block_lists: [{name: bad, path: elsewhere}]}\n")
    with pytest.raises(RecipeError, match="The block list bad is not here"):
        check_recipe(load_recipe(str(path)))
    path.write_text(sources + "decide: {urls: {}}\n")
    with pytest.raises(RecipeError, match=r"decide\.urls\.blocked needs the column blocked_lists"):
        check_recipe(load_recipe(str(path)))


def test_the_preset_of_common_crawl_reads_a_snapshot_by_name_under_the_rules_of_fineweb(tmp_path: Path):
    path = "crawl-data/CC-MAIN-2025-05/segments/1/warc/CC-00000.warc.gz"
    pages = [record(response(page(number)), url=f"http://example.org/{number}") for number in range(3)]
    listed = {"crawl-data/CC-MAIN-2025-05/warc.paths.gz": gzip.compress(f"{path}\n".encode()), path: gzip_each(pages)}
    with serving(listed) as server:
        base = f"sources.common-crawl.common_crawl.base={server.address}"
        recipe = check_recipe(load_recipe("common-crawl", [base]))
        with running(tmp_path / "lake", "test", workers=1, quiet=True):
            (snapshot,) = ingest(recipe.sources[0])
            documents = extract(recipe.extract, snapshot=snapshot)
    assert documents.read(["file"]).column("file").to_pylist() == [path] * 3
    # The rules are FineWeb's, and none beside them but that on rights.
    published = DecideConfig.model_validate({"preset": "fineweb"})
    assert recipe.decide.model_copy(update={"rights": published.rights}) == published
    assert recipe.mixture.remove == ("fineweb_line_spans",)
