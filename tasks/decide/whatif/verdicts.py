"""Who fails which rule: as it was decided, and as another configuration would decide.

By the rules alone, only rules that differ are computed again, from the columns that they read: what all others said
stands in the decisions. With clusters the stage's own work is done in memory, so that the counts are those of a commit.
"""

import re
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.artifact import MAIN_TABLE, Artifact
from tasks.decide.failures import BLOCKED, EMPTIED, EXCLUDED, TEXT_MISSING, TOMBSTONE
from tasks.decide.predicates import PredicateError, literal
from tasks.decide.rules import DecideConfig, Rule, check_rules, compile_rules, percentiles
from tasks.decide.stage import decide
from tasks.decide.whatif.columns import Columns
from tasks.isolation import CELL_FIELDS, Watch

DUPLICATES = "duplicates."
AMONG_OTHERS = (DUPLICATES, "repeats.")
"""How reasons begin that follow from who else passes, not from a document alone: copies, and what repeats leave."""
EDITED = "edited"
"""The stage's table on documents of which parts go."""


@dataclass(frozen=True)
class Verdicts:
    """What each document fails, in the order of the decisions.

    `names`: reasons in the order in which they are named; `failed`: (documents, reasons) bool. `clustered`: whether
    copies are among the reasons; without them, what passes every rule counts as kept. `edited`: doc_id and
    composed_bytes of documents of which repeated parts go; None where none do.
    """

    names: tuple[str, ...]
    failed: np.ndarray
    clustered: bool
    edited: pa.Table | None = None

    @cached_property
    def kept(self) -> np.ndarray:
        """Whether each document stays, (documents,) bool."""
        return ~np.asarray(self.failed.any(axis=1))

    @cached_property
    def reason(self) -> np.ndarray:
        """Number of the first reason of each document, -1 where it stays."""
        return np.where(self.kept, -1, self.failed.argmax(axis=1) if self.names else -1)

    def without_copies(self) -> "Verdicts":
        """The same by the rules alone."""
        rules = [number for number, name in enumerate(self.names) if not name.startswith(AMONG_OTHERS)]
        return Verdicts(tuple(self.names[number] for number in rules), self.failed[:, rules], False)

    def fails_other_than(self, names: Collection[str]) -> np.ndarray:
        """Whether each document fails a rule that is none of these, (documents,) bool."""
        others = [number for number, name in enumerate(self.names) if name not in names]
        return np.asarray(self.failed[:, others].any(axis=1))


def read_verdicts(decisions: pa.Table, config: DecideConfig, edited: pa.Table | None = None) -> Verdicts:
    """The verdicts in a table of decisions (with `failed`), which were made by this configuration."""
    failed = decisions.column("failed").combine_chunks()
    offsets = failed.offsets.to_numpy()
    row = np.repeat(np.arange(len(failed)), np.diff(offsets))
    values = pc.dictionary_encode(failed.flatten())  # type: ignore[attr-defined]
    found = values.dictionary.to_pylist()
    names = in_order(found, config)
    column = np.array([names.index(name) for name in found], dtype=np.int64)
    matrix = np.zeros((len(failed), len(names)), dtype=bool)
    matrix[row, column[values.indices.to_numpy()]] = True
    return Verdicts(tuple(names), matrix, True, edited)


def stored_verdicts(decisions: Artifact, config: DecideConfig) -> tuple[pa.Array, Verdicts]:
    """The doc_ids of an artifact of decisions, and the verdicts in it."""
    table = decisions.read(["doc_id", "failed"])
    edited = decisions.read(["doc_id", "composed_bytes"], EDITED) if decisions.parts(EDITED) else None
    return table.column("doc_id").combine_chunks(), read_verdicts(table, config, edited)


def in_order(names: Collection[str], config: DecideConfig) -> list[str]:
    """Names of reasons in the order in which a configuration names them (see `tasks.decide.failures`)."""
    rules = [rule.name for rule in compile_rules(config)]
    lost = sorted(name for name in names if name.endswith(".lost") and name not in rules)
    own = [EXCLUDED, TEXT_MISSING, *lost, TOMBSTONE, EMPTIED, *rules, *([] if BLOCKED in rules else [BLOCKED])]
    place = {name: number for number, name in enumerate(own)}
    return sorted(names, key=lambda name: (place.get(name, len(place)), name))


def changed_rules(old: DecideConfig, new: DecideConfig) -> dict[str, str | None]:
    """The rules in which two configurations differ: the predicate of the new one, None where it has no such rule."""
    before, after = rules_of(old), rules_of(new)
    return {name: after.get(name) for name in (before | after) if before.get(name) != after.get(name)}


def rules_of(config: DecideConfig) -> dict[str, str]:
    """The predicate by which each rule of a configuration drops a document, excluded sources first."""
    rules = compile_rules(config)
    if config.excluded:
        sources = ", ".join(map(literal, sorted(config.excluded)))
        rules = [Rule(EXCLUDED, f"source IN ({sources})"), *rules]
    return {rule.name: rule.drop_when for rule in rules}


