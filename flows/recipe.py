"""A recipe: everything a run depends on, in one YAML file, checked whole before any work starts."""

import difflib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from models.language import locate as locate_model
from storage.names import check_name
from tasks.compose import ComposeConfig
from tasks.config import StageConfig
from tasks.conversations import ConversationsConfig
from tasks.decide.rules import DecideConfig, check_rules
from tasks.evaluate import EvaluateConfig
from tasks.extract.config import ExtractConfig
from tasks.finetune import FinetuneConfig
from tasks.ingest import Source, find_files
from tasks.language import LanguageConfig
from tasks.pack import PackConfig
from tasks.pretrain import PretrainConfig
from tasks.quality.stage import QualityConfig
from tasks.questions import QuestionsConfig
from tasks.sign import SignConfig
from tasks.train_tokenizer import TokenizerConfig

PRESETS = Path(__file__).resolve().parent.parent / "deployments" / "recipes"


class RecipeError(ValueError):
    """A recipe that cannot be run: every mistake in it, each with its place and what would be right."""


class NamedTokenizer(StageConfig):
    """The tokenizer of a recipe: one that the lake knows by this name, else one trained as `training` says."""

    name: str = Field(description="Its name in the lake. It is trained only while no tokenizer has this name.")
    training: TokenizerConfig = TokenizerConfig()


class Recipe(StageConfig):
    """What is run: sources, what the stages measure, thresholds, mixture, model, training, evaluation."""

    name: str = Field(description="Names of the lake begin with it: <name>/corpus, <name>/base, <name>/tuned.")
    sources: tuple[Source, ...] = Field(min_length=1)
    extract: ExtractConfig = ExtractConfig()
    language: LanguageConfig = LanguageConfig()
    quality: QualityConfig = QualityConfig()
    sign: SignConfig = SignConfig()
    decide: DecideConfig = DecideConfig()
    mixture: ComposeConfig = ComposeConfig()
    tokenizer: NamedTokenizer = NamedTokenizer(name="tokenizer")
    packing: PackConfig = PackConfig()
    training: PretrainConfig = PretrainConfig()
    conversations: ConversationsConfig = ConversationsConfig()
    finetuning: FinetuneConfig = FinetuneConfig()
    questions: QuestionsConfig = QuestionsConfig()
    evaluation: EvaluateConfig = EvaluateConfig()

    @model_validator(mode="after")
    def _check(self) -> "Recipe":
        check_name(self.name)
        check_name(self.tokenizer.name)
        names = [source.name for source in self.sources]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two sources are called {twice[0]!r}: a source's name is part of every doc_id")
        return self

    def holding(self, what: str) -> list[Source]:
        """The sources that hold documents, conversations or questions."""
        return [source for source in self.sources if source.holds == what]


def find_recipe(name: str) -> Path:
    """The file of a recipe: a path, or the name of one that ships with Gristmill.

    Raises: RecipeError, with the names there are, if there is no such file.
    """
    path = Path(name).expanduser()
    if path.suffix in (".yaml", ".yml") or path.exists():
        if not path.is_file():
            raise RecipeError(f"There is no recipe file {path} (seen from {os.getcwd()}).")
        return path
    shipped = PRESETS / f"{name}.yaml"
    if not shipped.exists():
        known = sorted(one.stem for one in PRESETS.glob("*.yaml"))
        raise RecipeError(
            f"There is no recipe called {name!r}{_nearest(name, known)}. Known: {', '.join(known)}; or give a file."
        )
    return shipped


def load_recipe(name: str, settings: Sequence[str] = ()) -> Recipe:
    """Read a recipe, turn the dials of `settings` ("decide.gopher.min_words=40"), and check all of it.

    Relative paths of sources are below the recipe's folder; environment variables and `~` are resolved.
    Raises: RecipeError with every mistake.
    """
    path = find_recipe(name)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise RecipeError(f"{path} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise RecipeError(
            f"{path} holds no recipe: it must be a mapping with the keys {', '.join(Recipe.model_fields)}."
        )
    for setting in settings:
        _turn(content, setting)
    try:
        recipe = Recipe.model_validate(content)
    except ValidationError as error:
        mistakes = "\n".join(f"  {_sentence(one, content)}" for one in error.errors())
        raise RecipeError(f"{path} cannot be run:\n{mistakes}") from error
    except ValueError as error:
        raise RecipeError(f"{path} cannot be run: {error}") from error
    return recipe.model_copy(update={"sources": tuple(_resolve(source, path.parent) for source in recipe.sources)})


