"""Identify the language of each document."""

import re

import pyarrow as pa
from pydantic import Field

from models.language import LID_176, ModelRef, predict
from storage.schemas.scores import LANGUAGE
from tasks.stage import StageConfig, stage

_LINE_ENDS = re.compile(r"\s+")


class LanguageConfig(StageConfig):
    """Which model looks at how much of a text. Which languages stay is in the recipe's `decide` section."""

    model: ModelRef = Field(default=LID_176, description="A fastText language identification model.")
    characters: int = Field(default=1000, ge=1, description="How many characters are looked at, from the start.")


@stage("language", version=1, reads=["text"], writes=LANGUAGE)
def identify_language(documents: pa.RecordBatch, config: LanguageConfig) -> pa.RecordBatch:
    """One row per document: predicted language, its probability, the runner-up. No threshold: see `decide`.

    Returns: columns of LANGUAGE; probabilities float32 in [0, 1] (the model's softmax may pass 1 by 1e-5: cut); all
    null for a text of white space alone.
    """
    texts = [_LINE_ENDS.sub(" ", text[: config.characters]).strip() for text in documents.column("text").to_pylist()]
    labels, probabilities = predict(config.model, texts)
    rows = []
    for text, pair, likely in zip(texts, labels, probabilities, strict=True):
        known = bool(text) and len(pair) > 0
        second = known and len(pair) > 1
        rows.append(
            {
                "language": pair[0] if known else None,
                "language_probability": min(likely[0], 1.0) if known else None,
                "second_language": pair[1] if second else None,
                "second_language_probability": min(likely[1], 1.0) if second else None,
            }
        )
    return pa.RecordBatch.from_pylist(rows, schema=LANGUAGE.schema)
