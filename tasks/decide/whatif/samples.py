"""Documents on both sides of the line: drawn from a seed, with the value beside the limit, and a first line looked up.

On each side first a sample of those that change sides; where they are fewer than asked for, the nearest to the limit of
those that stay where they are and whose side the changed rules alone decide. The text is read when asked, of these
documents alone, and stands nowhere else.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.hashing import splitmix64
from tasks.decide.predicates import check_predicate
from tasks.decide.rule_group import DropWhen
from tasks.decide.rules import DecideConfig
from tasks.decide.thresholds import GROUPS
from tasks.decide.whatif.columns import Columns
from tasks.decide.whatif.verdicts import DUPLICATES, Verdicts

LINE_CHARACTERS = 100


@dataclass(frozen=True)
class Sample:
    """A document beside the line: what it was, what it would be, by which rule, and what that rule compares."""

    doc_id: str
    url: str | None
    was: str
    would_be: str
    rule: str | None
    values: Mapping[str, Any]
    limit: Any
    line: str


@dataclass(frozen=True)
class Sides:
    """The samples on each side of the line."""

    kept: tuple[Sample, ...]
    dropped: tuple[Sample, ...]


def sample(
    before: Verdicts,
    after: Verdicts,
    configs: tuple[DecideConfig, DecideConfig],
    turned: Collection[str],
    columns: Columns,
    count: int,
    seed: int,
    decided: pa.Table | None = None,
) -> Sides:
    """So many documents on each side. `configs`: of both verdicts; `turned`: rules in which they differ; `decided`: the
    new table of decisions, for the Jaccard of copies, where clusters were formed."""
    if not count:
        return Sides((), ())
    luck = _luck(columns.doc_id, seed)
    changed = before.kept != after.kept
    others = before.fails_other_than(turned) | after.fails_other_than(turned)
    rule = next((name for name in sorted(turned) if _column(name) is not None), None)
    far = _distance(rule, configs[1], columns)
    sides = []
    for side in (after.kept, ~after.kept):
        places = _least(luck, np.flatnonzero(side & changed), count)
        beside = np.flatnonzero(side & ~changed & ~others)
        if len(places) < count and turned:
            places = np.concatenate([places, _least((far, luck), beside, count - len(places))])
        sides.append(places)
    lines = _look_up(np.concatenate(sides), columns)
    told = _Telling(before, after, configs, rule, columns, lines, decided)
    return Sides(*(tuple(told.sample(int(place)) for place in places) for places in sides))


def _luck(doc_id: pa.Array, seed: int) -> np.ndarray:
    """A number drawn for each document from its id and the seed: the same whatever else is in the lake, uint64."""
    high = pc.utf8_slice_codeunits(doc_id, 0, 16)  # type: ignore[attr-defined]
    joined = "".join(high.to_pylist())
    ids = np.frombuffer(bytes.fromhex(joined), ">u8").astype(np.uint64)
    return splitmix64(ids ^ splitmix64(np.array([seed], np.uint64)))


def _least(keys: np.ndarray | tuple[np.ndarray, np.ndarray], places: np.ndarray, count: int) -> np.ndarray:
    """The places whose key is least (by the first key, then the second)."""
    if isinstance(keys, tuple):
        return places[np.lexsort((keys[1][places], keys[0][places]))[:count]]
    return places[np.argsort(keys[places], kind="stable")[:count]]


def _column(rule: str) -> DropWhen | None:
    """How a rule of a group drops; None for a rule of one's own, or of no group."""
    group, _, name = rule.partition(".")
    return GROUPS[group].comparisons().get(name) if group in GROUPS else None


def _threshold(config: DecideConfig, rule: str) -> Any:
    group, _, name = rule.partition(".")
    return getattr(getattr(config, group, None), name, None)


def _distance(rule: str | None, config: DecideConfig, columns: Columns) -> np.ndarray:
    """How far each document's value lies from the limit of a rule; 0 for all where there is no such distance."""
    mark = _column(rule) if rule else None
    limit = _threshold(config, rule) if rule else None
    n = len(columns.doc_id)
    if mark is None or isinstance(limit, bool) or not isinstance(limit, int | float):
        return np.zeros(n)
    values = columns.read([mark.column]).column(0)
    if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        return np.zeros(n)
    number = values.cast(pa.float64()).to_numpy()
    return np.nan_to_num(np.abs(number - limit), nan=np.inf)


