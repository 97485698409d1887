"""Fine-tune a model on conversations (SFT): the loss is taken on what the assistant says, and on nothing else.

Conversations are written in the chat template and laid into rows of the context length, several to a row where they
fit; a token sees its own conversation alone. One that is longer than the context is cut at its end, and left out if no
answer token is left; the table `conversations` of the artifact says for each which it was, so nothing is lost in
silence. Exact copies are learned from once. Which rows stand in which step, and how a killed run goes on, is as in
pretraining.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from pydantic import Field

from models.chat import encode_chats
from models.formats.checkpoint import CONFIG, WEIGHTS, load_model, read_config, save_model
from models.optimizer import OptimizerConfig
from models.schedule import ScheduleConfig
from models.tokenizer import Tokenizer
from models.training import (
    IGNORED,
    Batch,
    NotFinite,
    TrainingConfig,
    fixed_arithmetic,
    mean_loss,
    rows_of_step,
)
from storage.artifact import MAIN_TABLE, Artifact
from storage.commit import ShardOutput
from storage.files import read_json, write_text
from storage.schemas.conversations import FINETUNING, HELD_OUT
from storage.schemas.training import TRAINING, TRAINING_ROWS
from tasks.ancestry import TOKENIZER_FILE, ancestry
from tasks.config import StageConfig
from tasks.executor import Watch
from tasks.stage import Inputs, Shard, Stage, StageFailed
from tasks.training import describe_training, train_shard, training_batch, training_summary

PHASE = 1
"""Pretraining is phase 0: the same seed gives another order here."""
TRAIN, HELD = "train", "held-out"
TOKENIZER_FILES = (TOKENIZER_FILE, "tokenizer_config.json")
CONVERSATIONS_AT_ONCE = 2048
HELD_OUT_ROWS_AT_ONCE = 16


class FinetuneConfig(StageConfig):
    """How a model learns from conversations."""

    steps: int = Field(default=400, ge=1, description="Optimizer steps.")
    tokens_per_step: int = Field(default=1024, ge=1, description="Tokens of a step; rounded to whole rows.")
    learning_rate: float = Field(default=3e-3, gt=0, description="Peak learning rate; half that of pretraining.")
    weight_decay: float = Field(default=0.1, ge=0, description="Decay of matrices.")
    warmup_share: float = Field(default=0.05, ge=0, le=1, description="Share of the steps in which the rate rises.")
    decay_share: float = Field(default=0.5, ge=0, le=1, description="Share of the steps in which it falls to 0.")
    clip: float = Field(default=1.0, gt=0, description="Largest norm of all gradients together.")
    held_out: int = Field(default=256, ge=0, description="Held-out conversations that the loss is measured on.")
    validations: int = Field(default=4, ge=1, description="How often that is done on the way, evenly spread.")
    seed: int = Field(default=0, ge=0, description="Of the order of rows.")
    threads: int = Field(default=2, ge=1, description="CPU threads. Sums are cut by it, so it changes the last bits.")
    device: str = Field(default="cpu", description="cpu, or what accelerate finds (cuda, mps, …).")
    checkpoint_every: int = Field(
        default=100, ge=1, exclude=True, description="Steps between checkpoints; changes nothing but what a kill costs."
    )

    def training(self) -> TrainingConfig:
        """The same in the words of the training loop."""
        return TrainingConfig(
            steps=self.steps,
            tokens_per_step=self.tokens_per_step,
            optimizer=OptimizerConfig(learning_rate=self.learning_rate, weight_decay=self.weight_decay),
            schedule=ScheduleConfig(warmup_share=self.warmup_share, decay_share=self.decay_share),
            clip=self.clip,
            seed=self.seed,
            threads=self.threads,
            device=self.device,
        )


def fill_rows(lengths: Sequence[int], row_length: int) -> tuple[np.ndarray, np.ndarray]:
    """Lay pieces of these lengths into rows, none across two: (row, position) of each, int64.

    Best fit, longest first (Johnson 1974): each piece goes to the fullest row that has room, rows of equal room in the
    order they were opened. Raises ValueError if a piece is longer than a row, or empty.
    """
    row, position = np.zeros(len(lengths), np.int64), np.zeros(len(lengths), np.int64)
    of_room: list[list[int]] = [[] for _ in range(row_length + 1)]
    rooms = opened = 0  # bit r of `rooms`: there is a row with room for r
    for piece in sorted(range(len(lengths)), key=lambda piece: (-lengths[piece], piece)):
        length = lengths[piece]
        if not 1 <= length <= row_length:
            raise ValueError(f"Piece {piece} has the length {length}; a row holds 1 to {row_length}.")
        fitting = rooms >> length
        if fitting:
            room = length + (fitting & -fitting).bit_length() - 1
            chosen = of_room[room].pop(0)
            if not of_room[room]:
                rooms &= ~(1 << room)
        else:
            room, chosen = row_length, opened
            opened += 1
        row[piece], position[piece] = chosen, row_length - room
        of_room[room - length].append(chosen)
        rooms |= 1 << (room - length)
    return row, position


@dataclass(frozen=True)
class Piece:
    """A conversation as it stands in a row: token ids, which of them the assistant says, and where it starts."""

    ids: np.ndarray
    said: np.ndarray
    position: int


class ChatRows:
    """Rows of conversations. A row has `row_length` = context length + 1 places, as in pretraining."""

    def __init__(self, rows: Sequence[Sequence[Piece]], row_length: int, padding: int) -> None:
        self.rows, self.row_length, self.padding = rows, row_length, padding

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, numbers: Sequence[int] | np.ndarray) -> Batch:
        """The rows with these numbers: context-length inputs, and as targets the tokens that the assistant says."""
        shape = (len(numbers), self.row_length)
        tokens = np.full(shape, self.padding, np.int64)
        targets, documents = np.full(shape, IGNORED, np.int64), np.full(shape, -1, np.int64)
        for place, number in enumerate(numbers):
            for count, piece in enumerate(self.rows[int(number)]):
                where = slice(piece.position, piece.position + len(piece.ids))
                tokens[place, where] = piece.ids
                documents[place, where] = count
                targets[place, where] = np.where(piece.said, piece.ids, IGNORED)
        return Batch(
            torch.from_numpy(tokens[:, :-1]), torch.from_numpy(targets[:, 1:]), torch.from_numpy(documents[:, :-1])
        )


def lay_out(
    conversations: Sequence[Artifact], tokenizer: Tokenizer, row_length: int, held_out: int
) -> tuple[dict[str, ChatRows], list[dict[str, Any]]]:
    """The rows of both splits, and a row of FINETUNING for every conversation, in the order of their ids."""
    pieces: dict[str, list[tuple[int, np.ndarray, np.ndarray]]] = {TRAIN: [], HELD: []}
    about: list[dict[str, Any]] = []
    seen: set[str] = set()
    for batch in _by_id(conversations):
        for row, chat in zip(batch, encode_chats(tokenizer, [row["messages"] for row in batch]), strict=True):
            ids, said = chat.ids[:row_length], chat.said[:row_length]
            split = row["split"]
            if row["content_hash"] in seen:
                outcome = "copy"
            elif split == HELD and len(pieces[HELD]) >= held_out:
                outcome = "not needed"
            elif not said[1:].any():
                outcome = "left out"
            else:
                outcome = "whole" if len(ids) == len(chat.ids) else "cut"
                pieces[split].append((len(about), ids, said))
            seen.add(row["content_hash"])
            stands = outcome in ("whole", "cut")
            about.append(
                {name: row[name] for name in ("conversation_id", "source", "split")}
                | {"tokens": len(chat.ids), "answer_tokens": int(chat.said.sum()), "outcome": outcome}
                | {"kept_tokens": len(ids) if stands else 0, "kept_answer_tokens": int(said.sum()) if stands else 0}
                | {"row": None, "position": None}
            )
    rows: dict[str, ChatRows] = {}
    for split, found in pieces.items():
        row, position = fill_rows([len(ids) for _, ids, _ in found], row_length)
        listed: list[list[Piece]] = [[] for _ in range(int(row.max()) + 1 if len(row) else 0)]
        for (number, ids, said), in_row, start in zip(found, row.tolist(), position.tolist(), strict=True):
            listed[in_row].append(Piece(ids, said, start))
            about[number] |= {"row": in_row, "position": start}
        rows[split] = ChatRows(listed, row_length, tokenizer.end_of_text)
    return rows, about


def _by_id(conversations: Sequence[Artifact]) -> Iterator[list[dict[str, Any]]]:
    """All conversations in the order of their ids, some at a time: no order of sources or snapshots plays a part."""
    columns = ["conversation_id", "source", "split", "content_hash", "messages"]
    tables = [one.read(columns) for one in conversations if one.rows()]
    if not tables:
        return
    together = pa.concat_tables(tables).sort_by("conversation_id")
    for start in range(0, together.num_rows, CONVERSATIONS_AT_ONCE):
        yield together.slice(start, CONVERSATIONS_AT_ONCE).to_pylist()


def _plan(inputs: Inputs, config: FinetuneConfig) -> list[Shard]:
    """One shard. Raises StageFailed if there is nothing to learn from, or the model's tokenizer is not its own."""
    (model,), conversations = inputs["model"], list(inputs.get("conversations", ()))
    ancestry(model)
    if not sum(one.rows() for one in conversations):
        raise StageFailed(
            "finetune: there are no conversations. Add a source that `holds: conversations` to the recipe, or look at "
            "why its rows are none: `select reason, count(*) from losses where stage = 'conversations' group by all`."
        )
    training = config.training()
    row_tokens = read_config(read_json(model.file(CONFIG))).context_length
    size = config.steps * training.rows_per_step(row_tokens) * row_tokens
    content = {"model": model.fingerprint, "conversations": [one.fingerprint for one in conversations]}
    return [Shard(0, content, size, {"model": model, "conversations": conversations}, str(model))]


