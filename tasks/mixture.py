"""The mixture: how much of each source a corpus takes, which documents, how often, and in which order.

Everything here is a pure function of the set of kept documents (their ids, sources, splits and sizes) and of the
configuration; neither files nor snapshots play a part. A document's place and its turn to be chosen come from two
seeded hashes of its id.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field, field_validator, model_validator

from storage.hashing import splitmix64
from storage.schemas.redaction import MARKS
from tasks.config import StageConfig

SHUFFLE, CHOICE = 0, 1  # two streams: a document chosen early must not stand early
SKIPS = 10_000  # so many documents that do not fit into what is left are passed over before a source is called full
NEARLY = 1 - 1e-12


class MixtureError(ValueError):
    """A corpus cannot be composed: why, and which setting to change."""


class SourceMixture(StageConfig):
    """What holds for one source."""

    weight: Annotated[
        float | None,
        Field(ge=0, description="Share of the corpus's training bytes; null: by size; 0: none of it."),
    ] = None
    max_epochs: Annotated[
        float | None, Field(gt=0, description="How often its text may count at most; null: as for all.")
    ] = None


class ComposeConfig(StageConfig):
    """Shares, size and order of a corpus.

    Sources without a weight share what the weights leave, in proportion to (kept bytes)^(1/temperature): 1 takes them
    as large as they are, more makes them more alike (Conneau et al. 2020, alpha = 1/temperature). If every source has
    a weight, only their proportions count. Without a budget the corpus is as large as the shares allow before a first
    source runs out; with one, a source that runs out leaves its rest to the others. Validation documents count once; a
    source of which less than an epoch is taken gives the same part of its validation documents. Example: a corpus that
    is a quarter books, at most a tenth code, the rest pages by size:
    `{sources: {books: {weight: 0.25, max_epochs: 2}, code: {weight: 0.1}}, budget_bytes: 16000000}`.

    `remove` and `redact` change the text as it is composed; the extracted text stays whole, and all sizes here are
    those of the composed text. Example: `{remove: [c4_line_spans], redact: {email: <EMAIL>, ip: <IP>}}`.
    """

    sources: dict[str, SourceMixture] = Field(default={}, description="What differs for a source, by its name.")
    temperature: Annotated[float, Field(gt=0, description="Evens out sources without a weight: 1 is by size.")] = 1.0
    budget_bytes: Annotated[int | None, Field(gt=0, description="Training bytes at most, copies counted.")] = None
    budget_tokens: Annotated[int | None, Field(gt=0, description="The same in tokens, through bytes_per_token.")] = None
    bytes_per_token: Annotated[float, Field(gt=0, description="UTF-8 bytes of text per token.")] = 4.0
    max_epochs: Annotated[
        float,
        Field(gt=0, description="How often a source's text may count (up to 4 costs little: Muennighoff et al. 2023)."),
    ] = 1.0
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
    def _one_budget(self) -> "ComposeConfig":
        if self.budget_bytes is not None and self.budget_tokens is not None:
            raise ValueError("budget_bytes and budget_tokens say the same thing twice: set one of them to null.")
        return self

    @property
    def budget(self) -> float | None:
        """Training bytes at most, or None."""
        return self.budget_bytes if self.budget_tokens is None else self.budget_tokens * self.bytes_per_token


@dataclass(frozen=True)
class Kept:
    """The kept documents, one place each in all arrays, sorted by id; `names` are the sources, sorted."""

    identifier: np.ndarray  # (n, 2) uint64: the 128 bits of doc_id, high half first
    source: np.ndarray  # (n,) int32, place in `names`
    validation: np.ndarray  # (n,) bool
    size: np.ndarray  # (n,) int64, UTF-8 bytes of text
    names: tuple[str, ...]


@dataclass(frozen=True)
class SourcePlan:
    """What the mixture came to for one source; the fields are the columns of MIXTURE."""

    source: str
    kept_documents: int
    kept_bytes: int
    share_wanted: float
    documents: int
    bytes: int
    share: float
    epochs: float
    exhausted: bool
    validation_documents: int
    validation_bytes: int


@dataclass(frozen=True)
class Mixture:
    """The documents of a corpus in its order: place in `Kept`, copies, and the part each stands in."""

    document: np.ndarray  # int64
    copies: np.ndarray  # int32
    part: np.ndarray  # int32
    sources: tuple[SourcePlan, ...]


def hash_documents(identifier: np.ndarray, seed: int, stream: int) -> np.ndarray:
    """A 64-bit hash of each id, (n,) uint64. The order is content."""
    salt = splitmix64(np.array([2 * seed + stream], np.uint64))
    return splitmix64(identifier[:, 0] ^ splitmix64(identifier[:, 1] ^ salt))


def _order(kept: Kept, some: np.ndarray, config: ComposeConfig, stream: int) -> np.ndarray:
    """The places `some` in the order of a stream's hash, ties by id."""
    identifier = kept.identifier[some]
    return some[np.lexsort((identifier[:, 1], identifier[:, 0], hash_documents(identifier, config.seed, stream)))]