def check_recipe(recipe: Recipe) -> Recipe:
    """Check what a recipe needs of this machine: files of its sources, models, columns that its rules read.

    Raises: RecipeError with every mistake.
    """
    mistakes = []
    for source in recipe.sources:
        try:
            find_files(source)
        except ValueError as error:
            mistakes.append(str(error))
    try:
        locate_model(recipe.language.model)
    except FileNotFoundError as error:
        mistakes.append(str(error))
    try:
        check_rules(recipe.decide, _columns(recipe))
    except ValueError as error:
        mistakes.append(str(error))
    if not recipe.holding("documents"):
        mistakes.append("sources: none of them holds documents, so there is nothing to make a corpus of.")
    if mistakes:
        listed = "\n".join(f"  {one}" for one in mistakes)
        raise RecipeError(f"The recipe {recipe.name} cannot be run:\n{listed}")
    return recipe


def _columns(recipe: Recipe) -> dict[str, str]:
    """DuckDB types of every column that the rules of `decide` may read."""
    import duckdb

    from storage.schemas.documents import DOCUMENTS
    from tasks.language import identify_language
    from tasks.quality.stage import measure_quality
    from tasks.sign import sign

    stages = ((identify_language, recipe.language), (measure_quality, recipe.quality), (sign, recipe.sign))
    schemas = [DOCUMENTS.schema, *(stage.tables_of(config)["part"].schema for stage, config in stages)]
    found: dict[str, str] = {}
    with duckdb.connect() as connection:
        for schema in schemas:
            connection.register("empty", schema.empty_table())
            rows = connection.execute("describe select * from empty").fetchall()
            found |= {name: kind for name, kind, *_ in rows if name not in ("text", "signature", "buckets")}
    return found


def _resolve(source: Source, folder: Path) -> Source:
    path = os.path.expandvars(os.path.expanduser(source.path))
    return source.model_copy(update={"path": path if os.path.isabs(path) else str(folder / path)})


def _turn(content: dict[str, Any], setting: str) -> None:
    key, separator, value = setting.partition("=")
    if not separator or not key.strip():
        raise RecipeError(f"--set takes key=value, such as decide.gopher.min_words=40: {setting!r} has no '='.")
    place: Any = content
    *way, last = key.strip().split(".")
    for step in way:
        if isinstance(place, list):
            place = next((one for one in place if isinstance(one, dict) and one.get("name") == step), None)
        elif isinstance(place, dict):
            place = place.setdefault(step, {})
        if not isinstance(place, (dict, list)):
            raise RecipeError(f"--set {key}: {step!r} is no section of the recipe.")
    if not isinstance(place, dict):
        raise RecipeError(f"--set {key}: {last!r} is no key there.")
    place[last] = yaml.safe_load(value)


def _nearest(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _sentence(error: Any, content: dict[str, Any]) -> str:
    """One mistake: its place, what was wrong, the nearest right key."""
    place = ".".join(str(step) for step in error["loc"])
    if error["type"] == "extra_forbidden":
        known = _keys_at(error["loc"][:-1])
        return f"{place}: there is no such key{_nearest(str(error['loc'][-1]), known)}. Keys here: {', '.join(known)}."
    if error["type"] == "missing":
        return f"{place}: this key is missing."
    message = error["msg"].removeprefix("Value error, ")
    given = error.get("input")
    shown = f" (it is {given!r})" if isinstance(given, str | int | float | bool | None) and place else ""
    return f"{place}: {message}{shown}." if place else f"{message}."


def _keys_at(place: tuple[Any, ...]) -> list[str]:
    """The keys that a recipe may have at a place."""
    model: Any = Recipe
    for step in place:
        if isinstance(step, int):
            continue
        field = model.model_fields.get(step) if isinstance(model, type) and issubclass(model, BaseModel) else None
        if field is None:
            return []
        model = _model_in(field.annotation)
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _model_in(annotation: Any) -> Any:
    """The configuration class in an annotation such as `GopherRules | None` or `tuple[Source, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_in(inner)
        if found is not None:
            return found
    return None
