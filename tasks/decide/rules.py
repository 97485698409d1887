"""The rules by which documents are dropped, and how they become SQL.

A threshold in a recipe and the rule that it makes have the same name: `decide.gopher.min_words` drops by
`gopher.min_words`. A threshold set to null is no rule, a group set to null is none of its rules. A rule drops where its
predicate is true; a score that is null (too few words for an n-gram, no text) drops nothing. A document of an excluded
source is dropped by `source.excluded`, one without text by `extract.text_missing` (by `urls.blocked` where a block list
spared its extraction), one that a stage could not finish by `<stage>.lost`, a forgotten one by `forget.tombstone`, one
of which composition would leave nothing by `edits.emptied`, copies by `duplicates.<kind>` (exact, url, near, simhash,
semantic), and one that stays, but all parts of which go (see `repeats`), by `repeats.emptied`.

The groups and their columns are in `thresholds`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import Field, ValidationError, model_validator

from tasks.config import StageConfig
from tasks.decide.predicates import PredicateError, check_columns, check_predicate, check_type, literal, nearest, quoted
from tasks.decide.presets import expand
from tasks.decide.repeats.rules import RepeatedLines, RepeatedSubstrings
from tasks.decide.rule_group import RuleGroup
from tasks.decide.thresholds import (
    GROUPS,
    C4Rules,
    DateRules,
    DecontaminationRules,
    DuplicateRules,
    FineWebRules,
    GopherRules,
    LanguageRules,
    RepetitionRules,
    RightsRules,
    UrlRules,
    WordListRules,
)
from tasks.decide.variants import AfterC4Rules, AfterFineWebRules, DatatroveRules, OutlierRules, RefinedWebRules

EVIDENCE = {"shingles": "sign.shingles to true", "simhash": "sign.simhash to true", "embedding": "embed.model"}
"""What makes the columns that a recipe's stages do not write unasked."""
_ORDERED = re.compile(r"(U?(TINY|SMALL|BIG)INT|U?INTEGER|FLOAT|DOUBLE|BOOLEAN|DATE|TIMESTAMP.*)\Z")
"""DuckDB's names of the types that a document can be the best by."""


