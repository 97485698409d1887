"""What was counted of a forgotten document counts no more: phrases, repeated parts, edits, drift, what-if."""

import contextlib
import json
import random
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flows.cli.whatif.command import whatif
from flows.forget import forget, plan_forgetting
from flows.grow import grow_corpus
from flows.recipe import check_recipe, load_recipe
from flows.session import name_corpus
from storage import names
from storage.artifact import Artifact
from storage.forget.tombstones import bury, parse
from storage.lake import Lake
from tasks.run import running
from tests.acceptance.world import sentence
from tests.flows.growing import RECIPE, grow, grow_in, parts, write_files

RUN = "lanterns of Quimper " + " ".join(f"sway{number} over gate{number}" for number in range(12))
"""Words that two pages share, and nothing else does: they are taken out of the one that was seen later."""
FIRST, LATER = "https://site-a.example/first", "https://site-b.example/later"


def page(url: str, day: str, about: str) -> dict[str, str]:
    draw = random.Random(about)
    first, last = (" ".join(sentence(draw) for _ in range(4)) for _ in range(2))
    return {"url": url, "capture_date": f"2026-01-{day}T00:00:00Z", "text": f"{first} {RUN}.\n{last}"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], Path]:
    """Files of pages, two of which share a run of words; and a folder with a lake that has read them."""
    folder = tmp_path_factory.mktemp("world")
    files = write_files(folder / "files", 3)
    pages = [page(FIRST, "01", "miller"), page(LATER, "20", "baker")]
    files.append(folder / "files" / "run.jsonl")
    files[-1].write_text("".join(json.dumps(one) + "\n" for one in pages), encoding="utf-8")
    grow_in(folder, [files[:2], files[2:]])
    return files, folder


@pytest.fixture
def folder(world, tmp_path: Path) -> Path:
    """A copy of that folder, with the lake in it."""
    shutil.copytree(world[1], tmp_path / "copy")
    return tmp_path / "copy"


def corpus_of(folder: Path) -> Artifact:
    return Lake(folder / "lake").get("growing/corpus")


def text_of(corpus: Artifact, url: str) -> str | None:
    """The composed text of a page; None where it is not in the corpus."""
    found = [row["text"] for path in corpus.paths() for row in pq.read_table(path).to_pylist() if row["url"] == url]
    return found[0] if found else None


def test_a_run_of_words_that_stood_in_a_forgotten_page_too_is_the_other_ones_own_again(folder):
    lake, before = Lake(folder / "lake"), corpus_of(folder)
    assert RUN in text_of(before, FIRST)
    assert "Quimper" not in text_of(before, LATER)
    (change,) = plan_forgetting(lake, [parse(FIRST)]).changes
    forget(lake, [parse(FIRST)], workers=0)
    after = corpus_of(folder)
    assert after != before
    assert text_of(after, FIRST) is None
    assert RUN in text_of(after, LATER)
    removals = after.input("decisions").read(table="removals").to_pylist()
    old = before.input("decisions").read(table="removals").to_pylist()
    ids = {row["url"]: row["doc_id"] for one in after.inputs("documents") for row in one.read().to_pylist()}
    assert ids[LATER] in {row["doc_id"] for row in old}
    assert {ids[FIRST], ids[LATER]}.isdisjoint(row["doc_id"] for row in removals)
    assert removals == [row for row in old if row["doc_id"] != ids[LATER]]  # the other pages are cut as before
    assert (change.out, change.promoted, change.other_parts) == ([ids[FIRST]], [], [ids[LATER]])


def test_phrases_of_a_successor_are_those_of_files_in_which_the_pages_never_stood(folder, world, tmp_path):
    gone = [FIRST, "*://site-3.example/*"]
    forget(Lake(folder / "lake"), [parse(one) for one in gone], workers=0)
    grow(folder, folder / "lake")
    clean = []
    for path in world[0]:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        clean.append(tmp_path / path.name)
        clean[-1].write_text(
            "".join(line for line in lines if f'"{FIRST}"' not in line and "//site-3." not in line), encoding="utf-8"
        )
    assert sum(path.read_text(encoding="utf-8").count("\n") for path in clean) == 34  # of 38
    grow_in(tmp_path / "clean", [clean[:2], clean[2:]])

    def counted(lake: Path) -> list[list[dict]]:
        """The counts of each snapshot that the newest corpus is of."""
        read = Lake(lake).get("growing/corpus").inputs("documents")
        phrases = {one.input("documents"): one for one in Lake(lake).artifacts("phrases")}
        return sorted((phrases[one].read().to_pylist() for one in read), key=len)

    assert counted(folder / "lake") == counted(tmp_path / "clean" / "lake")


