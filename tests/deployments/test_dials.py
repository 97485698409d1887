"""The dials of a form: each stands for a setting of the recipe, and for nothing where it is left empty."""

from pathlib import Path
from typing import Any

import pytest

from deployments.deploy import DEPLOYMENTS, build
from flows.parameters import turn
from flows.recipe import Recipe, RecipeError, load_recipe
from tests.acceptance.world import RECIPE

DIALS: dict[str, dict[str, Any]] = {
    "min_words": {"type": "integer", "minimum": 0},
    "min_language_probability": {"type": "number", "minimum": 0, "maximum": 1},
    "training_tokens": {"type": "integer", "minimum": 1},
    "learning_rate": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
}


def turned(folder: Path, *settings: str, recipe: str = RECIPE, **dials: Any) -> Recipe:
    """The toy recipe, its dials turned."""
    (folder / "mill.yaml").write_text(recipe, encoding="utf-8")
    return load_recipe(str(folder / "mill.yaml"), turn(settings, **dials))


@pytest.mark.parametrize(
    ("deployment", "dials"),
    [
        ("data-to-model", set(DIALS)),
        ("refresh", {"min_words", "min_language_probability"}),
        ("redecide", {"min_words", "min_language_probability"}),
        ("pretrain", {"training_tokens", "learning_rate"}),
        ("finetune", set()),
        ("evaluate", set()),
    ],
)
def test_a_form_shows_the_dials_of_its_stages_with_their_bounds_and_empty(deployment: str, dials: set[str]):
    (declared,) = [one for one in DEPLOYMENTS if one.name == deployment]
    fields = build(declared)._parameter_openapi_schema.properties
    assert dials == DIALS.keys() & fields.keys()
    for name in dials:
        assert fields[name]["anyOf"] == [DIALS[name], {"type": "null"}]
        assert fields[name].get("default") is None


def test_an_empty_dial_turns_nothing():
    assert turn(["a=1"]) == ["a=1"]
    assert turn([], **dict.fromkeys(DIALS)) == []


def test_each_dial_turns_its_key_and_no_other(tmp_path: Path):
    recipe = turned(tmp_path, min_words=0, min_language_probability=0, training_tokens=9000, learning_rate=1e-5)
    plain = turned(tmp_path)
    assert plain.decide.gopher is not None
    assert plain.decide.language is not None
    expected = {
        "decide": plain.decide.model_copy(
            update={
                "gopher": plain.decide.gopher.model_copy(update={"min_words": 0}),
                "language": plain.decide.language.model_copy(update={"min_probability": 0.0}),
            }
        ),
        "training": plain.training.model_copy(
            update={
                "training": plain.training.training.model_copy(
                    update={
                        "steps": None,
                        "tokens": 9000,
                        "optimizer": plain.training.training.optimizer.model_copy(update={"learning_rate": 1e-5}),
                    }
                )
            }
        ),
    }
    assert recipe == plain.model_copy(update=expected)


def test_tokens_replace_the_steps_or_the_tokens_of_a_recipe(tmp_path: Path):
    for length in ("steps: 24", "tokens: 77"):
        recipe = turned(tmp_path, recipe=RECIPE.replace("steps: 24", length), training_tokens=9000)
        assert (recipe.training.training.steps, recipe.training.training.tokens) == (None, 9000)


def test_a_listed_setting_wins_over_a_dial_and_steps_beside_tokens_are_refused(tmp_path: Path):
    recipe = turned(tmp_path, "decide.gopher.min_words=7", min_words=99)
    assert recipe.decide.gopher is not None
    assert recipe.decide.gopher.min_words == 7
    with pytest.raises(RecipeError, match="Give either `steps` or `tokens`"):
        turned(tmp_path, "training.training.steps=3", training_tokens=9000)


def test_a_dial_of_rules_that_are_off_switches_them_on(tmp_path: Path):
    off = RECIPE.replace("gopher: {min_words: 30, min_stop_words: 0}", "gopher: null")
    assert turned(tmp_path, recipe=off).decide.gopher is None
    switched_on = turned(tmp_path, recipe=off, min_words=99).decide.gopher
    assert switched_on is not None
    assert (switched_on.min_words, switched_on.min_stop_words) == (99, 2)


def test_a_limit_of_one_source_stays(tmp_path: Path):
    own = RECIPE.replace("  validation_share", "  sources: {pages: {gopher: {min_words: 5}}}\n  validation_share")
    recipe = turned(tmp_path, recipe=own, min_words=99)
    for source, limit in (("pages", 5), ("another", 99)):
        gopher = recipe.decide.for_source(source).gopher
        assert gopher is not None
        assert gopher.min_words == limit
