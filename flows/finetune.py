"""Fine-tune: a base model learns to answer from conversations."""

from flows.orchestrate import flow
from flows.parameters import LakePath, ModelName, RecipeName, Settings, Workers
from flows.recipe import Recipe
from flows.session import give_name, named, read_sources, session
from storage.artifact import Artifact
from tasks import finetune as stages
from tasks.conversations import read_conversations


@flow(log_prints=False, persist_result=False)
def finetune(
    recipe: RecipeName = "sample",
    model: ModelName = None,
    settings: Settings = [],  # noqa: B006 (Prefect's form)
    lake: LakePath = None,
    workers: Workers = None,
) -> Artifact:
    """Fine-tune a base model on the recipe's conversations; the loss is taken on the assistant's tokens alone."""
    with session("finetune", recipe, settings, lake, workers) as (plan, _):
        base = named(f"{plan.name}/base", f"pretrain {recipe}", model)
        return tune(plan, base, converse(plan))


def tune(recipe: Recipe, base: Artifact, conversations: list[Artifact]) -> Artifact:
    """The fine-tuned model of a recipe; its name is `<recipe>/tuned`."""
    return give_name(
        f"{recipe.name}/tuned", stages.finetune(recipe.finetuning, model=base, conversations=conversations)
    )


def converse(recipe: Recipe) -> list[Artifact]:
    """The conversations of each snapshot of a recipe's sources of them.

    Raises: StageFailed if there are none, so that nobody trains a base model for hours to hear of it.
    """
    found = read_sources(recipe, "conversations", recipe.conversations, read_conversations)
    stages.check_conversations(found)
    return found