def _work(shard: Shard, config: FinetuneConfig, output: ShardOutput, watch: Watch) -> None:
    """Teach the model to answer; write its weights, what each step did, and what became of each conversation."""
    model: Artifact = shard.where["model"]
    tokenizer = Tokenizer.load(model.file(TOKENIZER_FILE))
    decoder = load_model(model.folder)
    row_length = decoder.config.context_length + 1
    rows, about = lay_out(shard.where["conversations"], tokenizer, row_length, config.held_out)
    train, held = rows[TRAIN], rows[HELD]
    if not len(train):
        raise StageFailed(
            f"finetune: none of the {len(about)} conversations has an answer within the context of {row_length - 1} "
            "tokens. Give shorter ones, or a model with a longer context."
        )
    training = config.training()
    rows_per_step = training.rows_per_step(row_length - 1)
    chosen = partial(rows_of_step, config.seed, PHASE, n_rows=len(train), rows_per_step=rows_per_step)
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
    folder = {output.file(name).parent for name in (WEIGHTS, CONFIG)}.pop()
    save_model(decoder, folder, tokenizer.end_of_text)
    for name in TOKENIZER_FILES:
        write_text(output.file(name), Path(model.file(name)).read_text(encoding="utf-8"))


def summarise(artifact: Artifact) -> list[dict[str, Any]]:
    """How it went, with the held-out loss before and after, and how many conversations were cut or left out."""
    outcomes = artifact.read(["outcome"], "conversations").column("outcome").to_pylist()
    held = artifact.read(["loss"], "held_out").column("loss").to_pylist()
    (row,) = training_summary(artifact)
    row |= {"held-out loss before": round(held[0], 4) if held else None}
    return [row | {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))}]


finetune = Stage(
    "finetune",
    1,
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
