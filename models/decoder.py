"""The decoder: a transformer in plain PyTorch, to be read in one sitting.

Pre-norm blocks of attention (rotary positions, grouped queries, RMSNorm on queries and keys) and a SwiGLU, after Llama
(Touvron et al. 2023) and Qwen3 (Yang et al. 2025). Its arithmetic is theirs, so that an export gives the same logits in
`transformers`: as Qwen3ForCausalLM with QK-norm, as LlamaForCausalLM without.
"""

import math
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.configuration import DecoderConfig, ModelConfig

__all__ = ["Decoder", "DecoderConfig", "KeyValueCache", "ModelConfig"]


class RMSNorm(nn.Module):
    """Root-mean-square norm over the last dimension with a learned weight (Zhang and Sennrich 2019)."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """Same shape and dtype as `x`; the mean of squares is taken in float32."""
        return F.rms_norm(x, self.weight.shape, self.weight, self.epsilon)


class KeyValueCache:
    """Keys and values of the tokens a layer has seen, so that generation computes each of them once."""

    def __init__(self) -> None:
        self.keys: Tensor | None = None
        self.values: Tensor | None = None

    def extend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add those of new tokens, [B, H, new, head_width]; gives all of them, [B, H, seen + new, head_width]."""
        if self.keys is not None and self.values is not None:
            keys, values = torch.cat((self.keys, keys), dim=2), torch.cat((self.values, values), dim=2)
        self.keys, self.values = keys, values
        return keys, values

    @property
    def length(self) -> int:
        """How many tokens it holds."""
        return 0 if self.keys is None else self.keys.shape[2]


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn each pair (i, i + head_width/2) of [B, H, T, head_width] by its position's angle; tables [T, pairs]."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cosine - second * sine, second * cosine + first * sine), dim=-1)


class Attention(nn.Module):
    """Causal self-attention with rotary positions and grouped queries."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.heads, self.key_value_heads, self.head_width = config.heads, config.key_value_heads, config.head_width
        self.query = nn.Linear(config.width, config.heads * config.head_width, bias=False)
        self.key = nn.Linear(config.width, config.key_value_heads * config.head_width, bias=False)
        self.value = nn.Linear(config.width, config.key_value_heads * config.head_width, bias=False)
        self.output = nn.Linear(config.heads * config.head_width, config.width, bias=False)
        self.query_norm = RMSNorm(config.head_width, config.norm_epsilon) if config.qk_norm else nn.Identity()
        self.key_norm = RMSNorm(config.head_width, config.norm_epsilon) if config.qk_norm else nn.Identity()

    def forward(
        self, x: Tensor, cosine: Tensor, sine: Tensor, mask: Tensor | None, cache: KeyValueCache | None
    ) -> Tensor:
        """[B, T, width] to [B, T, width]. `mask` is true where a query may look; None: at itself and all before it."""
        batch, length, _ = x.shape
        query = self.query_norm(self.query(x).view(batch, length, self.heads, self.head_width)).transpose(1, 2)
        key = self.key_norm(self.key(x).view(batch, length, self.key_value_heads, self.head_width)).transpose(1, 2)
        value = self.value(x).view(batch, length, self.key_value_heads, self.head_width).transpose(1, 2)
        query, key = rotate(query, cosine, sine), rotate(key, cosine, sine)
        if cache is not None:
            key, value = cache.extend(key, value)
        if self.key_value_heads != self.heads:
            group = self.heads // self.key_value_heads
            key, value = key.repeat_interleave(group, dim=1), value.repeat_interleave(group, dim=1)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=mask is None and length > 1)
        return self.output(mixed.transpose(1, 2).reshape(batch, length, -1))


class MLP(nn.Module):
    """SwiGLU (Shazeer 2020): down(silu(gate(x)) · up(x))."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.gate = nn.Linear(config.width, config.mlp_width, bias=False)
        self.up = nn.Linear(config.width, config.mlp_width, bias=False)
        self.down = nn.Linear(config.mlp_width, config.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, width] to [B, T, width]."""
        return self.down(F.silu(self.gate(x)) * self.up(x))


class Block(nn.Module):
    """Attention, then the MLP, each on the normed residual stream and added to it."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(config.width, config.norm_epsilon)
        self.attention = Attention(config)
        self.mlp_norm = RMSNorm(config.width, config.norm_epsilon)
        self.mlp = MLP(config)

    def forward(
        self, x: Tensor, cosine: Tensor, sine: Tensor, mask: Tensor | None, cache: KeyValueCache | None
    ) -> Tensor:
        """[B, T, width] to [B, T, width]."""
        x = x + self.attention(self.attention_norm(x), cosine, sine, mask, cache)
        return x + self.mlp(self.mlp_norm(x))


