"""A mixture from its plan to its tokens: the command plans, compose does what was planned, tokens come out so."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from flows.cli.app import is_expected
from flows.cli.mixture import mixture
from flows.cli.rows import Format
from flows.grow import grow_corpus
from flows.pretrain import find_tokenizer
from flows.recipe import RecipeError, check_recipe, load_recipe
from flows.redecide import decide_again
from storage.artifact import Artifact
from storage.lake import Lake
from storage.sql import NoSuchView, connect
from storage.statements import Refused
from tasks.compose import plan_lines
from tasks.mixture import MixtureError
from tasks.run import running
from tasks.tokenize import fitting, tokenize
from tests.acceptance.world import german, sentence

RECIPE = """\
name: mill
sources:
  - {name: books, path: books.jsonl, license: CC0-1.0}
  - {name: pages, path: pages.jsonl, license: CC0-1.0}
decide:
  language: null
  gopher: {min_words: 20, min_stop_words: 0}
  repetition: null
  duplicates: {near: false, sizes_after: []}
  validation_share: 0.05
tokenizer: {training: {vocabulary_size: 512}}
"""
HOST = "regexp_extract(url, '://([^/]+)', 1)"
LENGTH = "case when n_words > 40 then 'long' else 'short' end"


@pytest.fixture(scope="module")
def mill(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Lake]:
    """A recipe and a lake that is grown: two sources, languages, hosts and years; long pages twice."""
    folder, draw = tmp_path_factory.mktemp("mixture"), random.Random(3)
    for source in ("books", "pages"):
        rows = []
        for number in range(700):
            say = german if number % 3 == 0 else sentence
            text = " ".join(say(draw) for _ in range(1 + number % 4)) + f" {source} {number}."
            url = f"https://{'north' if number % 5 else 'south'}.example/{source}/{number}"
            rows.append({"text": text, "url": url, "date": f"{2023 + number % 2}-05-06"})
            if source == "pages" and number % 4 == 3:
                rows.append({**rows[-1], "url": f"{url}/again"})
        (folder / f"{source}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / "mill.yaml").write_text(RECIPE, encoding="utf-8")
    with running(Lake(folder / "lake"), "refresh", workers=0, quiet=True):
        grow_corpus(check_recipe(load_recipe(str(folder / "mill.yaml"))))
    return folder / "mill.yaml", Lake(folder / "lake")


def compose(mill: tuple[Path, Lake], *settings: str) -> Artifact:
    with running(mill[1], "redecide", workers=0, quiet=True):
        return decide_again(check_recipe(load_recipe(str(mill[0]), settings)))


def plan(mill: tuple[Path, Lake], capsys: pytest.CaptureFixture[str], *settings: str, **options: Any) -> list[dict]:
    mixture(str(mill[0]), settings=list(settings), lake=mill[1].root, form=Format.json, **options)
    return json.loads(capsys.readouterr().out)


def in_parts(by: str, weights: dict[str, float], budget: int = 40_000) -> list[str]:
    named = {name: {"weight": weight, "max_epochs": 3} for name, weight in weights.items()}
    return [f"mixture.by={json.dumps(by)}", f"mixture.components={json.dumps(named)}", f"mixture.budget_bytes={budget}"]


@pytest.mark.parametrize(
    ("by", "weights"),
    [
        ("source", {"books": 0.7, "pages": 0.3}),
        ("language", {"en": 0.4, "de": 0.6}),
        (HOST, {"north.example": 0.55, "south.example": 0.45}),
        ("year(capture_date)", {"2023": 0.2, "2024": 0.8}),
        (LENGTH, {"long": 0.35, "short": 0.65}),
    ],
)
def test_realised_shares_are_those_planned_whatever_tells_components_apart(
    mill: tuple[Path, Lake], capsys: pytest.CaptureFixture[str], by: str, weights: dict[str, float]
) -> None:
    settings = in_parts(by, weights)
    told = {row["component"]: row for row in plan(mill, capsys, *settings)}
    made = compose(mill, *settings).read(["component", "split", "copies", "text_bytes"]).to_pylist()
    sizes = dict.fromkeys(weights, 0)
    for row in made:
        if row["split"] == "train":
            sizes[row["component"]] += row["copies"] * row["text_bytes"]
    assert 39_000 < sum(sizes.values()) <= 40_000
    for name, weight in weights.items():
        share = sizes[name] / sum(sizes.values())
        assert told[name]["wanted"] == pytest.approx(weight, abs=1e-4)
        assert share == pytest.approx(told[name]["share"], abs=1e-4)
        assert share == pytest.approx(weight, abs=0.01)
        assert not told[name]["runs out"]


def test_the_plan_names_what_runs_out_before_anything_is_composed(
    mill: tuple[Path, Lake], capsys: pytest.CaptureFixture[str]
) -> None:
    settings = [*in_parts(HOST, {"north.example": 0.2, "south.example": 0.8}, 160_000), "mixture.max_epochs=2"]
    before = mill[1].artifacts("compose")
    told = {row["component"]: row for row in plan(mill, capsys, *settings)}
    assert mill[1].artifacts("compose") == before
    assert {name: row["runs out"] for name, row in told.items()} == {"north.example": False, "south.example": True}
    assert told["south.example"]["epochs"] == pytest.approx(3, abs=0.01)
    assert told["south.example"]["share"] < 0.79
    rows = compose(mill, *settings).read(table="mixture").to_pylist()
    assert [round(row["share"], 4) for row in rows] == [row["share"] for row in told.values()]
    assert [line.partition(":")[0] for line in plan_lines(rows) if "runs out (short of its share by" in line] == [
        "south.example"
    ]


def test_tokens_come_in_the_shares_that_were_planned(
    mill: tuple[Path, Lake], capsys: pytest.CaptureFixture[str]
) -> None:
    lake = mill[1]
    with running(lake, "pretrain", workers=0, quiet=True):
        everything = decide_again(check_recipe(load_recipe(str(mill[0]))))
        tokenizer = find_tokenizer(check_recipe(load_recipe(str(mill[0]))), everything)
        tokenize(fitting(tokenizer), corpus=everything, tokenizer=tokenizer)
    with connect(lake) as connection:
        counted = "select language, sum(bytes) / sum(length) from tokens where split = 'train' group by all"
        ratios = dict(connection.execute(counted).fetchall())
    assert ratios["en"] != pytest.approx(ratios["de"], rel=0.05)  # so that shares of bytes are not those of tokens
    parts = {name: {"weight": 0.5, "max_epochs": 4, "bytes_per_token": ratios[name]} for name in ("en", "de")}
    phases = [
        {"name": "main", "share": 0.75},
        {"name": "last", "share": 0.25, "weights": {"en": 0.1, "de": 0.9}},
    ]
    settings = [
        "mixture.by=language",
        f"mixture.components={json.dumps(parts)}",
        "mixture.budget_tokens=20000",
        f"mixture.phases={json.dumps(phases)}",
    ]
    told = {(row["phase"], row["component"]): row for row in plan(mill, capsys, *settings)}
    with running(lake, "pretrain", workers=0, quiet=True):
        corpus = decide_again(check_recipe(load_recipe(str(mill[0]), settings)))
        tokens = tokenize(fitting(tokenizer), corpus=corpus, tokenizer=tokenizer)
    with connect(lake) as connection:
        read = connection.execute(
            "select component, sum(length * phase_copies[1]), sum(length * phase_copies[2]) from tokens "
            "where split = 'train' and fingerprint = $1 group by all",
            [tokens.fingerprint],
        ).fetchall()
    for number, (phase, wanted) in enumerate((("main", {"en": 0.5, "de": 0.5}), ("last", {"en": 0.1, "de": 0.9}))):
        total = sum(row[1 + number] for row in read)
        assert total == pytest.approx(20_000 * phases[number]["share"], rel=0.02)
        for component, *counts in read:
            assert counts[number] / total == pytest.approx(told[phase, component]["share"], abs=0.01)
            assert counts[number] / total == pytest.approx(wanted[component], abs=0.01)


def test_the_weights_of_a_rehydration_are_shown_and_composed(
    mill: tuple[Path, Lake], capsys: pytest.CaptureFixture[str]
) -> None:
    setting = "mixture.rehydrate={by: source, max_repeats: 4, window: 1, tail: 0}"
    rows = plan(mill, capsys, setting, sizes=True)
    with connect(mill[1]) as connection:
        counted = connection.execute(
            "select source, unfiltered_cluster_size, count(*), count(*) filter (cluster is null) from documents "
            "group by all order by all"
        ).fetchall()
    assert [(row["of"], row["smallest_size"], row["documents"]) for row in rows] == [one[:3] for one in counted]
    assert [row["removal_rate"] for row in rows] == [round(gone / of, 4) for _, _, of, gone in counted]
    # Pages that are there twice are long enough, of those that are there once a third are not.
    assert [(row["of"], row["repeats"]) for row in rows] == [("books", 1), ("pages", 1), ("pages", 4)]
    made = compose(mill, setting).read(["doc_id", "copies", "split"])
    with connect(mill[1]) as connection:
        connection.register("made", made)
        copies = connection.execute(
            "select distinct source, unfiltered_cluster_size, copies from made join documents using (doc_id) "
            "where made.split = 'train' order by all"
        ).fetchall()
    assert copies == [("books", 1, 1), ("pages", 1, 1), ("pages", 2, 4)]


def test_mistakes_are_sentences(mill: tuple[Path, Lake], capsys: pytest.CaptureFixture[str]) -> None:
    known = mill[1].artifacts("quality")[0].fingerprint
    mistakes: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"sizes": True}, Refused, "this recipe does not set it"),
        ({"corpus": known}, NoSuchView, "holds no decisions"),
        ({"settings": ["mixture.by=langage"]}, RecipeError, "mixture.by reads the column langage"),
        ({"settings": ["mixture.by=text"]}, RecipeError, "mixture.by reads the column text"),
        (
            {"settings": ["mixture.components={page: {weight: 1}}"]},
            RecipeError,
            r"components\.page: there .*'pages'",
        ),
        ({"settings": ["mixture.redact={emial: X}"]}, RecipeError, r"mixture.redact.emial: .*'email'"),
        ({"settings": ["mixture.redact=true"]}, MixtureError, "as gristmill refresh does with the same settings"),
        ({"settings": ["mixture.max_epochs=0.00001"]}, MixtureError, "before any component can give its smallest"),
        ({"settings": ["mixture.max_epochs=.inf"]}, RecipeError, r"mixture\.max_epochs: must be .*1000000"),
        ({"settings": ["mixture.temperature=.inf"]}, RecipeError, r"mixture\.temperature: must be a finite number"),
        (
            {"settings": ["mixture.repeat='1e12'"]},
            MixtureError,
            r"is 1e\+12 for some document, more than 1000: bound it",
        ),
        ({"settings": ["mixture.max_epochs"]}, Refused, r"such as mixture\.max_epochs=2: 'mixture\.max_epochs' has no"),
        ({"settings": ["decide.gopher.min_words=40"]}, Refused, r"whatif .* --set decide\.gopher\.min_words=40; here"),
        ({"settings": ["decide={}"]}, Refused, "asked by gristmill whatif"),
        ({"settings": ["quality.bad_words=null"]}, Refused, r"gristmill refresh .* --set quality\.bad_words=null"),
        ({"settings": ["training.training.steps=5"]}, Refused, "turns dials of mixture alone"),
        ({"settings": ["name=other"]}, Refused, "turns dials of mixture alone"),
        ({"settings": ["mixtur.max_epochs=2"]}, Refused, r"no section 'mixtur' .*'mixture'"),
    ]
    with pytest.raises(RecipeError, match=r"mixture\.rehydrate needs .* set decide\.duplicates\.sizes_after"):
        compose(mill, "mixture.rehydrate={}", "decide.duplicates.sizes_after=null")
    for options, kind, said in mistakes:
        with pytest.raises(kind, match=said) as caught:
            plan(mill, capsys, *options.pop("settings", []), **options)
        assert is_expected(caught.value), said
