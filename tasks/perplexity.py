"""Perplexity of each document under an n-gram model of a reference. No threshold: see `decide`."""

import numpy as np
import pyarrow as pa
from pydantic import Field

from models.language import check_file
from storage.schemas.classifiers import PERPLEXITY
from tasks.config import StageConfig
from tasks.stage import stage
from tasks.words import hash_words


class NgramFile(StageConfig):
    """The n-gram model: its hash is its identity, the path is found again on each machine."""

    sha256: str = Field(description="SHA-256 of its file.")
    path: str = Field(default="", exclude=True, description="Its file.")


class PerplexityConfig(StageConfig):
    """The model that documents are measured by. The run puts in the one that the recipe's `reference` names."""

    model: NgramFile | None = Field(
        default=None, description="An n-gram model from elsewhere: path and sha256. Null: the recipe's `reference`."
    )

    @property
    def enabled(self) -> bool:
        """Whether there is a model."""
        return self.model is not None


@stage("perplexity", version=2, reads=["text"], writes=PERPLEXITY)
def measure_perplexity(documents: pa.RecordBatch, config: PerplexityConfig) -> pa.RecordBatch:
    """One row per document: perplexity per word (its end counted as one), share of unknown words; null without words.

    Raises: ValueError without a model, or for a file that is none; ModelMissing if the file is another.
    """
    from models.ngrams.model import load_model, perplexity

    if config.model is None:
        raise ValueError("No n-gram model is named: name a reference in the recipe.")
    words = hash_words(documents.column("text").to_pylist())
    n_words = np.diff(words.offsets)
    scores, unseen = load_model(check_file(config.model.path, config.model.sha256)).score(words.hashes, words.offsets)
    blank = n_words == 0
    return pa.RecordBatch.from_pydict(
        {
            "perplexity": pa.array(perplexity(scores, n_words).astype(np.float32), mask=blank),
            "unknown_word_share": pa.array((unseen / np.maximum(n_words, 1)).astype(np.float32), mask=blank),
        }
    )
