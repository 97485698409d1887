"""Rules beside the scores that they look at, from the configuration of a decide artifact: value and limit in words."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from tasks.decide.thresholds import GROUPS

WORDS = {
    "<": "must be {limit} or more",
    "<=": "must be more than {limit}",
    ">": "must be {limit} or less",
    ">=": "must be less than {limit}",
    "not in": "must be one of {limit}",
    "is": "must not be so",
    "outside": "must lie within the percentiles {limit} of its source and language",
}


FORGOTTEN_RULE = "forget.tombstone"
OTHERS = {
    FORGOTTEN_RULE: "it is forgotten: what was said of it before counts for nothing",
    "source.excluded": "its source is excluded from every corpus",
    "extract.text_missing": "extraction found no text in it",
    "urls.blocked": "a block list holds its URL, and its text was not extracted",
    "edits.emptied": "removals and redactions would leave nothing of it",
    "repeats.emptied": "all its parts stand in other documents that stay",
}
"""What the rules say that compare no score with a limit."""


@dataclass(frozen=True)
class Checked:
    """A rule, the column it looks at (null: an SQL predicate of the recipe, or no column at all), the document's value,
    the limit, what it asks for, and whether it drops the document."""

    rule: str
    column: str | None
    value: Any
    limit: Any
    says: str
    drops: bool


def limits_for(config: Mapping[str, Any], source: str, language: str | None) -> dict[str, Any]:
    """The thresholds that hold for a document of this source and language, by the name of their rule; none that is off.

    What its source says goes before what its language says, and that before what holds for all.
    """
    merged = {name: _of(config.get(name)) for name in (*GROUPS, "rules")}
    for changes in ((config.get("languages") or {}).get(language), (config.get("sources") or {}).get(source)):
        for group, change in (changes or {}).items():
            if change is None:
                merged[group] = {}
                continue
            usual = {} if merged.get(group) or group == "rules" else GROUPS[group]().model_dump(mode="json")
            merged[group] = usual | merged.get(group, {}) | change
    return {
        f"{group}.{name}": value
        for group, values in merged.items()
        for name, value in values.items()
        if value is not None and value is not False
    }


def _of(group: Any) -> dict[str, Any]:
    return dict(group) if isinstance(group, Mapping) else {}


def compared(config: Mapping[str, Any]) -> dict[str, str | None]:
    """The columns that the rules of a configuration look at, in the order of the groups, for all documents or for those
    of one source or language; each with the SQL that is compared in its place (null: the column itself)."""
    limits = [limits_for(config, "", None)]
    limits += [limits_for(config, source, None) for source in config.get("sources") or {}]
    limits += [limits_for(config, "", language) for language in config.get("languages") or {}]
    active = {rule for found in limits for rule in found}
    return {
        mark.column: mark.measure
        for group, rules in GROUPS.items()
        for name, mark in rules.comparisons().items()
        if f"{group}.{name}" in active
    }


def check_document(config: Mapping[str, Any], document: Mapping[str, Any], failed: Collection[str]) -> list[Checked]:
    """Every rule that holds for a document, its value beside the limit, and whatever else it failed.

    `document`: its `source` and `language`, and what `compared` names. `failed`: the rules that drop it.
    """
    found = []
    if FORGOTTEN_RULE in failed:  # what was said of a text before it was forgotten counts for nothing
        return [Checked(FORGOTTEN_RULE, None, None, None, _other(FORGOTTEN_RULE), True)]
    for rule, limit in limits_for(config, document["source"], document.get("language")).items():
        group, _, name = rule.partition(".")
        if group == "rules":
            found.append(Checked(rule, None, None, limit, f"must not be true: {limit}", rule in failed))
            continue
        mark = GROUPS[group].comparisons()[name]
        shown = ", ".join(map(str, limit)) if isinstance(limit, list | tuple) else _number(limit)
        says = WORDS[mark.comparison].format(limit=shown)
        if mark.measure:
            says += f" ({mark.measure})"
        found.append(Checked(rule, mark.column, document.get(mark.column), limit, says, rule in failed))
    known = {one.rule for one in found}
    found += [Checked(rule, None, None, None, _other(rule), True) for rule in failed if rule not in known]
    return found


def _other(rule: str) -> str:
    """What a reason says that compares no score."""
    group, _, name = rule.partition(".")
    if name == "lost":
        return f"the stage {group} could not finish it"
    if group == "duplicates":
        return f"a copy, found by {name}: another member of its cluster stays"
    return OTHERS.get(rule, "no document that fails it stays")


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
