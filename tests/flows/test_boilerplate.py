"""The command that names boilerplate, and what a recipe must say before any is found."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

import flows.cli.boilerplate  # noqa: F401 (adds its command to the app)
from flows.cli.app import app
from flows.recipe import RecipeError, check_recipe, load_recipe
from storage.statements import Refused
from tasks.run import running
from tests.tasks.repeats.corpora import Page, build, rules

RULES = {"repeated_lines": {"min_documents": 2, "keep": "none"}, "repeated_paragraphs": {"min_documents": 3}}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lake = tmp_path_factory.mktemp("boilerplate") / "lake"
    texts = [f"Café  menu\nabout {number}\n\nall rights\nreserved\n" for number in range(3)]
    texts += ["Café menu\nabout another\n" + "long " * 50, "nothing " + "long " * 50]
    made = [Page(f"{number:032x}", text, f"{number % 2}.example.org", number) for number, text in enumerate(texts)]
    with running(lake, "repeats", workers=0, quiet=True):
        build(lake, made, rules(**RULES))
    return lake


def invoke(*arguments: str):
    return CliRunner().invoke(app, ["boilerplate", *arguments], env={"COLUMNS": "200"})


def test_each_line_is_shown_with_its_counts_and_its_text(lake: Path) -> None:
    rows = json.loads(invoke("--lake", str(lake), "--format", "json").stdout)
    assert {(*list(row.values())[:4], row["text"]) for row in rows} == {
        (4, 2, 4, "lines", "Café  menu\n"),
        (3, 2, 3, "lines", "all rights\n"),
        (3, 2, 3, "lines", "reserved\n"),
        (3, 2, 3, "paragraphs", "all rights\nreserved\n"),
    }
    assert [row["documents"] for row in rows] == [4, 3, 3, 3]
    assert {row["doc_id"] for row in rows} == {f"{0:032x}"}


def test_a_table_has_one_line_each_and_as_many_as_asked(lake: Path) -> None:
    shown = invoke("--lake", str(lake), "--rows", "1").stdout
    assert "Café menu" in shown
    assert "rights" not in shown


def test_a_corpus_that_did_not_look_is_said(tmp_path: Path) -> None:
    with running(tmp_path / "lake", "repeats", workers=0, quiet=True):
        build(tmp_path / "lake", [Page("1" * 32, "a text\n")], rules())
    error = invoke("--lake", str(tmp_path / "lake")).exception
    assert isinstance(error, Refused)
    assert "looked for no repeated lines" in str(error)


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"decide": {"repeated_lines": {}}}, "set parts.lines to true"),
        ({"decide": {"repeated_paragraphs": {}}, "parts": {"lines": True}}, "set parts.paragraphs to true"),
        ({"decide": {"repeated_substrings": {}}, "parts": {"lines": True}}, "parts.substrings not set: set it to 50"),
        ({"decide": {"repeated_substrings": {"min_tokens": 40}}, "parts": {"substrings": 50}}, "set it to 40 or less"),
        ({"decide": {"sources": {"pages": {"repeated_lines": None}}}}, "can't differ between sources"),
    ],
)
def test_a_recipe_that_asks_for_what_is_not_noted_is_refused(tmp_path: Path, sections: dict, said: str) -> None:
    (tmp_path / "pages.jsonl").write_text('{"text": "a"}\n')
    source = {"name": "pages", "path": "pages.jsonl"}
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(yaml.safe_dump({"name": "mine", "sources": [source], **sections}))
    with pytest.raises(RecipeError, match=said):
        check_recipe(load_recipe(str(recipe)))
