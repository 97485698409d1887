"""What a recipe learns: trained once, named, used by the stages that score, told about in SQL, never retrained."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.grow import grow_corpus, read
from flows.learned import learn
from flows.recipe import Recipe, RecipeError, check_recipe, load_recipe
from storage import names
from storage.lake import Lake
from storage.sql import connect
from tasks.report.collect import results_of
from tasks.report.page import write_report
from tasks.run import running
from tasks.train_reference import train_reference
from tests.tasks.planted import advertisement, tale, texts, write_rows, write_texts

OFF: dict[str, Any] = {"gopher": None, "repetition": None, "duplicates": {"exact": False, "near": False}}


def recipe_of(folder: Path, **changes: Any) -> Recipe:
    content: dict[str, Any] = {
        "name": "mill",
        "sources": [
            {"name": "tales", "path": "tales"},
            {"name": "crawl", "path": "crawl"},
            {"name": "ratings", "path": "ratings", "holds": "examples"},
        ],
        "classifiers": [
            {"name": "quality", "positive": ["tales"], "negative": ["crawl"]},
            {"name": "rating", "labelled": ["ratings"], "training": {"method": "ridge", "embedding_dimension": 256}},
        ],
        "reference": {"sources": ["tales"], "training": {"order": 3, "prune": 0, "held_out": 0.1}},
        "decide": {**OFF, "rules": {"poor": "quality_score < 0.5", "strange": "perplexity > 1e6"}},
    }
    (folder / "mill.yaml").write_text(yaml.safe_dump(content | changes), encoding="utf-8")
    return check_recipe(load_recipe(str(folder / "mill.yaml")))


@pytest.fixture
def world(tmp_path: Path) -> Path:
    write_texts(tmp_path / "tales" / "one.jsonl", texts(tale, 120, 1))
    write_texts(tmp_path / "crawl" / "one.jsonl", texts(advertisement, 120, 1))
    rows = [{"text": text, "score": 4.0} for text in texts(tale, 60, 2)]
    rows += [{"text": text, "score": 1} for text in texts(advertisement, 60, 2)]
    write_rows(tmp_path / "ratings" / "one.jsonl", rows)
    return tmp_path


def test_a_recipe_trains_what_it_names_once_and_drops_by_its_scores(world: Path, lake: Path):
    plan, place = recipe_of(world), Lake(lake)
    with running(place, "refresh", workers=0, quiet=True) as run:
        report = write_report(run, plan.name, results_of(grow_corpus(plan), None, None))
        made = {step.stage for step in run.steps if not step.reused}
    page = report.read_text(encoding="utf-8")
    assert "<td>mill/quality</td><td>fasttext</td>" in page
    assert "<td>mill/rating</td><td>ridge</td>" in page
    assert "<td>mill/reference</td>" in page
    for score in ("quality_score", "rating_score", "perplexity"):
        assert f">Documents by {score}</title>" in page
        assert f'<td>{score}</td><td>crawl</td><td class="n">120</td>' in page
    assert {"train_classifier", "train_reference", "examples", "classify", "perplexity"} <= made
    with connect(place) as sql:
        rows = dict(
            sql.execute(
                "select source, count(*) filter (dropped_by = 'rules.poor') from documents group by all"
            ).fetchall()
        )
        assert rows == {"tales": 0, "crawl": 120}
        ((tales, crawl),) = sql.execute(
            "select median(perplexity) filter (source = 'tales'), median(perplexity) filter (source = 'crawl') "
            "from documents"
        ).fetchall()
        assert tales < crawl / 5
        ((low, high),) = sql.execute(
            "select max(rating_score) filter (source = 'crawl'), min(rating_score) filter (source = 'tales') "
            "from documents"
        ).fetchall()
        assert low < 2.5 < high
        figures = sql.execute("select name, method, auc, recall from classifiers order by name").fetchall()
        assert figures == [("mill/quality", "fasttext", 1.0, 1.0), ("mill/rating", "ridge", 1.0, 1.0)]
        assert sql.execute("select count(*) from train_classifier_keeps where keep = 0.1").fetchone() == (2,)
    first = {name: names.latest(place, f"mill/{name}") for name in ("quality", "rating", "reference")}

    write_texts(world / "tales" / "two.jsonl", texts(tale, 30, 3))
    changed = recipe_of(world, reference={"sources": ["tales"], "training": {"order": 4}})
    with running(place, "refresh", workers=0, quiet=True) as run:
        grow_corpus(changed)
        made = [step.stage for step in run.steps if not step.reused]
    assert "classify" in made
    assert not {"train_classifier", "train_reference"} & set(made)
    assert {name: names.latest(place, f"mill/{name}") for name in first} == first


def test_without_anything_to_learn_no_stage_runs(world: Path, lake: Path):
    plan = recipe_of(world, classifiers=[], reference=None, decide=OFF)
    with running(Lake(lake), "refresh", workers=0, quiet=True) as run:
        grow_corpus(plan)
        assert not {"classify", "perplexity", "train_classifier", "examples"} & {step.stage for step in run.steps}


def test_the_same_texts_give_the_same_classifier_in_another_lake(world: Path, tmp_path: Path):
    plan, fingerprints = recipe_of(world), []
    for name in ("one", "two"):
        with running(Lake(tmp_path / name), "learn", workers=0, quiet=True):
            scored = learn(plan, read)
        fingerprints.append([model.sha256 for model in scored.classify.models])
    assert fingerprints[0] == fingerprints[1]


def test_what_another_version_of_its_stage_has_trained_is_trained_again(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    plan, made, now = recipe_of(world), [], train_reference.version
    for version in (now - 1, now, now):
        monkeypatch.setattr("flows.learned.train_reference", dataclasses.replace(train_reference, version=version))
        with running(Lake(tmp_path / "lake"), "learn", workers=0):
            learn(plan, read)
        made.append(names.latest(Lake(tmp_path / "lake"), "mill/reference"))
    assert [one.manifest.identity.version for one in made] == [now - 1, now, now]
    assert capsys.readouterr().err.count("it is trained again") == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"classifiers": [{"name": "quality", "positive": ["tale"], "negative": ["crawl"]}]}, "no source 'tale'"),
        ({"classifiers": [{"name": "quality", "positive": ["tales"]}]}, "needs `positive` and `negative`"),
        ({"classifiers": [{"name": "quality", "labelled": ["crawl"]}]}, "crawl holds documents"),
        ({"classifiers": [{"name": "q", "positive": ["tales"], "negative": ["crawl"]}] * 2}, "column q_score"),
        (
            {
                "classifiers": [
                    {"name": "q", "positive": ["tales"], "negative": ["crawl"], "training": {"method": "ridge"}}
                ]
            },
            "ridge learns from",
        ),
        ({"reference": {"sources": ["nowhere"]}}, "no source 'nowhere'"),
        ({"classify": {"models": [{"name": "mine", "sha256": "0" * 64, "path": "no.bin"}]}}, r"no model \S*no\.bin"),
        ({"decide": {"rules": {"mine": "spam_score > 0.5"}}}, "spam_score"),
    ],
)
def test_a_mistake_is_said_before_any_work(world: Path, changes: dict[str, Any], said: str):
    with pytest.raises(RecipeError, match=said):
        recipe_of(world, **changes)


def test_a_preset_gives_published_settings_and_what_is_said_beside_it_wins(world: Path):
    plan = recipe_of(
        world,
        classifiers=[
            {
                "name": "quality",
                "positive": ["tales"],
                "negative": ["crawl"],
                "training": {"preset": "dclm", "epochs": 3},
            }
        ],
    )
    training = plan.classifiers[0].training
    assert (training.dimension, training.word_ngrams, training.learning_rate, training.epochs) == (100, 2, 0.1, 3)
