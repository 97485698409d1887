"""How a classifier is asked: which file, by which method, for which label. No stage: training and scoring share it."""

from typing import Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from models.language import ModelRef, check_file
from tasks.config import StageConfig


class ClassifierModel(StageConfig):
    """A classifier's file and what it is asked. The hash is its identity; the path is found again on each machine."""

    method: Literal["fasttext", "ridge"] = Field(default="fasttext", description="What the file holds.")
    sha256: str = Field(description="SHA-256 of its file.")
    path: str = Field(exclude=True, default="", description="Its file.")
    positive_label: str = Field(
        default="positive", description="fasttext: the label whose probability is the score, without __label__."
    )
    characters: int = Field(default=10_000, ge=1, description="Characters of a text that it reads, from the start.")
    embedding: ModelRef | None = Field(default=None, description="ridge: the transformer's folder; null: hashed words.")
    embedding_dimension: int = Field(default=2048, ge=2, description="ridge: numbers in a hashed embedding.")
    embedding_tokens: int = Field(default=512, ge=1, description="ridge: tokens that a transformer reads.")


def score_texts(model: ClassifierModel, texts: list[str]) -> np.ndarray:
    """The score of each text, float32: the probability of the positive label, or the number that a head predicts.

    NaN where a fastText model finds no word. Raises: ValueError if the model does not know the label, ModelMissing if
    the file is another.
    """
    if model.method == "ridge":
        from models.regression import load_head

        return load_head(check_file(model.path, model.sha256)).predict(embed_texts(model, texts))
    return score_column(model, pa.array(texts, pa.large_string()))


def score_column(model: ClassifierModel, texts: pa.Array) -> np.ndarray:
    """The same of an Arrow array, which fastText's kernel reads in place."""
    if model.method == "ridge":
        return score_texts(model, texts.to_pylist())
    from models.fasttext.inference import load_fasttext

    loaded = load_fasttext(check_file(model.path, model.sha256))
    if model.positive_label not in loaded.labels:
        known = ", ".join(loaded.labels[:8])
        raise ValueError(f"The classifier {model.path} has no label {model.positive_label!r}; it has {known}.")
    wanted = loaded.labels.index(model.positive_label)
    labels, scores = loaded.predict(texts, len(loaded.labels), model.characters)
    found = np.where(labels == wanted, scores, np.float32(0)).sum(axis=1, dtype=np.float32)
    return np.where(labels[:, 0] < 0, np.float32(np.nan), np.minimum(found, np.float32(1)))


def embed_texts(model: ClassifierModel, texts: list[str]) -> np.ndarray:
    """Embeddings of texts, (n, dimension) float32."""
    given = [text[: model.characters] for text in texts]
    if model.embedding is not None:
        from models.embedding import embed

        folder = check_file(model.embedding.path or "", model.embedding.sha256)
        return embed(str(folder), given, model.embedding_tokens)
    from models.regression import hashed_embedding
    from tasks.words import hash_words

    words = hash_words(given)
    return hashed_embedding(words.hashes, words.offsets, model.embedding_dimension)
