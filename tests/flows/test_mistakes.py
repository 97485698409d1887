"""What is wrong with a recipe is said in the words of who writes YAML, never in those of the library that found it."""

import datetime
import json
from typing import Any

import pytest
from pydantic import ValidationError

from flows.mistakes import FORMS, nearest, sentences
from flows.recipe import Recipe

LIBRARY = ("Input should", "instance of", "valid", "Tuple", "dictionary", "[key]", "pattern", "string", "validation,")


def said(**changes: Any) -> list[str]:
    """The sentences about a recipe with these sections."""
    content = {"name": "mill", "sources": [{"name": "pages", "path": "pages"}]} | changes
    with pytest.raises(ValidationError) as caught:
        Recipe.model_validate(content)
    return sentences(caught.value.errors(), Recipe, content)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"decide": {"c4": 5}}, "decide.c4: must be null or a section with keys among min_sentences, curly_bracket"),
        ({"packing": [1]}, "packing: must be a section with keys among context_length, seed (it is a list)."),
        ({"extract": {"fields": "body"}}, "extract.fields: must be a section with keys among text, id, url"),
        ({"decide": {"rules": ["x"]}}, "decide.rules: must be a section of names, each with its value (it is a list)."),
        ({"sources": []}, "sources: must not be empty (it has none)."),
        ({"sources": {"pages": {}}}, "sources: must be a list of sections, each begun with '- ', with keys among name"),
        ({"decide": {"language": {"allowed": "en"}}}, "must be null or a list, such as [en] (it is 'en')."),
        ({"quality": {"stop_words": ["a"] * 65}}, "quality.stop_words: must have 64 entries or fewer (it has 65)."),
        ({"quality": {"stop_words": ["a b"]}}, "quality.stop_words.0: must be one word, of letters, digits and _"),
        ({"sources": [{"name": "", "path": "x"}]}, "sources.0.name: must be made of small letters a-z, digits"),
        ({"sources": [{"path": "x"}]}, "sources.0.name: this key is missing."),
        ({"sources": [{"name": "pages", "path": "x", "holds": "question"}]}, "sources.pages.holds: must be one of"),
        ({"sources": [{"name": "pages", "path": "x", "holds": "question"}]}, "(it is 'question'; did you mean 'quest"),
        ({"sources": [{"name": "pages", "path": 5}]}, "sources.pages.path: must be text: put it in quotes (it is 5)."),
        ({"decide": {"language": {"allowed": [False]}}}, "must be text: put it in quotes (it is false)."),
        ({"name": datetime.date(2026, 1, 2)}, "name: must be text: put it in quotes (it is 2026-01-02)."),
        ({"extract": {"fields": {"txt": "body"}}}, "extract.fields.txt: there is no such key (did you mean 'text'?)."),
        ({"sign": {"scheme": "affine32"}}, "sign.scheme: must be affine64 (it is 'affine32'"),
        ({"packing": {"context_length": "many"}}, "must be a whole number, in digits (it is 'many')."),
        (
            {"packing": {"context_length": 2.5}},
            "packing.context_length: must be a whole number, in digits (it is 2.5).",
        ),
        ({"packing": {"context_length": 0}}, "packing.context_length: must be greater than or equal to 1 (it is 0)."),
        ({"evaluation": {"top_k": "all"}}, "evaluation.top_k: must be null or a whole number, in digits"),
        ({"mixture": {"temperature": "high"}}, "mixture.temperature: must be a number (it is 'high')."),
        ({"training": {"confine": "maybe"}}, "training.confine: must be true or false (it is 'maybe')."),
        ({"training": {"confine": None}}, "training.confine: must be true or false (it is empty)."),
        ({"training": {"model": {"head_width": 3}}}, "training.model.head_width: must be a multiple of 2 (it is 3)."),
        ({"decide": {"sources": {"pages": {"gofer": None}}}}, "decide.sources.pages.gofer is no group of rules"),
        ({"name": "a b"}, "'a b' is no name"),
    ],
)
def test_a_mistake_is_said_once_in_words_of_the_recipe(changes: dict[str, Any], sentence: str):
    (found,) = said(**changes)
    assert sentence in found
    assert found.endswith((".", "?"))
    assert not [word for word in LIBRARY if word in found]


def test_a_list_is_not_called_empty_for_mistakes_in_its_entries():
    assert len(said(sources=[{"name": "pages", "path": "x", "nmae": 1}])) == 1


def test_every_mistake_is_said():
    assert len(said(decide={"gopher": {"min_word": 1}}, packing={"seed": -1}, deciode={})) == 3


def test_every_pattern_of_a_recipe_has_words():
    def patterns(node: Any) -> set[str]:
        if isinstance(node, dict):
            own = {node["pattern"]} if isinstance(node.get("pattern"), str) else set()
            return own.union(*map(patterns, node.values()))
        return set().union(*map(patterns, node)) if isinstance(node, list) else set()

    assert patterns(json.loads(json.dumps(Recipe.model_json_schema()))) == set(FORMS)


def test_what_is_like_nothing_known_has_no_nearest_name():
    assert nearest("gopher", ["gofer"]) == " (did you mean 'gofer'?)"
    assert nearest("gopher", ["xyz"]) == ""
