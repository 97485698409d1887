"""What `gristmill explain` says of documents, copies, forgotten pages, conversations, questions, and ids of nothing."""

import io
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from flows.cli import look
from flows.cli.app import app
from flows.cli.explain import print_told
from flows.forget import forget
from storage import gc, names
from storage.forget.tombstones import parse
from storage.lake import Lake
from storage.sql import connect
from storage.statements import Refused
from tasks.decide.rules import DecideConfig
from tasks.decide.stage import decide
from tasks.lineage.document import MOST_MEMBERS
from tasks.lineage.explain import explain
from tasks.lineage.find import MOST_FOUND, spellings
from tasks.lineage.limits import limits_for
from tasks.run import running
from tests.acceptance.world import page, write_captures
from tests.flows.replayed import rows_of
from tests.flows.traced import Traced, shared_traced
from tests.tasks.report.test_report import RULES, grow

SITE = "http://mill.example/"
FIRST, NEAR, COPY, OFTEN = (SITE + name for name in ("first", "near", "copy", "often"))
SECRET = "Violet astrolabe hums beneath nineteen crooked lanterns."
MANY = 53
LOOSE = RULES | {"gopher": {"min_words": 20, "min_stop_words": 0}}


def html(seed: int, paragraphs: int = 9) -> str:
    return page(random.Random(seed), f"Page {seed} of the mill", "en", paragraphs)


@pytest.fixture(scope="module")
def copies(tmp_path_factory) -> Lake:
    """A lake of two snapshots. A page, an exact copy and a near one; one that was captured often; and in the second
    snapshot the first page once more, with another text."""
    folder = tmp_path_factory.mktemp("copies")
    longer = html(1).replace("</p>", f" {SECRET}</p>", 1)
    first = [(FIRST, "2025-01-01T00:00:00Z", html(1)), (COPY, "2025-03-03T00:00:00Z", html(1))]
    first += [(NEAR, "2024-06-06T00:00:00Z", longer)]
    first += [(OFTEN, f"2025-04-04T00:00:{number:02d}Z", html(2, 2)) for number in range(MANY)]
    write_captures(folder / "pages" / "a.warc.gz", first)
    lake = Lake(folder / "lake")
    with running(lake, "copies", workers=0, quiet=True):
        grow(folder, LOOSE)
        write_captures(folder / "pages" / "b.warc.gz", [(FIRST, "2025-09-09T00:00:00Z", html(3))])
        names.assign(lake, "mill/corpus", grow(folder, LOOSE))
    return lake


@pytest.fixture(scope="module")
def traced(tmp_path_factory) -> Traced:
    return shared_traced(tmp_path_factory.getbasetemp())


def printed(told: dict[str, Any], *, everything: bool = False) -> list[str]:
    said = io.StringIO()
    print_told(Console(file=said, width=200), told, everything=everything)
    return said.getvalue().splitlines()


def ids(lake: Lake, url: str) -> list[str]:
    """The documents of a URL, the newest first."""
    query = "select doc_id from documents where url = $1 order by capture_date desc"
    return [doc_id for (doc_id,) in connect(lake).execute(query, [url]).fetchall()]


def test_a_url_of_several_snapshots_is_explained_capture_by_capture_the_newest_first(copies):
    told = explain(copies, FIRST)
    assert [one["captured"] for one in told["documents"]] == ["2025-09-09 00:00:00", "2025-01-01 00:00:00"]
    new, old = told["documents"]
    assert [new["doc_id"], old["doc_id"]] == ids(copies, FIRST)
    # the first corpus did not know the second snapshot
    assert [len(one["decisions"]) for one in (new, old)] == [1, 2]
    assert [[held["names"] for held in one["corpora"]] for one in (new, old)] == [[["mill/corpus@1"]], []]
    lines = printed(told)
    assert lines[0] == "2 documents, the newest first:"
    assert [line.split()[0] for line in lines[1:3]] == [new["doc_id"], old["doc_id"]]
    assert sum(line.startswith("document ") for line in lines) == 2


def test_a_url_is_found_in_each_of_its_spellings(copies):
    shouted = NEAR.replace("http://mill", "https://MILL") + "/#top"
    found = [[one["doc_id"] for one in explain(copies, asked)["documents"]] for asked in (NEAR, shouted)]
    assert found[0] == found[1] == ids(copies, NEAR)
    assert spellings("not a URL: [") == ["not a URL: ["]