@dataclass(frozen=True)
class _Telling:
    """What is said of one document."""

    before: Verdicts
    after: Verdicts
    configs: tuple[DecideConfig, DecideConfig]
    rule: str | None
    columns: Columns
    lines: Mapping[int, tuple[str | None, str]]
    decided: pa.Table | None

    def sample(self, place: int) -> Sample:
        was, would_be = (_state(one, place) for one in (self.before, self.after))
        rule = would_be if would_be != "kept" else was if was != "kept" else self.rule
        config = self.configs[1]
        if rule and rule == was and would_be == "kept":
            config = self.configs[1] if _threshold(self.configs[1], rule) is not None else self.configs[0]
        values, limit = self._compared(rule, config, place) if rule else ({}, None)
        url, line = self.lines[place]
        return Sample(self.columns.doc_id[place].as_py(), url, was, would_be, rule, values, limit, line)

    def _compared(self, rule: str, config: DecideConfig, place: int) -> tuple[dict[str, Any], Any]:
        """The values that a rule reads of a document, and the limit that it compares them with."""
        if rule.startswith(DUPLICATES):
            if self.decided is None or _stays(self.decided, place):
                return {}, None
            row = self.decided.slice(place, 1).select(["kept_as", "jaccard"]).to_pylist()[0]
            return row, config.duplicates.min_jaccard if rule == f"{DUPLICATES}near" else None
        mark = _column(rule)
        names = [name for name in ("source", "language") if name in self.columns.kinds]
        about = self._values(names, place)
        own = config.for_source(about.get("source") or "", about.get("language") or "")
        if mark is not None:
            return self._values([mark.column], place), _threshold(own, rule)
        predicate = own.rules.get(rule.removeprefix("rules.")) if rule.startswith("rules.") else None
        if predicate is None:
            return {}, None
        read = [name for name in check_predicate(rule, predicate) if name in self.columns.kinds]
        return self._values(sorted(read), place), predicate

    def _values(self, names: Sequence[str], place: int) -> dict[str, Any]:
        known = [name for name in names if name in self.columns.kinds]
        return self.columns.read(known).slice(place, 1).to_pylist()[0] if known else {}


def _stays(decided: pa.Table, place: int) -> bool:
    """Whether a document stays by a table of decisions."""
    return bool(decided.column("kept")[place].as_py())


def _state(verdicts: Verdicts, place: int) -> str:
    number = int(verdicts.reason[place])
    return "kept" if number < 0 else verdicts.names[number]


def _look_up(places: np.ndarray, columns: Columns) -> dict[int, tuple[str | None, str]]:
    """URL and first line of text of some documents: only the row groups that hold them are read."""
    rows = columns.place_in_documents(places)
    found: dict[int, tuple[str | None, str]] = {}
    start = 0
    for path in columns.inputs["documents"]:
        with pq.ParquetFile(path) as file:
            sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
            names = [name for name in ("url", "text") if name in file.schema_arrow.names]
            for number, (end, size) in enumerate(zip(accumulate(sizes, initial=0), sizes, strict=False)):
                inside = np.flatnonzero((rows >= start + end) & (rows < start + end + size))
                if not len(inside):
                    continue
                group = file.read_row_group(number, columns=names)
                for one in inside:
                    row = group.slice(int(rows[one]) - start - end, 1).to_pylist()[0]
                    found[int(places[one])] = row.get("url"), first_line(row.get("text"))
            start += sum(sizes)
    return found


def first_line(text: str | None) -> str:
    """The first line of a text that is not empty, cut to LINE_CHARACTERS."""
    line = next((one.strip() for one in (text or "")[:10_000].splitlines() if one.strip()), "")
    return line if len(line) <= LINE_CHARACTERS else f"{line[: LINE_CHARACTERS - 1]}…"
