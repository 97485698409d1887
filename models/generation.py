"""Text from a decoder, a token at a time."""

from collections.abc import Collection, Iterator, Sequence

import torch
from torch import Tensor

from models.decoder import Decoder


def next_token_probabilities(logits: Tensor, temperature: float, top_k: int | None, top_p: float) -> Tensor:
    """What a token is drawn from: logits [V] to probabilities [V] that sum to 1.

    `top_k` keeps the k most probable (Fan et al. 2018); then `top_p` keeps the fewest whose sum reaches it (nucleus;
    Holtzman et al. 2020), the most probable one in any case.
    """
    probabilities = torch.softmax(logits.double() / temperature, dim=-1)
    ordered, places = probabilities.sort(descending=True, stable=True)
    kept = torch.ones_like(ordered, dtype=torch.bool)
    if top_k is not None:
        kept[top_k:] = False
    before = torch.where(kept, ordered, 0.0).cumsum(0) - ordered
    kept &= before < top_p * ordered[kept].sum()
    kept[0] = True
    chosen = torch.zeros_like(probabilities)
    chosen[places[kept]] = ordered[kept]
    return chosen / chosen.sum()


def generate(
    decoder: Decoder,
    prompt: Sequence[int],
    *,
    longest: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float = 1.0,
    stop: Collection[int] = (),
    generator: torch.Generator | None = None,
) -> Iterator[int]:
    """At most `longest` tokens that follow the prompt, until one of `stop`, which is not given.

    Keys and values are kept, so a token costs one pass over itself. When the context is full, its last half is computed
    anew and the first half forgotten.

    Args:
        prompt: token ids, at least one; only the last context-length of them are seen.
        temperature: 0 takes the most probable token each time.
        generator: on the CPU; the same one in the same state gives the same tokens.

    Raises ValueError for an empty prompt or numbers out of range.
    """
    if not len(prompt):
        raise ValueError("The prompt is empty: begin it with the token that ends texts.")
    if temperature < 0 or not 0 < top_p <= 1 or (top_k is not None and top_k < 1):
        raise ValueError(f"Not 0 ≤ temperature ({temperature}), 0 < top_p ≤ 1 ({top_p}) and 1 ≤ top_k ({top_k}).")
    return _generate(decoder, list(prompt), longest, temperature, top_k, top_p, frozenset(stop), generator)


def _generate(
    decoder: Decoder,
    seen: list[int],
    longest: int,
    temperature: float,
    top_k: int | None,
    top_p: float,
    stop: frozenset[int],
    generator: torch.Generator | None,
) -> Iterator[int]:
    context, device = decoder.config.context_length, decoder.embedding.weight.device
    cache, fresh = decoder.new_cache(), seen[-context:]
    for _ in range(longest):
        if cache[0].length + len(fresh) > context:
            cache, fresh = decoder.new_cache(), seen[-max(1, context // 2) :]
        with torch.inference_mode():
            hidden = decoder.hidden(torch.tensor([fresh], device=device), cache=cache)
            logits = decoder.logits(hidden[0, -1]).cpu()
        if temperature == 0:
            token = int(logits.argmax())
        else:
            chances = next_token_probabilities(logits, temperature, top_k, top_p)
            token = int(torch.multinomial(chances, 1, generator=generator))
        if token in stop:
            return
        yield token
        seen.append(token)
        fresh = [token]
