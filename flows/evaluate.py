"""Evaluate: bits per byte on the corpus's own validation text, and questions with gold answers."""

from prefect import flow

from flows.parameters import CorpusName, LakePath, ModelName, RecipeName, Settings, Workers
from flows.recipe import Recipe
from flows.session import give_name, named, session
from storage.artifact import Artifact
from tasks import evaluate as stages
from tasks.ingest import ingest
from tasks.questions import read_questions


@flow(log_prints=False, persist_result=False)
def evaluate(
    recipe: RecipeName = "sample",
    settings: Settings = [],  # noqa: B006 (Prefect's form)
    model: ModelName = None,
    corpus: CorpusName = None,
    lake: LakePath = None,
    workers: Workers = None,
) -> Artifact:
    """Score a model: bits per byte by source, multiple-choice tasks with standard errors, samples."""
    with session("evaluate", recipe, settings, lake, workers) as (plan, _):
        scored = named(f"{plan.name}/tuned", f"finetune {recipe}", model)
        return score(plan, scored, named(f"{plan.name}/corpus", f"refresh {recipe}", corpus))


def score(recipe: Recipe, model: Artifact, corpus: Artifact, name: str = "scores") -> Artifact:
    """What a model scores on its corpus's validation part and on the recipe's questions; named `<recipe>/<name>`."""
    sources = recipe.holding("questions")
    questions = [read_questions(recipe.questions, snapshot=one) for source in sources for one in ingest(source)]
    return give_name(
        f"{recipe.name}/{name}", stages.evaluate(recipe.evaluation, model=model, corpus=corpus, questions=questions)
    )
