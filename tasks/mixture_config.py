"""What a recipe says of its mixture: what it is made of, in which shares, how much, in which phases of training."""

from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from storage.schemas.redaction import MARKS
from tasks.config import StageConfig

Weight = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
Epochs = Annotated[float, Field(gt=0, le=1e6)]  # times MOST_REPEATS a count of copies fits into 32 bits
BytesPerToken = Annotated[float, Field(ge=0.01, allow_inf_nan=False)]
Temperature = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Budget = Annotated[int, Field(gt=0, lt=2**63)]
MOST_REPEATS = 1000
"""How often a document may count in an epoch at most."""


class Component(StageConfig):
    """What holds for one component: one source, language, domain, or whatever `by` tells apart."""

    weight: Weight | None = Field(
        default=None, description="Share of the corpus's training text; null: by size; 0: none of it."
    )
    max_epochs: Epochs | None = Field(
        default=None, description="How often its text may count at most; null: as for all."
    )
    bytes_per_token: BytesPerToken | None = Field(
        default=None, description="UTF-8 bytes of its text per token, where the budget is in tokens; null: as for all."
    )


class Phase(StageConfig):
    """A phase of training: how much of the budget it has, and what differs in its mix."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", description="What the plan and the report call it.")
    share: float = Field(gt=0, le=1, description="Its part of the budget; those of all phases sum to 1.")
    weights: dict[str, Weight] = Field(
        default={}, description="Weights of components in this phase, in place of those of `components`."
    )
    temperature: Temperature | None = Field(default=None, description="In place of the mixture's; null: as it is.")


class Rehydration(StageConfig):
    """How often a document counts by the size of its cluster, as FineWeb-2 has it (`tasks/rehydration.py`)."""

    by: str = Field(
        default="language",
        min_length=1,
        description="What has removal rates of its own: SQL over a document's columns. Null counts as 'other'.",
    )
    max_repeats: int = Field(
        default=10,
        ge=1,
        le=MOST_REPEATS,
        description="How often documents of the size count of which fewest are dropped.",
    )
    window: int = Field(default=5, ge=1, description="Neighbouring sizes whose mean is taken; odd. 1: no smoothing.")
    tail: float = Field(
        default=0.001, ge=0, lt=1, description="Share of the clusters, the largest, whose sizes are taken as one."
    )

    @field_validator("window")
    @classmethod
    def _odd(cls, window: int) -> int:
        if window % 2 == 0:
            raise ValueError(f"a window of {window} sizes has no middle: make it {window - 1} or {window + 1}.")
        return window


class ComposeConfig(StageConfig):
    """Shares, size and order of a corpus.

    `by` tells the components of the mixture apart. Those without a weight share what the weights leave, in proportion
    to (kept text)^(1/temperature): 1 takes them as large as they are, more makes them more alike (Conneau et al. 2020,
    alpha = 1/temperature). If every component has a weight, only their proportions count. Without a budget the corpus
    is as large as the shares allow before a first component runs out; with one, a component that runs out leaves its
    rest to the others. Sizes are UTF-8 bytes, or tokens estimated from them where the budget is in tokens. Validation
    documents count once; a component of which less than an epoch is taken gives the same part of its validation
    documents. Example: a corpus that is a quarter books, at most a tenth code, the rest pages by size:
    `{components: {books: {weight: 0.25, max_epochs: 2}, code: {weight: 0.1}}, budget_bytes: 16000000}`.

    `remove` and `redact` change the text as it is composed; the extracted text stays whole, and all sizes here are
    those of the composed text. Example: `{remove: [c4_line_spans], redact: {email: <EMAIL>, ip: <IP>}}`.
    """

    by: str = Field(
        default="source",
        min_length=1,
        description="What tells components apart: SQL over a document's columns (language, registered_domain, "
        "year(published), case when n_words > 500 then 'long' else 'short' end). Null counts as 'other'.",
    )
    components: dict[str, Component] = Field(default={}, description="What differs for a component, by its name.")
    repeat: str | None = Field(
        default=None,
        min_length=1,
        description="How often a document counts in an epoch: SQL that gives a number, 0 to "
        f"{MOST_REPEATS} (least(cluster_size, 4)); parts of one are drawn by the document's id. Null: once.",
    )
    rehydrate: Rehydration | None = Field(
        default=None,
        description="In place of repeat: how often a document counts follows from how many documents of its size of "
        "cluster the rules drop (FineWeb-2). Needs decide.duplicates.sizes_after. Null: not looked at.",
    )
    temperature: Temperature = Field(default=1.0, description="Evens out what has no weight: 1 is by size.")
    budget_bytes: Budget | None = Field(default=None, description="Training bytes at most, copies counted.")
    budget_tokens: Budget | None = Field(default=None, description="The same in tokens, through bytes_per_token.")
    bytes_per_token: BytesPerToken = Field(default=4.0, description="UTF-8 bytes of text per token.")
    max_epochs: Epochs = Field(
        default=1.0, description="How often a text may count in all (up to 4 costs little: Muennighoff et al. 2023)."
    )
    phases: tuple[Phase, ...] = Field(
        default=(), description="Phases of training, each with a mix of its own, one after the other. None: one phase."
    )
    seed: Annotated[int, Field(ge=0, lt=2**63, description="Of the order and of the choice of documents.")] = 0
    part_bytes: Annotated[int, Field(gt=0, description="Bytes of text in one part file at most.")] = 64 << 20
    remove: tuple[str, ...] = Field(default=(), description="Columns of spans that are cut out of the text.")
    redact: dict[str, str] = Field(
        default={},
        description="What stands for each kind of span that is redacted, by its kind ({email: <EMAIL>}); true: "
        "the usual marks, for all kinds. Kinds that are not named stay as they are.",
    )

    @field_validator("redact", mode="before")
    @classmethod
    def _usual_marks(cls, given: Any) -> Any:
        return {True: dict(MARKS), False: {}}[given] if isinstance(given, bool) else given

    @model_validator(mode="after")
    def _consistent(self) -> "ComposeConfig":
        if self.budget_bytes is not None and self.budget_tokens is not None:
            raise ValueError("budget_bytes and budget_tokens say the same thing twice: set one of them to null.")
        if self.repeat is not None and self.rehydrate is not None:
            raise ValueError("repeat and rehydrate both say how often a document counts: set one of them to null.")
        if self.phases and self.budget is None:
            raise ValueError("phases divide a budget: set budget_bytes or budget_tokens.")
        total = sum(phase.share for phase in self.phases)
        if self.phases and abs(total - 1) > 1e-6:
            raise ValueError(f"the shares of the phases sum to {total:g}, not 1: divide the whole budget among them.")
        names = [phase.name for phase in self.phases]
        if len(set(names)) < len(names):
            raise ValueError("two phases have one name: give each its own.")
        return self

    @property
    def budget(self) -> int | None:
        """Training text at most, in tokens where `in_tokens`, else in bytes; None: no limit."""
        return self.budget_bytes if self.budget_tokens is None else self.budget_tokens

    @property
    def counts_unequally(self) -> bool:
        """Whether some documents may count more often than others of their component."""
        return self.repeat is not None or self.rehydrate is not None

    @property
    def in_tokens(self) -> bool:
        """Whether sizes are estimated tokens."""
        return self.budget_tokens is not None

    @property
    def all_phases(self) -> tuple[Phase, ...]:
        """The phases; where none is named, the one that has the whole budget."""
        return self.phases or (Phase(name="train", share=1),)

    def weight(self, component: str, phase: Phase) -> float | None:
        """The weight of a component in a phase; None: by size."""
        if component in phase.weights:
            return phase.weights[component]
        return self.components[component].weight if component in self.components else None

    def bytes_per_token_of(self, component: str) -> float:
        """Bytes of text that count as one token of a component."""
        own = self.components[component].bytes_per_token if component in self.components else None
        return self.bytes_per_token if own is None else own

    def max_epochs_of(self, component: str) -> float:
        """How often a component's text may count at most."""
        own = self.components[component].max_epochs if component in self.components else None
        return self.max_epochs if own is None else own