class DecideConfig(StageConfig):
    """All thresholds of a recipe. A group that is null is off.

    `rules` are a person's own: a name, and an SQL predicate over the columns that is true where a document is dropped.
    `sources` changes groups for one source, on top of what stands here: `{code: {gopher: null, rules: {mine: null}}}`
    turns off, `{books: {gopher: {max_words: 2000000}}}` changes one threshold and leaves the others. `languages` does
    the same for one language; where both speak of a document, what its source says holds.
    """

    preset: str | None = Field(
        default=None,
        description="A published set of rules, and their order: gopher, c4, fineweb, fineweb-2, refinedweb, dclm "
        "(docs/presets). Other lines of this section change it.",
    )
    excluded: Annotated[
        tuple[str, ...],
        Field(description="Sources that are never composed; those that are marked `excluded` are added to these."),
    ] = ()
    urls: UrlRules | None = None
    rights: RightsRules | None = None
    dates: DateRules | None = None
    language: LanguageRules | None = None
    gopher: GopherRules | None = GopherRules()
    repetition: RepetitionRules | None = RepetitionRules()
    datatrove: DatatroveRules | None = None
    c4: C4Rules | None = None
    after_c4: AfterC4Rules | None = None
    fineweb: FineWebRules | None = None
    after_fineweb: AfterFineWebRules | None = None
    refinedweb: RefinedWebRules | None = None
    outliers: OutlierRules | None = None
    word_lists: WordListRules | None = None
    decontamination: DecontaminationRules | None = None
    rules: dict[str, str | None] = Field(
        default_factory=dict,
        description="Rules of your own: a name, and an SQL predicate that is true where a document goes (null: none).",
    )
    order: tuple[str, ...] = Field(
        default=(),
        description="Groups (gopher) and rules (gopher.min_words, rules.mine) in the order in which they are named as "
        "reasons; others come after them.",
    )
    duplicates: DuplicateRules = DuplicateRules()
    repeated_lines: RepeatedLines | None = Field(
        default=None, description="Lines that stand in many of the documents that stay, which go. Null: none."
    )
    repeated_paragraphs: RepeatedLines | None = Field(default=None, description="The same of paragraphs.")
    repeated_substrings: RepeatedSubstrings | None = Field(
        default=None, description="Runs of words that stand in several of the documents that stay. Null: none."
    )
    # Plain mappings, not models: what is set to null and what is not named must look different in the fingerprint.
    sources: dict[str, dict[str, dict[str, Any] | None]] = Field(
        default_factory=dict,
        description="What differs for a source: {code: {gopher: null}, books: {gopher: {max_words: 2000000}}}.",
    )
    languages: dict[str, dict[str, dict[str, Any] | None]] = Field(
        default_factory=dict,
        description="What differs for a language, by the language model's code: {de: {gopher: {min_stop_words: 1}}}.",
    )
    validation_share: Annotated[float, Field(ge=0, lt=1, description="Share of clusters set apart for validation.")] = (
        0.02
    )

    RESERVED: ClassVar[frozenset[str]] = frozenset(
        {"validation_share", "duplicates", "sources", "languages", "preset", "order", "excluded"}
        | {"repeated_lines", "repeated_paragraphs", "repeated_substrings"}
    )

    @property
    def repeats(self) -> bool:
        """Whether parts of documents are taken out of those that stay."""
        return any((self.repeated_lines, self.repeated_paragraphs, self.repeated_substrings))

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, content: Any) -> Any:
        return expand(content)

    @model_validator(mode="after")
    def _check(self) -> "DecideConfig":
        for name, predicate in self.rules.items():
            if predicate is not None:
                _check_rule(f"decide.rules.{name}", name, predicate)
        for source in self.sources:
            self.for_source(source)
        for language in self.languages:
            self.for_source(language=language)
        known = [
            *GROUPS,
            "rules",
            *(f"{group}.{name}" for group, rules in GROUPS.items() for name in rules.model_fields),
        ]
        for place, names in (("order", self.order), ("duplicates.sizes_after", self.duplicates.sizes_after or ())):
            for name in names:
                if name not in known and not name.startswith("rules."):
                    raise ValueError(f"decide.{place}: {name} is no group and no rule{nearest(name, known)}")
        return self

    def for_source(self, source: str = "", language: str = "") -> "DecideConfig":
        """What holds for one source and language: this configuration with their changes, and no `sources`, `languages`.

        Raises: ValueError where the changes name an unknown group or threshold, or give an impossible value.
        """
        values: dict[str, Any] = {name: getattr(self, name) for name in (*GROUPS, "rules")}
        values["rules"] = {name: predicate for name, predicate in self.rules.items() if predicate is not None}
        _change(values, f"decide.languages.{language}", self.languages.get(language, {}))
        _change(values, f"decide.sources.{source}", self.sources.get(source, {}))
        return self.model_copy(update={**values, "sources": {}, "languages": {}})


