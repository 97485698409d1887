"""How a corpus grows: the steps of a refresh, and whether any of them would make something."""

from collections.abc import Sequence
from typing import Any

from flows.annotations import annotate
from flows.change import ask_for_training
from flows.drift import check_drift
from flows.learned import learn
from flows.recipe import Recipe
from flows.session import extraction, name_corpus, with_fields, without_excluded
from storage import names
from storage.artifact import Artifact
from tasks.compose import compose
from tasks.decide.stage import decide
from tasks.extract.stage import extract
from tasks.ingest import Source, check_chosen, choose, ingest
from tasks.questions import read_questions
from tasks.run import current_run


def unchanged(recipe: Recipe, asked: dict[str, Any]) -> Artifact | None:
    """The corpus of a recipe if a refresh would make nothing, name nothing and ask nobody; else None.

    The same steps are gone, each only looked up. No Prefect is needed for it, whose import and server take seconds.
    """
    with current_run().looking():
        corpus = grow_corpus(recipe)
        ask_for_training(recipe, corpus, asked)
        return corpus
    return None


def grow_corpus(recipe: Recipe, snapshots: Sequence[str] = ()) -> Artifact:
    """The corpus of a recipe over all that its sources hold now, or over chosen snapshots; named `<recipe>/corpus`."""
    sources = recipe.holding("documents")
    check_chosen(sources, snapshots)
    documents = [document for source in sources for document in read(source, recipe, snapshots)]
    scored = learn(recipe, read)
    benchmarks = [benchmark for source in recipe.benchmarks for benchmark in read_benchmark(source, recipe)]
    annotations = [one for document in documents for one in annotate(document, scored, benchmarks=benchmarks)]
    decisions = decide(without_excluded(recipe), documents=documents, annotations=annotations)
    check_drift(recipe, documents, annotations, decisions)
    corpus = compose(recipe.mixture, decisions=decisions, documents=documents)
    run, name = current_run(), f"{recipe.name}/corpus"
    before = names.latest(run.lake, name)
    named = name_corpus(name, corpus)
    if run.only_reused:
        run.console.line(f"Nothing new: {name} {'stays' if named == before else 'is again'} {named}.")
    return named


def read(source: Source, recipe: Recipe, snapshots: Sequence[str] = ()) -> list[Artifact]:
    """The documents of each snapshot of a source, or of those chosen by fingerprint (no new one is made then)."""
    config = extraction(recipe, source)
    found = choose(source, snapshots) if snapshots else ingest(source)
    return [extract(config, snapshot=snapshot) for snapshot in found]


def read_benchmark(source: Source, recipe: Recipe) -> list[Artifact]:
    """The items of an evaluation set, of each of its snapshots: questions, or texts."""
    if source.holds == "benchmarks":
        return read(source, recipe)
    config = with_fields(recipe.questions, source)
    return [read_questions(config, snapshot=snapshot) for snapshot in ingest(source)]
