"""`batch`, `explain`, `diff` and `lineage` on a small model that was really trained, beside an independent replay."""

import json
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pyarrow.parquet as pq
import pytest
import tokenizers
from typer.testing import CliRunner

from flows.cli import trace
from flows.cli.app import app
from flows.cli.explain import explained
from models.decoder import ModelConfig
from models.training import TrainingConfig
from storage import names
from storage.artifact import Artifact
from storage.lake import Lake, NotFound
from storage.sql import connect
from storage.statements import Refused
from tasks.decide.rules import DecideConfig
from tasks.lineage.batch import read_batch
from tasks.lineage.difference import compare_corpora
from tasks.lineage.document import spellings
from tasks.lineage.limits import limits_for
from tasks.pack import PackConfig, pack
from tasks.pretrain import PretrainConfig, pretrain
from tasks.run import running
from tasks.tokenize import TokenizeConfig, tokenize
from tasks.train_tokenizer import TokenizerConfig, train_tokenizer
from tests.acceptance.world import write_world
from tests.tasks.report.test_report import RULES, grow
from tests.tasks.small_model import shared_chats, shared_tuned

CONTEXT, SEED, STEPS, ROWS_PER_STEP = 32, 5, 30, 4
WORD = 2**64


@dataclass(frozen=True)
class Made:
    """The lake, two versions of a corpus, and a model that read the second."""

    lake: Lake
    first: Artifact
    corpus: Artifact
    base: Artifact


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Made:
    folder = tmp_path_factory.mktemp("traced")
    write_world(folder, warcs=2)
    lake = Lake(folder / "lake")
    with running(lake.root, "traced", workers=1, quiet=True):
        first = grow(folder, RULES | {"gopher": {"min_words": 60, "min_stop_words": 0}})
        corpus = grow(folder)
        tokenizer = train_tokenizer(TokenizerConfig(vocabulary_size=400), corpus=corpus)
        tokens = tokenize(TokenizeConfig(), corpus=corpus, tokenizer=tokenizer)
        packing = pack(PackConfig(context_length=CONTEXT), tokens=tokens)
        config = PretrainConfig(
            model=ModelConfig(depth=1, width=16, heads=1, key_value_heads=1, head_width=16, mlp_width=32),
            training=TrainingConfig(steps=STEPS, tokens_per_step=ROWS_PER_STEP * CONTEXT, threads=1, seed=SEED),
            validations=0,
        )
        base = pretrain(config, packing=packing, tokens=tokens, tokenizer=tokenizer)
    for one in (first, corpus):
        names.assign(lake, "mill/corpus", one)
    names.assign(lake, "mill/base", base)
    return Made(lake, first, corpus, base)


# What follows is written from the documentation of packing and training, in whole numbers, one token at a time.


def finalise(value: int) -> int:
    """The finaliser of splitmix64 (Steele et al. 2014)."""
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 % WORD
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB % WORD
    return value ^ (value >> 31)


def splitmix(value: int) -> int:
    return finalise((value + 0x9E3779B97F4A7C15) % WORD)


def packed(corpus: Artifact, tokenizer_file: Path, row_length: int) -> list[list[tuple[int, str, str]]]:
    """Rows of (token, doc_id, URL) of the training part, from its text."""
    tokenizer = tokenizers.Tokenizer.from_file(str(tokenizer_file))
    tokenizer.encode_special_tokens = True
    end = tokenizer.token_to_id("<|endoftext|>")
    entries = []
    for path in corpus.paths():
        for row in pq.read_table(path).to_pylist():
            if row["split"] != "train":
                continue
            high, low = int(row["doc_id"][:16], 16), int(row["doc_id"][16:], 16)
            for copy in range(row["copies"]):
                key = splitmix(high ^ splitmix(low ^ splitmix(copy ^ splitmix(0))))
                entries.append((key, high, low, copy, row))
    line = []
    for *_, row in sorted(entries, key=lambda entry: entry[:4]):
        ids = [*tokenizer.encode(row["text"], add_special_tokens=False).ids, end]
        line += [(token, row["doc_id"], row["url"]) for token in ids]
    return [line[start : start + row_length] for start in range(0, len(line), row_length)]


def row_of(place: int, rows: int) -> int:
    """The row that stands at a place of the training, counted over all epochs (phase 0)."""
    epoch, place = divmod(place, rows)
    golden = 0x9E3779B97F4A7C15
    key = finalise((finalise((finalise((SEED + golden) % WORD) + 0 + golden) % WORD) + epoch + golden) % WORD)
    half = 1
    while 4**half < rows:
        half += 1
    while True:
        left, right = place >> half, place % 2**half
        for turn in range(6):
            mixed = finalise((right * golden + finalise((key + turn * golden) % WORD)) % WORD)
            left, right = right, left ^ mixed % 2**half
        place = left << half | right
        if place < rows:
            return place


