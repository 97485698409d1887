"""The stage that embeds documents by a transformer that the user names."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from models.language import ModelMissing, ModelRef, folder_hash
from tasks.embed import EMBEDDING, EmbedConfig, embed_documents

TEXTS = ["the mill", "the river turns the mill", "the mill"]


def tiny_model(folder: Path) -> ModelRef:
    """A transformer with random weights that knows a few words."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "mill", "river", "turns"]
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=len(words), **sizes)).save_pretrained(folder)
    return ModelRef(name="bert", sha256=folder_hash(folder), path=str(folder))


def test_embeddings_have_length_1_and_follow_the_text(tmp_path: Path) -> None:
    config = EmbedConfig(model=tiny_model(tmp_path / "bert"), tokens=16)
    assert config.enabled
    assert not EmbedConfig().enabled
    assert embed_documents.fn is not None
    batch = pa.RecordBatch.from_pydict({"text": pa.array(TEXTS, pa.large_string())})
    found = embed_documents.fn(batch, config)
    assert found.schema.equals(EMBEDDING.schema)
    rows = np.array(found.column("embedding").to_pylist(), dtype=np.float32)
    assert rows.shape == (3, 16)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-3)
    assert rows[0] == pytest.approx(rows[2], abs=1e-3)
    assert abs(rows[0] - rows[1]).max() > 0.01


def test_a_model_that_is_not_there_is_said() -> None:
    batch = pa.RecordBatch.from_pydict({"text": pa.array(TEXTS, pa.large_string())})
    config = EmbedConfig(model=ModelRef(name="no-such-model", sha256="0" * 64, path="/no/such/model"))
    assert embed_documents.fn is not None
    with pytest.raises(ModelMissing, match="no-such-model is not here"):
        embed_documents.fn(batch, config)
