"""Tokenize a corpus: token ids in memory-mapped Arrow, and an index that says whose they are.

Each document's tokens stand in one stretch, one `<|endoftext|>` after them. A document that the mixture repeats is
written once: packing repeats it. (This module is `tasks.tokenize`, not the standard library's `tokenize`.)
"""

import functools
import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from models.tokenizer import Tokenizer, token_dtype
from storage.artifact import MAIN_TABLE, Artifact
from storage.commit import ShardOutput
from storage.schemas.tokens import TOKEN_INDEX, TOKENS, tokens_table
from storage.shards import read_batches
from storage.table import Table
from tasks.config import StageConfig
from tasks.executor import Watch
from tasks.stage import Inputs, Shard, Stage, StageFailed

BATCH_ROWS = 64
KEPT_COLUMNS = ["doc_id", "source", "component", "language", "split", "copies", "phase_copies"]


class TokenizeConfig(StageConfig):
    """How wide a token is. The tokenizer decides that: `fitting(tokenizer)` gives the configuration for it."""

    token_type: Literal["uint16", "uint32"] = Field(
        default="uint16", description="uint16 where the vocabulary has at most 65,536 tokens, else uint32."
    )


def fitting(tokenizer: Artifact) -> TokenizeConfig:
    """The configuration for a tokenizer: the narrowest type that holds its ids."""
    return TokenizeConfig.model_validate({"token_type": token_dtype(_vocabulary_size(tokenizer)).name})


def _vocabulary_size(tokenizer: Artifact) -> int:
    return tokenizer.read(["vocabulary_size"]).column(0)[0].as_py()


def _tables(config: TokenizeConfig) -> dict[str, Table]:
    kind = pa.uint16() if config.token_type == "uint16" else pa.uint32()
    return {MAIN_TABLE: TOKEN_INDEX, TOKENS: tokens_table(kind)}


def _plan(inputs: Inputs, config: TokenizeConfig) -> list[Shard]:
    """One shard for each part of the corpus. Raises StageFailed if the tokens are too wide or too narrow."""
    (corpus,), (tokenizer,) = inputs["corpus"], inputs["tokenizer"]
    fits = fitting(tokenizer).token_type
    if config.token_type != fits:
        raise StageFailed(
            f"The tokenizer {tokenizer} has {_vocabulary_size(tokenizer):,} tokens, for which `token_type` is {fits}, "
            f"not {config.token_type}. Take the configuration from `fitting(tokenizer)`."
        )
    where = {"tokenizer": str(tokenizer.file("tokenizer.json"))}
    content = {"tokenizer": tokenizer.fingerprint}
    return [
        Shard(
            part.shard,
            content | {"sha256": part.sha256},
            part.rows,
            where | {"corpus": str(corpus.path(part))},
            f"{corpus}/{part.name}",
        )
        for part in corpus.parts()
    ]


@functools.lru_cache(maxsize=2)
def _tokenizer(path: str) -> Tokenizer:
    # Each worker has one core; and threads of this library that were in use do not outlive a fork.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    return Tokenizer.load(path)


def _work(shard: Shard, config: TokenizeConfig, output: ShardOutput, watch: Watch) -> None:
    """Encode each document, `<|endoftext|>` after it; the index says where its tokens stand."""
    tokenizer = _tokenizer(shard.where["tokenizer"])
    schema = _tables(config)[TOKENS].schema
    end = np.array([tokenizer.end_of_text], tokenizer.dtype)
    start = done = 0
    for group in read_batches(Path(shard.where["corpus"]), [*KEPT_COLUMNS, "text"]):
        for first in range(0, group.num_rows, BATCH_ROWS):
            batch = group.slice(first, BATCH_ROWS)
            encoded = tokenizer.encode(batch.column("text").to_pylist())
            lengths = np.array([len(one) + 1 for one in encoded], np.int64)
            tokens = np.concatenate([piece for one in encoded for piece in (one, end)])
            output.write(pa.RecordBatch.from_arrays([pa.array(tokens)], schema=schema), TOKENS)
            index = {name: batch.column(name) for name in KEPT_COLUMNS} | {
                "shard": pa.array(np.full(len(lengths), shard.index, np.int32)),
                "start": pa.array(start + np.cumsum(lengths) - lengths),
                "length": pa.array(lengths),
                "bytes": pc.call_function("binary_length", [batch.column("text")]),
            }
            output.write(pa.RecordBatch.from_pydict(index))
            start += int(lengths.sum())
            done += batch.num_rows
            watch.progress(done)


def realised(artifact: Artifact) -> list[dict[str, Any]]:
    """What the mixture came to, by component and split: documents, tokens, bytes, tokens with all copies of an epoch,
    and the share of the split's tokens.

    A document's tokens are counted with the `<|endoftext|>` after it. Most tokens first.
    """
    index = artifact.read(["component", "split", "copies", "length", "bytes"])
    epoch = pc.call_function("multiply", [index.column("copies").cast(pa.int64()), index.column("length")])
    grouped = (
        index.append_column("epoch_tokens", epoch)
        .group_by(["component", "split"])
        .aggregate([("length", "count"), ("length", "sum"), ("bytes", "sum"), ("epoch_tokens", "sum")])
    )
    rows = [
        {
            "component": row["component"],
            "split": row["split"],
            "documents": row["length_count"],
            "tokens": row["length_sum"],
            "bytes": row["bytes_sum"],
            "bytes_per_token": row["bytes_sum"] / row["length_sum"],
            "epoch_tokens": row["epoch_tokens_sum"],
        }
        for row in grouped.to_pylist()
    ]
    for split in {row["split"] for row in rows}:
        of = [row for row in rows if row["split"] == split]
        total = sum(row["epoch_tokens"] for row in of)
        for row in of:
            row["share"] = row["epoch_tokens"] / total
    return sorted(rows, key=lambda row: (row["split"], -row["epoch_tokens"], row["component"]))


tokenize = Stage("tokenize", 2, "tokens", TokenizeConfig, _tables, _plan, _work, summary=realised)
