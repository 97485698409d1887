"""What one set of verdicts keeps beside another: documents and estimated tokens, by source, language and rule."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.decide.whatif.columns import Columns
from tasks.decide.whatif.tokens import BytesPerToken
from tasks.decide.whatif.verdicts import Verdicts


@dataclass(frozen=True)
class Documents:
    """What is counted, in the order of the decisions: ids, numbers of source and language, and bytes."""

    doc_id: pa.Array
    source: np.ndarray
    language: np.ndarray
    groups: tuple[Sequence[str], Sequence[str | None]]
    size: np.ndarray
    ratio: BytesPerToken

    def tokens(self, verdicts: Verdicts) -> np.ndarray:
        """Estimated tokens of each document, (documents,) float64, without the parts that these verdicts take out."""
        size, edited = self.size, verdicts.edited
        if edited is not None and edited.num_rows:
            place = pc.index_in(edited.column("doc_id"), value_set=self.doc_id)  # type: ignore[attr-defined]
            size = size.copy()
            size[place.to_numpy()] = edited.column("composed_bytes").to_numpy()
        return self.ratio.tokens(self.source, self.language, self.groups, size)

    @cached_property
    def group(self) -> np.ndarray:
        """Number of each document's source and language together."""
        return self.source * len(self.groups[1]) + self.language


def describe(columns: Columns, ratio: BytesPerToken) -> Documents:
    """Sources, languages, bytes and tokens of all documents. Bytes are the composed text's where edits say them."""
    size = "composed_bytes" if "composed_bytes" in columns.kinds else "text_bytes"
    size = size if size in columns.kinds else None
    language = "language" if "language" in columns.kinds else None
    table = columns.read([name for name in ("source", language, size) if name])
    n = len(columns.doc_id)
    source, sources = _numbered(table.column("source"))
    tongue, tongues = _numbered(table.column(language)) if language else (np.zeros(n, np.int64), [None])
    of = pc.fill_null(table.column(size), 0).to_numpy() if size else np.zeros(n, np.int64)  # type: ignore[attr-defined]
    return Documents(columns.doc_id, source, tongue, (sources, tongues), of, ratio)


def _numbered(values: pa.ChunkedArray) -> tuple[np.ndarray, list]:
    """Values as numbers of their sorted names, null last."""
    names: list = sorted(one for one in values.unique().to_pylist() if one is not None)
    place = pc.index_in(values, value_set=pa.array(names, pa.string()))  # type: ignore[attr-defined]
    if place.null_count:
        names.append(None)
    return pc.fill_null(place, len(names) - 1).to_numpy().astype(np.int64), names  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Change:
    """Documents and estimated tokens of some part: as decided, as they would be, and what moves between."""

    documents: int
    documents_before: int
    documents_after: int
    documents_in: int
    documents_out: int
    tokens_before: int
    tokens_after: int
    tokens_in: int
    tokens_out: int


@dataclass(frozen=True)
class RuleChange:
    """A rule: documents that it drops first (is named as the reason of), and all that fail it."""

    rule: str
    first_before: int
    first_after: int
    failed_before: int
    failed_after: int


@dataclass(frozen=True)
class Comparison:
    """All counts: over all documents, of each (source, language), and by rule in the order of the reasons."""

    total: Change
    parts: Mapping[tuple[str, str | None], Change]
    rules: tuple[RuleChange, ...]

    def plain(self) -> dict[str, Any]:
        """As JSON has it. Keys of tokens say that they are estimates."""
        parts = [
            {"source": source, "language": language, **_plain(one)} for (source, language), one in self.parts.items()
        ]
        return {
            "total": _plain(self.total),
            "by_source_and_language": parts,
            "by_rule": [asdict(r) for r in self.rules],
        }


def _plain(change: Change) -> dict[str, int]:
    return {f"estimated_{name}" if name.startswith("tokens") else name: n for name, n in asdict(change).items()}


def compare(before: Verdicts, after: Verdicts, documents: Documents) -> Comparison:
    """Count what one set of verdicts keeps beside another."""
    sources, languages = documents.groups
    n_groups = len(sources) * len(languages)
    masks = {
        "before": before.kept,
        "after": after.kept,
        "in": after.kept & ~before.kept,
        "out": before.kept & ~after.kept,
    }
    counted = {"documents": np.bincount(documents.group, minlength=n_groups)}
    now, then = documents.tokens(before), documents.tokens(after)
    tokens = {"before": now, "out": now, "after": then, "in": then}
    for name, mask in masks.items():
        group = documents.group[mask]
        counted[f"documents_{name}"] = np.bincount(group, minlength=n_groups)
        counted[f"tokens_{name}"] = np.bincount(group, tokens[name][mask], minlength=n_groups)
    parts = {
        (source, language): _change({key: values[number] for key, values in counted.items()})
        for number, (source, language) in enumerate((one, two) for one in sources for two in languages)
        if counted["documents"][number]
    }
    total = _change({key: values.sum() for key, values in counted.items()})
    return Comparison(total, parts, _rules(before, after))


def _change(numbers: Mapping[str, float]) -> Change:
    return Change(**{name: round(float(value)) for name, value in numbers.items()})


def _rules(before: Verdicts, after: Verdicts) -> tuple[RuleChange, ...]:
    """Every rule that drops a document before or after; in the order of the new reasons, those that are gone last."""
    counts = []
    for one in (before, after):
        first = np.bincount(one.reason[one.reason >= 0], minlength=len(one.names))
        counts.append(
            dict(zip(one.names, zip(first.tolist(), one.failed.sum(axis=0).tolist(), strict=True), strict=True))
        )
    found = []
    for name in dict.fromkeys([*after.names, *before.names]):
        was, would = (of.get(name, (0, 0)) for of in counts)
        if any((*was, *would)):
            found.append(RuleChange(name, was[0], would[0], was[1], would[1]))
    return tuple(found)
