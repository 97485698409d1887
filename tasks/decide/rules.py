"""The rules by which documents are dropped, and how they become SQL.

A threshold in a recipe and the rule that it makes have the same name: `decide.gopher.min_words` drops by
`gopher.min_words`. A threshold set to null is no rule, a group set to null is none of its rules. A rule drops where its
predicate is true; a score that is null (too few words for an n-gram, no text) drops nothing. A document without text is
dropped by `extract.text_missing`, one that a stage could not finish by `<stage>.lost`, a forgotten one by
`forget.tombstone`, one of which composition would leave nothing by `edits.emptied`, and copies by `duplicates.exact`
and `duplicates.near`.

The groups and their columns are in `thresholds`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import Field, ValidationError, model_validator

from tasks.config import StageConfig
from tasks.decide.predicates import PredicateError, check_columns, check_predicate, check_type, literal, nearest
from tasks.decide.thresholds import (
    GROUPS,
    C4Rules,
    DecontaminationRules,
    DuplicateRules,
    FineWebRules,
    GopherRules,
    LanguageRules,
    RepetitionRules,
    RuleGroup,
    WordListRules,
)


class DecideConfig(StageConfig):
    """All thresholds of a recipe. A group that is null is off.

    `rules` are a person's own: a name, and an SQL predicate over the columns that is true where a document is dropped.
    `sources` changes groups for one source, on top of what stands here: `{code: {gopher: null, rules: {mine: null}}}`
    turns off, `{books: {gopher: {max_words: 2000000}}}` changes one threshold and leaves the others.
    """

    language: LanguageRules | None = None
    gopher: GopherRules | None = GopherRules()
    repetition: RepetitionRules | None = RepetitionRules()
    c4: C4Rules | None = None
    fineweb: FineWebRules | None = None
    word_lists: WordListRules | None = None
    decontamination: DecontaminationRules | None = None
    rules: dict[str, str] = Field(
        default_factory=dict,
        description="Rules of your own: a name, and an SQL predicate that is true where a document goes.",
    )
    duplicates: DuplicateRules = DuplicateRules()
    # Plain mappings, not models: what is set to null and what is not named must look different in the fingerprint.
    sources: dict[str, dict[str, dict[str, Any] | None]] = Field(
        default_factory=dict,
        description="What differs for a source: {code: {gopher: null}, books: {gopher: {max_words: 2000000}}}.",
    )
    validation_share: Annotated[float, Field(ge=0, lt=1, description="Share of clusters set apart for validation.")] = (
        0.02
    )

    RESERVED: ClassVar[frozenset[str]] = frozenset({"validation_share", "duplicates", "sources"})

    @model_validator(mode="after")
    def _check(self) -> "DecideConfig":
        for name, predicate in self.rules.items():
            _check_rule(f"decide.rules.{name}", name, predicate)
        for source in self.sources:
            self.for_source(source)
        return self

    def for_source(self, source: str) -> "DecideConfig":
        """What holds for one source: this configuration with the source's changes, and no `sources`.

        Raises: ValueError where the source's changes name an unknown group or threshold, or give an impossible value.
        """
        effective: dict[str, Any] = {name: getattr(self, name) for name in (*GROUPS, "rules")}
        for group, changes in self.sources.get(source, {}).items():
            where = f"decide.sources.{source}.{group}"
            if group in self.RESERVED:
                raise ValueError(f"{where} can't differ between sources: set decide.{group} for all.")
            if group not in effective:
                raise ValueError(f"{where} is no group of rules{nearest(group, effective)}")
            if group == "rules":
                effective["rules"] = _change_rules(where, self.rules, changes)
            else:
                effective[group] = (
                    None if changes is None else _change_group(where, GROUPS[group], effective[group], changes)
                )
        return self.model_copy(update={**effective, "sources": {}})


def _check_rule(where: str, name: str, predicate: str) -> None:
    if not name.isidentifier():
        raise ValueError(f"{where}: a rule's name is made of letters, digits and underscores.")
    check_predicate(where, predicate)


def _change_rules(where: str, rules: Mapping[str, str], changes: Mapping[str, Any] | None) -> dict[str, str]:
    if changes is None:
        return {}
    changed: dict[str, str] = dict(rules)
    for name, predicate in changes.items():
        if predicate is None:
            if name not in rules:
                raise ValueError(
                    f"{where}.{name} turns off a rule that decide.rules does not have{nearest(name, rules)}"
                )
            del changed[name]
        elif isinstance(predicate, str):
            _check_rule(f"{where}.{name}", name, predicate)
            changed[name] = predicate
        else:
            raise ValueError(f"{where}.{name} is {predicate!r}: write an SQL predicate, or null to turn the rule off.")
    return changed


def _change_group(where: str, group: type[RuleGroup], base: RuleGroup | None, changes: Mapping[str, Any]) -> RuleGroup:
    for name in changes:
        if name not in group.model_fields:
            raise ValueError(f"{where}.{name} is no threshold{nearest(name, group.model_fields)}")
    try:
        return group.model_validate({**(base.model_dump() if base else {}), **changes})
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{where}.{'.'.join(str(part) for part in first['loc'])}: {first['msg']}.") from error


@dataclass(frozen=True)
class Rule:
    """One rule: its name as in `dropped_by`, and the SQL that is true where it drops (null counts as false)."""

    name: str
    drop_when: str


def compile_rules(config: DecideConfig) -> list[Rule]:
    """All rules of a configuration, in the order in which they are named as reasons.

    Where sources differ, the predicate looks at the column `source`.
    """
    default = _predicates(config.for_source(""))
    special = {source: _predicates(config.for_source(source)) for source in config.sources}
    # In an order that follows from the names alone: a fingerprint does not see in which order a mapping was written.
    builtin = [f"{group}.{name}" for group, thresholds in GROUPS.items() for name in thresholds.model_fields]
    present = {*default, *(name for predicates in special.values() for name in predicates)}
    names = [name for name in builtin if name in present] + sorted(present.difference(builtin))
    rules = []
    for name in names:
        usual = default.get(name, "FALSE")
        cases = [
            f"WHEN {literal(source)} THEN ({predicates.get(name, 'FALSE')}\n)"
            for source, predicates in special.items()
            if predicates.get(name, "FALSE") != usual
        ]
        rules.append(Rule(name, f'CASE "source" {" ".join(cases)} ELSE ({usual}\n) END' if cases else usual))
    return rules


def _predicates(config: DecideConfig) -> dict[str, str]:
    """SQL predicates of a configuration without `sources`, by the name of the rule."""
    found = {}
    for group in GROUPS:
        thresholds: RuleGroup | None = getattr(config, group)
        if thresholds is not None:
            found.update({f"{group}.{name}": predicate for name, predicate in thresholds.predicates().items()})
    found.update({f"rules.{name}": predicate for name, predicate in config.rules.items()})
    return found


def check_rules(config: DecideConfig, columns: Mapping[str, str]) -> None:
    """Check that every rule of a configuration can be computed from the columns there are, before work starts.

    Args: `columns` the DuckDB type of each column of the documents and of all annotations (as DESCRIBE says it).
    Raises: PredicateError, a sentence with the rule's place in the recipe and the nearest right name.
    """
    for source in ("", *config.sources):
        effective = config.for_source(source)
        prefix = f"decide.sources.{source}" if source else "decide"
        for group in GROUPS:
            thresholds: RuleGroup | None = getattr(effective, group)
            if thresholds is None:
                continue
            for name in thresholds.predicates():
                column = thresholds.comparisons()[name].column
                if column not in columns:
                    raise PredicateError(
                        f"{prefix}.{group}.{name} needs the column {column}, which no stage of this recipe writes: "
                        f"add the stage that does, or set {prefix}.{group} to null."
                    )
        for name, predicate in effective.rules.items():
            where = f"{prefix}.rules.{name}"
            check_columns(where, check_predicate(where, predicate), columns)
            check_type(where, predicate, {name: kind for name, kind in columns.items() if name != "text"})
