"""`batch`, `lineage` and `diff` on small models that were really trained."""

import json
import re
import shutil
from collections import Counter
from xml.etree import ElementTree

import pyarrow as pa
import pytest
import tokenizers
from typer.testing import CliRunner

from flows.cli import trace
from flows.cli.app import app
from storage.artifact import Identity
from storage.catalog.superseded import supersede
from storage.commit import Staging, stage_artifact
from storage.lake import Lake, NotFound
from storage.schemas.training import TRAINING
from storage.sql import connect
from storage.statements import Refused
from tasks.lineage.batch import read_batch
from tasks.lineage.difference import compare_corpora
from tasks.report.lineage import as_values, tree
from tests.flows.traced import STEPS, Traced, shared_traced
from tests.storage.small import spine
from tests.tasks.small_model import shared_chats, shared_tuned


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Traced:
    return shared_traced(tmp_path_factory.getbasetemp())


def test_a_row_is_read_from_its_first_place_to_its_last_and_says_what_stands_elsewhere(made):
    whole = connect(made.lake).sql("select doc_id, length from tokens").fetchall()
    lengths = dict(whole)
    for row in read_batch(made.base, 1):
        place = 0
        for span in row.spans:
            assert span.position == place
            assert span.before + span.length + span.after == lengths[span.doc_id]
            place += span.length
    (only,) = read_batch(made.base, 1, row.row)
    assert only.row == row.row


def test_a_step_or_row_that_is_not_there_is_refused_with_those_that_are(made):
    with pytest.raises(Refused, match=rf"its steps are 1 to {STEPS}"):
        read_batch(made.base, STEPS + 1)
    with pytest.raises(Refused, match="Its rows: "):
        read_batch(made.base, 1, 10**6)


def test_a_batch_of_what_is_no_model_or_was_not_trained_here_is_refused_with_a_sentence(made, tmp_path):
    with pytest.raises(Refused, match=r"is no model but of the kind corpus: gristmill batch sample/base 1"):
        read_batch(made.corpus, 1)
    foreign = Identity(stage="import", version=1, config={})
    with stage_artifact(Lake(tmp_path / "lake"), foreign, "model", print) as staging:
        assert isinstance(staging, Staging)
        output = staging.output(0, "key", {"part": TRAINING})
        output.write(pa.RecordBatch.from_pylist([], schema=TRAINING.schema))
        model = staging.commit([output.finish()], {})
    with pytest.raises(Refused, match="was not trained in this lake"):
        read_batch(model, 1)


def test_a_tuned_models_rows_are_what_it_was_trained_on(tmp_path_factory):
    tuned = shared_tuned(tmp_path_factory.getbasetemp())
    chats = shared_chats(tmp_path_factory.getbasetemp())
    texts = {one["conversation_id"]: one["messages"] for one in chats.read().to_pylist()}
    decode = tokenizers.Tokenizer.from_file(str(tuned.file("tokenizer.json"))).decode
    spans = [span for row in read_batch(tuned, 7) for span in row.spans]
    assert spans
    for span in spans:
        said = decode(span.ids.tolist(), skip_special_tokens=True)
        assert texts[span.doc_id][0]["content"][:20] in said


def test_diff_counts_what_sets_of_ids_say_and_names_the_rule_that_moved_each(made):
    told = compare_corpora(made.first, made.corpus, samples=3)
    before, after = ({*one.read(["doc_id"]).column(0).to_pylist()} for one in (made.first, made.corpus))
    assert (told["a"]["documents"], told["b"]["documents"]) == (len(before), len(after))
    assert told["both"] == len(before & after)
    decided = dict(
        connect(made.lake, at=made.corpus.fingerprint).sql("select doc_id, dropped_by from documents").fetchall()
    )
    expected = Counter(decided[one] for one in before - after)
    assert {one["rule"]: one["documents"] for one in told["moves"]["out"]} == dict(expected)
    assert expected["gopher.min_words"] > 0
    for side, ids in (("out", before - after), ("in", after - before)):
        assert len(told["samples"][side]) == min(3, len(ids))
        assert {one["doc_id"] for one in told["samples"][side]} <= ids
    assert sum(one["out"] for one in told["groups"]["source"]) == len(before - after)
    changed = {(one["stage"], one["field"], *one["a"], *one["b"]) for one in told["configuration"]}
    assert changed == {("decide", "gopher.min_words", 60, 150)}
    assert compare_corpora(made.corpus, made.corpus)["moves"] == {"out": [], "in": []}


def test_a_name_with_a_number_means_what_it_meant_then(made):
    assert made.lake.get("mill/corpus@1") == made.first
    assert made.lake.get("mill/corpus@2") == made.lake.get("mill/corpus") == made.corpus
    for missing in ("mill/corpus@3", "mill/corpus@", "mill/corpus@x"):
        with pytest.raises(NotFound, match="it has 1 to 2"):
            made.lake.get(missing)
    with pytest.raises(NotFound, match="Did you mean 'mill/corpus'"):
        made.lake.get("mill/corpis@1")


