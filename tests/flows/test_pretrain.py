"""The tokenizer of a recipe is the one that the lake knows by its name, and what that means is said."""

import pytest

from flows.pretrain import find_tokenizer
from flows.recipe import Recipe, RecipeError
from storage import names
from tasks.compose import ComposeConfig, compose
from tasks.run import current_run, running
from tests.tasks.compose_inputs import put, write_pages


def recipe(vocabulary: int, tokenizer: str = "mill-tokenizer") -> Recipe:
    """A recipe whose tokenizer has this name and size."""
    named = {"name": tokenizer, "training": {"vocabulary_size": vocabulary}}
    return Recipe.model_validate({"name": "mill", "sources": [{"name": "web", "path": "."}], "tokenizer": named})


def test_a_known_tokenizer_of_another_size_is_named_and_reused_and_another_kind_refused(lake, capsys):
    inputs = put(lake, write_pages({"web": 40}), [[40]])
    with running(lake, "tokenizers", workers=0):
        corpus = compose(ComposeConfig(), **inputs)
        first = find_tokenizer(recipe(400), corpus)
        capsys.readouterr()
        assert find_tokenizer(recipe(400), corpus) == first
        assert "was trained with" not in capsys.readouterr().err
        assert find_tokenizer(recipe(450), corpus) == first
        said = "mill-tokenizer was trained with vocabulary_size 400 (the recipe says 450); give it another name"
        assert said in capsys.readouterr().err
        assert find_tokenizer(recipe(450, "larger"), corpus) != first
        names.assign(current_run().lake, "mill/corpus", corpus)
        with pytest.raises(RecipeError, match=r"mill/corpus means compose/.* which is no tokenizer but .* kind corpus"):
            find_tokenizer(recipe(400, "mill/corpus"), corpus)
