"""Forgetting step by step: successors, what is said of them, kills, runs that go on meanwhile."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flows.forget import forget, plan_forgetting
from flows.grow import grow_corpus
from flows.recipe import check_recipe, load_recipe
from storage import gc, names
from storage.catalog.superseded import all_superseded
from storage.catalog.verify import verify
from storage.forget.rows import READ
from storage.forget.tombstones import all_tombstones, bury, parse
from storage.lake import Lake
from storage.sql import connect
from tasks.extract.config import ExtractConfig
from tasks.extract.stage import extract
from tasks.run import running
from tests.acceptance.drive import gristmill
from tests.acceptance.way import ROOT, contents
from tests.acceptance.world import write_world

PAGE = "http://mill.example/en/3"


@pytest.fixture(scope="module")
def grown(tmp_path_factory) -> tuple[Path, Path]:
    """A lake with a corpus, and the recipe that it is of."""
    folder = tmp_path_factory.mktemp("grown")
    recipe = write_world(folder / "world", warcs=1)
    grow(folder / "lake", recipe)
    return folder / "lake", recipe


def grow(lake: Path, recipe: Path) -> None:
    with running(lake, "test", workers=1, quiet=True):
        grow_corpus(check_recipe(load_recipe(str(recipe))))


@pytest.fixture
def lake(grown, tmp_path) -> Lake:
    """A copy of that lake."""
    shutil.copytree(grown[0], tmp_path / "lake")
    return Lake(tmp_path / "lake")


def documents(lake: Lake):
    """The documents that the newest corpus was made from."""
    (found,) = lake.get("mill/corpus").input("decisions").inputs("documents")
    return found


def test_a_successor_has_the_same_rows_and_says_nothing_of_the_forgotten_one(lake):
    before = documents(lake)
    forget(lake, [parse(PAGE)], workers=1)
    after = documents(lake)
    assert after.origin == before
    old, new = before.read().to_pylist(), after.read().to_pylist()
    assert len(old) == len(new) > 10
    for was, now in zip(old, new, strict=True):
        if was["url"] == PAGE:
            assert was["text"]
            assert now == was | dict.fromkeys(READ["documents"].gone) | {"extractor": "forgotten"}
        else:
            assert now == was


def test_a_successor_is_the_same_bytes_copied_or_read_from_the_files(lake, grown, tmp_path):
    forget(lake, [parse(PAGE)], workers=1)
    anew = Lake(tmp_path / "anew")
    bury(anew, parse(PAGE))
    grow(anew.root, grown[1])
    assert documents(anew).manifest == documents(lake).manifest


def test_nothing_is_scored_again_and_the_scores_are_kept(lake, grown):
    forget(lake, [parse(PAGE)], workers=1)
    scored = {one for one in lake.artifacts() if one.manifest.kind == "annotation"}
    grow(lake.root, grown[1])
    assert {one for one in lake.artifacts() if one.manifest.kind == "annotation"} == scored
    query = "select n_words, dropped_by, failed from documents where url = $1"
    ((n_words, dropped_by, failed),) = connect(lake).execute(query, [PAGE]).fetchall()
    assert n_words > 0
    assert (dropped_by, failed) == ("forget.tombstone", ["forget.tombstone"])


def test_a_tombstone_that_names_nothing_makes_nothing_and_holds_for_what_comes(lake, grown):
    before = documents(lake)
    forget(lake, [parse("elsewhere.example")], workers=1)
    grow(lake.root, grown[1])
    assert documents(lake) == before
    assert all_tombstones(lake) == (parse("elsewhere.example"),)


def test_several_add_up_and_to_forget_again_changes_nothing(lake):
    forget(lake, [parse(PAGE)], workers=1)
    forget(lake, [parse("*mill.example/de/*")], workers=1)
    texts = documents(lake).read(["url", "text"]).to_pylist()
    gone = {row["url"] for row in texts if row["text"] is None}
    assert gone == {row["url"] for row in texts if row["url"] == PAGE or "/de/" in row["url"]}
    before = contents(lake.root), len(names.history(lake, "mill/corpus")), len(all_superseded(lake))
    forget(lake, [parse(PAGE)], workers=1)
    assert (contents(lake.root), len(names.history(lake, "mill/corpus")), len(all_superseded(lake))) == before


def test_the_plan_says_what_then_happens(lake):
    wanted = [parse("*mill.example/en/1*")]
    plan = plan_forgetting(lake, wanted)
    kept = "select doc_id from documents where kept"
    before = {doc_id for (doc_id,) in connect(lake).execute(kept).fetchall()}
    forget(lake, wanted, workers=1)
    after = {doc_id for (doc_id,) in connect(lake).execute(kept).fetchall()}
    (change,) = plan.changes
    assert change.out == sorted(before - after)
    assert change.promoted == sorted(after - before)
    assert set(change.out) <= set(plan.named["documents"])


def test_gc_deletes_what_holds_the_text_and_the_lake_goes_on_without_it(lake, grown):
    before, old = documents(lake), lake.get("mill/corpus")
    forget(lake, [parse(PAGE)], workers=1)
    gc.collect(lake, gc.Keeping(runs=0))
    assert not before.exists
    assert not old.exists
    assert before.standing() == documents(lake)
    there = set(lake.artifacts())
    grow(lake.root, grown[1])
    # what a refresh compares snapshots by has no name, so it is made again; nothing of the way to the corpus is
    assert {one.stage for one in set(lake.artifacts()) - there} <= {"drift", "phrases"}


def test_what_a_run_makes_while_a_tombstone_is_written_is_named_and_set_aside(lake, grown, capsys):
    with running(lake, "test", workers=1):
        corpus = grow_corpus(check_recipe(load_recipe(str(grown[1]), ["decide.gopher.min_words=31"])))
        bury(lake, parse(PAGE))
    assert corpus in all_superseded(lake)
    assert f"{corpus} was made without a tombstone that was written meanwhile: run again." in capsys.readouterr().err


@pytest.mark.parametrize("point", ["forget.buried", "extract.commit.renamed", "decide.decided", "forget.named"])
def test_killed_at_any_instant_and_called_again_it_ends_the_same(grown, tmp_path, point):
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    for folder in (calm, killed):
        shutil.copytree(grown[0], folder)
    forget(Lake(calm), [parse(PAGE)], workers=1)
    done = gristmill("forget", PAGE, "--yes", lake=killed, environment={"GRISTMILL_KILL_AT": point})
    assert done.returncode == -signal.SIGKILL, done.stderr
    if point == "forget.buried":  # gc alone knows what the tombstone names, too, and deletes no other page with it
        planned = gc.plan(Lake(killed), gc.Keeping(runs=0))
        assert {one.stage for one in all_superseded(Lake(killed))} == {"compose"}
        assert [one.stage for one in planned.without_successor] == ["extract"]
        assert documents(Lake(killed)) not in planned.delete
        assert [*planned.still_named] == ["mill/corpus"]
    forget(Lake(killed), [parse(PAGE)], workers=1)
    assert contents(killed) == contents(calm)
    assert {(one.stage, one.fingerprint) for one in all_superseded(Lake(killed))} == {
        (one.stage, one.fingerprint) for one in all_superseded(Lake(calm))
    }


def test_a_second_forgetting_that_was_killed_and_swept_goes_on_from_what_stands_for_what_was_read(grown, tmp_path):
    """The corpus is of a successor that is gone itself: killed before it decided again, and `gc` came between."""
    calm, killed = Lake(shutil.copytree(grown[0], tmp_path / "calm")), shutil.copytree(grown[0], tmp_path / "killed")
    second = "http://mill.example/en/2"
    for one in (PAGE, second):
        forget(calm, [parse(one)], workers=0)
    forget(Lake(killed), [parse(PAGE)], workers=0)
    read = documents(Lake(killed))
    point = {"GRISTMILL_KILL_AT": "extract.commit.renamed"}
    done = gristmill("forget", second, "--yes", lake=killed, environment=point)
    assert done.returncode == -signal.SIGKILL, done.stderr
    for _ in range(2):  # the first registers what the killed one had made, the second deletes what that stands for
        gc.collect(Lake(killed), gc.Keeping(runs=0, staging_days=0))
    assert not read.exists
    assert read.standing() == documents(calm).model_copy(update={"lake": str(killed)})
    for url in (PAGE, second):
        forget(Lake(killed), [parse(url)], workers=0)
    for lake in (calm, Lake(killed)):
        gc.collect(lake, gc.Keeping(runs=0, staging_days=0))
    assert contents(killed) == contents(calm.root)


def test_a_reading_under_other_settings_stands_for_no_other(lake, grown):
    """Killed after its tombstone, and a second recipe reads the source: what the first one's corpus is of stays."""
    before, meant = documents(lake), lake.get("mill/corpus")
    bury(lake, parse(PAGE))
    config = ExtractConfig.model_validate(before.manifest.identity.config | {"max_pages": 7})
    with running(lake, "test", workers=1, quiet=True):
        other = extract(config, snapshot=before.input("snapshot"))
    assert other.origin != before.origin
    gc.collect(lake, gc.Keeping(runs=0, staging_days=0))
    assert before.exists
    assert meant.exists
    forget(lake, [parse(PAGE)], workers=0)
    assert documents(lake).origin == before.origin
    assert all_superseded(lake)[before].successor == documents(lake)