def gristmill(made: Traced, *words: str) -> str:
    assert trace.app is app
    done = CliRunner().invoke(app, [*words, "--lake", str(made.lake.root)], env={"COLUMNS": "80"})
    assert done.exit_code == 0, done.output
    return done.stdout


def test_lineage_goes_back_to_the_files_with_cost_revision_and_what_changed(made):
    said = gristmill(made, "lineage", "mill/corpus")
    assert "file crawl-0.warc.gz" in said
    assert "s of CPU" in said
    before, now = (one.input("decisions") for one in (made.first, made.corpus))
    assert f"differs from {made.first}: input decisions[0]: {before} → {now}" in said
    # what an input differs in stands at the input, from what stood in its place
    assert f"differs from {before}: gopher.min_words: 60 → 150" in said
    root = json.loads(gristmill(made, "lineage", "mill/base", "--json"))
    assert root["code"] == made.base.provenance["code"]
    assert root["cpu_seconds"] > 0
    assert json.loads(gristmill(made, "lineage", "mill/base", "--depth", "0", "--json"))["inputs"] == []


def test_the_picture_of_lineage_has_a_box_for_each_stage_and_lines_that_pass_none(made, tmp_path):
    for name in ("tree.svg", "tree.html"):
        gristmill(made, "lineage", "mill/tuned", "--picture", str(tmp_path / name))
    assert "<svg" in (tmp_path / "tree.html").read_text()
    space = "{http://www.w3.org/2000/svg}"
    root = ElementTree.parse(tmp_path / "tree.svg").getroot()
    drawn = list(root.itertext())
    stages = {"ingest", "extract", "language", "quality", "sign", "decide", "compose", "train_tokenizer", "tokenize"}
    assert stages | {"pack", "pretrain", "conversations", "finetune"} <= set(drawn)
    assert any(one.endswith("s of CPU") for one in drawn)
    assert "changed" in drawn
    boxes = [one.find(f"{space}rect") for one in root.iter(f"{space}g")]
    framed = [[float(box.get(side) or 0) for side in ("x", "y", "width", "height")] for box in boxes if box is not None]
    for x, y, width, height in framed:
        assert 0 <= x <= float(root.get("width") or 0) - width
        others = [one for one in framed if one != [x, y, width, height]]
        assert not any(abs(x - one[0]) < width and abs(y - one[1]) < height for one in others)
    for path in root.iter(f"{space}path"):
        for right, top, bottom in re.findall(r"([\d.]+),([\d.]+) V([\d.]+)", path.get("d") or ""):
            beside = [one for one in framed if one[1] < float(bottom) and one[1] + one[3] > float(top)]
            assert not any(one[0] <= float(right) <= one[0] + one[2] for one in beside)


def test_lineage_says_of_an_input_that_is_gone_why_it_is(tmp_path, capsys):
    lake = Lake(tmp_path)
    documents, scores, decisions, corpus = list(spine(lake, 1).values())[1:]
    supersede(lake, documents, None, "it holds text that was forgotten")
    for one in (documents, scores):
        shutil.rmtree(one.folder)
    root = as_values(tree([corpus], "")[0])
    (of_corpus,) = (one for one in root["inputs"] if one["stage"] == "decide")
    assert {one["stage"]: one["gone"] for one in of_corpus["inputs"]} == {
        "extract": "gristmill gc deleted it: it holds text that was forgotten",
        "language": "missing: gristmill verify says what to do",
    }
    trace.lineage(str(corpus.fingerprint), lake=lake.root)
    said = capsys.readouterr().out
    assert f"language {scores.fingerprint[:12]}  missing: gristmill verify says what to do" in said
    assert f"decide {decisions.fingerprint[:12]}  as decisions, 10 rows" in said
    trace.lineage(str(corpus.fingerprint), lake=lake.root, picture=tmp_path / "tree.svg")
    drawn = list(ElementTree.parse(tmp_path / "tree.svg").getroot().itertext())
    assert drawn.count("gone") == 2


def test_what_is_piped_has_no_colours_and_the_text_of_the_tokens(made):
    for words in (("batch", "mill/base", "2"), ("explain", read_batch(made.base, 2)[0].spans[0].doc_id)):
        assert "\x1b" not in gristmill(made, *words)
    told = json.loads(gristmill(made, "batch", "mill/base", "2", "--json"))
    span = told["rows"][0]["spans"][0]
    assert span["text"]
    bare = json.loads(gristmill(made, "batch", "mill/base", "2", "--ids", "--json"))
    assert "text" not in bare["rows"][0]["spans"][0]
    assert bare["rows"][0]["spans"][0]["ids"] == span["ids"]
    assert "decide.gopher.min_words: 60 -> 150" in gristmill(
        made, "diff", "mill/corpus@1", "mill/corpus", "--samples", "0"
    )
