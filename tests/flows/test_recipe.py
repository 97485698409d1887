"""A recipe is checked whole before any work: every mistake a sentence with its place and what would be right."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
import torch
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typer.testing import CliRunner

from flows.annotations import ANNOTATIONS
from flows.cli.app import app
from flows.cli.recipes import recipe as recipe_command
from flows.recipe import PRESETS, Recipe, RecipeError, check_recipe, find_recipe, load_recipe
from tests.acceptance.world import RECIPE


def write(folder: Path, recipe: str = RECIPE) -> str:
    """A recipe whose sources are one small file each; its path."""
    for source, name in (("pages", "a.html"), ("talks", "a.jsonl"), ("quiz", "a.jsonl")):
        (folder / source).mkdir()
        (folder / source / name).write_text("{}\n")
    (folder / "mill.yaml").write_text(recipe, encoding="utf-8")
    return str(folder / "mill.yaml")


def said(folder: Path, recipe: str = RECIPE, *settings: str) -> str:
    """What is said of a recipe that cannot be run."""
    with pytest.raises(RecipeError) as caught:
        check_recipe(load_recipe(write(folder, recipe), settings))
    message = str(caught.value)
    assert "?." not in message
    assert ".." not in message
    return message


def test_a_recipe_without_mistakes_passes(tmp_path):
    assert check_recipe(load_recipe(write(tmp_path))).name == "mill"


@pytest.mark.parametrize(
    ("setting", "sentences"),
    [
        ("decide.sources.page.gopher=null", ["decide.sources.page: there is no such source", "did you mean 'pages'?"]),
        (
            "mixture.components.page.weight=1",
            ["mixture.components.page: there is no such source", "did you mean 'pages'?"],
        ),
        ("mixture.components.talks.weight=1", ["mixture.components.talks: this source holds conversations"]),
        (
            "mixture.components.pages.wieght=1",
            ["mixture.components.pages.wieght", "did you mean 'weight'?", "max_epochs"],
        ),
        ("decide.sources.pages.gofer.min_words=1", ["decide.sources.pages.gofer", "did you mean gopher?"]),
        ("decide.sources.pages.gopher.min_word=1", ["decide.sources.pages.gopher.min_word", "did you mean"]),
        ("training.model.key_value_heads=3", ["training.model: 2 heads can't share 3 key-value heads evenly"]),
        ("evaluation.stride=65", ["evaluation.stride", "65", "the context has 64 (packing.context_length)"]),
        (
            "sources.pages.fields={txt: body}",
            ["sources.pages.fields.txt", "did you mean 'text'?", "documents: text"],
        ),
        ("sources.talks.fields={promt: ask}", ["sources.talks.fields.promt", "did you mean 'prompt'?", "response"]),
        ("sources.quiz.fields={golden: x}", ["sources.quiz.fields.golden", "did you mean 'gold'?"]),
        ("sources.quiz.nmae=x", ["nmae: there is no such key (did you mean 'name'?)", "license"]),
        ("tokenizer.name=a b", ["'a b' is no name"]),
        ("decide.rules.mine=n_word > 3", ["n_words"]),
        ("decide.gopher=[1", ["--set decide.gopher: the value '[1' is not YAML", "needs quotes"]),
        ("finetuning.device=gpu", ["finetuning.device: must be one of cpu, cuda, mps (it is 'gpu'"]),
        ("training.training.tokens=9", ["training.training: Give either `steps` or `tokens`"]),
    ],
)
def test_a_mistake_is_a_sentence_with_its_place(tmp_path, setting, sentences):
    message = said(tmp_path, RECIPE, setting)
    for sentence in sentences:
        assert sentence in message


def test_a_device_that_is_not_here_is_said_before_any_work(tmp_path):
    missing = "cuda" if torch.backends.mps.is_available() else "mps"
    message = said(tmp_path, RECIPE, f"evaluation.device={missing}")
    assert "evaluation.device: torch" in message
    assert f"finds no device '{missing}' here. What it finds: cpu" in message


def test_mistakes_of_several_kinds_are_named_together(tmp_path):
    message = said(
        tmp_path, RECIPE, "evaluation.stride=999", "mixture.components.page.weight=1", "sources.pages.path=none"
    )
    assert all(part in message for part in ("evaluation.stride", "mixture.components.page", "does not exist"))


def test_a_stride_of_the_whole_context_and_fields_of_the_readers_pass(tmp_path):
    settings = ["evaluation.stride=64", "sources.pages.fields={text: body}", "sources.talks.fields={prompt: ask}"]
    recipe = check_recipe(load_recipe(write(tmp_path), [*settings, "sources.quiz.fields={gold: right}"]))
    assert [source.fields for source in recipe.sources] == [{"text": "body"}, {"prompt": "ask"}, {"gold": "right"}]


def test_a_recipe_that_is_not_utf_8_says_so(tmp_path):
    path = tmp_path / "mill.yaml"
    path.write_bytes("name: mühle\n".encode("latin-1"))
    with pytest.raises(RecipeError, match=r"mill\.yaml is not UTF-8 text \(at byte 7\)"):
        load_recipe(str(path))


def test_a_folder_does_not_hide_the_recipe_that_ships(tmp_path, monkeypatch):
    (tmp_path / "sample").mkdir()
    monkeypatch.chdir(tmp_path)
    assert find_recipe("sample") == PRESETS / "sample.yaml"
    with pytest.raises(RecipeError, match="no recipe file"):
        find_recipe("sample.yaml")


def test_a_section_left_empty_has_its_defaults_and_can_be_set(tmp_path):
    start, _, rest = RECIPE.partition("decide:\n")
    recipe = f"{start}decide:\n  # all of it commented out\ntokenizer:{rest.partition('tokenizer:')[2]}"
    path = write(tmp_path, recipe)
    assert load_recipe(path).decide == Recipe.model_fields["decide"].default
    changed = load_recipe(path, ["decide.gopher.min_words=7"]).decide.gopher
    assert changed is not None
    assert changed.min_words == 7


def test_a_group_that_is_off_can_be_set(tmp_path):
    recipe = load_recipe(write(tmp_path), ["decide.repetition.max_duplicate_line_share=0.5"])
    assert recipe.decide.repetition is not None
    assert recipe.decide.repetition.max_duplicate_line_share == 0.5


def test_every_annotation_has_its_section_in_a_recipe():
    for stage, section in ANNOTATIONS:
        assert Recipe.model_fields[section].annotation is stage.config


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The configurations that an annotation names: alone, beside null, in lists and mappings."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for one in get_args(annotation) for model in models_in(one)]


def fields(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every key below a configuration with its field; `<name>` for entries of a list or mapping."""
    for name, field in model.model_fields.items():
        yield f"{path}{name}", field
        for inside in models_in(field.annotation):
            each = "<name>." if get_origin(field.annotation) in (tuple, dict) else ""
            yield from fields(inside, f"{path}{name}.{each}")


