"""Refresh: what is new in the sources becomes a new version of the corpus."""

from collections.abc import Sequence

from flows.annotations import annotate
from flows.change import ask_for_training
from flows.drift import check_drift
from flows.environment import report_address
from flows.learned import learn
from flows.orchestrate import flow
from flows.parameters import (
    LakePath,
    MinLanguageProbability,
    MinWords,
    RecipeName,
    Settings,
    Snapshots,
    Workers,
    turn,
)
from flows.recipe import Recipe
from flows.session import extraction, name_corpus, session, with_fields, without_excluded
from storage.artifact import Artifact
from tasks.compose import compose
from tasks.decide.stage import decide
from tasks.extract.stage import extract
from tasks.ingest import Source, check_chosen, choose, ingest
from tasks.orchestration import link_report
from tasks.questions import read_questions
from tasks.report.collect import results_of
from tasks.report.page import write_report
from tasks.run import current_run


@flow(log_prints=False, persist_result=False)
def refresh(
    recipe: RecipeName = "sample",
    snapshots: Snapshots = [],  # noqa: B006 (Prefect's form)
    min_words: MinWords = None,
    min_language_probability: MinLanguageProbability = None,
    settings: Settings = [],  # noqa: B006
    lake: LakePath = None,
    workers: Workers = None,
) -> Artifact:
    """Read what is new in the sources, score it, decide on everything ever read, and compose a new corpus version.

    Old files are not read again. With no new file and an unchanged recipe this ends at once and says so. A corpus that
    has changed by more than the recipe's share asks for training (`refresh.train_share`).
    """
    settings = turn(settings, min_words=min_words, min_language_probability=min_language_probability)
    with session("refresh", recipe, settings, lake, workers) as (plan, run):
        corpus = grow_corpus(plan, snapshots)
        ask_for_training(plan, corpus, {"recipe": recipe, "settings": settings})
        if not run.only_reused:
            report = write_report(run, plan.name, results_of(corpus, None, None))
            link_report(report, report_address(report))
        return corpus


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
    if current_run().only_reused:
        current_run().console.line(f"Nothing new: {recipe.name}/corpus stays {corpus}.")
    return name_corpus(f"{recipe.name}/corpus", corpus)


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
