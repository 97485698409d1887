"""The mixture: how much of each component a corpus takes, which documents, how often, in which phase and order.

Everything here is a pure function of the set of kept documents (their ids, components, splits and sizes) and of the
configuration; neither files nor snapshots play a part. A document's place and its turn to be chosen come from seeded
hashes of its id. Phases choose one after the other, each what was read least so far. No text of a component comes again
before all of it was there: where none of those that were read least fits into what is left, the phase takes no more.
"""

import math
from dataclasses import dataclass

import numpy as np

from storage.hashing import splitmix64
from tasks.mixture_config import Component, ComposeConfig, Phase

__all__ = ["Component", "ComponentPlan", "ComposeConfig", "Kept", "Mixture", "MixtureError", "Phase", "mix"]

SHUFFLE, CHOICE, REPEAT = 0, 1, 2  # streams of their own: a document chosen early must not stand early
SKIPS = 10_000  # so many documents that do not fit into what is left are passed over before a source is called full
NEARLY = 1 - 1e-12


class MixtureError(ValueError):
    """A corpus cannot be composed: why, and which setting to change."""


@dataclass(frozen=True)
class Kept:
    """The kept documents, one place each in all arrays, sorted by id; `names` are the components, sorted."""

    identifier: np.ndarray  # (n, 2) uint64: the 128 bits of doc_id, high half first
    component: np.ndarray  # (n,) int32, place in `names`
    validation: np.ndarray  # (n,) bool
    size: np.ndarray  # (n,) int64, UTF-8 bytes of text
    names: tuple[str, ...]
    repeat: np.ndarray | None = None  # (n,) float64, how often it counts in an epoch; None: once


@dataclass(frozen=True)
class ComponentPlan:
    """What the mixture came to for one component in one phase; the fields are the columns of MIXTURE."""

    phase: str
    component: str
    kept_documents: int
    kept_bytes: int
    share_wanted: float
    documents: int
    bytes: int
    tokens: int | None
    share: float
    epochs: float
    exhausted: bool
    validation_documents: int
    validation_bytes: int


@dataclass(frozen=True)
class Mixture:
    """The documents of a corpus in its order: place in `Kept`, copies in each phase, and the part each stands in."""

    document: np.ndarray  # (n,) int64
    copies: np.ndarray  # (n, phases) int32; in validation 1 in the first
    part: np.ndarray  # (n,) int32
    components: tuple[ComponentPlan, ...]


def hash_documents(identifier: np.ndarray, seed: int, stream: int) -> np.ndarray:
    """A 64-bit hash of each id, (n,) uint64. The order is content."""
    salt = splitmix64(np.array([2 * seed + stream], np.uint64))
    return splitmix64(identifier[:, 0] ^ splitmix64(identifier[:, 1] ^ salt))


def _order(kept: Kept, some: np.ndarray, config: ComposeConfig, stream: int) -> np.ndarray:
    """The places `some` in the order of a stream's hash, ties by id."""
    identifier = kept.identifier[some]
    return some[np.lexsort((identifier[:, 1], identifier[:, 0], hash_documents(identifier, config.seed, stream)))]


def shares_wanted(available: np.ndarray, names: tuple[str, ...], config: ComposeConfig, phase: Phase) -> np.ndarray:
    """Each component's share of a phase's training text, (components,) float64, summing to 1; 0 for one without text.

    Args: `available` kept training text of each component.
    Raises: MixtureError where the weights leave nothing to components that have none, or give nothing to any.
    """
    asked = [config.weight(name, phase) for name in names]
    given = np.array([0.0 if weight is None else weight for weight in asked])
    free = np.array([weight is None for weight in asked], bool) & (available > 0)
    temperature = config.temperature if phase.temperature is None else phase.temperature
    sizes = np.where(free, available, 0)
    natural = np.where(free, (sizes / max(sizes.max(initial=0), 1)) ** (1 / temperature), 0)
    hungry = [name for name, open_ in zip(names, free, strict=True) if open_]
    of = f" of the phase {phase.name}" if config.phases else ""
    if hungry and given.sum() >= 1:
        raise MixtureError(
            f"The weights{of} of the mixture sum to {given.sum():g}, which leaves nothing for {', '.join(hungry)}: "
            "give each of them a weight (0 leaves a component out), or lower the others."
        )
    wanted = np.where(available > 0, given, 0)
    if hungry:
        wanted += natural / natural.sum() * (1 - given.sum())
    if wanted.sum() == 0:
        raise MixtureError(f"Every component{of} that has kept documents has the weight 0: give one of them a share.")
    return wanted / wanted.sum()


