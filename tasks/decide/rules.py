"""The rules by which documents are dropped, and how they become SQL.

A threshold in a recipe and the rule that it makes have the same name: `decide.gopher.min_words` drops by
`gopher.min_words`. A threshold set to null is no rule, a group set to null is none of its rules. A rule drops where its
predicate is true; a score that is null (too few words for an n-gram, no text) drops nothing. A document without text is
dropped by `extract.text_missing`, one that a stage could not finish by `<stage>.lost`, a forgotten one by
`forget.tombstone`, and copies by `duplicates.exact` and `duplicates.near`.

The columns that the built-in rules read:

| column | unit | source |
|---|---|---|
| `language` | code | the language model's label (lid.176) |
| `language_probability` | 0 to 1 | the language model |
| `n_words` | words | Gopher: Rae et al. 2021, section A.1.1 |
| `mean_word_length` | characters | Gopher, A.1.1 |
| `hash_to_word_ratio`, `ellipsis_to_word_ratio` | symbols per word | Gopher, A.1.1 |
| `bullet_line_share`, `ellipsis_line_share` | share of lines | Gopher, A.1.1 |
| `alphabetic_word_share` | share of words | Gopher, A.1.1 |
| `n_stop_words` | words | Gopher, A.1.1: the, be, to, of, and, that, have, with |
| `duplicate_line_share`, `duplicate_paragraph_share` | share of lines, of paragraphs | Gopher, table A1 |
| `duplicate_line_character_share`, `duplicate_paragraph_character_share` | share of characters | Gopher, table A1 |
| `top_2gram_character_share` … `top_4gram_character_share` | share of characters | Gopher, table A1 |
| `duplicate_5gram_character_share` … `duplicate_10gram_character_share` | share of characters | Gopher, table A1 |
| `n_sentences` | sentences | C4: Raffel et al. 2020, section 2.2 |
| `has_curly_bracket`, `has_lorem_ipsum` | true or false | C4, section 2.2 |
| `line_punctuation_share`, `short_line_share` | share of lines | FineWeb: Penedo et al. 2024, section 3.6 |
| `line_character_duplicate_share` | share of characters | FineWeb, section 3.6 |
| `newline_to_word_ratio` | line ends per word | FineWeb's published code only; not in the paper |
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from tasks.config import StageConfig
from tasks.decide.predicates import PredicateError, check_columns, check_predicate, check_type, literal, nearest, quoted

Share = Annotated[float, Field(ge=0, le=1)]
Ratio = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class DropWhen:
    """How a threshold drops: `column` compared with the threshold by `comparison`."""

    column: str
    comparison: Literal["<", "<=", ">", ">=", "not in", "is"]

    def predicate(self, threshold: Any) -> str:
        """SQL that is true where the document is to be dropped."""
        column = quoted(self.column)
        if self.comparison == "is":
            return column
        if self.comparison == "not in":
            return f"{column} NOT IN ({', '.join(literal(value) for value in threshold)})"
        # Scores are 32-bit floats: against a 64-bit 0.3, the share 3/10 (0.30000001 in 32 bits) would be above its limit.
        value = f"CAST({threshold!r} AS FLOAT)" if isinstance(threshold, float) else str(threshold)
        return f"{column} {self.comparison} {value}"


class RuleGroup(StageConfig):
    """Thresholds that belong together. Each field says with `DropWhen` which column it is compared with, and how."""

    @classmethod
    def comparisons(cls) -> dict[str, DropWhen]:
        """The `DropWhen` of each threshold, in the order of the fields."""
        found = {}
        for name, field in cls.model_fields.items():
            (found[name],) = [mark for mark in field.metadata if isinstance(mark, DropWhen)]
        return found

    def predicates(self) -> dict[str, str]:
        """SQL predicate of each threshold that is set."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return {
            name: mark.predicate(values[name])
            for name, mark in self.comparisons().items()
            if values[name] is not None and values[name] is not False
        }


