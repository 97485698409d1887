"""Forgotten text is gone: a planted sentence is found in the files of a lake before, and nowhere after.

Every file is decoded: Parquet, Arrow, tokens back to text, SQLite (Prefect's too), logs, reports, JSON, the catalog.
"""

import json
import random
import shutil
from pathlib import Path

import pytest

from storage import names
from storage.forget import marks
from storage.forget.tombstones import bury, parse
from storage.lake import Lake
from storage.sql import connect
from tests.acceptance.drive import gristmill
from tests.acceptance.said import find, pieces
from tests.acceptance.way import finish
from tests.acceptance.world import page, write_captures, write_world

TALK = "Crimson otters juggle eleven brass compasses beside Quarnow harbour."
QUIZ = "Amber kestrels barter seventeen wooden flutes under Trelissick bridges."
SENTENCE = "Violet astrolabe hums beneath nineteen crooked lanterns while Quimper sleeps unpaid."
PLANTED, TWIN = "http://gossip.example/planted", "http://gossip.example/twin"


def ask_and_answer(folder: Path) -> None:
    """One conversation says its sentence in an answer, one question in a choice."""
    talk, quiz = folder / "talks" / "talks.jsonl", folder / "quiz" / "sums.jsonl"
    rows = [json.loads(line) for line in talk.read_text(encoding="utf-8").splitlines()]
    rows[7]["messages"][1]["content"] += f" {TALK}"
    talk.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    rows = [json.loads(line) for line in quiz.read_text(encoding="utf-8").splitlines()]
    rows[3]["choices"][1] += f" {QUIZ}"
    quiz.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def gossip() -> tuple[str, str]:
    """A page with the sentence, and the same page without it."""
    without = page(random.Random(5), "Gossip of the mill", "en", 9)
    return without.replace("</p>", f" {SENTENCE}</p>", 1), without


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """A recipe; among its pages the planted one, and a twin of a later date."""
    folder = tmp_path_factory.mktemp("forget")
    recipe = write_world(folder / "world", warcs=2)
    told, untold = gossip()
    pages = [(PLANTED, "2025-05-05T05:05:05Z", told), (TWIN, "2025-06-06T06:06:06Z", untold)]
    write_captures(folder / "world" / "pages" / "gossip.warc.gz", pages)
    ask_and_answer(folder / "world")
    return recipe


def crawl_again(recipe: Path) -> None:
    """The planted page is crawled a second time, with other words around the sentence."""
    html = page(random.Random(6), "More gossip", "en", 8).replace("</p>", f" {SENTENCE}</p>", 1)
    write_captures(recipe.parent / "pages" / "again.warc.gz", [(PLANTED, "2026-03-03T03:03:03Z", html)])


def run(*arguments: str, lake: Path) -> str:
    """A command that has to succeed; gives what it said."""
    done = gristmill(*arguments, lake=lake)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_planted_sentence_is_found_before_and_nowhere_after(world, tmp_path):
    recipe = tmp_path / "world" / world.name
    shutil.copytree(world.parent, recipe.parent)
    lake = tmp_path / "lake"
    run("run", str(recipe), lake=lake)
    before = find(lake, SENTENCE)
    assert {"extract", "compose", "tokenize"} <= before.keys()
    assert find(lake, TALK).keys() == {"conversations"}
    assert find(lake, QUIZ).keys() == {"questions"}
    old = Lake(lake)
    base, scores, corpus, tuned = (old.get(f"mill/{name}") for name in ("base", "base-scores", "corpus", "tuned"))
    own = "select conversation_id from conversations where record_id = 'talk-7' union all select question_id "
    own += "from questions where record_id = 'sums-3'"
    ((talk,), (question,)) = connect(lake).execute(own).fetchall()
    targets = (PLANTED, "record:talks/talk-7", question)
    rows = connect(lake).execute("select url, kept, dropped_by from documents where url in ($1, $2)", [PLANTED, TWIN])
    told = {url: (kept, dropped_by) for url, kept, dropped_by in rows.fetchall()}
    assert told == {PLANTED: (True, None), TWIN: (False, "duplicates.near")}

    listed = run("forget", *targets, lake=lake)
    for said in (
        "1 of 35 documents, 1 of 120 conversations, 1 of 80 questions",
        f"  {talk}  talks  talk-7",
        f"  {question}  quiz  sums-3",
        "comes in, a duplicate until now",
        TWIN,
        str(corpus),
        "token shard",
        str(base),
        str(scores),
        str(tuned),
        "reports/",
        "pages/gossip.warc.gz: 1 row of these. It stays as it is",
        "talks/talks.jsonl: 1 row of these. It stays as it is",
    ):
        assert said in listed
    assert find(lake, SENTENCE) == before  # a dry run changes nothing
    assert not (lake / "tombstones").exists()

    run("forget", *targets, "--yes", lake=lake)
    assert [one.mark for one in marks.marks_of(old, base)] == ["learned"]
    assert [one.mark for one in marks.marks_of(old, scores)] == ["holds"]
    assert [(one.mark, one.texts) for one in marks.marks_of(old, tuned)] == [("learned", 1)]
    assert names.latest(old, "mill/base-scores") is None
    assert "learned from text that was forgotten since" in run("show", "mill/base", lake=lake)
    run("gc", "--runs", "0", "--yes", lake=lake)
    assert base.exists  # what it learned is numbers: it stays until another has its name
    # what it says may be the text: a name keeps no sample of it
    samples = {path.parent for path in lake.rglob("samples-*.parquet")}
    assert samples == set()
    assert not scores.exists
    assert run("verify", lake=lake).endswith("Nothing is damaged.\n")
    run("lineage", "mill/corpus", lake=lake)  # what it was before is gone
    assert "not there any more" in gristmill("batch", "mill/base", "3", lake=lake).stderr
    assert not find(lake, SENTENCE, TALK, QUIZ)

    crawl_again(recipe)
    run("run", str(recipe), lake=lake)
    run("gc", "--runs", "0", "--yes", lake=lake)
    assert find(lake, SENTENCE, TALK, QUIZ) == {}

    now = Lake(lake)
    sql = connect(now)
    query = "select kept, dropped_by, failed, n_words, text, title from documents where url = $1 order by capture_date"
    known, again = sql.execute(query, [PLANTED]).fetchall()
    assert known[:3] == again[:3] == (False, "forget.tombstone", ["forget.tombstone"])
    assert known[3] > 30  # its scores are kept, and it was not scored again
    assert known[4:] == again[4:] == (None, None)
    assert again[3] is None
    assert sql.execute("select kept from documents where url = $1", [TWIN]).fetchall() == [(True,)]
    query = "from conversations join finetune_conversations using (conversation_id) where conversation_id = $1"
    told = sql.execute(f"select record_id, turns, messages, outcome {query}", [talk])
    assert told.fetchall() == [("talk-7", None, None, "forgotten")]
    told = sql.execute("select task, context, choices, gold from questions where question_id = $1", [question])
    assert told.fetchall() == [("sums", None, None, None)]
    assert not sql.execute("from evaluate_predictions where question_id = $1", [question]).fetchall()
    assert names.latest(now, "mill/base") != base
    assert not base.exists
    assert names.latest(now, "mill/base-scores") not in (None, scores)
    assert len(list((lake / "reports").glob("*.html"))) == 1  # that of the run after
    assert [one.mark for one in marks.marks_of(now, base)] == ["learned"]
    (holds,) = sql.execute("select count(*) from marks where mark = 'holds'").fetchall()
    assert holds[0] >= 4  # documents, corpus, tokens, evaluations