def allot_bytes(wanted: np.ndarray, capacity: np.ndarray, budget: float | None) -> np.ndarray:
    """Training bytes that each source gives, (sources,) float64, at most its `capacity`.

    Without a budget the shares are exact and as much as they allow; with one, what a source cannot give is divided
    among the others by their shares, again and again until nothing is left or nobody can give more.
    """
    taken = np.zeros(len(wanted))
    if budget is None:
        budget = float(_limits(wanted, capacity).min())
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


def _limits(wanted: np.ndarray, capacity: np.ndarray) -> np.ndarray:
    """Bytes of a corpus in which each source has its share and gives all it can; infinite for one without a share."""
    with np.errstate(over="ignore"):  # a share next to nothing limits nothing
        return np.divide(capacity, wanted, out=np.full(len(wanted), np.inf), where=wanted > 0)


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
    """The corpus: its documents in order with their copies and parts, train first, and what each component came to.

    Raises: MixtureError, a sentence, where nothing is kept, nothing is for training, or the budget is smaller than any
    document.
    """
    if not len(kept.size):
        raise MixtureError("No document was kept, so there is nothing to compose: loosen the rules under `decide`.")
    train = ~kept.validation
    if not train.any():
        raise MixtureError(
            f"All {len(kept.size)} kept documents are for validation: lower decide.validation_share, or add documents."
        )
    cost, counted = costs(kept, config), repeats(kept, config)
    if not (counted * train).any():
        raise MixtureError("mixture.repeat is 0 for every kept document: it says how often each one counts.")
    choice = _Choice(kept, cost * counted, counted, config)
    rows = []
    for number, phase in enumerate(config.all_phases):
        wanted = shares_wanted(choice.available, kept.names, config, phase)
        budget = None if config.budget is None else config.budget * phase.share
        left = np.maximum(choice.capacity - choice.taken, 0)
        targets = np.floor(allot_bytes(wanted, left, budget)).astype(np.int64)
        choice.choose(number, targets)
        rows.append((phase, wanted, (wanted > 0) & (targets >= left)))
    choice.keep_validation()
    copies = choice.copies
    if not copies[train].any():
        raise MixtureError(_why_nothing(choice, rows, config))
    chosen_ = copies.any(axis=1)
    document = np.concatenate(
        [_order(kept, np.flatnonzero(chosen_ & side), config, SHUFFLE) for side in (train, kept.validation)]
    )
    part = cut_parts(kept.size[document], int(np.count_nonzero(chosen_ & train)), config.part_bytes)
    plans = [
        plan
        for number, (phase, wanted, exhausted) in enumerate(rows)
        for plan in _plans(kept, cost, choice, number, phase, wanted, exhausted, config)
    ]
    return Mixture(document, copies[document], part, tuple(plans))


def _why_nothing(choice: "_Choice", rows: list[tuple[Phase, np.ndarray, np.ndarray]], config: ComposeConfig) -> str:
    """A sentence for a corpus without training text: what holds each component below its smallest document."""
    if config.budget is None:
        first = choice.names[int(_limits(rows[0][1], choice.capacity).argmin())]
        return (
            f"mixture.max_epochs = {config.max_epochs_of(first):g} lets {first} run out before any component can give "
            "its smallest document, and without a budget all end there: raise it, or set a budget."
        )
    if all(exhausted[wanted > 0].all() for _, wanted, exhausted in rows):
        return "mixture.max_epochs allows each component less than its smallest document: raise it."
    what = "tokens" if config.in_tokens else "bytes"
    return f"The budget of {config.budget:,.0f} {what} gives each component less than its smallest document: raise it."


def costs(kept: Kept, config: ComposeConfig) -> np.ndarray:
    """What each document costs of the budget, (n,) int64: its bytes, or its estimated tokens, at least one."""
    if not config.in_tokens:
        return kept.size
    ratio = np.array([config.bytes_per_token_of(name) for name in kept.names])
    return np.maximum(np.rint(kept.size / ratio[kept.component]), 1).astype(np.int64)


def repeats(kept: Kept, config: ComposeConfig) -> np.ndarray:
    """How often each document counts in an epoch, (n,) int32. A part of one is drawn by a hash of its id."""
    if kept.repeat is None:
        return np.ones(len(kept.size), np.int32)
    whole = np.floor(kept.repeat)
    drawn = (hash_documents(kept.identifier, config.seed, REPEAT) >> np.uint64(11)).astype(np.float64) / (1 << 53)
    return (whole + (drawn < kept.repeat - whole)).astype(np.int32)


