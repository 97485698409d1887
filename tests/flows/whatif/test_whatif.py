"""`gristmill whatif`: what it says is what --commit gives, it writes nothing else, and its errors are sentences."""

import json
import random
from pathlib import Path

import duckdb
import pytest

from flows.cli.app import is_expected
from flows.cli.whatif.answer import parse_curve
from flows.cli.whatif.command import whatif
from flows.cli.whatif.commit import turned_text
from flows.recipe import load_recipe
from flows.recipe_file import RecipeError
from storage import names
from storage.lake import NotFound
from storage.sql import connect
from storage.statements import Refused, restrict, run_query
from tests.acceptance.world import sentence
from tests.flows.whatif.conftest import Mill

KEPT = "select source, language, count(*) from documents where kept group by all order by all"


@pytest.mark.usefixtures("prefect_harness")
@pytest.mark.parametrize(
    "settings",
    [
        ["decide.gopher.min_words=30"],
        ["decide.gopher.min_words=75", "decide.duplicates.min_jaccard=0.5"],
        ["decide.repeated_lines={min_documents: 3}"],
        ["decide.rules.odd=n_words % 2\n  = 1", "decide.sources.pages={gopher: {min_words: 45}}"],
    ],
)
def test_what_is_told_is_what_a_commit_gives(mill: Mill, capsys, settings: list[str]):
    before = names.latest(mill.lake, "mill/corpus")
    told = mill.ask(capsys, *settings)
    corpus = mill.commit(capsys, told, *settings)
    assert corpus != before
    with connect(mill.lake) as connection:
        kept = connection.execute(KEPT).fetchall()
        rules = connection.execute(
            "select dropped_by, count(*) from documents where not kept group by all order by all"
        ).fetchall()
    parts = told["by_source_and_language"]
    assert [(one["source"], one["language"], one["documents_after"]) for one in parts if one["documents_after"]] == kept
    assert sorted((one["rule"], one["first_after"]) for one in told["by_rule"] if one["first_after"]) == rules
    # The new recipe means the same to a refresh, which finds nothing to do.
    assert mill.refresh(mill.recipe.parent / "mill-2.yaml") == corpus
    assert (mill.recipe.parent / "mill-2.yaml").read_text(encoding="utf-8").count("#") == 3


@pytest.mark.usefixtures("prefect_harness")
def test_a_recipe_of_the_sample_is_committed_where_nobody_has_named_its_folder(
    mill: Mill, capsys, monkeypatch, tmp_path: Path
):
    text = mill.recipe.read_text(encoding="utf-8")
    mill.recipe.write_text(text.replace("path: pages.jsonl", "path: $GRISTMILL_SAMPLE/pages.jsonl"), encoding="utf-8")
    monkeypatch.setenv("GRISTMILL_SAMPLE", "")
    monkeypatch.delenv("GRISTMILL_SAMPLE")
    monkeypatch.setattr("flows.session.prepare_sample", lambda workers: mill.recipe.parent)  # the real one is 60 MB
    made = mill.ask(capsys, "decide.gopher.min_words=30", commit=True, to=tmp_path / "turned.yaml")["commit"]
    assert (made["recipe"], made["differing"]) == (str(tmp_path / "turned.yaml"), 0)


def test_a_dropped_document_promotes_its_twin(mill: Mill, capsys):
    with connect(mill.lake) as connection:
        # some pages stay for a copy that is a few words longer: with a limit between the two the copy stays alone
        ((twin, words, longer),) = connection.execute(
            """select a.doc_id, b.n_words, a.n_words from documents a join documents b on a.kept_as = b.doc_id
            where a.n_words > b.n_words order by a.doc_id limit 1"""
        ).fetchall()
    assert words < longer
    told = mill.ask(capsys, f"decide.gopher.min_words={longer}", samples=1000)
    came = [one for one in told["samples"]["kept"] if one["doc_id"] == twin]
    assert [(one["was"], one["would_be"], one["rule"]) for one in came] == [
        ("duplicates.near", "kept", "duplicates.near")
    ]


