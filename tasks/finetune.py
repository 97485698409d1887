"""Fine-tune a model on conversations (SFT): the loss is taken on what the assistant says, and on nothing else.

Conversations are written in the chat template and laid into rows of the context length, several to a row where they
fit; a token sees its own conversation alone. One that is longer than the context is cut at its end, and left out if no
answer token is left; the table `conversations` of the artifact says for each which it was, so nothing is lost in
silence. Exact copies are learned from once. Which rows stand in which step, and how a killed run goes on, is as in
pretraining.
"""

from functools import partial
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from models.configuration import Device, OptimizerConfig, ScheduleConfig, TrainingConfig
from models.tokenizer import Tokenizer
from storage.artifact import MAIN_TABLE, Artifact
from storage.commit import ShardOutput
from storage.files import read_json
from storage.schemas.conversations import FINETUNING, HELD_OUT
from storage.schemas.documents import FORGOTTEN
from storage.schemas.training import TRAINING, TRAINING_ROWS
from tasks.ancestry import TOKENIZER_FILE, ancestry
from tasks.chat_rows import HELD, TRAIN, lay_out
from tasks.config import StageConfig
from tasks.executor import Watch
from tasks.row_order import FINETUNING_PHASE
from tasks.stage import Inputs, Shard, Stage, StageFailed
from tasks.training_report import describe_training, training_summary

HELD_OUT_ROWS_AT_ONCE = 16


class FinetuneConfig(StageConfig):
    """How a model learns from conversations."""

    steps: int = Field(default=400, ge=1, description="Optimizer steps.")
    tokens_per_step: int = Field(default=1024, ge=1, description="Tokens of a step; rounded to whole rows.")
    optimizer: Literal["adamw", "muon"] = Field(default="adamw", description="What takes the steps.")
    learning_rate: float = Field(default=3e-3, gt=0, description="Peak learning rate; below that of pretraining.")
    weight_decay: float = Field(default=0.1, ge=0, description="Decay of matrices.")
    warmup_share: float = Field(default=0.05, ge=0, le=1, description="Share of the steps in which the rate rises.")
    decay_share: float = Field(default=0.5, ge=0, le=1, description="Share of the steps in which it falls to 0.")
    clip: float = Field(default=1.0, gt=0, description="Largest norm of all gradients together.")
    held_out: int = Field(default=256, ge=0, description="Held-out conversations that the loss is measured on.")
    validations: int = Field(default=4, ge=1, description="How often that is done on the way, evenly spread.")
    seed: int = Field(default=0, ge=0, description="Of the order of rows.")
    threads: int = Field(
        default=2,
        ge=1,
        description="CPU threads, 2 on every machine: sums are cut by it, so another number gives other last bits.",
    )
    device: Device = Field(default="cpu", description="Where the model computes; one device.")
    checkpoint_every: int = Field(
        default=100, ge=1, exclude=True, description="Steps between checkpoints; changes nothing but what a kill costs."
    )

    def training(self) -> TrainingConfig:
        """The same in the words of the training loop."""
        return TrainingConfig(
            steps=self.steps,
            tokens_per_step=self.tokens_per_step,
            optimizer=OptimizerConfig(
                kind=self.optimizer, learning_rate=self.learning_rate, weight_decay=self.weight_decay
            ),
            schedule=ScheduleConfig(warmup_share=self.warmup_share, decay_share=self.decay_share),
            clip=self.clip,
            seed=self.seed,
            threads=self.threads,
            device=self.device,
        )


def check_conversations(conversations: list[Artifact]) -> None:
    """Raises: StageFailed if there is not one conversation to learn from."""
    if not sum(one.rows() for one in conversations):
        raise StageFailed(
            "finetune: there are no conversations. Add a source that `holds: conversations` to the recipe, or look at "
            "why its rows are none: `select reason, count(*) from losses where stage = 'conversations' group by all`."
        )


def _plan(inputs: Inputs, config: FinetuneConfig) -> list[Shard]:
    """One shard. Raises StageFailed if there is nothing to learn from, or the model's tokenizer is not its own."""
    (model,), conversations = inputs["model"], list(inputs.get("conversations", ()))
    ancestry(model)
    check_conversations(conversations)
    training = config.training()
    row_tokens = read_json(model.file("config.json"))["max_position_embeddings"]
    size = config.steps * training.rows_per_step(row_tokens) * row_tokens
    content = {"model": model.fingerprint, "conversations": [one.fingerprint for one in conversations]}
    return [Shard(0, content, size, {"model": model, "conversations": conversations}, str(model))]


