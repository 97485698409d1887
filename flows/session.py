"""What surrounds the stages of every flow: the recipe checked, the run opened, names given."""

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TypeVar

from flows.recipe import Recipe, check_recipe, find_recipe, load_recipe
from flows.sample import prepare_sample
from storage import names
from storage.artifact import Artifact
from storage.forget.holders import holds_forgotten
from storage.lake import Lake
from storage.sources import claim
from tasks.conversations import ConversationsConfig
from tasks.decide.rules import DecideConfig
from tasks.examples import ExamplesConfig
from tasks.extract.config import ExtractConfig
from tasks.ingest import Source, ingest
from tasks.questions import QuestionsConfig
from tasks.run import Run, current_run, running
from tasks.stage import Stage

C = TypeVar("C", ExtractConfig, ConversationsConfig, QuestionsConfig, ExamplesConfig)


def needs_sample(recipe: str) -> bool:
    """Whether a recipe's sources lie in the sample, which is then built (or found) first."""
    return "$GRISTMILL_SAMPLE" in find_recipe(recipe).read_text(encoding="utf-8", errors="replace")


class NothingYet(LookupError):
    """A flow needs what another has to make first; the message names it and the command."""


def checked(recipe: str, settings: Sequence[str], workers: int | None = None) -> Recipe:
    """The recipe, checked whole; the sample is made first if it reads that.

    Raises: flows.recipe.RecipeError with every mistake.
    """
    loaded = load_recipe(recipe, settings)
    if needs_sample(recipe):
        os.environ["GRISTMILL_SAMPLE"] = str(prepare_sample(workers=workers))
        loaded = load_recipe(recipe, settings)  # its paths name the sample
    return check_recipe(loaded)


@contextlib.contextmanager
def session(
    flow: str, recipe: str, settings: Sequence[str], lake: str | None, workers: int | None
) -> Iterator[tuple[Recipe, Run]]:
    """The recipe, checked whole, and the run that the stages inside belong to.

    Raises: flows.recipe.RecipeError before anything is done.
    """
    loaded = checked(recipe, settings, workers)
    place = Lake(lake) if lake else Lake.default()
    parameters = {"recipe": recipe, "settings": list(settings), "workers": workers}
    with running(place, flow, workers=workers, parameters=parameters) as run:
        for source in loaded.sources:
            claim(place, source.name, loaded.name, source.place)
        if "prefect" in sys.modules:
            from tasks.orchestration import say_in_logs

            say_in_logs(run)
        yield loaded, run


def with_fields(config: C, source: Source) -> C:
    """The configuration of a reader for one source, whose own names of columns go before the recipe's."""
    return config.model_copy(update={"fields": dict(config.fields) | source.fields})


def extraction(recipe: Recipe, source: Source) -> ExtractConfig:
    """How the documents of one source are extracted: its reader and fields, and the lists of what is skipped."""
    config = with_fields(recipe.extract, source)
    lists = recipe.urls.block_lists if config.skip_blocked else ()
    return config.model_copy(update={"reader": source.reader or config.reader, "block_lists": lists})


def without_excluded(recipe: Recipe) -> DecideConfig:
    """The rules of a recipe, by which its excluded sources go."""
    marked = {source.name for source in recipe.sources if source.excluded}
    return recipe.decide.model_copy(update={"excluded": tuple(sorted(marked.union(recipe.decide.excluded)))})


def read_sources(recipe: Recipe, holds: str, config: C, stage: Stage[C]) -> list[Artifact]:
    """What a reader makes of each snapshot of the recipe's sources that hold conversations, or questions."""
    return [
        stage(with_fields(config, source), snapshot=snapshot)
        for source in recipe.holding(holds)
        for snapshot in ingest(source)
    ]


def give_name(name: str, artifact: Artifact) -> Artifact:
    """Let a name of the lake mean this artifact from now on."""
    run = current_run()
    if names.latest(run.lake, name) != artifact:
        run.before_writing(name)
        names.assign(run.lake, name, artifact)
    return artifact


def name_corpus(name: str, corpus: Artifact) -> Artifact:
    """Let a name mean this corpus; gives what it means then.

    Of two refreshes at the same time the one that began earlier may end later, with fewer snapshots. It does not take
    the name back: what was named since this run began and holds all of its snapshots and more keeps the name. Nor does
    one that read a text which was forgotten meanwhile, where what is named does not hold it.
    """
    run = current_run()
    with names.alone(run.lake, name):
        past = names.history(run.lake, name)
        if (
            past
            and past[-1][2] >= run.started
            and set(corpus.inputs("documents")) < set(past[-1][1].inputs("documents"))
        ):
            run.console.line(f"{name} stays {past[-1][1]}: a refresh that saw more files has ended meanwhile")
            return past[-1][1]
        if run.tombstone_came and past and holds_forgotten(run.lake, corpus) > holds_forgotten(run.lake, past[-1][1]):
            run.console.line(f"{name} stays {past[-1][1]}: a text of {corpus} was forgotten meanwhile; refresh again")
            return past[-1][1]
        return give_name(name, corpus)


def named(name: str, made_by: str, chosen: str | None = None) -> Artifact:
    """The artifact that `chosen` (or else `name`) means. Raises NothingYet, with the command that makes it."""
    lake = current_run().lake
    if chosen:
        return lake.get(chosen)
    found = names.latest(lake, name)
    if found is None:
        raise NothingYet(f"The lake {lake.root} has no {name} yet. Make it first: gristmill {made_by}.")
    return found
