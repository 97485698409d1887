"""The parameters that flows share, as the UI's form shows them.

A dial is a parameter that only stands for a setting of the recipe: the form names the few that are turned most.
"""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

RecipeName = Annotated[
    str,
    Field(
        title="Recipe", description="A recipe that ships with Gristmill (such as sample), or the path of a YAML file."
    ),
]
MinWords = Annotated[
    int | None,
    Field(
        title="Fewest words",
        ge=0,
        description="Documents of fewer words are dropped (decide.gopher.min_words; a source's own limit stays; where "
        "the recipe has Gopher's rules off, all of them come on). Empty: as the recipe says.",
    ),
]
MinLanguageProbability = Annotated[
    float | None,
    Field(
        title="Least probability of the language",
        ge=0,
        le=1,
        description="Documents whose language is less sure are dropped (decide.language.min_probability, 0 to 1). "
        "Empty: as the recipe says.",
    ),
]
TrainingTokens = Annotated[
    int | None,
    Field(
        title="Training tokens",
        ge=1,
        description="How many tokens the model is trained on (training.training.tokens, in place of its steps). "
        "Empty: as the recipe says.",
    ),
]
LearningRate = Annotated[
    float | None,
    Field(
        title="Learning rate",
        gt=0,
        le=1,
        description="Peak learning rate of pretraining (training.training.optimizer.learning_rate). "
        "Empty: as the recipe says.",
    ),
]
Settings = Annotated[
    list[str],
    Field(
        title="Other settings",
        description="Changes to the recipe, each key=value, such as decide.duplicates.near=false. They are made last.",
    ),
]
Snapshots = Annotated[
    list[str],
    Field(
        title="Snapshots",
        description="Only these snapshots, each by fingerprint or the start of one. Empty: all, and what is new.",
    ),
]
LakePath = Annotated[
    str | None, Field(title="Lake", description="Folder of the lake. Empty: GRISTMILL_LAKE, or ./lake.")
]
Workers = Annotated[
    int | None, Field(title="Workers", ge=1, le=512, description="Worker processes. Empty: one for each core.")
]
ModelName = Annotated[
    str | None, Field(title="Model", description="A model by name or fingerprint. Empty: the newest of the recipe.")
]
CorpusName = Annotated[
    str | None,
    Field(
        title="Corpus",
        description="A corpus by name or fingerprint. Empty: the recipe's newest; to evaluate, the model's own.",
    ),
]


def turn(
    settings: Sequence[str],
    *,
    min_words: int | None = None,
    min_language_probability: float | None = None,
    training_tokens: int | None = None,
    learning_rate: float | None = None,
) -> list[str]:
    """The settings that the dials stand for, then those listed, which win. A dial that is None changes nothing.

    A recipe says either steps or tokens, so a number of tokens takes its steps away.
    """
    dials = {
        "decide.gopher.min_words": min_words,
        "decide.language.min_probability": min_language_probability,
        "training.training.steps": None if training_tokens is None else "null",
        "training.training.tokens": training_tokens,
        "training.training.optimizer.learning_rate": learning_rate,
    }
    return [*(f"{key}={value}" for key, value in dials.items() if value is not None), *settings]
