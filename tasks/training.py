"""What the stages that train share: checkpoints in the shard's scratch, the training table, the model's files.

A checkpoint is a safetensors file, and then a JSON file that makes it count: it has the step and the SHA-256.
"""

import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from safetensors.torch import load_file, save_file

from models.decoder import Decoder
from models.formats.checkpoint import CONFIG, WEIGHTS, save_model
from models.training import Batch, History, TrainingConfig, TrainingState, train
from storage.artifact import Artifact
from storage.commit import ShardOutput
from storage.failpoints import reached
from storage.files import Damaged, read_fields, sha256_file, write_atomically, write_json, write_text
from storage.schemas.training import TRAINING
from tasks.executor import Watch
from tasks.run import current_run
from tasks.training_report import describe_training, training_summary

__all__ = [
    "Checkpoints",
    "describe_training",
    "train_shard",
    "training_batch",
    "training_summary",
    "write_model",
]

CLOCK_MARKS = 100
"""How many times of a run are kept in its provenance."""
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")


class Checkpoints:
    """The newest states of a run in one folder; older ones than the last `keep` are deleted."""

    def __init__(self, folder: Path, keep: int = 2) -> None:
        self.folder, self.keep = folder, keep

    def save(self, state: TrainingState) -> None:
        """Write a state, whole or not at all."""
        tensors = self.folder / f"checkpoint-{state.step:09d}.safetensors"
        write_atomically(tensors, lambda temporary: save_file(state.tensors, temporary))
        write_json(tensors.with_suffix(".json"), {"step": state.step, "sha256": sha256_file(tensors)})
        for about in self._listed()[self.keep :]:
            about.unlink()
            about.with_suffix(".safetensors").unlink(missing_ok=True)

    def newest(self) -> TrainingState | None:
        """The newest state whose tensors are as they were written; None if there is none."""
        for path in self._listed():
            try:
                about, tensors = read_fields(path, "step", "sha256"), path.with_suffix(".safetensors")
            except Damaged:
                continue
            if tensors.exists() and sha256_file(tensors) == about["sha256"]:
                return TrainingState(about["step"], load_file(tensors))
        return None

    def _listed(self) -> list[Path]:
        return sorted(self.folder.glob("checkpoint-*.json"), reverse=True)


def train_shard(
    name: str,
    decoder: Decoder,
    batch_of_step: Callable[[int], Batch],
    steps: int,
    config: TrainingConfig,
    output: ShardOutput,
    watch: Watch,
    *,
    checkpoint_every: int,
    validate: Callable[[], float] | None = None,
    validate_every: int = 0,
) -> History:
    """`models.training.train` inside a stage: goes on from the newest checkpoint, saves, tells the progress in tokens.

    Times and rates go to the shard's notes. `name` is the stage's: its failpoints are `<name>.step` and
    `<name>.checkpoint`.
    """
    checkpoints = Checkpoints(output.scratch)
    resume = checkpoints.newest()
    begun, first = time.monotonic(), resume.step if resume else 0
    every = max(1, steps // CLOCK_MARKS)
    clock: list[tuple[int, float]] = []
    read = before = float(resume.tensors["history/tokens"].sum()) if resume else 0.0
    if resume:
        watch.progress(int(read))
        current_run().console.line(f"{name:<15} going on from step {first:,} of {steps:,}: an earlier run's checkpoint")

    def save(state: TrainingState) -> None:
        checkpoints.save(state)
        reached(f"{name}.checkpoint")

    def after_step(done: int, history: History) -> None:
        nonlocal read
        read += history.tokens[-1]
        watch.progress(int(read))
        if done % every == 0 or done == steps:
            clock.append((done, round(time.monotonic() - begun, 3)))
        reached(f"{name}.step")

    history = train(
        decoder,
        batch_of_step,
        steps,
        config,
        resume=resume,
        save=save,
        save_every=checkpoint_every,
        validate=validate,
        validate_every=validate_every,
        after_step=after_step,
    )
    seconds = time.monotonic() - begun
    output.notes |= {
        "resumed_from_step": first,
        "seconds": round(seconds, 3),
        "tokens_per_second": round((read - before) / max(seconds, 1e-9), 1),
        "clock": clock,
        "device": str(decoder.embedding.weight.device),
        "threads": config.threads,
        "processes": 1,
        "torch": torch.__version__,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }
    return history


def training_batch(history: History, bytes_per_token: float | None = None) -> pa.RecordBatch:
    """The rows of TRAINING. `bytes_per_token`: of the held-out targets, for bits per byte; None leaves that null."""
    steps = len(history.loss)
    held: list[float | None] = [None] * steps
    for step, loss in history.validation:
        held[step - 1] = loss
    per_byte = [
        None if loss is None or bytes_per_token is None else loss / math.log(2) / bytes_per_token for loss in held
    ]
    columns = {
        "step": np.arange(1, steps + 1),
        "tokens_seen": np.cumsum(history.tokens).astype(np.int64),
        "loss": history.loss,
        "learning_rate": history.learning_rate,
        "gradient_norm": history.gradient_norm,
        "validation_loss": held,
        "validation_bits_per_byte": per_byte,
    }
    arrays = [pa.array(columns[field.name], field.type) for field in TRAINING.schema]
    return pa.RecordBatch.from_arrays(arrays, schema=TRAINING.schema)


def write_model(decoder: Decoder, end_of_text: int, tokenizer: Artifact, output: ShardOutput) -> None:
    """The files of a model: weights, config.json, and the tokenizer's, so that the folder is loadable as it is."""
    folder = {output.file(name).parent for name in (WEIGHTS, CONFIG)}.pop()
    save_model(decoder, folder, end_of_text)
    for name in TOKENIZER_FILES:
        write_text(output.file(name), Path(tokenizer.file(name)).read_text(encoding="utf-8"))
