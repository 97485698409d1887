"""Pretrain: a corpus becomes tokens, and tokens a model."""

from flows.orchestrate import flow
from flows.parameters import (
    CorpusName,
    LakePath,
    LearningRate,
    RecipeName,
    Settings,
    TrainingTokens,
    Workers,
    turn,
)
from flows.recipe import Recipe, RecipeError
from flows.session import give_name, named, session
from storage import names
from storage.artifact import Artifact
from tasks import pretrain as stages
from tasks.pack import pack
from tasks.run import current_run
from tasks.tokenize import fitting, tokenize
from tasks.train_tokenizer import train_tokenizer


@flow(log_prints=False, persist_result=False)
def pretrain(
    recipe: RecipeName = "sample",
    corpus: CorpusName = None,
    training_tokens: TrainingTokens = None,
    learning_rate: LearningRate = None,
    settings: Settings = [],  # noqa: B006 (Prefect's form)
    lake: LakePath = None,
    workers: Workers = None,
) -> Artifact:
    """Train a tokenizer if the recipe's is unknown, tokenize and pack the corpus, and train a model on it."""
    settings = turn(settings, training_tokens=training_tokens, learning_rate=learning_rate)
    with session("pretrain", recipe, settings, lake, workers) as (plan, _):
        return train_base(plan, named(f"{plan.name}/corpus", f"refresh {recipe}", corpus))


def train_base(recipe: Recipe, corpus: Artifact) -> Artifact:
    """The model that a recipe trains on a corpus; its name is `<recipe>/base`."""
    tokenizer = find_tokenizer(recipe, corpus)
    tokens = tokenize(fitting(tokenizer), corpus=corpus, tokenizer=tokenizer)
    packing = pack(recipe.packing, tokens=tokens)
    model = stages.pretrain(recipe.training, packing=packing, tokens=tokens, tokenizer=tokenizer)
    return give_name(f"{recipe.name}/base", model)


def find_tokenizer(recipe: Recipe, corpus: Artifact) -> Artifact:
    """The tokenizer that the lake knows by the recipe's name for it; trained on this corpus if it knows none.

    Raises: flows.recipe.RecipeError if the name means something else.
    """
    name, wanted = recipe.tokenizer_name, recipe.tokenizer.training
    known = names.latest(current_run().lake, name)
    if known is None:
        return give_name(name, train_tokenizer(wanted, corpus=corpus))
    if known.manifest.kind != train_tokenizer.kind:
        raise RecipeError(
            f"tokenizer.name: {name} means {known} in this lake, which is no tokenizer but of the kind "
            f"{known.manifest.kind}. Give the recipe's tokenizer another name."
        )
    trained = known.manifest.identity.config
    for key, value in wanted.model_dump(mode="json").items():
        if trained.get(key) != value:
            current_run().console.line(
                f"{name} was trained with {key} {trained.get(key)} (the recipe says {value}); "
                "give it another name to train a new one"
            )
    current_run().reuse(known)
    return known
