"""The decoder against slow obvious versions: what it may see, its cache, its dial."""

import pytest
import torch
from pydantic import ValidationError

from models.decoder import Decoder, DecoderConfig
from models.generation import generate, next_token_probabilities


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    shape = {"width": 32, "heads": 4, "key_value_heads": 2, "head_width": 8, "mlp_width": 64, "tied_embeddings": False}
    made = Decoder(DecoderConfig.from_depth(2, 97, 32, **shape)).initialise(torch.Generator().manual_seed(0)).eval()
    with torch.no_grad():  # first weights find every token about equally probable: make them opinionated
        made.embedding.weight.mul_(10)
        made.norm.weight.mul_(4)
    return made


def tokens(rows: int, length: int, seed: int = 1) -> torch.Tensor:
    return torch.randint(0, 97, (rows, length), generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def test_no_token_sees_what_comes_after_it(decoder):
    one = tokens(1, 32)
    other = one.clone()
    other[0, 20:] = (other[0, 20:] + 1) % 97
    assert torch.equal(decoder(one)[:, :20], decoder(other)[:, :20])
    assert not torch.allclose(decoder(one)[:, 20:], decoder(other)[:, 20:])


@torch.no_grad()
def test_confined_to_their_document_tokens_see_it_alone(decoder):
    row = tokens(1, 30)
    documents = torch.tensor([[0] * 11 + [1] * 7 + [2] * 12])
    together = decoder(row, documents=documents)
    for start, stop in ((0, 11), (11, 18), (18, 30)):
        places = torch.arange(start, stop)[None]
        alone = decoder(row[:, start:stop], positions=places)
        torch.testing.assert_close(together[:, start:stop], alone, atol=1e-4, rtol=1e-5)
        # rotary positions are relative: where a document starts in its row makes no difference
        torch.testing.assert_close(alone, decoder(row[:, start:stop]), atol=1e-3, rtol=1e-4)
    assert not torch.allclose(together[:, 11:], decoder(row)[:, 11:], atol=1e-2)


@torch.no_grad()
@pytest.mark.parametrize("pieces", [[32], [1] * 32, [5, 1, 1, 20, 5], [31, 1]])
def test_with_a_cache_the_logits_are_the_same(decoder, pieces):
    row, cache, start, found = tokens(2, 32), decoder.new_cache(), 0, []
    for length in pieces:
        found.append(decoder(row[:, start : start + length], cache=cache))
        start += length
    torch.testing.assert_close(torch.cat(found, dim=1), decoder(row), atol=1e-4, rtol=1e-5)


def test_more_tokens_than_the_context_holds_are_refused(decoder):
    with pytest.raises(ValueError, match="33 tokens do not fit the context of 32"):
        decoder(tokens(1, 33))
    cache = decoder.new_cache()
    decoder(tokens(1, 30), cache=cache)
    with pytest.raises(ValueError, match="33 tokens do not fit"):
        decoder(tokens(1, 3), cache=cache)


@pytest.mark.parametrize("depth", range(1, 33))
def test_the_dial_gives_a_whole_shape(depth):
    config = DecoderConfig.from_depth(depth, 4096, 256)
    assert config.layers == depth
    assert config.heads % config.key_value_heads == 0
    assert config.mlp_width >= config.width * 8 / 3
    with torch.device("meta"):
        made = Decoder(config)
    per_layer = 2 * config.width * config.head_width * (config.heads + config.key_value_heads)
    per_layer += 3 * config.width * config.mlp_width + 2 * config.width + 2 * config.head_width
    embeddings = 4096 * config.width * (1 if config.tied_embeddings else 2)
    assert made.parameters_count == depth * per_layer + embeddings + config.width


def test_heads_that_do_not_divide_are_refused():
    with pytest.raises(ValidationError, match="can't share"):
        DecoderConfig.from_depth(3, 100, 8, key_value_heads=2)
    with pytest.raises(ValueError, match="depth is 0"):
        DecoderConfig.from_depth(0, 100, 8)


def test_first_weights_are_a_function_of_the_seed():
    config = DecoderConfig.from_depth(2, 97, 8)
    one, same, other = (Decoder(config).initialise(torch.Generator().manual_seed(seed)) for seed in (4, 4, 5))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not torch.equal(one.embedding.weight, other.embedding.weight)


def greedy(decoder: Decoder, prompt: list[int], longest: int) -> list[int]:
    """Without a cache, the whole of what is seen again for every token."""
    seen = list(prompt)
    with torch.no_grad():
        for _ in range(longest):
            seen.append(int(decoder(torch.tensor([seen]))[0, -1].argmax()))
    return seen[len(prompt) :]


def test_greedy_generation_is_the_most_probable_token_each_time(decoder):
    found = list(generate(decoder, [5, 6, 7], longest=25, temperature=0))
    assert found == greedy(decoder, [5, 6, 7], 25)
    assert len(set(found)) > 3


def test_generation_goes_on_past_the_context_and_stops_at_a_stop_token(decoder):
    whole = list(generate(decoder, [5], longest=100, temperature=0))
    assert len(whole) == 100
    stop = whole[10]
    assert list(generate(decoder, [5], longest=100, temperature=0, stop={stop})) == whole[: whole.index(stop)]


def test_the_same_seed_draws_the_same_tokens(decoder):
    draws = [
        list(generate(decoder, [5], longest=20, top_p=0.95, generator=torch.Generator().manual_seed(seed)))
        for seed in (1, 1, 2)
    ]
    assert draws[0] == draws[1]
    assert draws[0] != draws[2]
    assert len(set(draws[0])) > 3


def test_top_k_and_top_p_keep_the_most_probable():
    logits = torch.log(torch.tensor([0.1, 0.4, 0.2, 0.3]))
    torch.testing.assert_close(next_token_probabilities(logits, 1.0, None, 1.0).float(), logits.exp())
    half = next_token_probabilities(logits, 1.0, 2, 1.0)
    torch.testing.assert_close(half, torch.tensor([0, 4 / 7, 0, 3 / 7]).double(), atol=1e-6, rtol=0)
    assert next_token_probabilities(logits, 1.0, None, 0.69).nonzero().flatten().tolist() == [1, 3]
    assert next_token_probabilities(logits, 1.0, None, 0.71).nonzero().flatten().tolist() == [1, 2, 3]
    assert next_token_probabilities(logits, 1.0, 3, 0.01).tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize("wrong", [{"temperature": -1.0}, {"top_p": 0.0}, {"top_k": 0}])
def test_numbers_out_of_range_are_refused_at_once(decoder, wrong):
    with pytest.raises(ValueError, match="temperature"):
        generate(decoder, [1], longest=1, **wrong)


def test_what_is_not_said_follows_from_what_is():
    config = DecoderConfig.from_depth(3, 100, 8, width=96, head_width=32)
    assert (config.heads, config.key_value_heads, config.mlp_width) == (3, 3, 256)