def shares_wanted(available: np.ndarray, names: tuple[str, ...], config: ComposeConfig) -> np.ndarray:
    """Each source's share of the training bytes, (sources,) float64, summing to 1; 0 for one with nothing to give.

    Args: `available` kept training bytes of each source.
    Raises: MixtureError where the weights leave nothing to sources that have none, or give nothing to any.
    """
    asked = [config.sources[name].weight if name in config.sources else None for name in names]
    given = np.array([0.0 if weight is None else weight for weight in asked])
    free = np.array([weight is None for weight in asked], bool) & (available > 0)
    natural = np.where(free, np.where(free, available, 1).astype(np.float64) ** (1 / config.temperature), 0)
    hungry = [name for name, open_ in zip(names, free, strict=True) if open_]
    if hungry and given.sum() >= 1:
        raise MixtureError(
            f"The weights of the mixture sum to {given.sum():g}, which leaves nothing for {', '.join(hungry)}: "
            "give each of them a weight (0 leaves a source out), or lower the others."
        )
    wanted = np.where(available > 0, given, 0)
    if hungry:
        wanted += natural / natural.sum() * (1 - given.sum())
    if wanted.sum() == 0:
        raise MixtureError("Every source that has kept documents has the weight 0: give one of them a share.")
    return wanted / wanted.sum()


def allot_bytes(wanted: np.ndarray, capacity: np.ndarray, budget: float | None) -> np.ndarray:
    """Training bytes that each source gives, (sources,) float64, at most its `capacity`.

    Without a budget the shares are exact and as much as they allow; with one, what a source cannot give is divided
    among the others by their shares, again and again until nothing is left or nobody can give more.
    """
    taken = np.zeros(len(wanted))
    if budget is None:
        budget = float((capacity[wanted > 0] / wanted[wanted > 0]).min())
        taken = np.minimum(wanted * budget, capacity)
        return np.where(taken >= capacity * NEARLY, capacity, taken)
    open_ = wanted > 0
    while open_.any():
        offered = np.where(open_, wanted, 0) / wanted[open_].sum() * max(budget - taken.sum(), 0)
        full = open_ & (offered >= capacity * NEARLY)
        if not full.any():
            return np.where(open_, offered, taken)
        taken[full] = capacity[full]
        open_ &= ~full
    return taken


def fill(sizes: np.ndarray, target: int) -> np.ndarray:
    """Which documents, taken in order, fit into `target` bytes together; one that does not fit is passed over."""
    taken = np.zeros(len(sizes), bool)
    if not len(sizes):
        return taken
    total = np.concatenate([[0], np.cumsum(sizes)])
    smallest, start, left = int(sizes.min()), 0, target
    for _ in range(SKIPS):
        if start >= len(sizes) or left < smallest:
            break
        stop = int(np.searchsorted(total, total[start] + left, side="right")) - 1
        taken[start:stop] = True
        left -= int(total[stop] - total[start])
        start = stop + 1
    return taken


