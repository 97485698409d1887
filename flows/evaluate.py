"""Evaluate: bits per byte on the corpus's own validation text, and questions with gold answers."""

from flows.orchestrate import flow
from flows.parameters import CorpusName, LakePath, ModelName, RecipeName, Settings, Workers
from flows.recipe import Recipe
from flows.session import give_name, named, read_sources, session
from storage.artifact import Artifact
from tasks import evaluate as stages
from tasks.ancestry import ancestry
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
        newest = "tuned" if plan.holding("conversations") else "base"
        made_by = "finetune" if newest == "tuned" else "pretrain"
        scored = named(f"{plan.name}/{newest}", f"{made_by} {recipe}", model)
        own = named(f"{plan.name}/corpus", f"refresh {recipe}", corpus) if corpus else ancestry(scored).corpus
        return score(plan, scored, own, ask(plan))


def score(
    recipe: Recipe, model: Artifact, corpus: Artifact, questions: list[Artifact], name: str = "scores"
) -> Artifact:
    """What a model scores on its corpus's validation part and on the questions; named `<recipe>/<name>`."""
    return give_name(
        f"{recipe.name}/{name}", stages.evaluate(recipe.evaluation, model=model, corpus=corpus, questions=questions)
    )


def ask(recipe: Recipe) -> list[Artifact]:
    """The questions of each snapshot of a recipe's sources of them.

    Raises: StageFailed if the recipe names a task that none of them asks: before a model is trained, not after.
    """
    found = read_sources(recipe, "questions", recipe.questions, read_questions)
    stages.choose_questions(found, recipe.evaluation)
    return found