def _work(shard: Shard, config: FinetuneConfig, output: ShardOutput, watch: Watch) -> None:
    """Teach the model to answer; write its weights, what each step did, and what became of each conversation."""
    # torch and what needs it are imported where work begins: a run that reuses its model does without them
    from models.formats.checkpoint import load_model
    from models.training import IGNORED, NotFinite, fixed_arithmetic, mean_loss, rows_of_step
    from tasks.training import train_shard, training_batch, write_model

    model: Artifact = shard.where["model"]
    tokenizer = Tokenizer.load(model.file(TOKENIZER_FILE))
    decoder = load_model(model.folder)
    row_length = decoder.config.context_length + 1
    rows, about = lay_out(shard.where["conversations"], tokenizer, row_length, config.held_out)
    train, held = rows[TRAIN], rows[HELD]
    if not len(train):
        forgotten = sum(row["outcome"] == FORGOTTEN for row in about)
        raise StageFailed(
            f"finetune: none of the {len(about)} conversations ({forgotten} of them forgotten) has an answer within "
            f"the context of {row_length - 1} tokens. Give shorter ones, or a model with a longer context."
        )
    training = config.training()
    rows_per_step = training.rows_per_step(row_length - 1)
    chosen = partial(rows_of_step, config.seed, FINETUNING_PHASE, n_rows=len(train), rows_per_step=rows_per_step)
    measured = [
        held.batch(range(start, min(start + HELD_OUT_ROWS_AT_ONCE, len(held))))
        for start in range(0, len(held), HELD_OUT_ROWS_AT_ONCE)
    ]
    with fixed_arithmetic(config.threads):
        before = mean_loss(decoder.to(config.device), iter(measured)) if measured else None
    try:
        history = train_shard(
            "finetune",
            decoder,
            lambda step: train.batch(chosen(step)),
            config.steps,
            training,
            output,
            watch,
            checkpoint_every=config.checkpoint_every,
            validate=(lambda: mean_loss(decoder, iter(measured))) if measured else None,
            validate_every=-(-config.steps // config.validations),
        )
    except NotFinite as error:
        listed = ", ".join(map(str, chosen(error.step)))
        raise ValueError(
            f"{error} It read the rows {listed} of the training conversations of {model}. Lower "
            "`finetuning.learning_rate` in the recipe, or drop the conversations if they are damaged."
        ) from error
    output.write(training_batch(history))
    output.write(pa.RecordBatch.from_pylist(about, schema=FINETUNING.schema), "conversations")
    losses = [] if before is None else [(0, before), *history.validation]
    counts = {
        "conversations": sum(map(len, held.rows)),
        "answer_tokens": sum(int((batch.targets != IGNORED).sum()) for batch in measured),
    }
    held_rows = [{"step": step, "loss": loss} | counts for step, loss in losses]
    output.write(pa.RecordBatch.from_pylist(held_rows, schema=HELD_OUT.schema), "held_out")
    steps = np.arange(config.steps)
    columns = [
        np.repeat(steps + 1, rows_per_step),
        np.tile(np.arange(rows_per_step, dtype=np.int32), config.steps),
        np.concatenate([chosen(int(step)) for step in steps]),
    ]
    output.write(pa.RecordBatch.from_arrays(list(map(pa.array, columns)), schema=TRAINING_ROWS.schema), "rows")
    write_model(decoder, tokenizer.end_of_text, model, output)


def summarise(artifact: Artifact) -> list[dict[str, Any]]:
    """How it went, with the held-out loss before and after, and how many conversations were cut or left out."""
    outcomes = artifact.read(["outcome"], "conversations").column("outcome").to_pylist()
    held = artifact.read(["loss"], "held_out").column("loss").to_pylist()
    (row,) = training_summary(artifact)
    row |= {"held-out loss before": round(held[0], 4) if held else None}
    return [row | {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))}]


finetune = Stage(
    "finetune",
    2,
    "model",
    FinetuneConfig,
    {MAIN_TABLE: TRAINING, "rows": TRAINING_ROWS, "conversations": FINETUNING, "held_out": HELD_OUT},
    _plan,
    _work,
    here=True,
    unit="tokens",
    summary=summarise,
    describe=describe_training,
)
