"""The training loop: which rows stand in which step, the steps, and a state from which a run goes on exactly.

The loop opens no file: it gives its state to `save` and takes it from `resume`. Nothing in it depends on time, so that
a run killed anywhere and resumed ends with the same bits (one device, one thread count: `TrainingConfig` holds both).
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor

from models.configuration import TrainingConfig
from models.decoder import Decoder
from models.optimizer import build_optimizers, optimizer_tensors, restore_optimizers
from models.schedule import learning_rate_scale

IGNORED = -100
"""Target of a place that has no loss (cross_entropy's own convention)."""


@dataclass(frozen=True)
class Batch:
    """What one step reads: tokens and their targets, int64 [B, T] (`IGNORED`: no loss); documents as in `Decoder`."""

    tokens: Tensor
    targets: Tensor
    documents: Tensor | None = None


@dataclass
class History:
    """One entry for each step done; `validation` has (step, mean nats a token) now and then."""

    loss: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    gradient_norm: list[float] = field(default_factory=list)
    tokens: list[float] = field(default_factory=list)
    validation: list[tuple[int, float]] = field(default_factory=list)


@dataclass(frozen=True)
class TrainingState:
    """All that a run needs to go on: `step` steps are done. Tensors only, so that a file of it needs no pickle."""

    step: int
    tensors: dict[str, Tensor]


class NotFinite(ArithmeticError):
    """The loss or the gradient of a step is no number. `step` is its index, from 0; the message counts from 1."""

    def __init__(self, step: int, loss: float, norm: float) -> None:
        super().__init__(f"Step {step + 1} has the loss {loss} and the gradient norm {norm}: training can't go on.")
        self.step = step


_MIX = np.uint64(0x9E3779B97F4A7C15)


def _mix(value: np.ndarray) -> np.ndarray:
    """splitmix64's finaliser (Steele et al. 2014): uint64 to uint64, every bit depends on every bit."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def permute(places: np.ndarray, n: int, key: int) -> np.ndarray:
    """A pseudo-random permutation of 0 … n-1 without a table: where each of `places` (int64) goes.

    A Feistel network over the smallest even number of bits that holds n, walked until it falls below n (Black and
    Rogaway 2002): a bijection whatever its round function is. Less than four walks on average.
    """
    half = np.uint64(max(1, math.ceil(math.log2(max(n, 2)) / 2)))
    low = (np.uint64(1) << half) - np.uint64(1)
    out = places.astype(np.uint64)
    todo = np.arange(len(out))
    with np.errstate(over="ignore"):  # arithmetic modulo 2^64 is meant
        while len(todo):
            left, right = out[todo] >> half, out[todo] & low
            for turn in range(6):
                salt = _mix(np.array([(key + turn * 0x9E3779B97F4A7C15) % 2**64], np.uint64))
                left, right = right, left ^ (_mix(right * _MIX + salt) & low)
            out[todo] = (left << half) | right
            todo = todo[out[todo] >= n]
    return out.astype(np.int64)


def rows_of_step(seed: int, phase: int, step: int, n_rows: int, rows_per_step: int) -> np.ndarray:
    """Row numbers of a step, int64 [rows_per_step]: a pure function of its arguments.

    Every epoch visits each row once, in an order of its own; a step may hold the end of one and the start of the next.
    Raises ValueError if there are no rows.
    """
    if n_rows < 1:
        raise ValueError("There are no rows to train on: the packing is empty. Compose a corpus with kept documents.")
    position = np.arange(step * rows_per_step, (step + 1) * rows_per_step, dtype=np.int64)
    epoch, place = position // n_rows, position % n_rows
    rows = np.empty(rows_per_step, np.int64)
    for one in np.unique(epoch):
        with np.errstate(over="ignore"):
            key = _mix(_mix(_mix(np.array([seed], np.uint64) + _MIX) + np.uint64(phase) + _MIX) + np.uint64(one) + _MIX)
        rows[epoch == one] = permute(place[epoch == one], n_rows, int(key[0]))
    return rows


@contextmanager
def fixed_arithmetic(threads: int) -> Iterator[None]:
    """Inside, torch uses `threads` threads and deterministic algorithms alone; afterwards what it used before."""
    before, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        torch.use_deterministic_algorithms(deterministic)


def new_decoder(decoder: Decoder, seed: int) -> Decoder:
    """The decoder with its first weights, a function of its configuration and the seed."""
    return decoder.initialise(torch.Generator().manual_seed(seed))


def batch_loss(decoder: Decoder, batch: Batch) -> Tensor:
    """Summed negative log-likelihood of the targets in nats, a float32 scalar."""
    logits = decoder(batch.tokens, documents=batch.documents)
    return F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORED, reduction="sum")


@torch.no_grad()
def mean_loss(decoder: Decoder, batches: Iterator[Batch]) -> float:
    """Mean negative log-likelihood over all targets of the batches, nats a token; NaN if there are none."""
    total, count = 0.0, 0
    for batch in batches:
        total += float(batch_loss(decoder, _to(batch, next(decoder.parameters()).device)))
        count += int((batch.targets != IGNORED).sum())
    return total / count if count else math.nan


def train(
    decoder: Decoder,
    batch_of_step: Callable[[int], Batch],
    steps: int,
    config: TrainingConfig,
    *,
    resume: TrainingState | None = None,
    save: Callable[[TrainingState], None] | None = None,
    save_every: int = 250,
    validate: Callable[[], float] | None = None,
    validate_every: int = 0,
    after_step: Callable[[int, History], None] | None = None,
) -> History:
    """Train `decoder` in place for `steps` steps in all; those in `resume` are done already.

    Args:
        batch_of_step: what step 0, 1, … reads; a pure function.
        save: gets the state after every `save_every` steps (not after the last: the model itself is about to be kept).
        validate: gives a held-out loss; called after every `validate_every` steps and after the last. 0: never.
        after_step: called after each step with the number of steps done.

    Returns the history of all steps. Raises NotFinite with the step; the weights are then those before it.
    """
    with fixed_arithmetic(config.threads):
        accelerator = Accelerator(cpu=config.device == "cpu", mixed_precision="no")
        bare = build_optimizers(decoder.to(accelerator.device), config.optimizer)
        model, *optimizers = accelerator.prepare(decoder, *bare)
        history = _restore(decoder, bare, resume) if resume else History()
        model.train()
        for step in range(resume.step if resume else 0, steps):
            rate = config.optimizer.learning_rate * learning_rate_scale(step, steps, config.schedule)
            for group in [group for optimizer in bare for group in optimizer.param_groups]:
                group["lr"] = rate
            batch = batch_of_step(step)
            count = max(1, int((batch.targets != IGNORED).sum()))
            loss = 0.0
            for part in _split(batch, config.rows_at_once):
                summed = batch_loss(model, _to(part, accelerator.device))
                accelerator.backward(summed / count)
                loss += float(summed.detach())
            norm = float(torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip))
            if not math.isfinite(loss) or not math.isfinite(norm):
                raise NotFinite(step, loss / count, norm)
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()
            history.loss.append(loss / count)
            history.learning_rate.append(rate)
            history.gradient_norm.append(norm)
            history.tokens.append(float(batch.tokens.numel()))
            done = step + 1
            if validate is not None and validate_every and (done % validate_every == 0 or done == steps):
                model.eval()
                history.validation.append((done, validate()))
                model.train()
            if save is not None and done % save_every == 0 and done < steps:
                save(_state(decoder, bare, done, history))
            if after_step is not None:
                after_step(done, history)
        model.eval()
        return history


def _split(batch: Batch, rows: int) -> Iterator[Batch]:
    for start in range(0, batch.tokens.shape[0], rows):
        cut = slice(start, start + rows)
        documents = None if batch.documents is None else batch.documents[cut]
        yield Batch(batch.tokens[cut], batch.targets[cut], documents)


def _to(batch: Batch, device: torch.device) -> Batch:
    documents = None if batch.documents is None else batch.documents.to(device)
    return Batch(batch.tokens.to(device), batch.targets.to(device), documents)


_COLUMNS = ("loss", "learning_rate", "gradient_norm", "tokens")


def _state(decoder: Decoder, optimizers: list[torch.optim.Optimizer], step: int, history: History) -> TrainingState:
    tensors = {f"model/{name}": value.detach().cpu().clone() for name, value in decoder.named_parameters()}
    tensors |= {f"optimizer/{name}": value.cpu() for name, value in optimizer_tensors(decoder, optimizers).items()}
    tensors |= {f"history/{name}": torch.tensor(getattr(history, name), dtype=torch.float64) for name in _COLUMNS}
    tensors["history/validation"] = torch.tensor(history.validation, dtype=torch.float64).reshape(-1, 2)
    tensors["random/cpu"] = torch.get_rng_state()
    return TrainingState(step, tensors)


@torch.no_grad()
def _restore(decoder: Decoder, optimizers: list[torch.optim.Optimizer], state: TrainingState) -> History:
    for name, parameter in decoder.named_parameters():
        parameter.copy_(state.tensors[f"model/{name}"])
    kept = {k.removeprefix("optimizer/"): v for k, v in state.tensors.items() if k.startswith("optimizer/")}
    restore_optimizers(decoder, optimizers, kept)
    torch.set_rng_state(state.tensors["random/cpu"])
    history = History(**{name: state.tensors[f"history/{name}"].tolist() for name in _COLUMNS})
    history.validation = [(int(step), loss) for step, loss in state.tensors["history/validation"].tolist()]
    return history