def test_each_value_stands_beside_its_limit_and_what_dropped_the_document_is_named(traced):
    ((doc_id, words),) = (
        connect(traced.lake).sql("select doc_id, n_words from documents where dropped_by = 'gopher.min_words' limit 1")
    ).fetchall()
    (told,) = explain(traced.lake, doc_id[:12])["documents"]
    (rule,) = [one for one in told["decisions"][0]["rules"] if one["rule"] == "gopher.min_words"]
    assert (rule["value"], rule["limit"], rule["drops"]) == (words, 150, True)
    assert rule["says"] == "must be 150 or more"
    for decision in told["decisions"]:
        assert [one["rule"] for one in decision["rules"] if one["drops"]] == decision["failed"]
    (kept,) = connect(traced.lake).sql("select doc_id from documents where kept limit 1").fetchone() or [""]
    (told,) = explain(traced.lake, kept)["documents"]
    assert {name for one in told["corpora"] for name in one["names"]} == {"mill/corpus@1", "mill/corpus@2"}
    assert all(not one["drops"] for one in told["decisions"][0]["rules"])


def test_what_was_lost_is_found_under_any_spelling_of_its_address(traced):
    ((url,),) = (
        connect(traced.lake).sql("select url from losses where url like 'http%' order by url limit 1").fetchall()
    )
    (loss,) = [one for one in explain(traced.lake, url)["losses"] if one["url"] == url]
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    other = f"{'https' if scheme == 'http' else 'http'}://{host.upper()}{slash}{path}#top"
    assert loss in explain(traced.lake, other)["losses"]


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


POLICIES = [
    ({"keep": "first_seen"}, NEAR, "stays: none was captured before it (2024-06-06 00:00:00)"),
    ({"keep": "newest"}, COPY, "stays: none was captured after it (2025-03-03 00:00:00)"),
    ({"keep": "longest"}, NEAR, "stays: none is longer ({text_bytes:,} bytes of text)"),
    ({"keep": "best", "keep_by": "n_words"}, NEAR, "stays: none has more n_words ({n_words})"),
]


@pytest.fixture(scope="module")
def decided(copies, tmp_path_factory) -> Lake:
    """A copy of the lake, in which others decide."""
    return copied(copies, tmp_path_factory.mktemp("decided"))


@pytest.mark.parametrize(("policy", "stays", "why"), POLICIES)
def test_of_copies_it_is_said_who_stays_by_which_policy_and_how_alike_the_others_are(decided, policy, stays, why):
    before = decided.get("mill/corpus").input("decisions")
    rules = before.manifest.identity.config | {"duplicates": policy}
    with running(decided, "decide", workers=0, quiet=True):
        given = {role: before.inputs(role) for role in ("documents", "annotations")}
        made = decide(DecideConfig.model_validate(rules), **given)
    rows = {row["doc_id"]: row for row in rows_of(made.paths())}
    addresses = {doc_id: url for url in (FIRST, NEAR, COPY) for doc_id in ids(decided, url)}
    query = "select n_words, text_bytes from documents where url = $1 order by capture_date limit 1"
    n_words, text_bytes = connect(decided).execute(query, [stays]).fetchone() or (0, 0)
    why = why.format(n_words=n_words, text_bytes=text_bytes)

    (told,) = explain(decided, COPY)["documents"]
    (decision,) = [one for one in told["decisions"] if one["artifact"].endswith(made.fingerprint)]
    first, *others = decision["members"]
    assert {addresses[one["doc_id"]] for one in decision["members"]} == {FIRST, NEAR, COPY}
    assert (addresses[first["doc_id"]], first["why"]) == (stays, why)
    for one in others:
        row = rows[one["doc_id"]]
        assert (one["jaccard"], one["dropped_by"]) == (row["jaccard"], row["dropped_by"])
        assert addresses[one["kept_as"]] == stays
        if {addresses[one["doc_id"]], stays} == {FIRST, COPY}:
            assert one["why"] == f"goes: the same text as {one['kept_as']}, which stays"
        else:
            assert 0.5 < row["jaccard"] < 1
            assert one["why"].endswith(f"{one['kept_as']} stays, estimated Jaccard {row['jaccard']:.3f}")
    lines = [line.strip() for line in printed({"documents": [told], "left_out": {}, "losses": []})]
    assert all(one["why"] in lines for one in decision["members"])


def copied(lake: Lake, folder: Path) -> Lake:
    shutil.copytree(lake.root, folder / "lake")
    moved = Lake(folder / "lake")
    moved.registry.rebuild()
    return moved


