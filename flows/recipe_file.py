"""The file of a recipe: found by name, read as YAML, its dials turned. The whole of it is checked in `flows.recipe`."""

import copy
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from flows.mistakes import nearest, sentences

Section = TypeVar("Section", bound=BaseModel)
PRESETS = Path(__file__).resolve().parent.parent / "deployments" / "recipes"


class RecipeError(ValueError):
    """A recipe that cannot be run: every mistake in it, each with its place and what would be right."""


class OnceLoader(yaml.SafeLoader):
    """YAML in which no key stands twice: of two sections with one name, YAML itself would drop the first in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping. Raises: yaml.YAMLError with the line of a key that stands there already."""
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands twice in one place; leave one of them", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def find_recipe(name: str) -> Path:
    """The file of a recipe: a path, or the name of one that ships with Gristmill.

    Raises: RecipeError, with the names there are, if there is no such file.
    """
    path = Path(name).expanduser()
    if path.is_file():  # a folder of this name is none: `sample` may well be one
        return path
    if path.suffix in (".yaml", ".yml"):
        raise RecipeError(f"There is no recipe file {path} (seen from {os.getcwd()}).")
    shipped = PRESETS / f"{name}.yaml"
    if not shipped.exists():
        known = sorted(one.stem for one in PRESETS.glob("*.yaml"))
        raise RecipeError(
            f"There is no recipe called {name!r}{nearest(name, known)}. Known: {', '.join(known)}; or give a file."
        )
    return shipped


def read_content(path: Path) -> dict[str, Any]:
    """What a recipe's file holds, unchecked. Raises: RecipeError if it cannot be read as a mapping."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), OnceLoader)
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path} is not UTF-8 text (at byte {error.start}): save it as UTF-8.") from error
    except yaml.YAMLError as error:
        raise RecipeError(f"{path} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise RecipeError(
            f"{path} holds no recipe: it must be a mapping of keys such as name, sources, decide. gristmill "
            "recipe lists them all."
        )
    return content


def turn_dial(content: dict[str, Any], setting: str) -> None:
    """Let a setting ("decide.gopher.min_words=40") stand in what a recipe's file holds. Raises: RecipeError."""
    key, separator, value = setting.partition("=")
    if not separator or not key.strip():
        raise RecipeError(f"--set takes key=value, such as decide.gopher.min_words=40: {setting!r} has no '='.")
    place: Any = content
    *way, last = key.strip().split(".")
    for step in way:
        if isinstance(place, list):
            place = next((one for one in place if isinstance(one, dict) and one.get("name") == step), None)
        elif isinstance(place, dict):
            if place.get(step) is None:  # not there, or left empty
                place[step] = {}
            place = place[step]
        if not isinstance(place, (dict, list)):
            raise RecipeError(f"--set {key}: {step!r} is no section of the recipe.")
    if not isinstance(place, dict):
        raise RecipeError(f"--set {key}: {last!r} is no key there.")
    try:
        place[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or "it cannot be read"
        raise RecipeError(
            f"--set {key}: the value {value!r} is not YAML ({problem}). Text with brackets, braces or colons needs "
            "quotes of its own, as in a recipe."
        ) from error


def check_section(
    model: type[Section], name: str, content: dict[str, Any], settings: Sequence[str], said: str
) -> Section:
    """One section of what a recipe's file holds, with dials turned; nothing of the other sections is imported.

    Raises: RecipeError that begins with `said` and names every mistake in the section.
    """
    turned = {name: copy.deepcopy(content.get(name))}
    for setting in settings:
        turn_dial(turned, setting)
    section = turned[name] if turned[name] is not None else {}  # left empty, it has its defaults
    try:
        return model.model_validate(section)
    except ValidationError as error:
        found = [one.removeprefix(f"{name}.") for one in sentences(error.errors(), model, section)]
        mistakes = "\n".join(f"  {name}.{one}" for one in found)
        raise RecipeError(f"{said}:\n{mistakes}") from error