def test_fifty_random_tokens_are_what_batch_explain_and_sql_say(made):
    rows = packed(made.corpus, made.base.file("tokenizer.json"), CONTEXT + 1)
    sql = connect(made.lake)
    draw = random.Random(11)
    told: dict[str, dict] = {}
    documents = set()
    for _ in range(50):
        step, place = draw.randint(1, STEPS), draw.randrange(ROWS_PER_STEP)
        number = row_of((step - 1) * ROWS_PER_STEP + place, len(rows))
        position = draw.randrange(len(rows[number]))
        token, doc_id, url = rows[number][position]
        documents.add(doc_id)

        (row,) = [one for one in read_batch(made.base, step) if one.place == place]
        assert row.row == number
        (span,) = [one for one in row.spans if one.position <= position < one.position + one.length]
        assert (int(span.ids[position - span.position]), span.doc_id, span.url) == (token, doc_id, url)

        found = sql.execute(
            """select doc_id, row, shard, start + $3 - position from training_rows where fingerprint = $1
            and step = $2 and place = $4 and $3 between position and position + length - 1""",
            [made.base.fingerprint, step, position, place],
        ).fetchall()
        assert [one[:2] for one in found] == [(doc_id, number)]

        if doc_id not in told:
            (told[doc_id],) = explained(made.lake, doc_id)["documents"]
        assert told[doc_id]["url"] == url
        (model,) = told[doc_id]["models"]
        spans = [
            one
            for one in model["reads"]
            if (one["step"], one["place"], one["row"]) == (step, place, number)
            and one["position"] <= position < one["position"] + one["length"]
        ]
        assert [(one["shard"], one["start"] + position - one["position"]) for one in spans] == [found[0][2:]]
    assert len(documents) > 5


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


def test_explain_puts_each_value_beside_its_limit_and_names_corpora_and_copies(made):
    ((doc_id, words),) = (
        connect(made.lake).sql("select doc_id, n_words from documents where dropped_by = 'gopher.min_words' limit 1")
    ).fetchall()
    (told,) = explained(made.lake, doc_id[:12])["documents"]
    (rule,) = [one for one in told["decisions"][0]["rules"] if one["rule"] == "gopher.min_words"]
    assert (rule["value"], rule["limit"], rule["drops"]) == (words, 150, True)
    assert rule["says"] == "must be 150 or more"
    drops = [one["rule"] for one in told["decisions"][0]["rules"] if one["drops"]]
    assert drops == [one for one in told["decisions"][0]["failed"] if not one.startswith("extract.")]
    kept = pq.read_table(made.corpus.paths()[0], columns=["doc_id"]).column(0)[0].as_py()
    (told,) = explained(made.lake, kept)["documents"]
    assert {name for one in told["corpora"] for name in one["names"]} == {"mill/corpus@1", "mill/corpus@2"}
    clustered = connect(made.lake).sql("select doc_id from documents where cluster_size > 1 limit 1").fetchone()
    if clustered:
        (told,) = explained(made.lake, clustered[0])["documents"]
        members = told["decisions"][0]["members"]
        assert len(members) == told["decisions"][0]["cluster_size"]
        assert [one["why"].split(":")[0] for one in members] == ["stays"] + ["goes"] * (len(members) - 1)


@pytest.mark.parametrize(("source", "language"), [("web", "en"), ("web", "de"), ("code", "de"), ("books", "de")])
def test_the_limits_shown_are_those_that_decide_applied_to_that_source_and_language(source, language):
    config = DecideConfig.model_validate(
        {
            "rules": {"mine": "n_words = 7"},
            "languages": {"de": {"gopher": {"min_stop_words": 1}, "repetition": None, "rules": {"mine": None}}},
            "sources": {"code": {"gopher": None}, "books": {"gopher": {"min_stop_words": 3}, "fineweb": {}}},
        }
    )
    applied = config.for_source(source, language)
    expected = {f"rules.{name}" for name in applied.rules}
    for group in ("gopher", "repetition", "fineweb"):
        rules = getattr(applied, group)
        expected |= {f"{group}.{name}" for name in rules.predicates()} if rules else set()
    shown = limits_for(config.model_dump(mode="json"), source, language)
    assert shown.keys() == expected
    if applied.gopher:
        assert shown["gopher.min_stop_words"] == applied.gopher.min_stop_words


def test_a_url_is_found_in_each_of_its_spellings(made):
    ((url,),) = connect(made.lake).sql("select url from documents where kept limit 1").fetchall()
    shouted = url.replace("http://mill", "https://MILL") + "/#top"
    found = [[one["doc_id"] for one in explained(made.lake, asked)["documents"]] for asked in (url, shouted)]
    assert found[0] == found[1] != []
    assert spellings("not a URL: [") == ["not a URL: ["]


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


def gristmill(made: Made, *words: str) -> str:
    assert trace.app is app
    done = CliRunner().invoke(app, [*words, "--lake", str(made.lake.root)], env={"COLUMNS": "80"})
    assert done.exit_code == 0, done.output
    return done.stdout


def test_lineage_goes_back_to_the_files_with_cost_revision_and_what_changed(made, tmp_path):
    said = gristmill(made, "lineage", "mill/corpus")
    assert "file crawl-0.warc.gz" in said
    assert "s of CPU" in said
    assert "differs: input decisions[0]: " in said
    root = json.loads(gristmill(made, "lineage", "mill/base", "--json"))
    assert root["code"] == made.base.provenance["code"]
    assert root["cpu_seconds"] > 0
    assert json.loads(gristmill(made, "lineage", "mill/base", "--depth", "0", "--json"))["inputs"] == []
    for name in ("tree.svg", "tree.html"):
        gristmill(made, "lineage", "mill/base", "--picture", str(tmp_path / name))
    drawn = "".join(ElementTree.parse(tmp_path / "tree.svg").getroot().itertext())
    assert all(f"{stage} " in drawn for stage in ("pretrain", "tokenize", "compose", "extract", "ingest"))
    assert "s of CPU" in drawn
    assert "<svg" in (tmp_path / "tree.html").read_text()


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
