"""The command `recipe`: every key that a recipe may have, and what a recipe has set it to."""

import os
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
import yaml
from rich.console import Console
from rich.text import Text

from flows.cli.app import app

if TYPE_CHECKING:
    from flows.recipe import Recipe

NOTHING = object()
"""The default of a key that must be given, the value of one whose section is null."""
TYPES = {"string": "text", "boolean": "true or false", "integer": "whole number", "number": "number"}
LARGE = 1 << 31
"""From here on, bounds are written as powers of two."""
LONG = 1000
"""A value of more characters is cut where it is one of several."""


class Key(NamedTuple):
    """One key of a recipe: where it stands, what may stand there, what does, and what it means.

    `default` and `value` are as YAML has them, or NOTHING; `section` says that keys of its own stand below it.
    """

    path: str
    kind: str
    default: Any
    value: Any
    description: str
    section: bool = False


@app.command()
def recipe(
    name: Annotated[
        str | None, typer.Argument(help="A recipe that ships with Gristmill, or a file. Without it: the defaults.")
    ] = None,
    section: Annotated[str | None, typer.Option("--section", help="Only this part: decide, training.model, …")] = None,
) -> None:
    """Every key that a recipe may have, and what it means.

    With its kind and default; of a recipe, what it has set them to.

    \b
    gristmill recipe
    gristmill recipe --section decide.gopher
    gristmill recipe sample

    Costs: nothing.

    Never: reads or writes a lake.
    """
    os.environ.setdefault("GRISTMILL_PREPARED", "1")  # no flow is run, so no settings of Prefect's are needed
    from flows.recipe import RecipeError

    keys = list(keys_of(name))
    parts = list(dict.fromkeys(key.path.split(".")[0] for key in keys))
    chosen = [key for key in keys if section is None or key.path == section or key.path.startswith(f"{section}.")]
    if not chosen:
        from flows.mistakes import nearest

        close = nearest(str(section), [key.path for key in keys])
        raise RecipeError(f"A recipe has no section {section!r}{close}. Sections: {', '.join(parts)}.")
    print_keys(chosen, Console(), name)


def keys_of(name: str | None) -> Iterator[Key]:
    """Every key in the order of the models; with the values of a recipe where one is named.

    Raises: flows.recipe.RecipeError if there is no such recipe, or it has mistakes.
    """
    from flows.recipe import Recipe, find_recipe, load_recipe

    schema = Recipe.model_json_schema()
    values = _plain(_as_written(load_recipe(name), find_recipe(name).parent)) if name else None
    for part, node in schema["properties"].items():
        default = node.get("default", NOTHING)
        yield from _walk(part, node, default, values[part] if values else NOTHING, schema["$defs"])


def print_keys(keys: list[Key], console: Console, name: str | None) -> None:
    """Print keys by section, wrapped to the console's width. Of a recipe, those that it changes have a star."""
    said = "null turns a threshold or a group of them off; --set KEY=VALUE sets one for a run."
    said = f"The recipe {name}. * differs from the default, which stands behind it." if name else said
    console.print("\n".join(_wrapped(said, console.width, "")), markup=False, highlight=False, soft_wrap=True)
    for key in keys:
        if "." not in key.path:
            console.print()
        line = f"  {key.path}{_shown(key.default, key)}" if name is None else _against_default(key, len(keys) == 1)
        about = f"      {key.kind[0].upper()}{key.kind[1:]}. {key.description}"
        for text, style in ((line, "bold"), (about, "")):
            for one in _wrapped(text, console.width):
                console.print(Text(one, style=style), soft_wrap=True)


def _against_default(key: Key, alone: bool) -> str:
    """The line of a key of a recipe: a star where it differs from the default, which then stands behind it.

    Unless it stands `alone`, a long value is cut.
    """
    if key.value is NOTHING:
        return f"  {key.path}   (off: its section is null)"
    usual = _shown(key.default, key).removeprefix(": ") or "a section"
    # a section differs by the keys below it: of itself there is only whether it is there
    differs = None in (key.value, key.default) if key.section else key.default is not NOTHING
    shown = _shown(key.value, key)
    if len(shown) > LONG and not alone:
        shown = f"{shown[: LONG // 3].rpartition(' ')[0]} …   ({len(key.value)} in all: --section {key.path})"
    if differs and key.value != key.default:
        return f"* {key.path}{shown}   (default {usual})"
    return f"  {key.path}{shown}"


