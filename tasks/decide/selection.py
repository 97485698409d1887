"""What is chosen by where a document is from, by whose rights it is under, and by its date. All is off by default.

| column | stage | what |
|---|---|---|
| `blocked_lists`, `n_soft_words` | `urls` | the block lists that hold the URL; soft words in it |
| `robots`, `tdm_reservation` | `extract` | opt-outs that the page, or its server, states |
| `license` | `extract` | the licence of the record, page, repository or source |
| `published`, `capture_date` | `extract` | the day that the content states; when it was captured |
"""

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from tasks.decide.predicates import literal, quoted
from tasks.decide.rule_group import Count, DropWhen, RuleGroup


@dataclass(frozen=True)
class Chosen(DropWhen):
    """How a choice drops: by names that a list holds, by patterns that a text fits, by a day, by what is not stated."""

    comparison: Literal["<", "<=", ">", ">=", "not in", "is", "outside"] = "is"
    by: Literal["no value", "any of", "fits one", "fits none", "before", "from"] = "no value"

    def predicate(self, threshold: Any) -> str:
        """SQL that is true where the document is to be dropped."""
        column = quoted(self.column)
        match self.by:
            case "no value":
                return f"{column} IS NULL"
            case "any of":
                names = "" if threshold is True else ", ".join(literal(value) for value in threshold)
                return f"list_has_any({column}, [{names}])" if names else f"{column} IS NOT NULL"
            case "fits one" | "fits none":
                fits = " OR ".join(f"{column} GLOB {literal(pattern)}" for pattern in threshold)
                return f"({fits})" if self.by == "fits one" else f"NOT ({fits})"
            case _:
                sign = "<" if self.by == "before" else ">="
                return f"CAST({column} AS DATE) {sign} DATE {literal(threshold.isoformat())}"


class UrlRules(RuleGroup):
    """By the block lists of `urls`. A document that extraction skipped for them is dropped by `urls.blocked` too."""

    blocked: Annotated[bool | tuple[str, ...] | None, Chosen("blocked_lists", by="any of")] = Field(
        default=True,
        description="Drop what a block list holds: true for any of them, or the names of those that count.",
    )
    max_soft_words: Annotated[Count | None, DropWhen("n_soft_words", ">")] = Field(
        default=None, description="Different soft words in the URL at most (RefinedWeb, Penedo et al. 2023: 1)."
    )


class RightsRules(RuleGroup):
    """By licence and opt-outs. `*` is anything: `CC-BY-NC*`. What is not stated drops nothing, unless it is needed."""

    tdm_reserved: Annotated[bool, DropWhen("tdm_reservation", "is")] = Field(
        default=False,
        description="Drop what reserves the rights to text and data mining (TDMRep, W3C group report 2024).",
    )
    directives: Annotated[tuple[str, ...] | None, Chosen("robots", by="any of")] = Field(
        default=None, description="Drop a page with one of these directives: [noai, noindex, none, ccbot:noindex]."
    )
    allowed_licenses: Annotated[tuple[str, ...] | None, Chosen("license", by="fits none")] = Field(
        default=None, description="Licences that stay, by their SPDX names ([CC0-1.0, CC-BY-*, MIT]); null: all."
    )
    denied_licenses: Annotated[tuple[str, ...] | None, Chosen("license", by="fits one")] = Field(
        default=None, description="Licences that go ([CC-BY-NC*, CC-BY-ND*])."
    )
    license_needed: Annotated[bool, Chosen("license", by="no value")] = Field(
        default=False, description="Drop what states no licence, and whose source has none in the recipe."
    )

    @field_validator("directives", "allowed_licenses", "denied_licenses")
    @classmethod
    def _some(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if names == ():
            raise ValueError("the list has no name in it: name one, or set it to null to turn the rule off.")
        return names


class DateRules(RuleGroup):
    """By date (days in UTC). What has no date stays, unless it must have one."""

    published_from: Annotated[date | None, Chosen("published", by="before")] = Field(
        default=None, description="The first day of publication that stays (2010-01-01)."
    )
    published_before: Annotated[date | None, Chosen("published", by="from")] = Field(
        default=None, description="The first day of publication that goes: a corpus that knows nothing from it on."
    )
    captured_from: Annotated[date | None, Chosen("capture_date", by="before")] = Field(
        default=None, description="The first day of capture that stays."
    )
    captured_before: Annotated[date | None, Chosen("capture_date", by="from")] = Field(
        default=None, description="The first day of capture that goes. What was captured before knows nothing later."
    )
    published_needed: Annotated[bool, Chosen("published", by="no value")] = Field(
        default=False, description="Drop what states no day of publication."
    )
    captured_needed: Annotated[bool, Chosen("capture_date", by="no value")] = Field(
        default=False, description="Drop what was captured on no known day."
    )
