"""Log-probabilities equal those that `transformers` gives the same weights, item by item."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from models.formats.checkpoint import save_model
from models.scoring import continuation_log_probability, token_log_probabilities
from tests.models.test_checkpoint import randomised


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Ours, and `transformers`' from the files."""
    decoder = randomised()
    with torch.no_grad():  # first weights find everything equally probable: make it opinionated
        decoder.embedding.weight.mul_(30)
    folder = tmp_path_factory.mktemp("model")
    save_model(decoder, folder)
    return decoder, AutoModelForCausalLM.from_pretrained(folder, local_files_only=True).eval()


@torch.no_grad()
def theirs_alone(model, ids: list[int]) -> np.ndarray:
    """log P of each token but the first, one sequence at a time, float64 after the logits."""
    logits = model(torch.tensor([ids])).logits[0, :-1].double()
    return torch.log_softmax(logits, -1)[range(len(ids) - 1), ids[1:]].numpy()


def test_tokens_have_the_same_log_probability_as_in_transformers(pair):
    ours, theirs = pair
    rows = torch.randint(0, 131, (7, 49), generator=torch.Generator().manual_seed(2))
    found = token_log_probabilities(ours, rows, tokens_at_once=100)
    assert found.shape == (7, 48)
    assert found.dtype == torch.float32
    expected = [theirs_alone(theirs, row) for row in rows.tolist()]
    np.testing.assert_allclose(found.numpy(), np.stack(expected), atol=1e-4)


def test_continuations_of_all_lengths_have_the_same_log_probability_as_in_transformers(pair):
    ours, theirs = pair
    draw = np.random.default_rng(4)
    prompts = [draw.integers(0, 131, draw.integers(1, 30)).tolist() for _ in range(40)]
    continuations = [draw.integers(0, 131, draw.integers(0, 18)).tolist() for _ in range(40)]
    prompts.append(draw.integers(0, 131, 200).tolist())  # too long: its start is forgotten
    continuations.append([1, 2, 3])
    found = continuation_log_probability(ours, prompts, continuations, tokens_at_once=128)
    for prompt, continuation, score in zip(prompts, continuations, found, strict=True):
        whole = (prompt + continuation)[-49:]
        expected = theirs_alone(theirs, whole)[len(whole) - 1 - len(continuation) :].sum() if continuation else 0.0
        assert score == pytest.approx(expected, abs=1e-4)
    assert found[:40].std() > 1  # they differ: the comparison means something


def test_what_cannot_be_scored_is_named(pair):
    with pytest.raises(ValueError, match="Pair 1 has an empty prompt"):
        continuation_log_probability(pair[0], [[1], []], [[1], [1]])
    with pytest.raises(ValueError, match="continuation of pair 0 has 49 tokens; the context holds 48"):
        continuation_log_probability(pair[0], [[1]], [[1] * 49])
