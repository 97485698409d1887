"""Rules beside the scores that they look at, from the configuration of a decide artifact: value and limit in words."""

from collections.abc import Mapping
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


@dataclass(frozen=True)
class Checked:
    """A rule, the column it looks at (null: an SQL predicate of the recipe), the document's value, and the limit."""

    rule: str
    column: str | None
    value: Any
    limit: Any
    says: str


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


def compared_columns(config: Mapping[str, Any]) -> list[str]:
    """The columns that the rules of a configuration look at, in the order of the groups."""
    return list(
        dict.fromkeys(
            mark.column
            for group, rules in GROUPS.items()
            if isinstance(config.get(group), Mapping)
            for name, mark in rules.comparisons().items()
            if config[group].get(name) not in (None, False)
        )
    )


def check_document(config: Mapping[str, Any], document: Mapping[str, Any]) -> list[Checked]:
    """Every rule that holds for a document, its value beside the limit. `document`: its columns with `source`."""
    found = []
    for rule, limit in limits_for(config, document["source"], document.get("language")).items():
        group, _, name = rule.partition(".")
        if group == "rules":
            found.append(Checked(rule, None, None, limit, f"must not be true: {limit}"))
            continue
        mark = GROUPS[group].comparisons()[name]
        shown = ", ".join(map(str, limit)) if isinstance(limit, list | tuple) else _number(limit)
        says = WORDS[mark.comparison].format(limit=shown)
        if mark.measure:
            says += f" ({mark.measure})"
        found.append(Checked(rule, mark.column, document.get(mark.column), limit, says))
    return found


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
