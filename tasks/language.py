"""Identify the language of each document, its script, and how much of it looks like source code."""

import functools

import numpy as np
import pyarrow as pa
from pydantic import Field

from models.language import LID_176, ModelRef, load
from models.languages import common_code
from models.textforms import code_shares, main_scripts
from storage.schemas.language import LANGUAGE
from tasks.stage import StageConfig, stage


class LanguageConfig(StageConfig):
    """Which model looks at how much of a text. Which languages stay is in the recipe's `decide` section."""

    model: ModelRef = Field(default=LID_176, description="A fastText language identification model.")
    characters: int = Field(
        default=1000,
        ge=1,
        description="How many characters the model looks at, from the start (scripts and code: all).",
    )


@stage("language", version=2, reads=["text"], writes=LANGUAGE)
def identify_language(documents: pa.RecordBatch, config: LanguageConfig) -> pa.RecordBatch:
    """One row per document: predicted language, its probability, the runner-up, script, share of code. No threshold.

    Returns: columns of LANGUAGE; probabilities float32 in [0, 1] (the model's softmax may pass 1 by 1e-5: cut), null
    where the model finds no word.
    """
    texts, model = documents.column("text"), load(config.model)
    numbers, probabilities = model.predict(texts, 2, config.characters)
    probabilities = np.minimum(probabilities, np.float32(1.0))
    if numbers.shape[1] == 1:  # a model of one label has no runner-up
        numbers = np.column_stack([numbers, np.full_like(numbers, -1)])
        probabilities = np.column_stack([probabilities, np.zeros_like(probabilities)])
    languages, scripts = _codes(tuple(model.labels))
    missing = numbers < 0
    first, second = (pa.array(np.maximum(numbers[:, place], 0), mask=missing[:, place]) for place in (0, 1))
    of_letters, share = main_scripts(texts)
    return pa.RecordBatch.from_arrays(
        [
            languages.take(first),
            pa.array(probabilities[:, 0], mask=missing[:, 0]),
            scripts.take(first),
            languages.take(second),
            pa.array(probabilities[:, 1], mask=missing[:, 1]),
            pa.array(of_letters, pa.string()),
            pa.array(share, mask=np.array([one is None for one in of_letters], bool)),
            pa.array(code_shares(texts)),
        ],
        schema=LANGUAGE.schema,
    )


@functools.lru_cache(maxsize=4)
def _codes(labels: tuple[str, ...]) -> tuple[pa.Array, pa.Array]:
    """Language and script of each label of a model."""
    pairs = [common_code(label) for label in labels]
    return pa.array([code for code, _ in pairs], pa.string()), pa.array([script for _, script in pairs], pa.string())
