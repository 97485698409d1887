"""What is chosen by where a document is from, by whose rights it is under, and by its date. All is off by default.

| column | stage | what |
|---|---|---|
| `blocked_lists`, `n_soft_words` | `urls` | the block lists that hold the URL; soft words in it |
| `robots`, `tdm_reservation` | `extract` | opt-outs that the page, or its server, states |
| `license` | `extract` | the licence of the record, page, repository or source |
| `published`, `capture_date` | `extract` | the day that the content states; when it was captured |
"""

from datetime import date
from typing import Annotated

from pydantic import Field, field_validator

from tasks.decide.rule_group import Count, DropWhen, RuleGroup


class UrlRules(RuleGroup):
    """By the block lists of `urls`. A document that extraction skipped for them is dropped by `urls.blocked` too."""

    blocked: Annotated[bool | tuple[str, ...] | None, DropWhen("blocked_lists", "has any")] = Field(
        default=True,
        description="Drop what a block list holds: true for any of them, or the names of those that count.",
    )
    max_soft_words: Annotated[Count | None, DropWhen("n_soft_words", ">")] = Field(
        default=None, description="Different soft words in the URL at most (RefinedWeb, Penedo et al. 2023: 1)."
    )


class RightsRules(RuleGroup):
    """By licence and opt-outs. `*` is anything: `CC-BY-NC*`. What is not stated drops nothing, unless it is needed."""

    tdm_reserved: Annotated[bool, DropWhen("tdm_reservation", "is")] = Field(
        default=False, description="Drop what reserves the rights to text and data mining (TDMRep, W3C 2024)."
    )
    directives: Annotated[tuple[str, ...] | None, DropWhen("robots", "has any")] = Field(
        default=None, description="Drop a page with one of these directives: [noai, noindex, none, ccbot:noindex]."
    )
    allowed_licenses: Annotated[tuple[str, ...] | None, DropWhen("license", "like none")] = Field(
        default=None, description="Licences that stay, by their SPDX names ([CC0-1.0, CC-BY-*, MIT]); null: all."
    )
    denied_licenses: Annotated[tuple[str, ...] | None, DropWhen("license", "like any")] = Field(
        default=None, description="Licences that go ([CC-BY-NC*, CC-BY-ND*])."
    )
    license_needed: Annotated[bool, DropWhen("license", "is null")] = Field(
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

    published_from: Annotated[date | None, DropWhen("published", "<")] = Field(
        default=None, description="The first day of publication that stays (2010-01-01)."
    )
    published_before: Annotated[date | None, DropWhen("published", ">=")] = Field(
        default=None, description="The first day of publication that goes: a corpus that knows nothing from it on."
    )
    captured_from: Annotated[date | None, DropWhen("capture_date", "<")] = Field(
        default=None, description="The first day of capture that stays."
    )
    captured_before: Annotated[date | None, DropWhen("capture_date", ">=")] = Field(
        default=None, description="The first day of capture that goes. What was captured before knows nothing later."
    )
    published_needed: Annotated[bool, DropWhen("published", "is null")] = Field(
        default=False, description="Drop what states no day of publication."
    )
    captured_needed: Annotated[bool, DropWhen("capture_date", "is null")] = Field(
        default=False, description="Drop what was captured on no known day."
    )