def mix(kept: Kept, config: ComposeConfig) -> Mixture:
    """The corpus: its documents in order with their copies and parts, train first, and what each source came to.

    Raises: MixtureError, a sentence, where nothing is kept, nothing is for training, or the budget is smaller than any
    document.
    """
    n_sources = len(kept.names)
    if not len(kept.size):
        raise MixtureError("No document was kept, so there is nothing to compose: loosen the rules under `decide`.")
    train = ~kept.validation
    if not train.any():
        raise MixtureError(
            f"All {len(kept.size)} kept documents are for validation: lower decide.validation_share, or add documents."
        )
    available = np.bincount(kept.source[train], kept.size[train], n_sources).astype(np.int64)
    caps = np.array([_max_epochs(name, config) for name in kept.names])
    wanted = shares_wanted(available, kept.names, config)
    capacity = np.floor(available * caps)
    targets = np.floor(allot_bytes(wanted, capacity, config.budget)).astype(np.int64)
    copies = np.zeros(len(kept.size), np.int32)
    for source, name in enumerate(kept.names):
        here = kept.source == source
        _choose(kept, np.flatnonzero(here & train), int(targets[source]), copies, config)
        weight = config.sources[name].weight if name in config.sources else None
        if weight != 0:
            epochs = targets[source] / available[source] if available[source] else 1.0
            _choose_validation(kept, np.flatnonzero(here & kept.validation), epochs, copies, config)
    if not copies[train].any():
        raise MixtureError(
            f"The budget of {config.budget:,.0f} bytes gives each source less than its smallest document: raise it."
        )
    given = np.bincount(kept.source[train], (kept.size * copies)[train], n_sources).astype(np.int64)
    document = np.concatenate(
        [_order(kept, np.flatnonzero((copies > 0) & side), config, SHUFFLE) for side in (train, kept.validation)]
    )
    n_train = int(np.count_nonzero((copies > 0) & train))
    part = cut_parts(kept.size[document], n_train, config.part_bytes)
    plans = []
    for source, name in enumerate(kept.names):
        here, chosen = kept.source == source, (kept.source == source) & (copies > 0)
        plans.append(
            SourcePlan(
                name,
                int(np.count_nonzero(here & train)),
                int(available[source]),
                float(wanted[source]),
                int(np.count_nonzero(chosen & train)),
                int(given[source]),
                float(given[source] / given.sum()),
                float(given[source] / available[source]) if available[source] else 0.0,
                bool(wanted[source] > 0 and targets[source] >= capacity[source]),
                int(np.count_nonzero(chosen & kept.validation)),
                int(kept.size[chosen & kept.validation].sum()),
            )
        )
    return Mixture(document, copies[document], part, tuple(plans))


def _max_epochs(name: str, config: ComposeConfig) -> float:
    own = config.sources[name].max_epochs if name in config.sources else None
    return config.max_epochs if own is None else own


def _choose(kept: Kept, some: np.ndarray, target: int, copies: np.ndarray, config: ComposeConfig) -> None:
    """Give the training documents `some` of one source their copies: whole epochs, then a chosen part of them more."""
    available = int(kept.size[some].sum())
    if target <= 0:
        return
    whole, rest = divmod(target, available)
    copies[some] = whole
    ordered = _order(kept, some, config, CHOICE)
    copies[ordered[fill(kept.size[ordered], rest)]] += 1


def _choose_validation(kept: Kept, some: np.ndarray, epochs: float, copies: np.ndarray, config: ComposeConfig) -> None:
    """Keep a source's validation documents once each: all, or the part of them that training took; never none."""
    if epochs >= NEARLY:
        copies[some] = 1
    elif epochs > 0 and len(some):
        ordered = _order(kept, some, config, CHOICE)
        chosen = fill(kept.size[ordered], int(kept.size[some].sum() * epochs))
        chosen[0] |= not chosen.any()
        copies[ordered[chosen]] = 1


def cut_parts(sizes: np.ndarray, n_train: int, part_bytes: int) -> np.ndarray:
    """The part of each document, (n,) int32: as many in order as `part_bytes` hold, at least one; splits share none."""
    part = np.empty(len(sizes), np.int32)
    number = 0
    for first, last in ((0, n_train), (n_train, len(sizes))):
        total = np.cumsum(sizes[first:last])
        start = 0
        while start < last - first:
            before = int(total[start - 1]) if start else 0
            stop = max(int(np.searchsorted(total, before + part_bytes, side="right")), start + 1)
            part[first + start : first + stop] = number
            number += 1
            start = stop
    return part