class _Choice:
    """Which documents each phase takes: of a component those first that were read least, in the order of a hash.

    `available` (components,) int64: training text of an epoch; `capacity`: what the caps on epochs allow; `taken`: what
    each gave so far; `copies` (documents, phases) int32.
    """

    def __init__(self, kept: Kept, weight: np.ndarray, counted: np.ndarray, config: ComposeConfig) -> None:
        train, n = ~kept.validation, len(kept.names)
        self._kept, self._weight, self._counted, self._config = kept, weight, counted, config
        self.names = kept.names
        self.available = np.bincount(kept.component[train], weight[train], n).astype(np.int64)
        self.capacity = np.floor(self.available * np.array([config.max_epochs_of(name) for name in kept.names]))
        self.taken = np.zeros(n, np.int64)
        self.copies = np.zeros((len(kept.size), len(config.all_phases)), np.int32)
        usable = train & (counted > 0)
        self._orders = [
            _order(kept, np.flatnonzero(usable & (kept.component == one)), config, CHOICE) for one in range(n)
        ]
        held = kept.validation if kept.repeat is None else kept.validation & (kept.repeat > 0)
        self._held = [_order(kept, np.flatnonzero(held & (kept.component == one)), config, CHOICE) for one in range(n)]

    def choose(self, phase: int, targets: np.ndarray) -> None:
        """Give documents their copies in a phase, for the text that each component is to give at most."""
        for component, target in enumerate(targets.tolist()):
            if target > 0:
                self.taken[component] += self._read(component, phase, target)

    def _read(self, component: int, phase: int, target: int) -> int:
        """Read documents of a component in a phase, those first that were read least; gives how much that was.

        It ends where one of them does not fit, although others that were read already would: nobody is read again
        before everyone was read as often.
        """
        order, available = self._orders[component], int(self.available[component])
        counted, weight = self._counted[order], self._weight[order]
        before = self.copies[order].sum(axis=1) // counted
        read, left = before.copy(), target
        most = math.ceil(self._config.max_epochs_of(self.names[component]))
        while True:
            least = read.min()
            if (read == least).all():  # whole epochs
                whole = min(left // available, most - int(least))
                read += whole
                least += whole
                left -= whole * available
            if least >= most:
                break
            behind = np.flatnonzero(read == least)
            chosen = behind[fill(weight[behind], left)]
            read[chosen] += 1
            left -= int(weight[chosen].sum())
            if len(chosen) < len(behind):
                break
        self.copies[order, phase] += ((read - before) * counted).astype(np.int32)
        return target - left

    def keep_validation(self) -> None:
        """Keep a component's validation documents once each: all, or the part of them that training took; never none.

        Of one that has no training text, all, unless every phase gives it the weight 0. Called after the last phase.
        """
        for component, some in enumerate(self._held):
            name = self._kept.names[component]
            if all(self._config.weight(name, one) == 0 for one in self._config.all_phases):
                continue
            available = self.available[component]
            epochs = self.taken[component] / available if available else 1.0
            if epochs >= NEARLY:
                self.copies[some, 0] = 1
            elif epochs > 0 and len(some):
                chosen = fill(self._kept.size[some], int(self._kept.size[some].sum() * epochs))
                chosen[0] |= not chosen.any()
                self.copies[some[chosen], 0] = 1


def _plans(
    kept: Kept,
    cost: np.ndarray,
    choice: _Choice,
    number: int,
    phase: Phase,
    wanted: np.ndarray,
    exhausted: np.ndarray,
    config: ComposeConfig,
) -> list[ComponentPlan]:
    """What a phase came to. Validation documents stand with the first."""
    n, train, copies = len(kept.names), ~kept.validation, choice.copies[:, number].astype(np.int64)
    side, held = train & (copies > 0), kept.validation & (copies > 0)

    def total(values: np.ndarray | None, some: np.ndarray) -> list[int]:
        return np.bincount(kept.component[some], None if values is None else values[some], n).astype(np.int64).tolist()

    text, given = total(kept.size * copies, side), total(cost * copies, side)
    columns = zip(
        kept.names,
        total(None, train),
        total(kept.size, train),
        wanted.tolist(),
        total(None, side),
        text,
        given if config.in_tokens else [None] * n,
        (np.array(given) / max(sum(given), 1)).tolist(),
        (np.array(given) / np.maximum(choice.available, 1)).tolist(),
        exhausted.tolist(),
        total(None, held) if number == 0 else [0] * n,
        total(kept.size, held) if number == 0 else [0] * n,
        strict=True,
    )
    return [ComponentPlan(phase.name, *row) for row in columns]


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
