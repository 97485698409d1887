"""The stages that say something of every document, in the order in which they run.

A new one is a line here, and its section in `flows.recipe.Recipe`: a run calls it, a recipe sets it, and its columns
may stand in the rules of `decide`. A stage that reads columns of others stands after them.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from storage.artifact import Artifact
from tasks.classify import classify
from tasks.config import StageConfig
from tasks.contamination.stage import find_contamination
from tasks.edits import resolve_edits
from tasks.embed import embed_documents
from tasks.language import identify_language
from tasks.parts.stage import note_parts
from tasks.perplexity import measure_perplexity
from tasks.quality.stage import measure_quality
from tasks.redact.stage import find_personal
from tasks.sign import sign
from tasks.stage import Stage
from tasks.urls.stage import look_up_urls
from tasks.word_lists.stage import count_listed_words

ANNOTATIONS: tuple[tuple[Stage[Any], str], ...] = (
    (identify_language, "language"),
    (measure_quality, "quality"),
    (sign, "sign"),
    (embed_documents, "embed"),
    (note_parts, "parts"),
    (look_up_urls, "urls"),
    (find_personal, "redact"),
    (classify, "classify"),
    (measure_perplexity, "perplexity"),
    (count_listed_words, "word_lists"),
    (find_contamination, "contamination"),
)
"""(stage, name of its section in a recipe). After them all come the edits, which `mixture` asks for."""


def enabled(recipe: Any) -> list[tuple[Stage[Any], StageConfig]]:
    """The stages that a recipe runs, each with its configuration; none that needs benchmarks where there are none."""
    chosen = [*((stage, getattr(recipe, section)) for stage, section in ANNOTATIONS), (resolve_edits, recipe.edits)]
    return [
        (stage, config)
        for stage, config in chosen
        if config.enabled and (recipe.benchmarks or "benchmarks" not in stage.given)
    ]


def columns(stage: Stage[Any], config: StageConfig) -> list[str]:
    """The columns that a stage adds under this configuration."""
    return [name for name in stage.tables_of(config)["part"].schema.names if name != "doc_id"]


def annotate(documents: Artifact, recipe: Any, **given: Sequence[Artifact]) -> Iterator[Artifact]:
    """What every per-document stage that the recipe runs says of these documents.

    `given`: artifacts by role, for the stages that take some beside the documents.
    """
    written: dict[str, Artifact] = {}
    for stage, config in enabled(recipe):
        read = list(dict.fromkeys(written[name] for name in stage.reads(config) if name in written))
        inputs = {role: given[role] for role in stage.given} | ({"annotations": read} if read else {})
        made = stage(config, documents=documents, **inputs)
        written |= dict.fromkeys(columns(stage, config), made)
        yield made
