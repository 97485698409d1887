"""What is wrong with a recipe, as sentences for who writes YAML: the place, what was wrong, the nearest right name."""

import difflib
import re
from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

FORMS = {
    r"^[a-z][a-z0-9_]*$": "made of small letters a-z, digits and _, with a letter first",
    r"^[a-z0-9][a-z0-9_-]*$": "made of small letters a-z, digits, _ and -, with a letter or digit first",
    r"^https?://[^\s/]": "a URL that begins with http:// or https://",
    r"^[\x21-\x7e]+$": "without spaces, in ASCII",
    r"^CC-[A-Z]+-[0-9-]+$": "formed as CC-MAIN-2025-05",
    r"^\w+$": "one word, of letters, digits and _",
}
"""What the patterns of the configurations say, in words."""
WHOLE = {"int_type", "int_parsing", "int_parsing_size", "int_from_float"}
NUMBER = {"float_type", "float_parsing"}
TRUTH = {"bool_type", "bool_parsing"}
SECTION = {"model_type", "model_attributes_type", "dict_type"}
LIST = {"tuple_type", "list_type", "set_type"}


def nearest(name: str, known: Sequence[str]) -> str:
    """A bracket that names the known name most like this one; empty where none is near."""
    close = _closest(name, known)
    return f" ({close})" if close else ""


def source_mistakes(
    named: Sequence[tuple[str, str]], excluded: Sequence[str], documents: Sequence[str], others: Mapping[str, str]
) -> list[str]:
    """Sources that are named and not there. `named`: (section, name); `excluded`: those of `decide.excluded`;
    `documents`: the sources of documents; `others`: what each other source holds.
    """
    found, known = list[str](), ", ".join(documents)
    for section, name in named:
        if name in others:
            found.append(f"{section}.{name}: this source holds {others[name]}; only documents are in a corpus.")
        elif name not in documents:
            close = nearest(name, documents)
            found.append(f"{section}.{name}: there is no such source{close}. Sources of documents: {known}.")
    for name in (name for name in excluded if name not in documents):
        close = nearest(name, documents)
        found.append(f"decide.excluded: there is no source of documents called {name!r}{close}.")
    return found


def sentences(errors: Sequence[Any], model: type[BaseModel], content: Any = None) -> list[str]:
    """All of pydantic's errors about `model` as sentences, as `sentence` does; mistakes inside a list are said once."""
    return [sentence(one, model, content) for one in errors if not _is_echo(one)]


def sentence(error: Any, model: type[BaseModel], content: Any = None) -> str:
    """One of pydantic's errors about `model` as a sentence: its place, what was wrong, the nearest right key or value.

    Args: `content` what was checked; with it the entries of a list are called by their `name`, not by their number.
    """
    loc, kind = tuple(error["loc"]), error["type"]
    of_key = loc[-1:] == ("[key]",)  # so pydantic marks a mistake in a key itself
    loc = loc[:-1] if of_key else loc
    place = _place(loc, content)
    if kind == "extra_forbidden" or (of_key and kind == "literal_error"):
        known = keys_at(model, loc[:-1])
        return f"{place}: there is no such key{nearest(str(loc[-1]), known)}. Keys here: {', '.join(known)}."
    if kind == "missing":
        return f"{place}: this key is missing."
    if _is_echo(error):
        return f"{place}: none of its entries can be used as it is."
    demand, remarks = _demand(error, _at(model, loc)), _remarks(error)
    if not place or demand.startswith(f"{place}."):  # a section's own check names the place better
        return ended(demand)
    said = f"{demand.removesuffix('.')} ({'; '.join(remarks)})" if remarks else demand
    return ended(f"{place}: {'its name ' if of_key else ''}{said}")


def ended(text: str) -> str:
    """The text with a full stop, unless it ends as a sentence does already."""
    return text if text.endswith((".", "?", "!")) else f"{text}."


def keys_at(model: type[BaseModel], place: Sequence[Any]) -> list[str]:
    """The keys that a configuration of this class may have at a place; none where anything may stand there.

    A place is as pydantic gives it: names of fields, keys of mappings, positions in lists.
    """
    return _keys(_at(model, place))


