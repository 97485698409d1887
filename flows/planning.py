"""What a corpus would come to, without a run: the plan of a mixture over decisions that were made before."""

from collections.abc import Sequence

from flows.recipe import check_mixture, load_recipe
from flows.session import NothingYet
from storage import names
from storage.lake import Lake
from storage.sql import decisions_of
from tasks.compose import Planned, plan_mixture


def plan_of(lake: Lake, recipe: str, settings: Sequence[str], corpus: str | None) -> Planned:
    """The plan of a recipe's mixture, over the decisions of a corpus (its newest, unless one is named).

    Raises: flows.recipe.RecipeError with every mistake in the mixture; NothingYet where the lake has no corpus of the
    recipe; NoSuchView where what is named holds no decisions; tasks.mixture.MixtureError where nothing comes of it.
    """
    plan = check_mixture(load_recipe(recipe, settings))
    found = lake.get(corpus) if corpus else names.latest(lake, f"{plan.name}/corpus")
    if found is None:
        raise NothingYet(
            f"The lake {lake.root} has no {plan.name}/corpus yet, so nothing is decided that could be mixed. Make it "
            f"first: gristmill refresh {recipe}."
        )
    return plan_mixture(decisions_of(found), plan.mixture)
