"""Refresh: what is new in the sources becomes a new version of the corpus."""

from flows.change import ask_for_training
from flows.environment import report_address
from flows.grow import grow_corpus
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
from flows.session import session
from storage.artifact import Artifact
from tasks.orchestration import link_report
from tasks.report.collect import results_of
from tasks.report.page import write_report


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
