"""Embed documents by a transformer that the user names, for semantic near-duplicates. No threshold: see `decide`."""

import numpy as np
import pyarrow as pa
from pydantic import Field

from models.language import ModelRef, locate
from storage.table import column, table
from tasks.config import StageConfig
from tasks.stage import stage

EMBEDDING = table(
    column(
        "embedding",
        pa.list_(pa.float16()),
        "Mean of the model's last hidden states over the text's first tokens, scaled to length 1; null without text.",
    ),
)


class EmbedConfig(StageConfig):
    """Which model embeds, and what it reads of a text."""

    model: ModelRef | None = Field(
        default=None,
        description="The folder of a transformer (name, sha256, path), which transformers loads; needs the extra "
        "`embeddings`. Null: nothing is embedded.",
    )
    characters: int = Field(default=10_000, ge=1, description="Characters of a text that it reads, from the start.")
    tokens: int = Field(default=512, ge=1, description="Tokens that it reads, from the start.")

    @property
    def enabled(self) -> bool:
        """Only where a model is named."""
        return self.model is not None


@stage("embed", version=1, reads=["text"], writes=EMBEDDING)
def embed_documents(documents: pa.RecordBatch, config: EmbedConfig) -> pa.RecordBatch:
    """One row per document: its embedding, float16 of length 1. Raises: ModelMissing where the model is not there."""
    from models.embedding import embed

    assert config.model is not None, "the stage runs only where a model is named"
    texts = [text[: config.characters] for text in documents.column("text").to_pylist()]
    found = embed(str(locate(config.model)), texts, config.tokens)
    unit = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    offsets = np.arange(len(texts) + 1, dtype=np.int32) * unit.shape[1]
    return pa.RecordBatch.from_pydict(
        {"embedding": pa.ListArray.from_arrays(pa.array(offsets), pa.array(unit.astype(np.float16).ravel()))}
    )
