"""What a recipe may say of a model and its training. Nothing here imports torch: a run that reuses all needs none."""

import math
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Device = Literal["cpu", "cuda", "mps"]
"""Where a model computes; one device for now."""


class DecoderConfig(BaseModel):
    """The shape of a decoder. `DecoderConfig.from_depth` derives all of it from one number."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    vocabulary_size: int = Field(ge=1, description="How many tokens there are.")
    context_length: int = Field(ge=1, description="How many tokens the model sees at once.")
    layers: int = Field(ge=1, description="Blocks one after the other.")
    width: int = Field(ge=1, description="Size of the residual stream.")
    heads: int = Field(ge=1, description="Query heads of each attention.")
    key_value_heads: int = Field(ge=1, description="Key and value heads; each serves several query heads.")
    head_width: int = Field(ge=2, multiple_of=2, description="Size of each head; even: rotary positions turn pairs.")
    mlp_width: int = Field(ge=1, description="Size between the two halves of the MLP.")
    rope_theta: float = Field(default=10_000.0, gt=0, description="Base of the rotary wavelengths (Su et al. 2021).")
    norm_epsilon: float = Field(default=1e-6, gt=0, description="Added under the root of each RMSNorm.")
    qk_norm: bool = Field(
        default=True, description="RMSNorm on queries and keys: the logits of attention stay bounded."
    )
    tied_embeddings: bool = Field(default=True, description="The output layer is the token embedding, transposed.")

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        if self.heads % self.key_value_heads:
            raise ValueError(
                f"{self.heads} heads can't share {self.key_value_heads} key-value heads evenly: "
                "make one a multiple of the other."
            )
        return self

    @classmethod
    def from_depth(cls, depth: int, vocabulary_size: int, context_length: int, **changes: Any) -> "DecoderConfig":
        """Everything from one dial, the number of layers; `changes` overrule single fields, the rest follows them.

        - Width 64·depth: at equal compute the loss is flat over a wide range of widths per layer (Kaplan et al.
          2020, figure 5), and 64 is where GPT-2 and GPT-3 begin (768/12). Few wide layers also suit a CPU.
        - Head width 64, as there, so `depth` heads; as many key-value heads up to depth 7, where the cache is small;
          then one for four where that fits (Ainslie et al. 2023: next to no loss, a quarter of the cache).
        - MLP width 8/3·width, rounded up to 32: as many parameters as a 4·width MLP, in three matrices (Shazeer 2020).
        - Embeddings are tied below 12 layers: there the embedding is a large share of all parameters.
        """
        if depth < 1:
            raise ValueError(f"The depth is {depth}; it must be 1 or more.")
        width, head_width = changes.get("width", 64 * depth), changes.get("head_width", 64)
        heads = changes.get("heads", max(1, width // head_width))
        derived = {
            "vocabulary_size": vocabulary_size,
            "context_length": context_length,
            "layers": depth,
            "width": width,
            "heads": heads,
            "key_value_heads": heads // 4 if depth >= 8 and heads % 4 == 0 else heads,
            "head_width": head_width,
            "mlp_width": 32 * math.ceil(width * 8 / 3 / 32),
            "tied_embeddings": depth < 12,
        }
        return cls.model_validate(derived | changes)


class ModelConfig(BaseModel):
    """What a recipe says of a model: its depth, and whatever should differ from what follows from it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    depth: int = Field(default=2, ge=1, description="Number of layers; every other size follows from it.")
    width: int | None = Field(default=None, ge=1, description="Size of the residual stream. Null: 64 for each layer.")
    heads: int | None = Field(default=None, ge=1, description="Query heads. Null: as many as the width has room for.")
    key_value_heads: int | None = Field(
        default=None,
        ge=1,
        description="Key and value heads. Null: as many as query heads, from 8 layers on a quarter of them.",
    )
    head_width: int | None = Field(default=None, ge=2, multiple_of=2, description="Size of each head. Null: 64.")
    mlp_width: int | None = Field(
        default=None, ge=1, description="Size inside the MLP. Null: 8/3 of the width, rounded up to 32."
    )
    rope_theta: float | None = Field(default=None, gt=0, description="Base of the rotary wavelengths. Null: 10,000.")
    qk_norm: bool = Field(default=True, description="RMSNorm on queries and keys.")
    tied_embeddings: bool | None = Field(
        default=None, description="The output layer is the token embedding. Null: below 12 layers."
    )

    def shape(self, vocabulary_size: int, context_length: int) -> DecoderConfig:
        """The whole shape. Raises ValidationError if the heads don't fit each other."""
        changes = self.model_dump(exclude={"depth"}, exclude_none=True)
        return DecoderConfig.from_depth(self.depth, vocabulary_size, context_length, **changes)


