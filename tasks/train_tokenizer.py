"""Train a tokenizer on the training part of a corpus.

Each document counts once, however often the mixture repeats it. A recipe names its tokenizer, and one is trained only
if the name is unknown: the flow looks the name up, this stage does not know names.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from models.tokenizer import CONTROL_TOKENS, SMALLEST_VOCABULARY
from models.tokenizer import train_tokenizer as learn
from storage.artifact import MAIN_TABLE, Artifact
from storage.commit import ShardOutput
from storage.files import write_json, write_text
from storage.schemas.tokens import TOKENIZER
from storage.shards import read_batches
from tasks.config import StageConfig
from tasks.executor import Watch
from tasks.stage import Inputs, Shard, Stage

TOKENIZER_FILE = "tokenizer.json"
SETTINGS_FILE = "tokenizer_config.json"


class TokenizerConfig(StageConfig):
    """How large the vocabulary is, and how much text it is learned from."""

    vocabulary_size: int = Field(
        default=4096, ge=SMALLEST_VOCABULARY, description="Tokens, control tokens and bytes among them."
    )
    min_frequency: int = Field(
        default=2, ge=1, description="How often a pair must stand in the text to become a token."
    )
    max_bytes: int = Field(
        default=256 << 20,
        ge=1,
        description="No further document is read once this much text was (UTF-8 bytes, from the start of the corpus).",
    )


class Reading:
    """The training texts of a corpus in its order, up to a limit, and how much of them was read.

    The order of a corpus is that of a seeded hash: its start is a fair sample of it.
    """

    def __init__(self, paths: list[str], max_bytes: int, watch: Watch) -> None:
        self._paths, self._max_bytes, self._watch = paths, max_bytes, watch
        self.documents = self.bytes = 0

    def __iter__(self) -> Iterator[str]:
        """The texts, one after the other."""
        rows = 0
        for path in self._paths:
            for batch in read_batches(Path(path), ["split", "text"]):
                training = batch.filter(pc.field("split") == "train")
                for text in training.column("text"):
                    if self.bytes >= self._max_bytes:
                        return
                    self.documents += 1
                    self.bytes += text.as_buffer().size
                    yield text.as_py()
                rows += batch.num_rows
                self._watch.progress(rows)


def _plan(inputs: Inputs, config: TokenizerConfig) -> list[Shard]:
    (corpus,) = inputs["corpus"]
    where = {"paths": [str(path) for path in corpus.paths()]}
    return [Shard(0, {"corpus": corpus.fingerprint}, corpus.rows(), where)]


def _work(shard: Shard, config: TokenizerConfig, output: ShardOutput, watch: Watch) -> None:
    """Learn a byte-level BPE (Qwen2's pre-tokenizer) from the training part, and write it as tokenizer.json."""
    reading = Reading(shard.where["paths"], config.max_bytes, watch)
    tokenizer = learn(reading, config.vocabulary_size, config.min_frequency)
    if not reading.documents:
        raise ValueError(
            "The corpus has no document in its training part, so there is nothing to learn a tokenizer from. "
            "`select dropped_by, count(*) from documents group by all` says why."
        )
    write_text(output.file(TOKENIZER_FILE), tokenizer.to_json())
    write_json(output.file(SETTINGS_FILE), tokenizer.settings())
    about = {
        "tokenizer": tokenizer.fingerprint,
        "vocabulary_size": len(tokenizer),
        "end_of_text": tokenizer.end_of_text,
        "documents": reading.documents,
        "bytes": reading.bytes,
        "control_tokens": list(CONTROL_TOKENS),
    }
    output.write(pa.RecordBatch.from_pylist([about], schema=TOKENIZER.schema))


def facts(artifact: Artifact) -> list[dict[str, Any]]:
    """The one row of facts of a tokenizer."""
    return artifact.read().to_pylist()


train_tokenizer = Stage(
    "train_tokenizer",
    1,
    "tokenizer",
    TokenizerConfig,
    {MAIN_TABLE: TOKENIZER},
    _plan,
    _work,
    here=True,
    unit="rows",
    summary=facts,
)