class Decoder(nn.Module):
    """The whole model: tokens in, logits of the next token out."""

    cosine: Tensor
    sine: Tensor

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary_size, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = RMSNorm(config.width, config.norm_epsilon)
        self.head = None if config.tied_embeddings else nn.Linear(config.width, config.vocabulary_size, bias=False)
        wavelengths = 1.0 / (config.rope_theta ** (torch.arange(0, config.head_width, 2).float() / config.head_width))
        angles = torch.arange(config.context_length).float()[:, None] * wavelengths
        self.register_buffer("cosine", angles.cos(), persistent=False)
        self.register_buffer("sine", angles.sin(), persistent=False)

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> Self:
        """Fill the weights: normal, deviation 1/√width (embedding 0.02), those that write to the residual stream
        divided by √(2·layers) (GPT-2, section 2.3). Norms are 1. The order of parameters fixes what each one draws.
        """
        for name, parameter in self.named_parameters():
            if parameter.dim() < 2:
                parameter.fill_(1.0)
                continue
            deviation = 0.02 if name.startswith("embedding") else parameter.shape[1] ** -0.5
            if name.endswith(("attention.output.weight", "mlp.down.weight")):
                deviation /= math.sqrt(2 * self.config.layers)
            parameter.normal_(0.0, deviation, generator=generator)
        return self

    def forward(
        self,
        tokens: Tensor,
        positions: Tensor | None = None,
        documents: Tensor | None = None,
        cache: list[KeyValueCache] | None = None,
    ) -> Tensor:
        """Logits of the token after each one, float32 [B, T, vocabulary_size].

        Args:
            tokens: int64 [B, T].
            positions: int64 [B, T], each token's place; None: 0, 1, 2, … (after what is in the cache).
            documents: int64 [B, T]; a token then sees only tokens of its own document. None: all before it.
            cache: one for each layer (`new_cache`), extended by these tokens.

        Raises ValueError if there are more tokens than the context holds.
        """
        return self.logits(self.hidden(tokens, positions, documents, cache))

    def logits(self, hidden: Tensor) -> Tensor:
        """The output layer: [..., width] to float32 [..., vocabulary_size]."""
        weight = self.embedding.weight if self.head is None else self.head.weight
        return F.linear(hidden, weight).float()

    def hidden(
        self,
        tokens: Tensor,
        positions: Tensor | None = None,
        documents: Tensor | None = None,
        cache: list[KeyValueCache] | None = None,
    ) -> Tensor:
        """What the output layer sees, [B, T, width]: for callers that need the logits of a few places only."""
        length, seen = tokens.shape[1], cache[0].length if cache else 0
        if positions is None and seen + length > self.config.context_length:
            raise ValueError(
                f"{seen + length} tokens do not fit the context of {self.config.context_length}: cut them, or slide a "
                "window."
            )
        if positions is None:
            cosine, sine = self.cosine[seen : seen + length], self.sine[seen : seen + length]
        else:
            cosine, sine = self.cosine[positions].unsqueeze(1), self.sine[positions].unsqueeze(1)
        mask = None
        if seen and length > 1:
            places = torch.arange(seen + length, device=tokens.device)
            mask = places[None, :] <= places[seen:, None]
        elif documents is not None:
            mask = (documents[:, None, :, None] == documents[:, None, None, :]).tril()
        x = self.embedding(tokens)
        for number, block in enumerate(self.blocks):
            x = block(x, cosine, sine, mask, cache[number] if cache else None)
        return self.norm(x)

    def new_cache(self) -> list[KeyValueCache]:
        """An empty cache for each layer."""
        return [KeyValueCache() for _ in self.blocks]

    @property
    def parameters_count(self) -> int:
        """How many numbers are learned; a tied output layer counts once."""
        return sum(parameter.numel() for parameter in self.parameters())