class LanguageRules(RuleGroup):
    """By the language model's first guess. FineWeb keeps English at 0.65 and above."""

    allowed: Annotated[tuple[str, ...] | None, DropWhen("language", "not in")] = None
    min_probability: Annotated[Share | None, DropWhen("language_probability", "<")] = 0.65

    @field_validator("allowed")
    @classmethod
    def _some_language(cls, allowed: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if allowed == ():
            raise ValueError(
                "allowed has no language in it, which would drop everything: name one, or set it to null to allow all."
            )
        return allowed


class GopherRules(RuleGroup):
    """Quality rules of MassiveText (Rae et al. 2021, section A.1.1), with its limits."""

    min_words: Annotated[Count | None, DropWhen("n_words", "<")] = 50
    max_words: Annotated[Count | None, DropWhen("n_words", ">")] = 100_000
    min_mean_word_length: Annotated[Ratio | None, DropWhen("mean_word_length", "<")] = 3.0
    max_mean_word_length: Annotated[Ratio | None, DropWhen("mean_word_length", ">")] = 10.0
    max_hash_to_word_ratio: Annotated[Ratio | None, DropWhen("hash_to_word_ratio", ">")] = 0.1
    max_ellipsis_to_word_ratio: Annotated[Ratio | None, DropWhen("ellipsis_to_word_ratio", ">")] = 0.1
    max_bullet_line_share: Annotated[Share | None, DropWhen("bullet_line_share", ">")] = 0.9
    max_ellipsis_line_share: Annotated[Share | None, DropWhen("ellipsis_line_share", ">")] = 0.3
    min_alphabetic_word_share: Annotated[Share | None, DropWhen("alphabetic_word_share", "<")] = 0.8
    min_stop_words: Annotated[Count | None, DropWhen("n_stop_words", "<")] = 2


class RepetitionRules(RuleGroup):
    """Repetition rules of MassiveText (Rae et al. 2021, table A1), with its limits."""

    max_duplicate_line_share: Annotated[Share | None, DropWhen("duplicate_line_share", ">")] = 0.30
    max_duplicate_paragraph_share: Annotated[Share | None, DropWhen("duplicate_paragraph_share", ">")] = 0.30
    max_duplicate_line_character_share: Annotated[Share | None, DropWhen("duplicate_line_character_share", ">")] = 0.20
    max_duplicate_paragraph_character_share: Annotated[
        Share | None, DropWhen("duplicate_paragraph_character_share", ">")
    ] = 0.20
    max_top_2gram_character_share: Annotated[Share | None, DropWhen("top_2gram_character_share", ">")] = 0.20
    max_top_3gram_character_share: Annotated[Share | None, DropWhen("top_3gram_character_share", ">")] = 0.18
    max_top_4gram_character_share: Annotated[Share | None, DropWhen("top_4gram_character_share", ">")] = 0.16
    max_duplicate_5gram_character_share: Annotated[Share | None, DropWhen("duplicate_5gram_character_share", ">")] = (
        0.15
    )
    max_duplicate_6gram_character_share: Annotated[Share | None, DropWhen("duplicate_6gram_character_share", ">")] = (
        0.14
    )
    max_duplicate_7gram_character_share: Annotated[Share | None, DropWhen("duplicate_7gram_character_share", ">")] = (
        0.13
    )
    max_duplicate_8gram_character_share: Annotated[Share | None, DropWhen("duplicate_8gram_character_share", ">")] = (
        0.12
    )
    max_duplicate_9gram_character_share: Annotated[Share | None, DropWhen("duplicate_9gram_character_share", ">")] = (
        0.11
    )
    max_duplicate_10gram_character_share: Annotated[Share | None, DropWhen("duplicate_10gram_character_share", ">")] = (
        0.10
    )


class C4Rules(RuleGroup):
    """Those rules of C4 that drop whole pages (Raffel et al. 2020, section 2.2); its line rules change text."""

    min_sentences: Annotated[Count | None, DropWhen("n_sentences", "<")] = 5
    curly_bracket: Annotated[bool, DropWhen("has_curly_bracket", "is")] = True
    lorem_ipsum: Annotated[bool, DropWhen("has_lorem_ipsum", "is")] = True


class FineWebRules(RuleGroup):
    """FineWeb's own rules (Penedo et al. 2024, section 3.6: at most 0.12, at least 0.67, at least 0.1).

    `max_newline_to_word_ratio` is in the published code (datatrove), not in the paper. That code drops duplicated line
    characters from 0.01 on, where the paper says 0.1: the paper's value is the default here.
    """

    min_line_punctuation_share: Annotated[Share | None, DropWhen("line_punctuation_share", "<=")] = 0.12
    max_short_line_share: Annotated[Share | None, DropWhen("short_line_share", ">=")] = 0.67
    max_line_character_duplicate_share: Annotated[Share | None, DropWhen("line_character_duplicate_share", ">=")] = 0.1
    max_newline_to_word_ratio: Annotated[Ratio | None, DropWhen("newline_to_word_ratio", ">")] = 0.3


class DuplicateRules(StageConfig):
    """Which copies go. Clusters are formed among the documents that pass every other rule."""

    exact: Annotated[bool, Field(description="Drop all but one of the documents with one content hash.")] = True
    near: Annotated[bool, Field(description="Drop all but one of the documents connected through shared buckets.")] = (
        True
    )
    min_jaccard: Annotated[
        Share | None,
        Field(description="Two documents of a bucket are connected only from this estimated Jaccard on; null: always."),
    ] = None
    keep: Annotated[
        Literal["first_seen"], Field(description="Who stays: the first by capture date (undated last), then doc_id.")
    ] = "first_seen"


GROUPS: dict[str, type[RuleGroup]] = {
    "language": LanguageRules,
    "gopher": GopherRules,
    "repetition": RepetitionRules,
    "c4": C4Rules,
    "fineweb": FineWebRules,
}


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
    rules: dict[str, str] = Field(default_factory=dict)
    duplicates: DuplicateRules = DuplicateRules()
    # Plain mappings, not models: what is set to null and what is not named must look different in the fingerprint.
    sources: dict[str, dict[str, dict[str, Any] | None]] = Field(default_factory=dict)
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
    """One rule: its name as in `dropped_by`, and the SQL that is true where a document is dropped (null counts as false)."""

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
            for name in thresholds.predicates() if thresholds else ():
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
