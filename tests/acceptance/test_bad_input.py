"""What bad input gets: a clear error with the file, the place and what to do, or a row in the loss ledger."""

import gzip
import os
import shlex
import socket
import subprocess
from pathlib import Path

import pytest

from flows.grow import grow_corpus
from flows.recipe import RecipeError, check_recipe, load_recipe
from storage import names
from storage.lake import Lake, NotFound
from storage.sql import connect
from tasks.extract.config import ExtractConfig
from tasks.extract.stage import extract
from tasks.ingest import Source, check_chosen, ingest
from tasks.run import running
from tasks.source import find_files
from tests.acceptance.drive import COMMAND, ROOT, gristmill
from tests.acceptance.world import RECIPE, write_warc, write_world


def read_folder(lake: Path, folder: Path):
    """Extract everything in a folder; the lake's SQL."""
    with running(lake, "bad input", workers=1, cpu_seconds=5, quiet=True):
        for snapshot in ingest(Source(name="bad", path=str(folder))):
            extract(ExtractConfig(), snapshot=snapshot)
    return connect(lake)


def covered(sql, folder: Path) -> None:
    """The ranges of documents and losses cover every file, without gap or overlap."""
    for path in folder.iterdir():
        rows = sql.execute(
            """select space, "offset", length from extract where file = $1
            union all select space, "offset", length from extract_losses where file = $1 order by all""",
            [path.name],
        ).fetchall()
        assert rows, path.name
        assert {space for space, *_ in rows} == {"file"}
        assert rows[0][1] == 0
        assert [start + length for _, start, length in rows] == [
            *(start for _, start, _ in rows[1:]),
            path.stat().st_size,
        ]


def test_damaged_archives_lose_what_is_damaged_and_say_so(tmp_path, lake):
    folder = tmp_path / "crawl"
    records = write_warc(folder / "whole.warc.gz", 0, 20)
    whole = (folder / "whole.warc.gz").read_bytes()
    (folder / "truncated.warc.gz").write_bytes(whole[: len(whole) * 2 // 3])
    middle = len(whole) // 2
    (folder / "corrupted.warc.gz").write_bytes(whole[:middle] + bytes(200) + whole[middle + 200 :])
    (folder / "not-gzip.warc.gz").write_bytes(whole[:middle] + b"this is no gzip member" + whole[middle:])
    (folder / "empty.warc.gz").write_bytes(b"")
    sql = read_folder(lake, folder)
    covered(sql, folder)
    count = (
        "select (select count(*) from extract where file = $1) + (select count(*) from extract_losses where file = $1)"
    )
    assert sql.execute(count, ["whole.warc.gz"]).fetchone() == (records,)
    reasons = {
        name: {row[0] for row in sql.execute("select reason from extract_losses where file = $1", [name]).fetchall()}
        for name in ("whole.warc.gz", "truncated.warc.gz", "corrupted.warc.gz", "not-gzip.warc.gz", "empty.warc.gz")
    }
    assert reasons["whole.warc.gz"] == {"warcinfo", "request", "redirect", "media type", "http error"}
    assert reasons["truncated.warc.gz"] & {"truncated", "damaged"}
    assert "damaged" in reasons["corrupted.warc.gz"]
    assert reasons["not-gzip.warc.gz"] & {"not a member", "damaged"}
    assert reasons["empty.warc.gz"] == {"empty file"}


def test_a_page_built_to_break_the_parser_is_a_loss_with_its_reason(tmp_path, lake):
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "deep.html").write_text("<html><body>" + "<div>" * 100_000 + "x" + "</div>" * 100_000)
    (folder / "wide.html").write_text("<html><body>" + "<b>x</b>" * 400_000)
    (folder / "empty.html").write_text("")
    (folder / "good.html").write_text(
        "<html><body><p>" + "This page is as it should be, with a sentence or two. " * 5 + "</p></body></html>"
    )
    sql = read_folder(lake, folder)
    found = dict(sql.sql("select file, reason from extract_losses").fetchall())
    assert found["deep.html"] == "too deep"
    assert found["wide.html"] == "too many nodes"
    assert found["empty.html"] == "empty file"
    assert sql.sql("select file from extract").fetchall() == [("good.html",)]


@pytest.mark.parametrize(
    ("change", "sentences"),
    [
        (("gopher: {min_words: 30", "gopher: {min_word: 30"), ["decide.gopher.min_word", "did you mean 'min_words'?"]),
        (("decide:", "decides:"), ["decides", "did you mean 'decide'?"]),
        (
            ("min_probability: 0.3", "min_probability: 3"),
            ["decide.language.min_probability", "less than or equal to 1", "(it is 3)"],
        ),
        (("vocabulary_size: 512", "vocabulary_size: many"), ["tokenizer.training.vocabulary_size", "(it is 'many')"]),
        (("name: talks", "name: pages"), ["two sources are called 'pages'"]),
        (("path: pages", "path: nowhere"), ["Source 'pages'", "does not exist", "Correct `path`"]),
        (("path: pages", "path: pages/*.zip"), ["Source 'pages'", "matches no file"]),
        (("repetition: null", "rules: {mine: n_word > 3}"), ["n_word", "n_words"]),
        (("repetition: null", "rules: {mine: select 1}"), ["rules.mine"]),
        (("name: mill\n", "name: mill\n  - broken: [\n"), ["is not YAML"]),
        (("decide:", "decide: {}\ndecide:"), ["the key 'decide' stands twice in one place"]),
        (("\nname: mill\n", "\n"), ["name: this key is missing"]),
    ],
)
def test_a_mistake_in_a_recipe_is_named_before_any_work(tmp_path, change, sentences):
    path = write_world(tmp_path, warcs=1, recipe=RECIPE.replace(*change, 1))
    with pytest.raises(RecipeError) as caught:
        check_recipe(load_recipe(str(path)))
    for sentence in sentences:
        assert sentence in str(caught.value)


def test_all_mistakes_of_a_recipe_are_named_at_once(tmp_path):
    recipe = RECIPE.replace("min_words: 30", "min_word: 30").replace("min_probability: 0.3", "min_probability: 3")
    with pytest.raises(RecipeError) as caught:
        load_recipe(str(write_world(tmp_path, warcs=1, recipe=recipe)))
    assert "min_word" in str(caught.value)
    assert "min_probability" in str(caught.value)


def test_the_command_line_says_it_in_a_sentence_and_leaves_no_lake(tmp_path, lake):
    recipe = write_world(tmp_path, warcs=1, recipe=RECIPE.replace("path: pages", "path: nowhere"))
    done = gristmill("refresh", str(recipe), lake=lake)
    assert done.returncode == 1
    assert "does not exist" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (lake / "extract").exists()
    assert (
        "There is no recipe called 'smaple' (did you mean 'sample'?)"
        in gristmill("refresh", "smaple", lake=lake).stderr
    )
    assert "takes key=value" in gristmill("refresh", str(recipe), "--set", "nonsense", lake=lake).stderr
    assert "There is no lake" in gristmill("sql", "select 1", lake=tmp_path / "none").stderr


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("evaluation.tasks=[summs]", "there are no questions of the task 'summs'; there are more, sums"),
        ("sources.talks.fields={messages: none}", "there are no conversations"),
    ],
)
def test_what_the_model_would_be_asked_and_taught_is_checked_before_it_is_trained(tmp_path, lake, change, sentence):
    recipe = write_world(tmp_path, warcs=1)
    done = gristmill("run", str(recipe), "--set", change, lake=lake)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not (lake / "pretrain").exists()
    assert not (lake / "extract").exists()