def needs_all(old: DecideConfig, new: DecideConfig) -> bool:
    """Whether the rules that differ need more than a document's own scores: percentiles, and texts never extracted."""
    return BLOCKED in changed_rules(old, new) or percentiles(old) != percentiles(new)


def by_rules(before: Verdicts, old: DecideConfig, new: DecideConfig, columns: Columns) -> Verdicts:
    """What another configuration says by its rules alone, computed from the rules that differ.

    Scores of a text that is forgotten say nothing, as the stage has it.

    Raises: PredicateError where a rule cannot be computed from the columns there are.
    """
    changed = changed_rules(old, new)
    check(new, columns)
    rules = before.without_copies()
    columns_of = dict(zip(rules.names, rules.failed.T, strict=True))
    computed = {name: sql for name, sql in changed.items() if sql is not None}
    for name in changed.keys() - computed.keys():
        columns_of.pop(name, None)
    there = ~columns_of.get(TOMBSTONE, np.zeros(len(before.failed), dtype=bool))
    columns_of |= {name: drops & there for name, drops in compute(computed, columns).items()}
    names = in_order(columns_of, new)
    n = len(before.failed)
    failed = np.stack([columns_of[name] for name in names], axis=1) if names else np.zeros((n, 0), dtype=bool)
    return Verdicts(tuple(names), failed, clustered=False)


def check(config: DecideConfig, columns: Columns) -> None:
    """Raises: PredicateError where a rule of the configuration cannot be computed from the columns there are."""
    empty = pa.schema([pa.field(name, kind) for name, kind in columns.kinds.items()]).empty_table()
    with duckdb.connect() as connection:
        connection.register("scores", empty)
        kinds = {name: kind for name, kind, *_ in connection.execute("DESCRIBE SELECT * FROM scores").fetchall()}
    check_rules(config, {"doc_id": "VARCHAR", **kinds})


def compute(predicates: dict[str, str], columns: Columns) -> dict[str, np.ndarray]:
    """Whether each document is dropped by each of these predicates, (documents,) bool by name. Null drops nothing."""
    if not predicates:
        return {}
    scores = columns.read(read_by(predicates.values(), columns))
    selected = ", ".join(f"coalesce((\n{sql}\n), false) AS f{number}" for number, sql in enumerate(predicates.values()))
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        place = pa.array(np.arange(len(columns.doc_id), dtype=np.int32))
        connection.register("scores", scores.append_column("doc_id", columns.doc_id).append_column("place of", place))
        try:
            table = connection.execute(f'SELECT "place of", {selected} FROM scores').to_arrow_table()
        except (duckdb.ConversionException, duckdb.InvalidInputException, duckdb.OutOfRangeException) as error:
            said = str(error).splitlines()[0]
            raise PredicateError(
                f"A rule cannot be computed for some document: {said} Guard it, as with try_cast."
            ) from error
    order = table.column(0).to_numpy()
    found = {}
    for number, name in enumerate(predicates):
        values = np.empty(len(order), dtype=bool)
        values[order] = table.column(number + 1).to_numpy()
        found[name] = values
    return found


def read_by(predicates: Collection[str], columns: Columns) -> list[str]:
    """The columns that predicates may read: those whose names stand in them (one too many does no harm)."""
    words = {word.lower() for sql in predicates for word in re.findall(r"\w+", sql)}
    return [name for name in columns.kinds if name.lower() in words] or ["source"]


def with_clusters(decisions: Artifact, new: DecideConfig) -> tuple[pa.Table, Verdicts]:
    """What the stage itself would decide on the same inputs, in memory. Returns: its table, and the verdicts in it."""
    (shard,) = decide.plan(inputs_of(decisions), new)
    collected, watch = _Collected(), Watch(memoryview(bytearray(8 * CELL_FIELDS)).cast("q"), None)
    decide.work(shard, cast(Any, new), cast(Any, collected), watch)
    tables = {name: pa.Table.from_batches(batches) for name, batches in collected.batches.items()}
    return tables[MAIN_TABLE], read_verdicts(tables[MAIN_TABLE], new, tables.get(EDITED))


def inputs_of(decisions: Artifact) -> dict[str, list[Artifact]]:
    """What an artifact of decisions was made from, as the stage is given it."""
    roles = ["documents", "annotations", *(one.role for one in decisions.manifest.identity.inputs)]
    return {role: decisions.inputs(role) for role in dict.fromkeys(roles)}


class _Collected:
    """Where the stage writes, in memory; what it spills goes where temporary files do, not into the lake."""

    def __init__(self) -> None:
        self.batches: dict[str, list[pa.RecordBatch]] = {}
        self.scratch = Path(tempfile.gettempdir())

    def write(self, batch: pa.RecordBatch, table: str = MAIN_TABLE) -> None:
        self.batches.setdefault(table, []).append(batch)
