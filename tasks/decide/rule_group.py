"""What a group of thresholds is: fields that say which column they are compared with, and how."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from tasks.config import StageConfig
from tasks.decide.predicates import literal, quoted

Share = Annotated[float, Field(ge=0, le=1)]
Ratio = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class DropWhen:
    """How a threshold drops: `column` compared with the threshold by `comparison`."""

    column: str
    comparison: Literal["<", "<=", ">", ">=", "not in", "is", "outside"]
    measure: str | None = None
    """SQL that is compared instead of the column itself, over it and `language`."""

    def predicate(self, threshold: Any) -> str:
        """SQL that is true where the document is to be dropped."""
        column = quoted(self.column)
        if self.comparison == "is":
            return column
        if self.comparison == "outside":
            low, high = (quoted(limit_name(self.column, percentile)) for percentile in threshold)
            return f"{column} < {low} OR {column} > {high}"
        if self.comparison == "not in":
            return f"{column} NOT IN ({', '.join(literal(value) for value in threshold)})"
        return f"{self.measure or column} {self.comparison} {_number(threshold)}"

    def predicate_of_languages(self, usual: float | None, thresholds: Mapping[str, float | None]) -> str | None:
        """The same where languages have thresholds of their own (null: no rule); None where it compares no numbers.

        A list of thresholds in which the language has its place: one look for each document, of however many languages.
        """
        if self.comparison not in ("<", "<=", ">", ">="):
            return None
        languages = ", ".join(map(literal, thresholds))
        place = f"coalesce(CAST(enum_code(TRY_CAST(language AS ENUM({languages}))) AS INTEGER) + 2, 1)"
        limits = ", ".join("NULL" if one is None else _number(one) for one in (usual, *thresholds.values()))
        return f"coalesce({self.measure or quoted(self.column)} {self.comparison} ([{limits}])[{place}], FALSE)"


def _number(threshold: float) -> str:
    """A threshold in SQL.

    Scores are 32-bit floats: against a 64-bit 0.3, the share 3/10 (0.30000001 in 32 bits) would be above it.
    """
    return f"CAST({threshold!r} AS FLOAT)" if isinstance(threshold, float) else str(threshold)


def limit_name(column: str, percentile: float) -> str:
    """The name under which `failures` gives rules a percentile of a column, among one source and language."""
    return f"{column} at {percentile!r}"


class RuleGroup(StageConfig):
    """Thresholds that belong together. Each field says with `DropWhen` which column it is compared with, and how."""

    @classmethod
    def comparisons(cls) -> dict[str, DropWhen]:
        """The `DropWhen` of each threshold, in the order of the fields."""
        found = {}
        for name, field in cls.model_fields.items():
            (found[name],) = [mark for mark in field.metadata if isinstance(mark, DropWhen)]
        return found

    def percentiles(self) -> set[tuple[str, float]]:
        """The percentiles (column, share of documents below) that the thresholds are compared with."""
        return {
            (mark.column, percentile)
            for name, mark in self.comparisons().items()
            if mark.comparison == "outside" and getattr(self, name) is not None
            for percentile in getattr(self, name)
        }

    def predicates(self) -> dict[str, str]:
        """SQL predicate of each threshold that is set."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return {
            name: mark.predicate(values[name])
            for name, mark in self.comparisons().items()
            if values[name] is not None and values[name] is not False
        }
