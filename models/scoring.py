"""How probable a decoder finds text: log-probabilities of tokens and of continuations, in nats, float32.

Padding stands on the right, where causal attention does not see it, so a score does not depend on its neighbours in a
batch (but for the last bits: matrix products are cut by shape).
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.decoder import Decoder

TOKENS_AT_ONCE = 8192
"""Tokens in one forward pass; their logits take this times the vocabulary times four bytes."""


@torch.inference_mode()
def token_log_probabilities(decoder: Decoder, tokens: Tensor, tokens_at_once: int = TOKENS_AT_ONCE) -> Tensor:
    """log P(token | all before it in its row) for every token but the first of each row.

    Args:
        tokens: int64 [B, T] with 2 ≤ T ≤ context length + 1.

    Returns: float32 [B, T - 1] on the CPU. Raises ValueError if a row is longer than that.
    """
    device = decoder.embedding.weight.device
    rows, length = tokens.shape
    at_once = max(1, tokens_at_once // max(length - 1, 1))
    found = torch.empty(rows, length - 1)
    for start in range(0, rows, at_once):
        part = tokens[start : start + at_once].to(device)
        found[start : start + at_once] = _log_probability(decoder(part[:, :-1]), part[:, 1:]).cpu()
    return found


@torch.inference_mode()
def continuation_log_probability(
    decoder: Decoder,
    prompts: Sequence[Sequence[int] | np.ndarray],
    continuations: Sequence[Sequence[int] | np.ndarray],
    tokens_at_once: int = TOKENS_AT_ONCE,
) -> np.ndarray:
    """log P(continuation | prompt) of each pair, summed over the continuation's tokens.

    A pair that is longer than the context + 1 loses the start of its prompt. Pairs of about the same length are
    computed together.

    Args: token ids; a prompt has at least one (`<|endoftext|>` stands for "nothing before").

    Returns: float32 [pairs]; 0 for an empty continuation. Raises ValueError, with the pair's number, for an empty
    prompt or a continuation that alone is longer than the context.
    """
    device, context = decoder.embedding.weight.device, decoder.config.context_length
    pairs = []
    for number, (prompt, continuation) in enumerate(zip(prompts, continuations, strict=True)):
        if not len(prompt):
            raise ValueError(f"Pair {number} has an empty prompt: begin it with the token that ends texts.")
        if len(continuation) > context:
            raise ValueError(
                f"The continuation of pair {number} has {len(continuation)} tokens; the context holds {context}."
            )
        whole = np.concatenate([np.asarray(prompt, np.int64), np.asarray(continuation, np.int64)])
        pairs.append((whole[-(context + 1) :], len(continuation)))
    found = np.zeros(len(pairs), np.float32)
    for group in _by_length([len(ids) for ids, _ in pairs], tokens_at_once):
        longest = max(len(pairs[number][0]) for number in group)
        tokens = torch.zeros(len(group), longest, dtype=torch.int64)
        scored = torch.zeros(len(group), longest - 1, dtype=torch.bool)
        for place, number in enumerate(group):
            ids, length = pairs[number]
            tokens[place, : len(ids)] = torch.from_numpy(ids)
            scored[place, len(ids) - 1 - length : len(ids) - 1] = True
        tokens, scored = tokens.to(device), scored.to(device)
        hidden = decoder.hidden(tokens[:, :-1])
        # the output layer is most of a small model's work: only the places that are asked for go through it
        each = _log_probability(decoder.logits(hidden[scored]), tokens[:, 1:][scored])
        row = scored.nonzero()[:, 0]
        sums = torch.zeros(len(group), dtype=torch.float64, device=device).index_add_(0, row, each.double())
        found[group] = sums.float().cpu().numpy()
    return found


def _log_probability(logits: Tensor, targets: Tensor) -> Tensor:
    """[..., V] and [...] to [...]: log-softmax in float32 at the targets."""
    return -F.cross_entropy(logits.flatten(0, -2), targets.flatten(), reduction="none").view(targets.shape)


def _by_length(lengths: Sequence[int], tokens_at_once: int) -> Iterator[list[int]]:
    """Numbers of sequences in groups of similar length, longest first, whose padded size stays below the limit."""
    group: list[int] = []
    for number in sorted(range(len(lengths)), key=lambda number: (-lengths[number], number)):
        if group and lengths[group[0]] * (len(group) + 1) > tokens_at_once:
            yield group
            group = []
        group.append(number)
    if group:
        yield group