def _change(values: dict[str, Any], place: str, changes: Mapping[str, dict[str, Any] | None]) -> None:
    """Make the changes that a source or a language asks for."""
    for group, change in changes.items():
        where = f"{place}.{group}"
        if group in DecideConfig.RESERVED:
            raise ValueError(f"{where} can't differ between sources or languages: set decide.{group} for all.")
        if group not in values:
            raise ValueError(f"{where} is no group of rules{nearest(group, values)}")
        if group == "rules":
            values["rules"] = _change_rules(where, values["rules"], change)
        else:
            values[group] = None if change is None else _change_group(where, GROUPS[group], values[group], change)


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

    Where sources or languages differ, the predicate looks at the columns `source` and `language`.
    """
    default = _by_language(config, "")
    special = {source: _by_language(config, source) for source in config.sources}
    # In an order that follows from the names alone: a fingerprint does not see in which order a mapping was written.
    builtin = [f"{group}.{name}" for group, thresholds in GROUPS.items() for name in thresholds.model_fields]
    present = {*default, *(name for predicates in special.values() for name in predicates)}
    names = [name for name in builtin if name in present] + sorted(present.difference(builtin))
    place = {name: number for number, name in enumerate(config.order)}
    last = len(place)
    names.sort(key=lambda name: min(place.get(name, last), place.get(name.split(".")[0], last)))
    return [Rule(name, _cases("source", name, default, special)) for name in names]


def _by_language(config: DecideConfig, source: str) -> dict[str, str]:
    """SQL predicates of all rules for one source, by name."""
    usual = config.for_source(source)
    own = {language: config.for_source(source, language) for language in config.languages}
    default = _predicates(usual)
    special = {language: _predicates(one) for language, one in own.items()}
    names = dict.fromkeys([*default, *(name for predicates in special.values() for name in predicates)])
    found = {}
    for name in names:
        if any(predicates.get(name) != default.get(name) for predicates in special.values()):
            group, _, field = name.partition(".")
            mark = GROUPS[group].comparisons()[field] if group in GROUPS else None
            thresholds = {language: _threshold(one, group, field) for language, one in own.items()}
            together = mark.predicate_of_languages(_threshold(usual, group, field), thresholds) if mark else None
            found[name] = together or _cases("language", name, default, special)
        else:
            found[name] = default[name]
    return found


def _threshold(config: DecideConfig, group: str, name: str) -> Any:
    """A threshold of a configuration without `sources`; null where it or its group is off."""
    return getattr(getattr(config, group), name, None) if group in GROUPS else None


def _cases(column: str, name: str, default: Mapping[str, str], special: Mapping[str, Mapping[str, str]]) -> str:
    """The predicate of a rule, by the value of a column where it differs; a rule that is not there is never true."""
    usual = default.get(name, "FALSE")
    cases = [
        f"WHEN {literal(value)} THEN ({predicates.get(name, 'FALSE')}\n)"
        for value, predicates in special.items()
        if predicates.get(name, "FALSE") != usual
    ]
    return f"CASE {quoted(column)} {' '.join(cases)} ELSE ({usual}\n) END" if cases else usual


def percentiles(config: DecideConfig) -> list[tuple[str, float]]:
    """The percentiles (column, share of documents below) that rules are compared with, in a fixed order."""
    found: set[tuple[str, float]] = set()
    for effective in _every(config):
        for group in GROUPS:
            thresholds: RuleGroup | None = getattr(effective[1], group)
            if thresholds is not None:
                found |= thresholds.percentiles()
    return sorted(found)


def _every(config: DecideConfig) -> list[tuple[str, DecideConfig]]:
    """What holds for all, for each source and for each language, with its place in the recipe."""
    return [
        ("decide", config.for_source()),
        *((f"decide.sources.{source}", config.for_source(source)) for source in config.sources),
        *((f"decide.languages.{language}", config.for_source(language=language)) for language in config.languages),
    ]


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
    for name, rule in config.duplicates.evidence().items():
        if name not in columns:
            raise PredicateError(
                f"decide.duplicates.{rule} needs the column {name}, which no stage of this recipe writes: set "
                f"{EVIDENCE[name]}, or decide.duplicates.{rule} to null."
            )
    for name, rule in config.duplicates.columns().items():
        check_columns(f"decide.duplicates.{rule}", [name], columns)
        if rule == "keep_by" and not _ORDERED.match(columns[name]):
            raise PredicateError(
                f"decide.duplicates.keep_by: {name} holds {columns[name]}, which has no highest: name a column of "
                "numbers or dates."
            )
    for prefix, effective in _every(config):
        for group in GROUPS:
            thresholds: RuleGroup | None = getattr(effective, group)
            if thresholds is None:
                continue
            for name in thresholds.predicates():
                mark = thresholds.comparisons()[name]
                needed = [mark.column, *(["language"] if mark.measure or mark.comparison == "outside" else [])]
                for column in (column for column in needed if column not in columns):
                    raise PredicateError(
                        f"{prefix}.{group}.{name} needs the column {column}, which no stage of this recipe writes: "
                        f"add the stage that does, or set {prefix}.{group} to null."
                    )
        if prefix != "decide" and effective.rules == config.for_source().rules:
            continue  # said once
        for name, predicate in effective.rules.items():
            where = f"{prefix}.rules.{name}"
            assert predicate is not None
            check_columns(where, check_predicate(where, predicate), columns)
            check_type(where, predicate, {name: kind for name, kind in columns.items() if name != "text"})