def test_a_prefect_server_that_does_not_answer_is_named(tmp_path, lake):
    recipe = write_world(tmp_path, warcs=1)
    with socket.create_server(("127.0.0.1", 0)) as taken:  # nobody listens on it once it is closed
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/api"
    done = gristmill("refresh", str(recipe), lake=lake, environment={"GRISTMILL_PREFECT_API_URL": address})
    assert done.returncode == 1
    assert f"Prefect's server {address} does not answer; start it, or unset GRISTMILL_PREFECT_API_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_sql_that_would_write_is_refused_on_the_command_line(tmp_path, lake):
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "good.html").write_text("<p>" + "A page with a sentence or two of its own. " * 5 + "</p>")
    read_folder(lake, folder)
    out = tmp_path / "out.csv"
    for query in (f"copy (select 1) to '{out}'", f"explain analyze copy (select 1) to '{out}'", "drop view extract"):
        done = gristmill("sql", query, lake=lake)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert not out.exists()
    assert gristmill("sql", "select count(*) as n from extract", "--format", "csv", lake=lake).stdout.split() == [
        '"n"',
        "1",
    ]
    misspelt = gristmill("sql", "select urll from extract", lake=lake)
    assert misspelt.returncode == 1
    assert "Traceback" not in misspelt.stderr


def test_a_file_that_changed_since_it_was_ingested_is_named(tmp_path, lake):
    folder = tmp_path / "crawl"
    write_warc(folder / "one.warc.gz", 0, 3)
    with running(lake, "bad input", workers=1, quiet=True):
        (snapshot,) = ingest(Source(name="bad", path=str(folder)))
        (folder / "one.warc.gz").write_bytes(gzip.compress(b"something else"))
        with pytest.raises(ValueError, match=r"one\.warc\.gz of source 'bad'.*Run again"):
            extract(ExtractConfig(), snapshot=snapshot)