def test_copies_without_words_have_no_likeness_and_are_explained(tmp_path):
    """Of one URL, but of signs alone: there is nothing that a Jaccard could be taken of."""
    signs = [f"<html><body><p>{sign * 40}</p></body></html>" for sign in ("§", "¶")]
    captures = [(FIRST, f"2025-01-0{number}T00:00:00Z", one) for number, one in enumerate(signs, 1)]
    write_captures(tmp_path / "pages" / "a.warc.gz", captures)
    with running(tmp_path / "lake", "test", workers=0, quiet=True):
        grow(tmp_path, {"gopher": None, "repetition": None, "validation_share": 0, "duplicates": {"url": True}})
    newest, oldest = explain(Lake(tmp_path / "lake"), FIRST)["documents"]
    (decision,) = newest["decisions"]
    assert [one["doc_id"] for one in decision["members"]] == [oldest["doc_id"], newest["doc_id"]]
    assert decision["members"][1]["jaccard"] is None
    assert decision["members"][1]["why"] == f"goes: another has the same canonical URL; {oldest['doc_id']} stays"


def test_what_a_list_leaves_out_is_counted_in_json_and_text_and_all_shows_it(copies):
    told = explain(copies, OFTEN)
    assert (len(told["documents"]), told["left_out"]) == (MOST_FOUND, {"documents": MANY - MOST_FOUND})
    decision = told["documents"][0]["decisions"][0]
    assert (len(decision["members"]), decision["left_out"]) == (MOST_MEMBERS, {"members": MANY - MOST_MEMBERS})
    asked = told["documents"][0]["doc_id"]
    assert asked in [one["doc_id"] for one in decision["members"][:2]]
    lines = printed(told)
    assert lines[0] == f"{MANY} documents, the newest first:"
    assert f"  and {MANY - MOST_FOUND} more documents: --all shows all" in lines
    assert f"    and {MANY - MOST_MEMBERS} more members of its cluster: --all shows all" in lines
    whole = explain(copies, asked, everything=True)
    assert whole["left_out"] == {}
    decision = whole["documents"][0]["decisions"][0]
    assert (len(decision["members"]), decision["left_out"]) == (MANY, {})
    assert not any("--all" in line for line in printed(whole, everything=True))


def test_of_a_forgotten_document_it_is_said_and_shown_no_text(copies, tmp_path):
    lake = copied(copies, tmp_path)
    corpus = lake.get("mill/corpus")
    forget(lake, [parse(NEAR)], workers=0)
    (told,) = explain(lake, NEAR)["documents"]
    (stone,) = told["forgotten"]
    assert (stone["tombstone"], stone["names"], stone["text_is_gone"]) == (1, f"url:{NEAR}", True)
    now = told["decisions"][0]
    assert (now["kept"], now["failed"], now["members"]) == (False, ["forget.tombstone"], [])
    assert [one["rule"] for one in now["rules"]] == ["forget.tombstone"]
    assert corpus.fingerprint in [held["artifact"].partition("/")[2] for held in told["corpora"]]
    assert all(held["marks"] == ["holds forgotten text: `gristmill gc` deletes it"] for held in told["corpora"])
    lines = printed(explain(lake, NEAR))
    assert any(line.startswith(f"  forgotten by tombstone 1 (url:{NEAR}) since 20") for line in lines)
    gc.collect(lake, gc.Keeping(runs=0))
    (told,) = explain(lake, NEAR)["documents"]
    assert (told["corpora"], len(told["forgotten"])) == ([], 1)
    assert "astrolabe" not in str(told) + "\n".join(lines)
    (twin,) = [one for one in explain(lake, FIRST)["documents"] if one["captured"].startswith("2025-01")]
    assert twin["forgotten"] == []
    assert twin["decisions"][0]["kept"]  # it comes in for the one that is gone


def test_what_is_not_there_is_said_with_what_is_near(copies, traced):
    (doc_id,) = ids(copies, NEAR)
    wrong = doc_id[:12] + ("0" if doc_id[12] != "0" else "1") * 20
    with pytest.raises(Refused, match=f"nearest id is {doc_id}: the first 12 signs are the same"):
        explain(copies, wrong)
    with pytest.raises(Refused, match=r"its first 6 signs are needed"):
        explain(copies, doc_id[:5])
    far = next(f"{n:06x}" for n in range(16**6) if not any(one.startswith(f"{n:06x}") for one in all_ids(copies)))
    with pytest.raises(Refused, match=f"No id begins with {far}"):
        explain(copies, far)
    with pytest.raises(Refused, match=f"The nearest URL is {FIRST}"):
        explain(copies, SITE + "frist")
    talk = rows_of(traced.conversations.paths())[0]["conversation_id"]
    with pytest.raises(Refused, match=f"nearest id is {talk}: the first 31 signs"):
        explain(traced.lake, talk[:-1] + ("0" if talk[-1] != "0" else "1"))