def test_the_search_finds_what_it_looks_for_in_every_kind_of_file(tmp_path):
    import gzip
    import json
    import sqlite3

    import pyarrow as pa
    import pyarrow.parquet as pq

    words = " ".join(SENTENCE.split()[2:5])
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "a.txt").write_text(f"noise {words.upper()} noise")
    (tmp_path / "gz").mkdir()
    (tmp_path / "gz" / "a.warc.gz").write_bytes(gzip.compress(words.encode()))
    (tmp_path / "table").mkdir()
    rows = pa.table({"spans": [[{"note": words}]]})
    pq.write_table(rows, tmp_path / "table" / "a.parquet", compression="zstd")
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "a.html").write_text(words.replace(" ", "&#32;"))
    (tmp_path / "json").mkdir()
    (tmp_path / "json" / "a.json").write_text(json.dumps({words.replace(" ", "\u00a0"): 1}))
    (tmp_path / "base").mkdir()
    with sqlite3.connect(tmp_path / "base" / "a.sqlite") as connection:
        connection.execute("create table t (a blob)")
        connection.execute("insert into t values (?)", [words.encode()])
    (tmp_path / "clean").mkdir()
    (tmp_path / "clean" / "a.txt").write_text("Violet lanterns, nineteen of them, and an astrolabe.")
    assert set(find(tmp_path, SENTENCE)) == {"log", "gz", "table", "page", "json", "base"}
    assert len(pieces("one two three four")) == 6


@pytest.fixture(scope="module")
def corpus(world, tmp_path_factory) -> Path:
    """A lake with a corpus of that world."""
    lake = tmp_path_factory.mktemp("corpus") / "lake"
    finish(lake, world, part="corpus")
    return lake


def parts(lake: Path, stage: str, name: str = "mill/corpus") -> list[tuple[str, str]]:
    """Name and SHA-256 of the part files of the newest corpus, or of the decisions that it was made by."""
    found = Lake(lake).get(name)
    found = found if stage == "compose" else found.input("decisions")
    return [(part.name, part.sha256) for part in found.manifest.parts]


@pytest.mark.timeout(300)
def test_a_refresh_after_forgetting_equals_a_rebuild_after_forgetting(world, corpus, tmp_path):
    recipe = tmp_path / "world" / world.name
    shutil.copytree(world.parent, recipe.parent)
    shutil.copytree(corpus, tmp_path / "refreshed")
    run("forget", "gossip.example/planted", "http://mill.example/de/4", "--yes", lake=tmp_path / "refreshed")
    run("forget", "*mill.example/en/10*", "--yes", lake=tmp_path / "refreshed")
    crawl_again(recipe)
    finish(tmp_path / "refreshed", recipe, part="corpus")
    rebuilt = Lake(tmp_path / "rebuilt")
    for target in ("gossip.example/planted", "http://mill.example/de/4", "*mill.example/en/10*"):
        bury(rebuilt, parse(target))
    finish(rebuilt.root, recipe, part="corpus")
    for stage in ("compose", "decide"):
        assert parts(tmp_path / "refreshed", stage) == parts(rebuilt.root, stage)
    # of what is read for the first time under a tombstone, the text was never written
    assert find(rebuilt.root, SENTENCE) == {}