def test_nothing_is_written_without_commit(mill: Mill, capsys):
    before = mill.files()
    mill.ask(capsys, "decide.gopher.min_words=30", samples=10)
    mill.ask(capsys, curve="decide.gopher.min_words=20:60:20")
    assert mill.files() == before


def test_sql_and_a_predicate_say_the_same_as_the_rules(mill: Mill, capsys):
    told = mill.ask(capsys, "decide.gopher.min_words=40", clusters=False)
    where = mill.ask(capsys, where="n_words >= 80 and language = 'en'", clusters=False)
    with connect(mill.lake) as connection:
        restrict(connection, mill.lake.root)
        turned = run_query(connection, "from whatif('gopher.min_words', n_words < 40)").to_pylist()
        ((added,),) = connection.execute(
            "select sum(would_pass) from whatif(null, not (n_words >= 80 and language = 'en'))"
        ).fetchall()
    assert [
        (one["source"], one["language"], one["documents_before"], one["documents_after"], one["documents_in"])
        for one in told["by_source_and_language"]
    ] == [(one["source"], one["language"], one["passes_now"], one["would_pass"], one["comes_in"]) for one in turned]
    assert where["total"]["documents_after"] == added > 0


def test_a_second_predicate_stands_beside_one_that_was_committed(mill: Mill, capsys):
    text = mill.recipe.read_text(encoding="utf-8")
    mill.recipe.write_text(text.replace("decide:\n", "decide:\n  rules: {where: n_words > 90}\n"), encoding="utf-8")
    told = mill.ask(capsys, where="n_words > 70", clusters=False)
    assert told["changes"].keys() == {"decide.rules.where", "decide.rules.where_2"}
    with connect(mill.lake) as connection:
        ((passes,),) = connection.execute(
            "select sum(would_pass) from whatif(null, n_words > 90 or n_words <= 70)"
        ).fetchall()
    assert told["total"]["documents_after"] == passes > 0


def test_samples_stand_on_both_sides_of_the_line_and_are_drawn_by_the_seed(mill: Mill, capsys):
    first, again, other = (
        mill.ask(capsys, "decide.gopher.min_words=40", samples=4, seed=seed)["samples"] for seed in (1, 1, 2)
    )
    assert first == again != other
    kept, dropped = first["kept"], first["dropped"]
    assert {one["was"] for one in kept} == {"gopher.min_words"}
    assert all(40 <= one["values"]["n_words"] < 60 and one["limit"] == 40 for one in kept)
    with connect(mill.lake) as connection:
        for one in [*kept, *dropped]:
            ((url, text),) = connection.execute(
                "select url, text from documents where doc_id = $1", [one["doc_id"]]
            ).fetchall()
            assert one["url"] == url
            assert text.startswith(one["line"].removesuffix("…"))
        nearest = connection.execute("select max(n_words) from documents where n_words < 40").fetchone()
    below = [one["values"]["n_words"] for one in dropped if one["rule"] == "gopher.min_words"]
    assert below[0] == nearest[0]
    assert below == sorted(below, reverse=True)


def test_a_curve_passes_through_the_answers(mill: Mill, capsys, tmp_path: Path):
    for clusters in (False, True):
        found = mill.ask(capsys, curve="decide.gopher.min_words=30,60,90", clusters=clusters)
        for one in found["points"]:
            told = mill.ask(capsys, f"decide.gopher.min_words={one['value']}", clusters=clusters)["total"]
            assert (one["documents"], one["estimated_tokens"]) == (
                told["documents_after"],
                told["estimated_tokens_after"],
            )
    picture = tmp_path / "curve.html"
    whatif(str(mill.recipe), curve="decide.gopher.min_words=30:90:30", picture=picture, lake=mill.lake.root)
    assert "<polyline" in picture.read_text(encoding="utf-8")
    assert "← now" in capsys.readouterr().out


