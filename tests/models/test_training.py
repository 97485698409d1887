"""The training loop: the order of rows, exact resume, what it refuses."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pydantic import ValidationError

from models.decoder import Decoder, DecoderConfig
from models.optimizer import OptimizerConfig, orthogonalise
from models.schedule import ScheduleConfig, learning_rate_scale
from models.training import (
    IGNORED,
    Batch,
    NotFinite,
    TrainingConfig,
    TrainingState,
    batch_loss,
    mean_loss,
    new_decoder,
    permute,
    rows_of_step,
    train,
)

SHAPE = DecoderConfig.from_depth(2, 61, 16, width=24, heads=2, key_value_heads=1, head_width=12, mlp_width=40)
TEXT = torch.randint(0, 61, (40, 17), generator=torch.Generator().manual_seed(9))
TEXT[:, 1::2] = (TEXT[:, 0:-1:2] + 1) % 61  # every other token follows from the one before it: something to learn


def batch_of_step(step: int) -> Batch:
    rows = TEXT[torch.from_numpy(rows_of_step(1, 0, step, len(TEXT), 4))]
    return Batch(rows[:, :-1], rows[:, 1:])


def settings(**changes) -> TrainingConfig:
    return TrainingConfig.model_validate({"steps": 24, "tokens_per_step": 64, "threads": 1} | changes)


@examples(max_examples=50)
@given(st.integers(1, 3000), st.integers(0, 2**64 - 1))
def test_a_permutation_is_one(n, key):
    assert sorted(permute(np.arange(n), n, key).tolist()) == list(range(n))


@examples(max_examples=30)
@given(
    n_rows=st.integers(1, 120),
    rows_per_step=st.integers(1, 40),
    seed=st.integers(0, 2**32),
    phase=st.integers(0, 5),
    epochs=st.integers(1, 3),
)
def test_every_epoch_visits_each_row_once(n_rows, rows_per_step, seed, phase, epochs):
    steps = math.ceil(epochs * n_rows / rows_per_step)
    line = np.concatenate([rows_of_step(seed, phase, step, n_rows, rows_per_step) for step in range(steps)])
    for epoch in range(epochs):
        assert sorted(line[epoch * n_rows : (epoch + 1) * n_rows].tolist()) == list(range(n_rows))


def test_epochs_seeds_and_phases_have_orders_of_their_own():
    orders = [
        rows_of_step(seed, phase, step, 500, 500).tolist() for seed in (0, 1) for phase in (0, 1) for step in (0, 1)
    ]
    assert len({tuple(order) for order in orders}) == 8
    for order in orders:  # neighbours lie about a third of the rows apart, as in a fair shuffle
        assert np.abs(np.diff(order)).mean() == pytest.approx(500 / 3, rel=0.15)


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="packing is empty"):
        rows_of_step(0, 0, 0, 0, 4)


def test_the_rate_rises_stays_and_falls():
    schedule = ScheduleConfig(warmup_share=0.1, decay_share=0.2, final=0.0)
    scales = [learning_rate_scale(step, 100, schedule) for step in range(100)]
    assert scales[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert set(scales[10:80]) == {1.0}
    falling = scales[79:]
    assert np.diff(falling) == pytest.approx([-1 / 21] * 20)
    assert scales[-1] == pytest.approx(1 / 21)
    assert learning_rate_scale(0, 1, schedule) > 0
    assert [learning_rate_scale(step, 3, ScheduleConfig(warmup_share=0, decay_share=0)) for step in range(3)] == [1] * 3
    kept = ScheduleConfig(warmup_share=0, decay_share=1, final=0.5)
    assert min(learning_rate_scale(step, 50, kept) for step in range(50)) > 0.5


@examples(max_examples=20)
@given(st.integers(1, 5), st.integers(1, 40), st.integers(1, 40))
def test_orthogonal_updates_keep_directions_and_even_out_their_sizes(count, rows, columns):
    matrices = torch.randn(count, rows, columns, generator=torch.Generator().manual_seed(rows * 41 + columns))
    found = orthogonalise(matrices.double(), 12)
    left, sizes, right = torch.linalg.svd(matrices.double(), full_matrices=False)
    kept = sizes[:, -1] > 0.05 * sizes[:, 0]  # a direction that is nearly absent takes more steps
    inner = left.mT @ found @ right.mT
    for matrix in inner[kept]:
        torch.testing.assert_close(matrix, torch.diag(matrix.diagonal()), atol=1e-6, rtol=0)
        assert 0.6 < matrix.diagonal().min() <= matrix.diagonal().max() < 1.3


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_training_learns_what_there_is_to_learn(kind):
    decoder = new_decoder(Decoder(SHAPE), 0)
    history = train(decoder, batch_of_step, 60, settings(optimizer=OptimizerConfig(kind=kind)))
    uniform = math.log(61)
    assert history.loss[0] == pytest.approx(uniform, rel=0.1)
    assert np.mean(history.loss[-10:]) < 0.9 * uniform
    assert history.learning_rate[-1] < 0.1 * max(history.learning_rate)
    assert sum(history.tokens) == 60 * 4 * 16


@pytest.mark.parametrize("kind", ["muon", "adamw"])
@pytest.mark.parametrize("stopped", [6, 18])
def test_a_run_that_goes_on_from_a_state_ends_with_the_same_bits(kind, stopped):
    config = settings(optimizer=OptimizerConfig(kind=kind))
    states: dict[int, TrainingState] = {}
    held = [Batch(TEXT[:5, :-1], TEXT[:5, 1:])]
    whole, again = new_decoder(Decoder(SHAPE), 0), Decoder(SHAPE)

    def keep(state: TrainingState) -> None:
        states[state.step] = state

    expected = train(
        whole, batch_of_step, 24, config, save=keep, save_every=6, validate=lambda: mean_loss(whole, iter(held)),
        validate_every=5,
    )  # fmt: skip
    assert sorted(states) == [6, 12, 18]
    with torch.no_grad():
        for parameter in again.parameters():
            parameter.fill_(7.0)  # whatever stood there before
    torch.manual_seed(99)
    history = train(
        again, batch_of_step, 24, config, resume=states[stopped], validate=lambda: mean_loss(again, iter(held)),
        validate_every=5,
    )  # fmt: skip
    assert history == expected
    assert [step for step, _ in history.validation] == [5, 10, 15, 20, 24]
    for (name, one), (_, other) in zip(whole.named_parameters(), again.named_parameters(), strict=True):
        assert torch.equal(one, other), name


def test_a_state_of_another_model_is_refused():
    states: list[TrainingState] = []
    train(new_decoder(Decoder(SHAPE), 0), batch_of_step, 4, settings(), save=states.append, save_every=2)
    other = Decoder(SHAPE.model_copy(update={"layers": 1}))
    with pytest.raises(KeyError, match=r"no parameter 'blocks\.1"):
        train(other, batch_of_step, 4, settings(), resume=states[0])


def test_a_step_in_several_passes_has_the_gradient_of_one():
    one, several = new_decoder(Decoder(SHAPE), 0), new_decoder(Decoder(SHAPE), 0)
    whole = train(one, batch_of_step, 3, settings(optimizer=OptimizerConfig(kind="adamw")))
    pieces = train(several, batch_of_step, 3, settings(optimizer=OptimizerConfig(kind="adamw"), rows_at_once=1))
    assert pieces.loss == pytest.approx(whole.loss, rel=1e-5)
    assert pieces.gradient_norm == pytest.approx(whole.gradient_norm, rel=1e-4)


def test_ignored_targets_give_no_loss_and_no_gradient():
    decoder = new_decoder(Decoder(SHAPE), 0)
    rows = TEXT[:2]
    targets = rows[:, 1:].clone()
    targets[:, 5:] = IGNORED
    masked = batch_loss(decoder, Batch(rows[:, :-1], targets))
    short = batch_loss(decoder, Batch(rows[:, :5], rows[:, 1:6]))
    torch.testing.assert_close(masked, short, rtol=1e-5, atol=0)
    gradients = [torch.autograd.grad(loss, list(decoder.parameters())) for loss in (masked, short)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)
    nothing = torch.full_like(targets, IGNORED)
    assert math.isnan(mean_loss(decoder, iter([Batch(rows[:, :-1], nothing)])))
    batch_loss(decoder, Batch(rows[:, :-1], nothing)).backward()
    assert all(not parameter.grad.any() for parameter in decoder.parameters() if parameter.grad is not None)


def test_a_loss_that_is_no_number_stops_with_its_step():
    def poisoned(step: int) -> Batch:
        if step == 3:
            with torch.no_grad():
                decoder.norm.weight[0] = math.inf
        return batch_of_step(step)

    decoder = new_decoder(Decoder(SHAPE), 0)
    with pytest.raises(NotFinite, match="Step 4 has the loss nan") as caught:
        train(decoder, poisoned, 8, settings())
    assert caught.value.step == 3


def test_threads_and_determinism_are_put_back():
    before = torch.get_num_threads()
    train(new_decoder(Decoder(SHAPE), 0), batch_of_step, 1, settings(threads=before + 1))
    assert torch.get_num_threads() == before
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_length_is_given_once():
    assert settings(steps=None, tokens=10_000).total_steps(16) == math.ceil(10_000 / 64)
    assert settings(tokens_per_step=5).rows_per_step(16) == 1
    with pytest.raises(ValidationError, match="either `steps` or `tokens`"):
        settings(tokens=100)
    assert settings(steps=None).steps == 2000