def test_a_file_that_changed_before_it_was_read_is_taken_as_it_is_by_the_next_run(tmp_path, lake):
    folder = tmp_path / "crawl"
    write_warc(folder / "one.warc.gz", 0, 3)
    write_warc(folder / "two.warc.gz", 50, 3)
    with running(lake, "bad input", workers=1, quiet=True):
        (before,) = ingest(Source(name="bad", path=str(folder)))
    write_warc(folder / "one.warc.gz", 0, 5)
    sql = read_folder(lake, folder)
    covered(sql, folder)
    assert sql.sql("select count(*) from ingest").fetchone() == (2,)
    assert sql.sql("select count(*) from ingest where fingerprint = ?", params=[before.fingerprint]).fetchone() == (0,)
    # what was read once stays what it was: a change is then a new file beside it
    write_warc(folder / "one.warc.gz", 0, 7)
    with running(lake, "bad input", workers=1, quiet=True):
        old, new = ingest(Source(name="bad", path=str(folder)))
        with pytest.raises(ValueError, match=r"one\.warc\.gz of source 'bad'.*Put it back"):
            extract(ExtractConfig(max_bytes=1000), snapshot=old)
        assert extract(ExtractConfig(), snapshot=new).rows() == 7


def test_what_is_no_file_is_passed_over_and_what_cannot_be_read_is_named(tmp_path):
    folder = tmp_path / "crawl"
    write_warc(folder / "one.warc.gz", 0, 3)
    (folder / "gone.warc.gz").symlink_to(tmp_path / "nowhere")
    os.mkfifo(folder / "pipe.warc.gz")
    _, found = find_files(Source(name="bad", path=str(folder)))
    assert [path.name for path in found] == ["one.warc.gz"]


def test_another_recipe_with_a_source_of_the_same_name_is_refused(tmp_path, lake):
    first = write_world(tmp_path / "first", warcs=1)
    second = write_world(tmp_path / "second", warcs=1, recipe=RECIPE.replace("name: mill\n", "name: second\n", 1))
    assert gristmill("refresh", str(first), lake=lake).returncode == 0
    done = gristmill("refresh", str(second), lake=lake)
    assert done.returncode == 1
    assert "has a source 'pages' already: the recipe 'mill' reads it at" in done.stderr
    assert "give this one another name, or use another lake" in done.stderr
    assert "Traceback" not in done.stderr
    assert names.latest(Lake(lake), "second/corpus") is None
    # its own recipe may read it elsewhere: the crawl of the next month in another folder
    write_warc(tmp_path / "first" / "later" / "new.warc.gz", 900, 4)
    later = gristmill("refresh", str(first), "--set", "sources.pages.path=later", lake=lake)
    assert later.returncode == 0, later.stderr
    assert "1 new of 1 files" in later.stderr


def test_a_snapshot_that_is_none_is_named(tmp_path, lake):
    write_warc(tmp_path / "crawl" / "one.warc.gz", 0, 3)
    source = Source(name="bad", path=str(tmp_path / "crawl"))
    with running(lake, "bad input", workers=1, quiet=True):
        (snapshot,) = ingest(source)
        check_chosen([source], [snapshot.fingerprint[:8]])
        with pytest.raises(NotFound, match=f"begins with 'ffff'. There are: {snapshot.fingerprint[:12]}"):
            check_chosen([source], [snapshot.fingerprint, "ffff"])


def test_a_lake_that_cannot_be_written_can_be_asked(tmp_path, lake):
    recipe = write_world(tmp_path, warcs=1)
    with running(lake, "way", workers=0, quiet=True):
        grow_corpus(check_recipe(load_recipe(str(recipe))))
    (tmp_path / "seen").mkdir()
    words = ['sql "select count(*) as n from documents" --format csv', "artifacts", f"refresh {recipe}", "up"]
    commands = [f"{shlex.join(COMMAND)} {one} --lake {tmp_path / 'seen'}; echo said $?" for one in words]
    mount = f"mount --bind {lake} {tmp_path / 'seen'} && mount -o remount,bind,ro {tmp_path / 'seen'}"
    done = subprocess.run(
        ["unshare", "-rm", "bash", "-c", f"{mount} || exit 77; {'; '.join(commands)}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if done.returncode == 77 or "unshare failed" in done.stderr:
        pytest.skip("This machine makes no mount namespace, and so no folder that is read-only for every user.")
    assert [line for line in done.stdout.splitlines() if line.startswith("said")] == ["said 0"] * 2 + ["said 1"] * 2
    assert done.stderr.count("can be asked, and nothing written into it. Name another: --lake.") == 2
    assert "Traceback" not in done.stderr
