"""What is wrong with a recipe, as sentences: the place, what was wrong, the nearest right name."""

import difflib
from collections.abc import Sequence
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel


def nearest(name: str, known: Sequence[str]) -> str:
    """A bracket that names the known name most like this one; empty where none is near."""
    close = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def sentence(error: Any, model: type[BaseModel]) -> str:
    """One of pydantic's errors about `model` as a sentence: its place, what was wrong, the nearest right key."""
    place = ".".join(str(step) for step in error["loc"])
    if error["type"] == "extra_forbidden":
        known = keys_at(model, error["loc"][:-1])
        return f"{place}: there is no such key{nearest(str(error['loc'][-1]), known)}. Keys here: {', '.join(known)}."
    if error["type"] == "missing":
        return f"{place}: this key is missing."
    message = error["msg"].removeprefix("Value error, ")
    given = error.get("input")
    if not place or not isinstance(given, str | int | float | bool | None):
        return ended(f"{place}: {message}" if place else message)
    return f"{place}: {message.removesuffix('.')} (it is {'empty' if given is None else repr(given)})."


def ended(text: str) -> str:
    """The text with a full stop, unless it ends as a sentence does already."""
    return text if text.endswith((".", "?", "!")) else f"{text}."


def keys_at(model: type[BaseModel], place: Sequence[Any]) -> list[str]:
    """The keys that a configuration of this class may have at a place; none where anything may stand there.

    A place is as pydantic gives it: names of fields, keys of mappings, positions in lists.
    """
    inside: Any = model
    for step in place:
        inside = _inside(inside, step)
    found = _model_in(inside)
    return list(found.model_fields) if found else []


def _choices(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def _inside(annotation: Any, step: Any) -> Any:
    """The annotation of what stands under one key or position; None where there is none."""
    for choice in _choices(annotation):
        if isinstance(choice, type) and issubclass(choice, BaseModel):
            field = choice.model_fields.get(step)
            return field.annotation if field else None
        if get_origin(choice) is dict:
            return get_args(choice)[1]
        if get_origin(choice) in (list, tuple):
            return get_args(choice)[0]
    return None


def _model_in(annotation: Any) -> type[BaseModel] | None:
    models = [one for one in _choices(annotation) if isinstance(one, type) and issubclass(one, BaseModel)]
    return models[0] if models else None
