"""Paths in a recipe: variables and `~` are put in, and a relative one lies below the recipe's folder, whoever runs it
and wherever.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks.source import resolve_path

PLACES = (
    "language.model.path",
    "quality.bad_words.path",
    "quality.stop_words_by_language",
    "classifiers.training.embedding.path",
    "classify.models.path",
    "classify.models.embedding.path",
    "perplexity.model.path",
    "word_lists.path",
    "word_lists.lists.path",
)
"""Where a section names a file of the user's: keys, through lists. Sources and block lists have their own functions."""


def put_below(content: dict[str, Any], folder: Path) -> None:
    """Resolve the paths of a recipe that was read but not checked yet; what is no text there is left for the check."""
    for place in PLACES:
        _put(content, place.split("."), folder)


def _put(node: Any, keys: Sequence[str], folder: Path) -> None:
    if isinstance(node, list):
        for one in node:
            _put(one, keys, folder)
    elif isinstance(node, dict) and keys[0] in node:
        value = node[keys[0]]
        if len(keys) > 1:
            _put(value, keys[1:], folder)
        elif isinstance(value, str) and value:
            node[keys[0]] = resolve_path(value, folder)