@pytest.mark.usefixtures("prefect_harness")
def test_a_source_is_set_apart_and_taken_in_again(mill: Mill, capsys):
    draw = random.Random(9)
    pages = [{"text": " ".join(sentence(draw) for _ in range(9))} for _ in range(6)]
    (mill.recipe.parent / "own.jsonl").write_text("".join(json.dumps(one) + "\n" for one in pages), encoding="utf-8")
    text = mill.recipe.read_text(encoding="utf-8")
    mill.recipe.write_text(text.replace("CC0-1.0}]", "CC0-1.0}, {name: own, path: own.jsonl, license: CC0-1.0}]"))
    mill.refresh()
    for recipe, value in ((mill.recipe, "true"), (mill.recipe.parent / "mill-2.yaml", "false")):
        dial = f"sources.own.excluded={value}"
        told = mill.ask(capsys, dial, subject=str(recipe))
        assert told["total"]["documents_after"] != told["total"]["documents_before"]
        mill.commit(capsys, told, dial, subject=str(recipe))
    assert load_recipe(str(mill.recipe.parent / "mill-3.yaml")).holding("documents")[1].excluded is False


def test_a_comment_ends_where_the_expression_does(mill: Mill, capsys):
    told, plain = (mill.ask(capsys, where=where, clusters=False) for where in ("n_words > 80 -- long", "n_words > 80"))
    assert told["total"] == plain["total"]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("decide.gopher.min_words=10:50:20", [10, 30, 50]),
        ("decide.language.min_probability=0.1:0.3:0.1", [0.1, 0.2, 0.3]),
        ("decide.language.allowed=[en],null", [["en"], None]),
    ],
)
def test_a_range_holds_both_ends(text: str, values: list):
    assert parse_curve(text) == (text.partition("=")[0], values)


def test_mistakes_are_sentences(mill: Mill, capsys, tmp_path: Path):
    mistakes = [
        (["decide.gopher.min_wrods=40"], {}, RecipeError, "did you mean 'min_words'"),
        (["quality.characters=4"], {}, Refused, "scores 138 documents again"),
        (["mixture.budget_bytes=4"], {}, Refused, "changes none of them"),
        (["sources.pages.excluded=true"], {"subject": "mill/corpus"}, Refused, "Ask with the recipe"),
        (["sources.page.excluded=true"], {}, RecipeError, "'page' is no section"),
        (["decide.excluded=[page]"], {}, RecipeError, "called 'page' .did you mean 'pages'"),
        (["decide.sources={page: {gopher: null}}"], {"subject": "mill/corpus"}, RecipeError, "no such source"),
        (["decide.preset=c4"], {"subject": "mill/corpus"}, Refused, "Ask with the recipe"),
        (["qualty.x=4"], {}, Refused, "no section 'qualty'"),
        ([], {"subject": "mill/corpse"}, NotFound, "Did you mean 'mill/corpus'"),
        ([], {"subject": "mill/corpus", "commit": True}, Refused, "name one instead of a corpus"),
        ([], {"commit": True}, Refused, "nothing differs"),
        (["decide.gopher.min_words=4"], {"commit": True, "to": mill.recipe}, Refused, "nothing is overwritten"),
        (["decide.gopher.min_words=4"], {"commit": True, "to": tmp_path / "x.yaml"}, Refused, "below its own folder"),
        ([], {"curve": "decide.gopher.min_words=9:3:1"}, Refused, "LOW up to HIGH"),
        ([], {"curve": "gopher.min_words=1:3:1"}, Refused, "a dial of decide"),
        ([], {"curve": "decide.language.allowed=[en],null", "picture": tmp_path / "c.svg"}, Refused, "only numbers"),
        ([], {"curve": "decide.duplicates.near=true,false", "picture": tmp_path / "c.svg"}, Refused, "only numbers"),
        ([], {"curve": "decide.gopher.min_words=[10"}, Refused, "with commas between them"),
        ([], {"curve": "decide.gopher.min_words=nan:3:1"}, Refused, "LOW up to HIGH"),
        ([], {"curve": "decide.gopher.min_words=1:inf:1"}, Refused, "LOW up to HIGH"),
        ([], {"picture": tmp_path / "c.svg"}, Refused, "give --curve"),
        ([], {"where": "n_words > (select 1)"}, ValueError, "--where"),
    ]
    for settings, options, kind, said in mistakes:
        with pytest.raises(kind, match=said) as caught:
            mill.ask(capsys, *settings, **options)
        assert is_expected(caught.value), said
    assert sorted(path.name for path in mill.recipe.parent.glob("*.yaml")) == ["mill.yaml"]
    assert not (tmp_path / "x.yaml").exists()
    (mill.recipe.parent / "other.yaml").write_text(mill.recipe.read_text().replace("name: mill", "name: weir"))
    with pytest.raises(Refused, match=r"No decisions yet: .* has no weir/corpus"):
        mill.ask(capsys, subject=str(mill.recipe.parent / "other.yaml"))