def _shown(value: Any, key: Key) -> str:
    """A value behind its key, on one line, as a recipe would have it."""
    if value is NOTHING:
        return "   (required)"
    if key.section and value is not None:
        return ""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=float("inf"))
    return ": " + text.removesuffix("\n").removesuffix("\n...")


def _wrapped(text: str, width: int, indent: str = " " * 6) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _as_written(recipe: "Recipe", folder: Path) -> "Recipe":
    """The recipe with paths below its own folder as the file has them."""
    sources = []
    for source in recipe.sources:
        below = source.path is not None and Path(source.path).is_relative_to(folder)
        short = str(Path(source.path).relative_to(folder)) if source.path and below else source.path
        sources.append(source.model_copy(update={"path": short}))
    return recipe.model_copy(update={"sources": tuple(sources)})


def _plain(value: Any) -> Any:
    """A configuration as mappings and lists, with those fields too that are no part of its fingerprint."""
    if hasattr(type(value), "model_fields"):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def _walk(path: str, node: dict[str, Any], default: Any, value: Any, models: dict[str, Any]) -> Iterator[Key]:
    """The key of a node of the JSON schema, and those below it. `models`: the schemas that a node may refer to."""
    inside = _section(node)
    about = node.get("description") or _first_paragraph(models[inside]["description"] if inside else "")
    each = _section(node.get("items")) or _section(node.get("additionalProperties"))
    entries = {one["name"]: one for one in value} if each and isinstance(value, list) else value
    entries = entries if each and isinstance(entries, dict) else {}
    yield Key(path, _kind(node), default, value, about, section=bool(inside or entries))
    if inside:
        yield from _below(path, models[inside], default, value, models)
    if each:
        for name, entry in (entries or {"<name>": {}}).items():
            yield from _below(f"{path}.{name}", models[each], NOTHING, entry, models)


def _below(path: str, model: dict[str, Any], default: Any, value: Any, models: dict[str, Any]) -> Iterator[Key]:
    for name, node in model["properties"].items():
        usual = node.get("default", NOTHING if name in model.get("required", []) else {})
        # what stands in the default of the whole section counts, unless that does not name it
        usual = default.get(name, usual) if isinstance(default, dict) else usual
        here = value.get(name, usual) if isinstance(value, dict) else NOTHING
        yield from _walk(f"{path}.{name}", node, usual, here, models)


def _section(node: Any) -> str | None:
    """The model that a node refers to, alone or beside null."""
    choices = node.get("anyOf", [node]) if isinstance(node, dict) else []
    return next((one["$ref"].rpartition("/")[2] for one in choices if "$ref" in one), None)


def _first_paragraph(text: str) -> str:
    return " ".join(text.split("\n\n")[0].split())


def _kind(node: dict[str, Any]) -> str:
    """What may stand there, in a few words: "whole number from 1, or null"."""
    from flows.mistakes import FORMS

    if "anyOf" in node:
        kinds = [_kind(one) for one in node["anyOf"] if one.get("type") != "null"]
        return f"{' or '.join(kinds)}{', or null' if len(kinds) < len(node['anyOf']) else ''}"
    if "$ref" in node:
        return "section"
    if "enum" in node:
        return f"one of {', '.join(map(str, node['enum']))}"
    if "const" in node:
        return f"only {node['const']}"
    if node["type"] == "array":
        least, most = node.get("minItems"), node.get("maxItems")
        bounds = f"{f', {least} or more' if least else ''}{f', {most} or fewer' if most else ''}"
        return f"list of {_several(node['items'])}{bounds}"
    if node["type"] == "object":
        names = node.get("propertyNames", {}).get("enum")
        return f"{_several(node['additionalProperties'])} by name" + (f" ({', '.join(names)})" if names else "")
    form = FORMS.get(node.get("pattern", ""), node.get("pattern", ""))
    return TYPES[node["type"]] + _bounds(node) + (f", {form}" if form else "")


def _several(node: dict[str, Any]) -> str:
    """What each entry of a list or mapping is, in the plural."""
    if node.get("type") != "string":
        return "sections"
    return f"texts, each {_kind(node).removeprefix('text, ')}" if "pattern" in node else "texts"


def _bounds(node: dict[str, Any]) -> str:
    """The limits of a number: " from 0 to below 1"."""
    words = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "to below"}
    said = "".join(f" {word} {_number(node[key])}" for key, word in words.items() if key in node)
    return f"{said}, a multiple of {node['multipleOf']}" if "multipleOf" in node else said


def _number(value: float) -> str:
    power = int(value).bit_length() - 1
    return f"2^{power}" if value >= LARGE and value == 1 << power else f"{value:g}"
