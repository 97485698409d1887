"""Pretrain a decoder on packed rows.

The rows of step s are a pure function of (seed, phase, s), so `training_rows` can say which documents stood in it, and
a run that was killed goes on from its newest checkpoint to the same weights, bit for bit. By default a token may look
at documents before its own in the row: `<|endoftext|>` between them tells the model, and no mask is needed.
"""

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pydantic import Field

from models.configuration import ModelConfig, TrainingConfig
from models.tokenizer import Tokenizer
from storage.artifact import MAIN_TABLE
from storage.commit import ShardOutput
from storage.schemas.training import TRAINING, TRAINING_ROWS
from storage.tokens import PackedRows
from tasks.config import StageConfig
from tasks.executor import Watch
from tasks.row_order import RowOrder
from tasks.stage import Inputs, Shard, Stage, StageFailed
from tasks.training_report import describe_training, training_summary

if TYPE_CHECKING:
    from models.training import Batch

HELD_OUT_ROWS_AT_ONCE = 16


class PretrainConfig(StageConfig):
    """What is trained, and how."""

    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    confine: bool = Field(
        default=False,
        description="A token sees its own document alone: a dense mask, some 2 % slower at a context of 256 on a CPU.",
    )
    validations: int = Field(default=10, ge=0, description="How often the held-out loss is measured, evenly spread.")
    validation_rows: int = Field(default=64, ge=1, description="Rows of the validation part that it is measured on.")
    checkpoint_every: int = Field(
        default=250, ge=1, exclude=True, description="Steps between checkpoints; changes nothing but what a kill costs."
    )


def to_batch(rows: PackedRows, numbers: np.ndarray, confine: bool) -> "Batch":
    """The rows with these numbers: context-length inputs, each with the token after it as its target."""
    import torch

    from models.training import IGNORED, Batch

    tokens, mask = (torch.from_numpy(array) for array in rows.batch(numbers))
    targets = tokens[:, 1:].masked_fill(~mask[:, 1:], IGNORED)
    documents = torch.from_numpy(rows.documents(numbers))[:, :-1] if confine else None
    return Batch(tokens[:, :-1], targets, documents)


def _plan(inputs: Inputs, config: PretrainConfig) -> list[Shard]:
    (packing,), (tokens,), (tokenizer,) = inputs["packing"], inputs["tokens"], inputs["tokenizer"]
    made_by = tokens.input("tokenizer")
    if made_by.fingerprint != tokenizer.fingerprint:
        raise StageFailed(
            f"pretrain: {tokens} was made by {made_by}, not by {tokenizer}, so its ids mean other text. "
            "Tokenize the corpus with the tokenizer that the model is to carry."
        )
    row_tokens = packing.manifest.identity.config["context_length"]
    training = config.training
    size = training.total_steps(row_tokens) * training.rows_per_step(row_tokens) * row_tokens
    where = {"packing": packing, "tokens": tokens, "tokenizer": tokenizer}
    return [Shard(0, {role: one.fingerprint for role, one in where.items()}, size, where)]


def _work(shard: Shard, config: PretrainConfig, output: ShardOutput, watch: Watch) -> None:
    """Train a decoder on the packed rows; write its weights, its tokenizer and what happened in each step."""
    # torch and what needs it are imported where work begins: a run that reuses its model does without them
    from models.decoder import Decoder
    from models.training import NotFinite, mean_loss, new_decoder
    from tasks.training import train_shard, training_batch, write_model

    packing, tokens, tokenizer = (shard.where[role] for role in ("packing", "tokens", "tokenizer"))
    vocabulary = Tokenizer.load(tokenizer.file("tokenizer.json"))
    rows, held = (PackedRows(packing, tokens, split) for split in ("train", "validation"))
    row_tokens = rows.row_length - 1
    steps, rows_per_step = config.training.total_steps(row_tokens), config.training.rows_per_step(row_tokens)
    chosen = RowOrder(config.training.seed, rows.phase_rows.tolist(), steps, rows_per_step).rows
    decoder = new_decoder(Decoder(config.model.shape(len(vocabulary), row_tokens)), config.training.seed)
    held_out = held_out_batches(held, config)
    try:
        history = train_shard(
            "pretrain",
            decoder,
            lambda step: to_batch(rows, chosen(step), config.confine),
            steps,
            config.training,
            output,
            watch,
            checkpoint_every=config.checkpoint_every,
            validate=(lambda: mean_loss(decoder, iter(held_out))) if held_out else None,
            validate_every=-(-steps // config.validations) if config.validations else 0,
        )
    except NotFinite as error:
        listed = ", ".join(map(str, chosen(error.step)))
        raise ValueError(
            f"{error} It read the rows {listed} of {packing}; `select distinct doc_id from pack where fingerprint = "
            f"'{packing.fingerprint}' and split = 'train' and \"row\" in ({listed})` names their documents. "
            "Lower training.optimizer.learning_rate, or drop the documents if they are damaged."
        ) from error
    output.write(training_batch(history, _bytes_per_token(held_out, vocabulary)))
    every = np.concatenate([chosen(step) for step in range(steps)])
    columns = [
        np.repeat(np.arange(1, steps + 1), rows_per_step),
        np.tile(np.arange(rows_per_step, dtype=np.int32), steps),
        every,
    ]
    output.write(pa.RecordBatch.from_arrays(list(map(pa.array, columns)), schema=TRAINING_ROWS.schema), "rows")
    write_model(decoder, vocabulary.end_of_text, tokenizer, output)


def held_out_batches(held: PackedRows, config: PretrainConfig) -> list["Batch"]:
    """The rows that the held-out loss is measured on, evenly spread over the validation part; none if that is empty."""
    numbers = np.unique(np.linspace(0, len(held) - 1, min(config.validation_rows, len(held))).round().astype(np.int64))
    starts = range(0, len(numbers), HELD_OUT_ROWS_AT_ONCE)
    return [to_batch(held, numbers[start : start + HELD_OUT_ROWS_AT_ONCE], config.confine) for start in starts]


def _bytes_per_token(batches: list["Batch"], vocabulary: Tokenizer) -> float | None:
    """Bytes of text that a held-out target stands for, in the mean; None without any."""
    import torch

    from models.training import IGNORED

    lengths = torch.from_numpy(vocabulary.byte_lengths())
    targets = [batch.targets[batch.targets != IGNORED] for batch in batches]
    total = sum(int(lengths[one].sum()) for one in targets)
    return total / sum(one.numel() for one in targets) if total else None


pretrain = Stage(
    "pretrain",
    2,
    "model",
    PretrainConfig,
    {MAIN_TABLE: TRAINING, "rows": TRAINING_ROWS},
    _plan,
    _work,
    here=True,
    unit="tokens",
    summary=training_summary,
    describe=describe_training,
)
