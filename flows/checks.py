"""What a recipe asks of this machine and of itself beyond types: files, models, columns, names that must be there.

Every check gives sentences, one for each mistake, and `flows.recipe.check_recipe` says them all at once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, get_args

from pydantic import ValidationError

from flows.annotations import enabled
from flows.learned import check_learned, expected
from flows.mistakes import ended, nearest, sentence, source_mistakes
from models.language import locate as locate_model
from storage.schemas.spans import SPANS
from tasks.components import check_expressions
from tasks.conversations import ConversationField
from tasks.decide.failures import UNRULED
from tasks.decide.rules import check_rules
from tasks.edits import resolve_edits
from tasks.examples import ExampleField
from tasks.extract.config import RowField
from tasks.questions import QuestionField
from tasks.source import check_source
from tasks.urls.lists import pin

if TYPE_CHECKING:
    from flows.recipe import Recipe

FIELDS = {
    "documents": RowField,
    "conversations": ConversationField,
    "questions": QuestionField,
    "examples": ExampleField,
    "benchmarks": RowField,
}
"""What `fields` of a source may name, by what the source holds."""


def find_mistakes(recipe: "Recipe") -> Iterator[str]:
    """Every mistake of a recipe, each a sentence that says where it is and what would be right."""
    yield from _check_files(recipe)
    columns = _columns(recipe)
    yield from _said_by(lambda: check_rules(recipe.decide, columns))
    yield from find_mixture_mistakes(recipe, columns)
    yield from _check_lists(recipe)
    if not recipe.holding("documents"):
        yield "sources: none of them holds documents, so there is nothing to make a corpus of."
    for check in (
        _check_sources,
        check_learned,
        _check_parts,
        _check_shape,
        _check_devices,
    ):
        yield from check(recipe)


def find_mixture_mistakes(recipe: "Recipe", columns: Mapping[str, str] | None = None) -> Iterator[str]:
    """Those of the section `mixture` alone, which ask for nothing of this machine.

    Args: `columns`: the DuckDB type of each that an expression may read; None: looked up.
    """
    known = _columns(recipe) if columns is None else columns
    yield from _said_by(lambda: check_expressions(recipe.mixture, known))
    for check in (_check_components, _check_edits, _check_sizes):
        yield from check(recipe)


def _said_by(check: Callable[[], object]) -> Iterator[str]:
    """What a check raises, as a sentence."""
    try:
        check()
    except ValueError as error:
        yield ended(str(error))


def _check_files(recipe: "Recipe") -> Iterator[str]:
    """Files of sources, of the language model, and lists to block, that are not there."""
    for source in recipe.sources:
        try:
            check_source(source)
        except ValueError as error:
            yield str(error)
    models = [one for one in (recipe.language.model, recipe.embed.model) if one is not None]
    for locate, given in (*((locate_model, one) for one in models), *((pin, one) for one in recipe.urls.block_lists)):
        try:
            locate(given)  # type: ignore[arg-type]
        except FileNotFoundError as error:
            yield str(error)


def _check_lists(recipe: "Recipe") -> Iterator[str]:
    """Lists of words that a rule needs and nobody gave: none is part of Gristmill."""
    decide, quality = recipe.decide, recipe.quality
    every = [
        decide.for_source(source, language) for source in ("", *decide.sources) for language in ("", *decide.languages)
    ]
    if quality.bad_words is None and any(one.after_c4 and one.after_c4.bad_word for one in every):
        yield (
            "decide.after_c4.bad_word needs a list of bad words: name its file in quality.bad_words.path (C4 took the "
            "English list of LDNOOBW), or set decide.after_c4.bad_word to false."
        )
    if not quality.stop_words_by_language and any(
        one.datatrove and one.datatrove.min_stop_words_of_language for one in every
    ):
        yield (
            "decide.datatrove.min_stop_words_of_language needs stop words: name a file or folder with those of each "
            "language in quality.stop_words_by_language (FineWeb-2's are in its repository's folder configs), or set "
            "decide.datatrove.min_stop_words_of_language to null."
        )


def _check_sources(recipe: "Recipe") -> Iterator[str]:
    """Sources that are set apart without being there, and fields that no reader looks for."""
    known = [source.name for source in recipe.sources if source.holds in ("questions", "benchmarks")]
    for name in recipe.contamination.benchmarks or ():
        if name not in known:
            close, there = nearest(name, known), ", ".join(known) or "none"
            what = f"contamination.benchmarks: {name!r} is no source of questions or benchmarks{close}"
            yield f"{what}. There are: {there}."
    named = [("decide.sources", name) for name in recipe.decide.sources]
    yield from _unknown_sources(recipe, named, recipe.decide.excluded)
    for source in recipe.sources:
        if source.reader and source.holds != "documents":
            yield f"sources.{source.name}.reader: {source.reader} reads documents; this source holds {source.holds}."
        known = get_args(FIELDS[source.holds])
        for name in (name for name in source.fields if name not in known):
            what = f"sources.{source.name}.fields.{name}: there is no such field{nearest(name, known)}"
            yield f"{what}. Fields of {source.holds}: {', '.join(known)}."


def _check_components(recipe: "Recipe") -> Iterator[str]:
    """Components that are to be sources and are none."""
    if recipe.mixture.by == "source":
        named = [*recipe.mixture.components, *(name for phase in recipe.mixture.phases for name in phase.weights)]
        yield from _unknown_sources(recipe, [("mixture.components", name) for name in dict.fromkeys(named)])


def _unknown_sources(recipe: "Recipe", named: Sequence[tuple[str, str]], excluded: Sequence[str] = ()) -> Iterator[str]:
    """Names that are to be those of sources of documents."""
    documents = [source.name for source in recipe.holding("documents")]
    others = {source.name: source.holds for source in recipe.sources if source.holds != "documents"}
    yield from source_mistakes(named, excluded, documents, others)


def _check_edits(recipe: "Recipe") -> Iterator[str]:
    """Spans to remove or redact that no stage of the recipe finds."""
    written = {
        field.name
        for stage, config in enabled(recipe)
        if stage is not resolve_edits
        for field in stage.tables_of(config)["part"].schema
        if field.type == SPANS
    }
    for name in recipe.mixture.remove:
        if name not in written:
            known = ", ".join(sorted(written)) or "none"
            yield (
                f"mixture.remove: no stage of this recipe writes spans called {name!r}"
                f"{nearest(name, sorted(written))}. Columns of spans that it writes: {known}."
            )
    missing = [name for name in recipe.edits.redacted_columns if name not in written]
    if recipe.mixture.redact and missing:
        yield f"mixture.redact: no stage of this recipe writes {missing[0]}, of which it would replace the spans."
    for kind in recipe.mixture.redact:
        if not missing and kind not in recipe.redact.kinds:
            close, known = nearest(kind, recipe.redact.kinds), ", ".join(recipe.redact.kinds)
            yield f"mixture.redact.{kind}: redact looks for no spans of this kind{close}. Kinds: {known}."


def _check_parts(recipe: "Recipe") -> Iterator[str]:
    """Repeats that `decide` is to find of what no stage notes."""
    decide, parts = recipe.decide, recipe.parts
    for kind in ("lines", "paragraphs"):
        if getattr(decide, f"repeated_{kind}") is not None and not getattr(parts, kind):
            yield f"decide.repeated_{kind} needs the {kind} of every document: set parts.{kind} to true."
    if decide.repeated_substrings is not None:
        least, asked = parts.substrings, decide.repeated_substrings.min_tokens
        if least is None or least > asked:
            yield (
                f"decide.repeated_substrings.min_tokens is {asked}, and parts.substrings {least or 'not set'}: set it "
                f"to {asked} or less, so that every such run of words is found."
            )


def _check_sizes(recipe: "Recipe") -> Iterator[str]:
    """Weights by sizes of clusters that no decision looks for."""
    if recipe.mixture.rehydrate is not None and recipe.decide.duplicates.sizes_after is None:
        yield (
            "mixture.rehydrate needs the sizes of clusters before the rules: set decide.duplicates.sizes_after, to "
            "[language] as FineWeb-2 has it, or to [] for the clusters of all texts."
        )


def _check_shape(recipe: "Recipe") -> Iterator[str]:
    """A model whose sizes do not fit each other, windows that leave tokens out."""
    context = recipe.packing.context_length
    try:
        recipe.training.model.shape(recipe.tokenizer.training.vocabulary_size, context)
    except ValidationError as error:
        for one in error.errors():
            place = ("training", "model", *one["loc"])
            yield sentence({**one, "loc": place}, type(recipe))
    if recipe.evaluation.stride is not None and recipe.evaluation.stride > context:
        yield (
            f"evaluation.stride: windows that slide by {recipe.evaluation.stride} tokens leave some out, for the "
            f"context has {context} (packing.context_length). Set it to {context} or less, or to null for half of it."
        )


def _check_devices(recipe: "Recipe") -> Iterator[str]:
    """Devices that this machine, or the torch installed on it, does not have."""
    named = {
        "training.training.device": recipe.training.training.device,
        "finetuning.device": recipe.finetuning.device,
        "evaluation.device": recipe.evaluation.device,
    }
    if set(named.values()) == {"cpu"}:
        return  # the import of torch takes seconds
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    for place, device in named.items():
        if not there[device]:
            known = ", ".join(name for name, is_there in there.items() if is_there)
            yield f"{place}: torch {torch.__version__} finds no device {device!r} here. What it finds: {known}."


def _columns(recipe: "Recipe") -> dict[str, str]:
    """DuckDB types of every column that the rules of `decide` may read."""
    import duckdb

    from storage.schemas.documents import DOCUMENTS

    annotated = [stage.tables_of(config) for stage, config in enabled(expected(recipe))]
    schemas = [DOCUMENTS.schema, *(tables["part"].schema for tables in annotated)]
    found: dict[str, str] = {}
    with duckdb.connect() as connection:
        for schema in schemas:
            connection.register("empty", schema.empty_table())
            rows = connection.execute("describe select * from empty").fetchall()
            found |= {name: kind for name, kind, *_ in rows if name not in UNRULED}
    return found
