"""Data to model: the whole way, from crawls to an evaluated and fine-tuned model."""

from pathlib import Path

from flows.environment import report_address
from flows.evaluate import ask, score
from flows.finetune import converse, tune
from flows.grow import grow_corpus
from flows.orchestrate import flow
from flows.parameters import (
    LakePath,
    LearningRate,
    MinLanguageProbability,
    MinWords,
    RecipeName,
    Settings,
    Snapshots,
    TrainingTokens,
    Workers,
    turn,
)
from flows.pretrain import train_base
from flows.session import give_name, session
from tasks.export import ExportConfig, export
from tasks.orchestration import link_report
from tasks.report.collect import results_of
from tasks.report.page import write_report


@flow(log_prints=False, persist_result=False)
def data_to_model(
    recipe: RecipeName = "sample",
    snapshots: Snapshots = [],  # noqa: B006 (Prefect's form)
    min_words: MinWords = None,
    min_language_probability: MinLanguageProbability = None,
    training_tokens: TrainingTokens = None,
    learning_rate: LearningRate = None,
    settings: Settings = [],  # noqa: B006
    lake: LakePath = None,
    workers: Workers = None,
) -> Path:
    """Refresh the corpus, pretrain, fine-tune, evaluate both models, export, and write the report; gives its path.

    Every stage whose artifact exists is reused: a second run takes seconds.
    """
    settings = turn(
        settings,
        min_words=min_words,
        min_language_probability=min_language_probability,
        training_tokens=training_tokens,
        learning_rate=learning_rate,
    )
    with session("data_to_model", recipe, settings, lake, workers) as (plan, run):
        # read before anything is trained: what is wrong with them is said in the first seconds
        questions = ask(plan)
        conversations = converse(plan) if plan.holding("conversations") else []
        corpus = grow_corpus(plan, snapshots)
        base = train_base(plan, corpus)
        base_scores = score(plan, base, corpus, questions, "base-scores")
        tuned = tune(plan, base, conversations) if conversations else None
        tuned_scores = score(plan, tuned, corpus, questions) if tuned else None
        give_name(f"{plan.name}/export", export(ExportConfig(), model=tuned or base))
        report = write_report(run, plan.name, results_of(corpus, base, tuned, [base_scores, tuned_scores]))
        link_report(report, report_address(report))
        return report
