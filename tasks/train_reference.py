"""Train an n-gram model on a reference: what text looks like that a perplexity is measured against.

Words are those that `sign` and decontamination compare (`tasks.words`): lower case, no punctuation; a document is one
sequence. The model holds hashes of n-grams, no words. Its inputs are the documents or examples of the reference.
"""

import tempfile
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from pydantic import Field

from storage.artifact import MAIN_TABLE, Artifact
from storage.commit import ShardOutput
from storage.schemas.classifiers import REFERENCE
from tasks.config import StageConfig
from tasks.executor import Watch
from tasks.learning import Example, Examples, gather, parts_of, read_texts
from tasks.stage import Inputs, Shard, Stage
from tasks.words import hash_words

MODEL_FILE = "ngrams.bin"
WHOLE = 1 << 40


class ReferenceConfig(StageConfig):
    """How the n-gram model is trained: interpolated modified Kneser-Ney (Chen and Goodman 1998)."""

    order: int = Field(
        default=5, ge=2, le=6, description="Words in the longest n-grams (CCNet, Wenzek et al. 2020: 5)."
    )
    prune: int = Field(
        default=1, ge=0, description="N-grams of three words and more that stand so often or less are left out."
    )
    max_words: int = Field(
        default=5_000_000,
        ge=1,
        description="No further text is taken after so many words; training needs some 250 bytes of memory for each.",
    )
    held_out: Annotated[float, Field(ge=0, lt=1, description="Share of the texts that perplexity is tried on.")] = 0.02
    seed: int = Field(default=1, ge=0, lt=2**32, description="Which texts are taken, and which are held out.")


class _Texts:
    def __init__(self, parts: list[dict[str, str]]) -> None:
        self.parts = parts

    def __iter__(self) -> Any:
        for doc_id, source, text, _, _ in read_texts(self.parts):
            yield doc_id, source, text, 1.0


def _plan(inputs: Inputs, config: ReferenceConfig) -> list[Shard]:
    texts = inputs["texts"]
    content = {"texts": [one.fingerprint for one in texts]}
    return [Shard(0, content, sum(one.rows() for one in texts), {"parts": parts_of(texts)})]


def _work(shard: Shard, config: ReferenceConfig, output: ShardOutput, watch: Watch) -> None:
    """Count, estimate, and write the table that scores."""
    from models.ngrams.estimate import estimate
    from models.ngrams.model import build_model, perplexity

    with tempfile.TemporaryDirectory(prefix="gristmill-reference-") as name:
        texts: list[Any] = [_Texts(shard.where["parts"])]
        examples = gather(
            texts, Path(name), seed=config.seed, characters=WHOLE, held_out=config.held_out, at_most=1 << 40
        )
        words, offsets = _words(examples, examples.training, config.max_words)
        if not len(words):
            raise ValueError("The reference has no words to learn from: name sources that hold text.")
        estimated = estimate(words, offsets, config.order, config.prune)
        asked, bounds = _words(examples, examples.held_out, config.max_words)
    model = build_model(estimated)
    model.save(output.file(MODEL_FILE))
    scores, _ = model.score(asked, bounds)
    ends = len(scores)  # each text's end is counted as a word
    total = float(perplexity(np.array([scores.sum()]), np.array([len(asked) + ends - 1]))[0]) if ends else None
    about = {
        "order": config.order,
        "documents": len(offsets) - 1,
        "words": len(words),
        "vocabulary": len(estimated.vocabulary),
        "ngrams": [len(one.words) for one in estimated.orders],
        "held_out_documents": ends,
        "held_out_perplexity": total,
    }
    output.write(pa.RecordBatch.from_pylist([about], schema=REFERENCE.schema))
    watch.progress(shard.size)


def _words(examples: Examples, chosen: list[Example], most: int) -> tuple[np.ndarray, np.ndarray]:
    """The words of texts, hashed, until there are `most`; and where each text starts."""
    hashes: list[np.ndarray] = []
    lengths = [0]
    count = 0
    for _, texts in examples.batches(chosen, 16):
        found = hash_words(texts)
        hashes.append(found.hashes.copy())
        lengths += np.diff(found.offsets).tolist()
        count += len(found.hashes)
        if count >= most:
            break
    return np.concatenate([np.empty(0, np.uint64), *hashes]), np.cumsum(lengths, dtype=np.int64)


def facts(artifact: Artifact) -> list[dict[str, Any]]:
    """The one row of figures of a reference."""
    return artifact.read().to_pylist()


train_reference = Stage(
    "train_reference",
    2,
    "reference",
    ReferenceConfig,
    {MAIN_TABLE: REFERENCE},
    _plan,
    _work,
    unit="rows",
    summary=facts,
)