def _closest(name: Any, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(str(name), known, n=1)
    return f"did you mean {close[0]!r}?" if close else ""


def _place(loc: Sequence[Any], content: Any) -> str:
    """`sources.pages.holds`: keys with dots between them, the entry of a list by its name where it has one."""
    steps = []
    for step in loc:
        inside = isinstance(content, Mapping) and step in content
        inside |= isinstance(content, list) and isinstance(step, int) and step < len(content)
        content = content[step] if inside else None
        name = content.get("name") if isinstance(step, int) and isinstance(content, Mapping) else None
        steps.append(name if isinstance(name, str) and name else str(step))
    return ".".join(steps)


def _is_echo(error: Any) -> bool:
    """Whether a list is called too short only because of entries that are named by errors of their own."""
    return error["type"] == "too_short" and len(error["input"]) >= error["ctx"]["min_length"]


def _demand(error: Any, annotation: Any) -> str:
    """What must stand there: "must be a list, such as [en]"."""
    kind, about, given = error["type"], error.get("ctx", {}), error.get("input")
    must = "must be null or" if type(None) in _choices(annotation) else "must be"
    if kind in SECTION:
        keys = _keys(annotation)
        inside = f"with keys among {', '.join(keys)}" if keys else "of names, each with its value"
        return f"{must} a section {inside}"
    if kind in LIST:
        keys = _keys(_inside(annotation, 0))
        if keys:
            return f"{must} a list of sections, each begun with '- ', with keys among {', '.join(keys)}"
        return f"{must} a list{f', such as [{given}]' if isinstance(given, str | int | float) else ''}"
    if kind in WHOLE:
        return f"{must} a whole number, in digits"
    if kind in NUMBER:
        return f"{must} a number"
    if kind in TRUTH:
        return f"{must} true or false"
    if kind == "string_type":
        return f"{must} text" if given is None or isinstance(given, list | dict) else "must be text: put it in quotes"
    if kind == "string_pattern_mismatch":
        return f"{must} {FORMS.get(about['pattern'], 'of the form ' + about['pattern'])}"
    if kind == "literal_error":
        choices = _expected(error)
        return f"{must} {'one of ' if len(choices) > 1 else ''}{', '.join(choices)}"
    if kind in ("too_short", "string_too_short"):
        what = "entries" if kind == "too_short" else "characters"
        return "must not be empty" if about["min_length"] == 1 else f"must have {about['min_length']} {what} or more"
    if kind in ("too_long", "string_too_long"):
        return f"must have {about['max_length']} {'entries' if kind == 'too_long' else 'characters'} or fewer"
    said = re.sub(r"(^|: )Input should ", r"\1must ", error["msg"].removeprefix("Value error, "))
    return said.partition(", unable to parse")[0]


def _remarks(error: Any) -> list[str]:
    """What stands there now, and what was probably meant."""
    given, kind = error.get("input"), error["type"]
    if kind in ("too_short", "too_long"):
        return [f"it has {error['ctx']['actual_length'] or 'none'}"]
    if isinstance(given, list | dict):
        typed = not kind.endswith("_error") or kind == "literal_error"  # what a validator says has its own words
        return [f"it is a {'list' if isinstance(given, list) else 'section'}"] if typed else []
    if given is None or isinstance(given, bool):
        shown = "empty" if given is None else str(given).lower()
    else:
        shown = repr(given) if isinstance(given, str | int | float) else str(given)
    close = _closest(given, _expected(error)) if kind == "literal_error" else ""
    return [f"it is {shown}", *([close] if close else [])]


def _expected(error: Any) -> list[str]:
    """The values that a choice has, from pydantic's "'a', 'b' or 'c'"."""
    return re.findall(r"'([^']*)'", error["ctx"]["expected"])


def _choices(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, an annotation alone as one; marks such as bounds are taken off."""
    if get_origin(annotation) is Annotated:
        return _choices(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return tuple(one for member in get_args(annotation) for one in _choices(member))
    return (annotation,)


def _at(model: type[BaseModel], place: Sequence[Any]) -> Any:
    """The annotation of what stands at a place; None where there is none."""
    inside: Any = model
    for step in place:
        inside = _inside(inside, step)
    return inside


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


def _keys(annotation: Any) -> list[str]:
    """The keys of a section of this kind; none where it is no section, or any name may stand there."""
    for choice in _choices(annotation):
        if isinstance(choice, type) and issubclass(choice, BaseModel):
            return list(choice.model_fields)
        if get_origin(choice) is dict and get_origin(get_args(choice)[0]) is Literal:
            return list(get_args(get_args(choice)[0]))
    return []