def test_a_recipe_with_a_dial_turned_keeps_its_comments_and_means_the_same(mill: Mill):
    text = mill.recipe.read_text(encoding="utf-8")
    settings = ("decide.gopher.min_words=40", "decide.c4.min_sentences=3", 'decide.rules.mine="n_words < 3"')
    turned = turned_text(text, settings)
    assert "# The mill's own recipe." in turned
    assert "language: {min_probability: 0.3}  # lenient" in turned
    assert "repetition: null" in turned
    path = mill.recipe.with_name("turned.yaml")
    path.write_text(turned, encoding="utf-8")
    assert load_recipe(str(path)) == load_recipe(str(mill.recipe), settings)


@pytest.mark.usefixtures("prefect_harness")
def test_tokens_are_estimated_by_what_the_tokenizer_came_to_and_counted_on_commit(mill: Mill, capsys):
    stated = mill.ask(capsys, "decide.gopher.min_words=40")
    assert stated["tokens_are"] == "estimates: 4 bytes a token, the default"
    tokens = mill.tokenize()
    with connect(mill.lake) as connection:
        ratios = {
            language: ratio
            for language, ratio in connection.execute(
                "select language, sum(bytes) / sum(length) from tokens group by all having count(*) >= 20"
            ).fetchall()
        }
        usual = connection.execute("select sum(bytes) / sum(length) from tokens").fetchone()[0]
        kept = connection.execute("select language, text_bytes from documents where kept").fetchall()
    found = mill.ask(capsys, "decide.gopher.min_words=40", commit=True)
    assert str(tokens) in found["tokens_are"]
    expected = round(sum(size / ratios.get(language, usual) for language, size in kept))
    assert found["total"]["estimated_tokens_before"] == expected
    made, corpus = found["commit"], names.latest(mill.lake, "mill/corpus")
    assert corpus is not None
    with connect(mill.lake) as connection:
        realised, documents = connection.execute(
            "select sum(length * copies), count(*) from tokens where fingerprint <> $1 "
            "and doc_id in (select doc_id from compose where fingerprint = $2)",
            [tokens.fingerprint, corpus.fingerprint],
        ).fetchone()
    assert (made["corpus_tokens"], made["corpus_documents"]) == (realised, documents)
    assert abs(made["corpus_tokens_estimated"] / realised - 1) < 0.05


def test_a_client_finds_the_macro_in_the_catalog(mill: Mill):
    with duckdb.connect(str(mill.lake.root / "catalog.duckdb"), read_only=True) as client:
        assert client.execute("select count(*) from whatif('gopher.min_words', n_words < 40)").fetchone() == (2,)