def all_ids(lake: Lake) -> list[str]:
    return [doc_id for (doc_id,) in connect(lake).sql("select doc_id from extract").fetchall()]


def outcomes(traced: Traced) -> dict[str, dict[str, Any]]:
    """A conversation of each outcome and split."""
    return {f"{row['split']} {row['outcome']}": row for row in rows_of(traced.tuned.paths("conversations"))}


def test_a_conversation_is_followed_from_its_file_to_the_steps_that_read_it(traced):
    row = outcomes(traced)["train whole"]
    sources = {one["conversation_id"]: one for one in rows_of(traced.conversations.paths())}
    source = sources[row["conversation_id"]]
    for asked in (row["conversation_id"], row["conversation_id"][:10], source["record_id"]):
        told = explain(traced.lake, asked)
        (found,) = told["conversations"]
        assert (told["documents"], told["questions"]) == ([], [])
        assert found["conversation_id"] == row["conversation_id"]
    assert {name: found[name] for name in ("source", "file", "space", "offset", "length", "record_id")} == {
        name: source[name] for name in ("source", "file", "space", "offset", "length", "record_id")
    }
    line = (traced.sources / "talks" / found["file"]).read_bytes()[found["offset"] : found["offset"] + found["length"]]
    assert json.loads(line)["id"] == found["record_id"]
    assert found["fingerprint"] == traced.conversations.fingerprint
    (model,) = found["models"]
    assert model["names"] == ["mill/tuned@1"]
    expected = sorted(
        (one["step"], one["place"]) for one in rows_of(traced.tuned.paths("rows")) if one["row"] == row["row"]
    )
    assert [(one["step"], one["place"]) for one in model["reads"]] == expected
    lines = printed(told)
    assert any(line.startswith("  read by finetune/") and "mill/tuned@1" in line for line in lines)
    assert "sacks" not in "\n".join(lines) + json.dumps(told)


def test_what_became_of_a_conversation_that_no_step_read_is_said(traced):
    found = outcomes(traced)
    held = found["held-out whole"]
    (model,) = explain(traced.lake, held["conversation_id"])["conversations"][0]["models"]
    assert model["reads"] == []
    assert model["measured_after_steps"] == [0, 10, 20]
    assert any("its loss was measured" in line for line in printed(explain(traced.lake, held["conversation_id"])))
    copy = found["train copy"]
    (model,) = explain(traced.lake, copy["conversation_id"])["conversations"][0]["models"]
    twins = {row["conversation_id"]: row for row in rows_of(traced.conversations.paths())}
    assert model["reads"] == []
    assert model["copy_of"] < copy["conversation_id"]
    assert twins[model["copy_of"]]["messages"] == twins[copy["conversation_id"]]["messages"]


def test_a_question_is_followed_to_the_evaluations_that_asked_it(traced):
    rows = rows_of(traced.evaluations[0].paths("predictions"))
    asked = rows[0]["question_id"]
    (found,) = explain(traced.lake, asked)["questions"]
    assert [one["names"] for one in found["evaluations"]] == [["mill/base-scores@1"], ["mill/tuned-scores@1"]]
    assert [one["model"]["names"] for one in found["evaluations"]] == [["mill/base@1"], ["mill/tuned@1"]]
    first = found["evaluations"][0]
    mine = [row for row in rows if row["question_id"] == asked]
    assert [one["log_probability"] for one in first["choices"]] == [row["log_probability"] for row in mine]
    best = max(mine, key=lambda row: row["log_probability"])
    assert first["right"] == best["gold"]
    lines = printed(explain(traced.lake, asked))
    assert sum(line.startswith("  asked by evaluate/") for line in lines) == 2
    assert "sacks" not in "\n".join(lines)
    known = {row["question_id"] for row in rows}
    (other,) = [one for one in rows_of(traced.questions.paths()) if one["question_id"] not in known][:1]
    told = explain(traced.lake, other["question_id"])
    assert told["questions"][0]["evaluations"] == []
    assert "  no evaluation asked it" in printed(told)


def test_the_command_prints_either_form(traced):
    assert look.app is app
    (doc_id,) = connect(traced.lake).sql("select doc_id from documents where kept limit 1").fetchone() or [""]
    for words, begins in ((["--json"], "{"), ([], "document "), (["--all"], "document ")):
        done = CliRunner().invoke(app, ["explain", doc_id, *words, "--lake", str(traced.lake.root)])
        assert done.exit_code == 0, done.output
        assert done.stdout.startswith(begins)
        assert "\x1b" not in done.stdout
