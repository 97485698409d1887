"""The whole way through the command line, with the network denied: run, run again, turn a threshold, look, use."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest
from lxml import html

from flows.sample import prepare_sample
from storage import names
from storage.lake import Lake
from storage.runs import all_runs
from storage.sql import connect
from tests.acceptance.drive import COMMAND, ROOT, gristmill
from tests.acceptance.way import contents
from tests.acceptance.world import write_warc, write_world

# A network namespace with loopback up and nothing else.
DENIED = ["unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]


def denied(*words: str, lake: Path, timeout: float = 290) -> subprocess.CompletedProcess[str]:
    """Run `gristmill WORDS` where no other machine can be reached."""
    around = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    around |= {"GRISTMILL_LAKE": str(lake), "COLUMNS": "200"}
    command = [*DENIED, *COMMAND, *words]
    return subprocess.run(
        command, cwd=ROOT, env=around, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL
    )


def namespaces() -> bool:
    """Whether network namespaces can be made here; without them the way is gone, but with the network at hand."""
    return subprocess.run([*DENIED, "true"], capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def way(tmp_path_factory) -> tuple[Path, Path, subprocess.CompletedProcess[str]]:
    """A lake, a recipe, and what the first run of it said."""
    folder = tmp_path_factory.mktemp("way")
    recipe = write_world(folder / "world")
    start = denied if namespaces() else gristmill
    done = start("run", str(recipe), lake=folder / "lake")
    assert done.returncode == 0, done.stderr
    return folder / "lake", recipe, done


def test_the_namespace_really_denies_the_network(way):
    if not namespaces():
        pytest.skip("no network namespace can be made here: the run of this module had the network at hand")
    code = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=5)"
    done = subprocess.run([*DENIED, sys.executable, "-c", code], capture_output=True, text=True)
    assert "Network is unreachable" in done.stderr


def test_the_cached_sample_is_used_with_the_network_denied(tmp_path):
    if not namespaces():
        pytest.skip("no network namespace can be made here")
    folder = prepare_sample()
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    done = denied("sample", lake=tmp_path / "lake", timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{folder}\n"
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def report_of(done: subprocess.CompletedProcess[str]) -> Path:
    """The report whose path a run printed."""
    return Path(done.stdout.split("Report: ")[1].split("\n")[0].strip())


def test_the_run_ends_with_a_table_a_report_and_what_to_try_next(way):
    lake, _, done = way
    for words in (
        "Documents in, documents out",
        "bits per byte",
        "unigram",
        "xz -9",
        "Where the time went",
        "Report: ",
    ):
        assert words in done.stdout
    report = report_of(done)
    assert report.is_file()
    assert report.parent == lake / "reports"
    assert "Traceback" not in done.stderr


def test_the_base_model_beats_unigrams_and_xz_on_each_document_and_the_report_of_its_run_says_so(way):
    lake, _, done = way
    _, scores, _ = names.history(Lake(lake), "mill/base-scores")[0]
    (model,) = scores.inputs("model")
    assert model == names.history(Lake(lake), "mill/base")[0][1]
    rows = connect(lake).execute(
        "select metric, value from evaluations where task = 'validation' and source = 'all' and fingerprint = $1",
        [scores.fingerprint],
    )
    measured = rows.fetchall()
    values = dict(measured)
    assert len(values) == len(measured)
    assert values["bits_per_byte"] < values["unigram"] < values["byte_unigram"]
    assert values["bits_per_byte"] < values["xz_each"]

    assert report_of(done).stem == scores.provenance["run"]
    page = html.document_fromstring(report_of(done).read_bytes())
    (total,) = page.xpath("//section[@id='evaluation']//tr[@class='total']")
    heads = [head.text_content() for head in total.xpath("ancestor::table/thead//th")]
    shown = dict(zip(heads, (cell.text_content().split()[0] for cell in total), strict=True))
    for head, metric in (
        ("Base", "bits_per_byte"),
        ("unigram of tokens", "unigram"),
        ("unigram of bytes", "byte_unigram"),
        ("xz -9, each document alone", "xz_each"),
        ("xz -9, all in one file", "xz_whole"),
    ):
        assert shown[head] == f"{values[metric]:.3f}", head


def test_a_second_run_reuses_every_artifact(way):
    lake, recipe, _ = way
    before = contents(lake)
    done = gristmill("run", str(recipe), lake=lake)
    assert done.returncode == 0, done.stderr
    assert "made in" not in done.stderr
    assert "Nothing new" in done.stderr
    assert contents(lake) == before


def test_a_turned_threshold_makes_decide_and_what_follows_and_nothing_else(way, tmp_path):
    _, recipe, _ = way
    lake = tmp_path / "lake"
    shutil.copytree(way[0], lake)
    first = Lake(lake).artifacts("compose")[0].fingerprint
    done = gristmill("run", str(recipe), "--set", "decide.gopher.min_words=120", lake=lake)
    assert done.returncode == 0, done.stderr
    (said,) = re.findall(r"^decide +\w+ +differs from \w+ in (.*)$", done.stderr, re.MULTILINE)
    assert said == "gopher.min_words: 30 → 120"

    run = all_runs(Lake(lake))[-1]
    assert (run["flow"], run["state"]) == ("data_to_model", "completed")
    used = [Lake(lake).get(name) for name in run["artifacts"]]
    made = {one.stage for one in used if one.provenance["run"] == run["run"]}
    reused = {one.stage for one in used if one.provenance["run"] != run["run"]}
    follow = {"decide", "compose", "tokenize", "pack", "pretrain", "evaluate", "finetune", "export"}
    assert made == follow
    # a recipe names its tokenizer, and the lake knows it
    before = {"ingest", "extract", "language", "quality", "sign", "redact", "contamination", "phrases"}
    before |= {"conversations", "questions", "train_tokenizer"}
    assert reused == before
    for state, stages in (("made in", follow), ("reused", before)):
        assert {line.split()[0] for line in done.stderr.splitlines() if re.search(f" rows +{state}", line)} == stages

    dropped = "select count(*) from documents where dropped_by = 'gopher.min_words'"
    now, then = (connect(lake, at=at).sql(dropped).fetchall()[0][0] for at in (None, first))
    assert now > then


def test_explain_says_what_every_stage_said(way):
    lake, *_ = way
    url = "http://mill.example/en/1"
    done = gristmill("explain", url, lake=lake)
    assert done.returncode == 0, done.stderr
    for words in ("document ", "extract", "language", "quality", "decide", "kept", "compose", "tokenize", "n_words"):
        assert words in done.stdout
    assert "request" in done.stdout  # the losses with the same URL
    nothing = gristmill("explain", "http://mill.example/en/999", lake=lake)
    assert nothing.returncode == 1
    assert "The nearest URL is" in nothing.stderr


def test_a_training_step_is_traced_to_its_documents_and_back(way):
    lake, *_ = way
    sql = connect(lake)
    url = sql.sql(
        "select d.url from training_rows t join documents d using (doc_id) where t.step = 3 limit 1"
    ).fetchone()
    assert url is not None
    steps = sql.execute(
        "select count(distinct step) from training_rows join documents using (doc_id) where url = $1", [url[0]]
    ).fetchone()
    assert steps is not None
    assert steps[0] >= 1


def test_rows_come_as_csv_json_and_parquet(way, tmp_path):
    lake, *_ = way
    query = "select doc_id, kept, failed from documents order by doc_id limit 3"
    rows = json.loads(gristmill("sql", query, "--format", "json", lake=lake).stdout)
    assert [set(row) for row in rows] == [{"doc_id", "kept", "failed"}] * 3
    assert len(gristmill("sql", query, "--format", "csv", lake=lake).stdout.strip().splitlines()) == 4
    out = tmp_path / "rows.parquet"
    assert gristmill("sql", query, "--format", "parquet", "--output", str(out), lake=lake).returncode == 0
    assert duckdb.sql(f"select count(*) from '{out}'").fetchone() == (3,)


def test_a_model_completes_and_is_exported_for_transformers(way, tmp_path):
    lake, *_ = way
    said = [gristmill("complete", "mill/tuned", "The miller", "--tokens", "8", lake=lake) for _ in range(2)]
    assert said[0].returncode == 0, said[0].stderr
    assert said[0].stdout == said[1].stdout
    folder = tmp_path / "model"
    done = gristmill("export", "mill/base", str(folder), lake=lake)
    assert done.returncode == 0, done.stderr
    assert {"model.safetensors", "config.json", "tokenizer.json", "generation_config.json"} <= {
        p.name for p in folder.iterdir()
    }
    again = gristmill("export", "mill/base", str(folder), lake=lake)
    assert again.returncode == 1
    assert "not empty" in again.stderr


def test_show_and_artifacts_name_what_there_is(way):
    lake, *_ = way
    about = json.loads(gristmill("show", "mill/corpus", lake=lake).stdout)
    assert about["kind"] == "corpus"
    assert about["inputs"][0].startswith("decisions: decide/")
    listed = gristmill("artifacts", lake=lake).stdout
    assert "mill/base" in listed
    assert "mill-tokenizer" in listed
    unknown = gristmill("show", "mill/copus", lake=lake)
    assert unknown.returncode == 1
    assert "no artifact or name 'mill/copus'" in unknown.stderr


def test_any_client_reads_the_catalog_while_a_flow_writes(way, tmp_path):
    """A reader of `catalog.duckdb` in another process than the writer's, from before its first commit to its last."""
    lake, recipe, _ = way
    world = tmp_path / "world"
    shutil.copytree(recipe.parent, world)
    for number in range(5, 8):
        write_warc(world / "pages" / f"crawl-{number}.warc.gz", 100 * number, 20)
    around = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    command = [*COMMAND, "refresh", str(world / recipe.name), "--lake", str(lake)]
    process = subprocess.Popen(
        command, cwd=ROOT, env=around, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    counts = []
    while process.poll() is None:
        with duckdb.connect(str(lake / "catalog.duckdb"), read_only=True) as client:
            row = client.sql("select (select count(*) from documents), (select count(*) from artifacts)").fetchone()
            counts.append(row)
        time.sleep(0.05)
    output = process.communicate()[0]
    assert process.returncode == 0, output
    assert len(counts) > 20
    assert len({artifacts for _, artifacts in counts}) > 1