class OptimizerConfig(BaseModel):
    """The optimizer's numbers. The rate is the peak: `models.schedule` scales it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["muon", "adamw"] = Field(
        default="muon", description="muon: Muon for matrices, AdamW for embeddings, output layer and norms."
    )
    learning_rate: float = Field(default=1e-2, gt=0, description="Peak learning rate, the same for both.")
    weight_decay: float = Field(default=0.1, ge=0, description="Decay of matrices; norms and embeddings have none.")
    momentum: float = Field(default=0.95, ge=0, lt=1, description="Muon: decay of the mean of gradients.")
    orthogonal_steps: int = Field(default=5, ge=1, description="Muon: Newton-Schulz steps of each update.")
    beta1: float = Field(default=0.9, ge=0, lt=1, description="AdamW: decay of the mean of gradients.")
    beta2: float = Field(default=0.95, ge=0, lt=1, description="AdamW: decay of the mean of their squares.")
    epsilon: float = Field(default=1e-8, gt=0, description="AdamW: added to the root of that mean.")


class ScheduleConfig(BaseModel):
    """Shares of a run. What is stable in the middle can be prolonged: only the decay has to be done again."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    warmup_share: float = Field(
        default=0.02, ge=0, le=1, description="Share of all steps in which the rate rises from 0."
    )
    decay_share: float = Field(
        default=0.4, ge=0, le=1, description="Share of all steps, at the end, in which it falls."
    )
    final: float = Field(default=0.0, ge=0, le=1, description="What is left of the rate at the end.")


DEFAULT_STEPS = 2000


class TrainingConfig(BaseModel):
    """How a decoder is trained: everything that changes the weights it ends with."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    steps: int | None = Field(
        default=None, ge=1, description=f"How many optimizer steps; or give `tokens`. Neither: {DEFAULT_STEPS} steps."
    )
    tokens: int | None = Field(default=None, ge=1, description="How many tokens are read in all; or give `steps`.")
    tokens_per_step: int = Field(default=1024, ge=1, description="Tokens of one optimizer step; rounded to whole rows.")
    rows_at_once: int = Field(
        default=64, ge=1, description="Rows in one forward pass; a larger step adds up gradients."
    )
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    clip: float = Field(default=1.0, gt=0, description="Largest norm of all gradients together.")
    seed: int = Field(default=0, ge=0, description="Of the first weights and the order of rows.")
    threads: int = Field(
        default=2,
        ge=1,
        description="CPU threads, 2 on every machine: sums are cut by it, so another number gives other last bits.",
    )
    device: Device = Field(default="cpu", description="Where the model computes; one device.")

    @model_validator(mode="before")
    @classmethod
    def _some_length(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("steps") is None and given.get("tokens") is None:
            return given | {"steps": DEFAULT_STEPS}
        return given

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if self.steps is not None and self.tokens is not None:
            raise ValueError("Give either `steps` or `tokens`, one of them: the other follows from it.")
        return self

    def rows_per_step(self, row_tokens: int) -> int:
        """Rows of `row_tokens` tokens in a step, at least one."""
        return max(1, round(self.tokens_per_step / row_tokens))

    def total_steps(self, row_tokens: int) -> int:
        """Optimizer steps of the whole run."""
        if self.steps is not None:
            return self.steps
        assert self.tokens is not None
        return math.ceil(self.tokens / (self.rows_per_step(row_tokens) * row_tokens))