def printed(*arguments: str, width: int = 80) -> str:
    """What `gristmill recipe` prints on a terminal of this width."""
    done = CliRunner().invoke(app, ["recipe", *arguments], env={"COLUMNS": str(width)})
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.stdout


def test_every_key_of_a_recipe_says_what_it_is():
    undescribed = [path for path, field in fields(Recipe) if not field.description and not models_in(field.annotation)]
    assert undescribed == []
    sections = {model for _, field in fields(Recipe) for model in models_in(field.annotation)}
    assert [model.__name__ for model in sections if not model.__doc__] == []


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_command_names_every_key(width: int):
    lines = printed(width=width).splitlines()
    named = [line.split()[0].removesuffix(":") for line in lines if re.match(r"  \S", line)]
    assert named == [path for path, _ in fields(Recipe)]
    assert max(len(line) for line in lines) <= max(width, 6 + 64)  # a hash has no place to be broken at


def test_the_command_prints_one_section():
    lines = printed("--section", "decide.gopher").splitlines()
    keys = [line.strip() for line in lines if re.match(r"  \S", line)]
    assert len(keys) == 11
    assert all(key.startswith("decide.gopher") for key in keys)
    assert "  decide.gopher.min_words: 50" in lines
    with pytest.raises(RecipeError, match=r"no section 'decid' \(did you mean 'decide'\?\). Sections: name, sources"):
        printed("--section", "decid")


def test_the_command_marks_what_a_recipe_changes(tmp_path: Path):
    text = (
        "name: mine\nsources: [{name: web, path: crawl}]\ndecide: {gopher: {min_words: 7}, repetition: null, c4: {}}\n"
    )
    lines = printed(
        write(tmp_path, f"{text}mixture: {{components: {{web: {{weight: 0.5}}}}}}\n"), width=120
    ).splitlines()
    assert [line for line in lines if line.startswith("* ")] == [
        "* decide.gopher.min_words: 7   (default 50)",
        "* decide.repetition: null   (default a section)",
        "* decide.c4   (default null)",
        "* mixture.components.web.weight: 0.5   (default null)",
    ]
    assert "  sources.web.path: crawl" in lines
    assert "  decide.fineweb.max_short_line_share   (off: its section is null)" in lines
    assert "  decide.c4.min_sentences: 5" in lines


@pytest.mark.parametrize(("section", "whole"), [("decide.languages", True), ("decide", False)])
def test_a_long_value_is_cut_unless_it_is_asked_for_alone(tmp_path: Path, section: str, whole: bool):
    path = write(tmp_path, "name: mine\nsources: [{name: web, path: crawl}]\ndecide: {preset: fineweb-2}\n")
    text = CliRunner().invoke(app, ["recipe", path, "--section", section]).stdout
    assert "decide.languages: {af: {" in text
    assert ("zsm_Latn:" in text) == whole
    assert ("in all:" in text) != whole


def test_the_command_names_the_recipes_there_are():
    with pytest.raises(RecipeError, match=r"There is no recipe called 'smaple' \(did you mean 'sample'\?\)"):
        recipe_command("smaple")


def test_the_command_needs_neither_torch_nor_prefect():
    code = "import sys; from flows.cli.recipes import recipe; recipe('sample'); print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "prefect"} & set(done.stdout.splitlines())
    assert "flows.recipe" in done.stdout.splitlines()


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("{preset: c4}", "decide.after_c4.bad_word needs a list of bad words: name its file in quality.bad_words.path"),
        ("{preset: fineweb-2}", "decide.datatrove.min_stop_words_of_language needs stop words"),
        ("{preset: dclm}", "decide.rules.fasttext reads the column dclm_score, which no stage"),
        ("{preset: fine-web}", "decide.preset: there is no preset 'fine-web'; did you mean fineweb"),
    ],
)
def test_a_preset_names_the_list_or_model_that_it_lacks(tmp_path: Path, lines: str, says: str):
    (tmp_path / "crawl").mkdir()
    (tmp_path / "crawl" / "a.txt").write_text("The mill.", encoding="utf-8")
    path = write(tmp_path, f"name: mine\nsources: [{{name: web, path: crawl}}]\ndecide: {lines}\n")
    with pytest.raises(RecipeError) as raised:
        check_recipe(load_recipe(path))
    assert says in str(raised.value)
