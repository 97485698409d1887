"""Learn: train the classifiers and the reference that a recipe names, before any corpus is made."""

from flows.grow import read
from flows.learned import learn as train
from flows.orchestrate import flow
from flows.parameters import LakePath, RecipeName, Settings, Workers
from flows.session import session


@flow(log_prints=False, persist_result=False)
def learn(
    recipe: RecipeName = "sample",
    settings: Settings = [],  # noqa: B006 (Prefect's form)
    lake: LakePath = None,
    workers: Workers = None,
) -> list[str]:
    """Train what the recipe names and the lake does not know yet. A refresh does the same; neither retrains.

    Returns: the names in the lake.
    """
    with session("learn", recipe, settings, lake, workers) as (plan, run):
        train(plan, read)
        if not plan.classifiers and not plan.reference:
            run.console.line(f"The recipe {plan.name} names no classifier and no reference: there is nothing to train.")
        return [f"{plan.name}/{one.name}" for one in (*plan.classifiers, *([plan.reference] if plan.reference else []))]