def test_a_refresh_after_forgetting_equals_a_rebuild_with_edits_and_repeats_on_texts_that_are_null(
    folder, world, tmp_path
):
    gone = [parse(one) for one in (LATER, "*://site-1.example/*", "*://site-4.example/1")]
    forget(Lake(folder / "lake"), gone, workers=0)
    refreshed, _ = grow(folder, folder / "lake")
    rebuilt = Lake(tmp_path / "rebuilt" / "lake")
    for one in gone:
        bury(rebuilt, one)
    anew = grow_in(tmp_path / "rebuilt", [world[0]])
    assert parts(anew) == parts(refreshed)
    assert parts(anew.input("decisions")) == parts(refreshed.input("decisions"))
    (mixture,) = anew.read(table="mixture").to_pylist()
    assert mixture["removed_characters"] > 0
    assert mixture["redactions"] > 0
    forgotten = [row for row in anew.input("decisions").read().to_pylist() if row["dropped_by"] == "forget.tombstone"]
    assert len(forgotten) == 5
    assert text_of(anew, LATER) is None


def test_what_if_counts_no_forgotten_page_under_any_threshold(folder, capsys):
    lake = Lake(folder / "lake")
    forget(lake, [parse("*://site-0.example/*"), parse(FIRST)], workers=0)
    grow(folder, folder / "lake")
    asked = ["decide.gopher.min_words=60", "decide.repeated_lines={min_documents: 3}"]
    whatif(settings=asked, subject="growing/corpus", lake=lake.root, workers=1, as_json=True, samples=0)
    told = json.loads(capsys.readouterr().out)
    changed = RECIPE.replace("min_words: 20", "min_words: 60")
    changed = changed.replace("repeated_lines: {}", "repeated_lines: {min_documents: 3}")
    (folder / "changed.yaml").write_text(changed, encoding="utf-8")
    with running(lake, "refresh", workers=0, quiet=True):
        grow_corpus(check_recipe(load_recipe(str(folder / "changed.yaml"))))
    corpus = names.latest(lake, "growing/corpus")
    decided = corpus.input("decisions").read().to_pylist()
    assert told["total"]["documents_after"] == sum(row["kept"] for row in decided) == corpus.rows()
    assert sum(row["dropped_by"] == "forget.tombstone" for row in decided) == 4


def test_a_refresh_that_read_a_text_before_it_was_forgotten_does_not_take_the_name_back(folder):
    old, lake = corpus_of(folder), Lake(folder / "lake")
    with running(lake, "refresh", quiet=True), ThreadPoolExecutor(1) as elsewhere:
        elsewhere.submit(forget, Lake(folder / "lake"), [parse(FIRST)], workers=0).result()
        successor = corpus_of(folder)
        assert text_of(successor, FIRST) is None
        assert name_corpus("growing/corpus", old) == successor
    assert corpus_of(folder) == successor
    with running(lake, "refresh", workers=0, quiet=True):
        assert name_corpus("growing/corpus", successor) == successor


def test_a_name_that_a_refresh_gives_while_its_text_is_forgotten_moves_on_too(folder, world, tmp_path, monkeypatch):
    """Forgetting began with the corpus of fewer files; another run, begun earlier, names that of all meanwhile."""
    lake, of_all, alone = Lake(folder / "lake"), corpus_of(folder), names.alone
    of_few = next(one for _, one, _ in names.history(lake, "growing/corpus") if one != of_all)
    site = min(row["url"] for row in of_few.read(["url"]).to_pylist() if text_of(of_all, row["url"]))
    names.assign(lake, "growing/corpus", of_few)
    given = iter([of_all])

    @contextlib.contextmanager
    def meanwhile(lake: Lake, name: str):
        for corpus in given:
            names.assign(lake, name, corpus)
        with alone(lake, name):
            yield

    monkeypatch.setattr("flows.forget.names.alone", meanwhile)
    forget(lake, [parse(site)], workers=0)
    after = corpus_of(folder)
    assert {one.origin for one in after.inputs("documents")} == {one.origin for one in of_all.inputs("documents")}
    assert text_of(after, site) is None
    assert text_of(after, FIRST)