def test_a_pattern_that_names_everything_is_refused_without_force(lake):
    for target in ("*", "mill.example", "regex:."):
        done = gristmill("forget", target, "--yes", lake=lake.root)
        assert done.returncode == 1
        assert "--force" in done.stderr
    assert all_tombstones(lake) == ()
    assert gristmill("forget", "mill.example/en/1", "--yes", lake=lake.root).returncode == 0
    assert "url:mill.example/en/1" in gristmill("forget", "--list", lake=lake.root).stdout
    assert "Forget what?" in gristmill("forget", lake=lake.root).stderr


def test_extract_itself_asks_for_the_tombstones(lake, grown):
    bury(lake, parse(PAGE))
    snapshot = documents(lake).input("snapshot")
    config = ExtractConfig.model_validate(documents(lake).manifest.identity.config)
    with running(lake, "test", workers=1, quiet=True):
        made = extract(config, snapshot=snapshot)
    assert [one.stage for one in made.inputs("tombstones")] == ["tombstones"]


@pytest.mark.timeout(300)
def test_killed_at_random_instants_of_forgetting_and_collecting_it_ends_the_same(grown, tmp_path):
    """The real stages, a collection beside them, both killed; the same page is forgotten again until that has ended."""
    urls = [f"http://mill.example/en/{number}" for number in (1, 2, 3, 5)]
    calm, killed = (
        Lake(shutil.copytree(grown[0], tmp_path / "calm")),
        Lake(shutil.copytree(grown[0], tmp_path / "lake")),
    )
    rows = documents(calm).rows()
    command = [sys.executable, "-m", "tests.acceptance.killed_forget", str(killed.root), "24", "11", *urls]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    rounds = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["signals"] for one in rounds] == [[signal.SIGKILL] * 2] * len(rounds), done.stderr
    assert [one["damages"] for one in rounds] == [[]] * len(rounds)
    assert {(one["documents"], one["decided"]) for one in rounds} == {(rows, rows)}
    # the kills met work: forgetting that had not ended, and often one whose tombstone was there already
    cut = [one for one in rounds if not one["acknowledged"]]
    assert len(cut) >= 4, rounds
    assert sum(one["buried"] for one in cut) >= 3, rounds
    for url in urls:
        for lake in (calm, killed):
            forget(lake, [parse(url)], workers=0)
    for lake in (calm, killed):
        gc.collect(lake, gc.Keeping(runs=0, staging_days=0))
        assert verify(lake).damages == []
    assert contents(killed.root) == contents(calm.root)
    texts = {row["url"]: row["text"] for row in documents(killed).read(["url", "text"]).to_pylist()}
    assert {url for url in texts if texts[url] is None} >= set(urls)
