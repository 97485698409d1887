"""The configuration of decide: published limits, names, and what differs between sources."""

import duckdb
import pyarrow as pa
import pytest
from pydantic import ValidationError

from tasks.decide.predicates import PredicateError, literal
from tasks.decide.rule_group import DropWhen, RuleGroup, limit_name
from tasks.decide.rules import DecideConfig, check_rules, compile_rules
from tasks.decide.selection import Chosen
from tasks.decide.thresholds import GROUPS

ALL_ON = {
    **{group: {} for group in GROUPS},
    "urls": {"max_soft_words": 1},
    "rights": {
        "tdm_reserved": True,
        "directives": ["noai"],
        "allowed_licenses": ["CC-BY-4.0", "MIT*"],
        "denied_licenses": ["CC-BY-4.0", "GPL*"],
        "license_needed": True,
    },
    "dates": {
        "published_from": "2010-01-01",
        "published_before": "2023-01-01",
        "captured_from": "2010-01-01",
        "captured_before": "2023-01-01",
        "published_needed": True,
        "captured_needed": True,
    },
    "language": {"allowed": ["en"]},
    "datatrove": {"min_stop_words_of_language": 2},
    "after_c4": {"bad_word": True},
    "word_lists": {"max_listed_word_share": 0.5},
    "decontamination": {"max_share": 0.5, "max_item_share": 0.5},
    "fineweb": {"min_line_end_mark_share": 0.12},
    "after_fineweb": {"min_line_end_mark_share": 0.12},
}
DAYS = "(TIMESTAMPTZ '2001-01-01 00:00:00+00'), (TIMESTAMPTZ '2031-01-01 00:00:00+00')"
VALUES = {
    "is": "(true), (false)",
    "not in": "('en'), ('de')",
    "no value": "(NULL), ('x')",
    "any of": "(['noai', 'none']), (NULL::VARCHAR[]), (['nofollow'])",
    "fits one": "('CC-BY-4.0'), ('CC-BY-3.0')",
    "fits none": "('CC-BY-4.0'), ('CC-BY-3.0')",
    "before": DAYS,
    "from": DAYS,
    "outside": "(15.0), (50.0)",
}
"""Values of a column that a comparison tells apart; limits of percentiles are 10 and 20."""


def predicates(**sections: object) -> dict[str, str]:
    return {rule.name: rule.drop_when for rule in compile_rules(DecideConfig.model_validate(sections))}


def test_a_rule_has_the_name_of_its_threshold() -> None:
    names = list(predicates(**ALL_ON, rules={"mine": "n_words < 3"}))
    expected = [f"{group}.{name}" for group, rules in GROUPS.items() for name in rules.comparisons()]
    assert names == [*expected, "rules.mine"]


def test_published_limits_are_the_defaults() -> None:
    found = predicates(**ALL_ON)
    assert found["gopher.min_words"] == '"n_words" < 50'
    assert found["gopher.max_words"] == '"n_words" > 100000'
    assert found["repetition.max_top_3gram_character_share"] == '"top_3gram_character_share" > CAST(0.18 AS FLOAT)'
    assert (
        found["repetition.max_duplicate_10gram_character_share"]
        == '"duplicate_10gram_character_share" > CAST(0.1 AS FLOAT)'
    )
    assert found["fineweb.min_line_punctuation_share"] == '"line_punctuation_share" <= CAST(0.12 AS FLOAT)'
    assert found["fineweb.max_short_line_share"] == '"short_line_share" >= CAST(0.67 AS FLOAT)'
    assert found["c4.min_sentences"] == '"n_sentences" < 5'
    assert found["c4.curly_bracket"] == '"has_curly_bracket"'


def test_null_turns_off_a_threshold_or_a_group() -> None:
    assert "gopher.min_words" not in predicates(gopher={"min_words": None})
    assert predicates(gopher=None, repetition=None) == {}


@pytest.mark.parametrize("group", GROUPS.values(), ids=GROUPS)
def test_each_threshold_compiles_to_sql_that_can_be_both_true_and_false(group: type[RuleGroup]) -> None:
    chosen = group.model_validate(ALL_ON[next(name for name, one in GROUPS.items() if one is group)])
    for name, predicate in chosen.predicates().items():
        mark = chosen.comparisons()[name]
        values = VALUES.get(mark.by if isinstance(mark, Chosen) else mark.comparison, "(0.0::FLOAT), (1e9::FLOAT)")
        if mark.column == "n_stop_words_by_language":
            values = "(MAP {'en': 9, 'de': 1}), (MAP {'de': 9})"
        percentiles = getattr(chosen, name) if mark.comparison == "outside" else ()
        others = [f'{10 + 10 * rank} AS "{limit_name(mark.column, one)}"' for rank, one in enumerate(percentiles)]
        others += ["'en' AS language"] if mark.column != "language" else []
        table = f'(SELECT {", ".join(["*", *others])} FROM (VALUES {values}) AS t("{mark.column}"))'
        rows = duckdb.sql(f"SELECT {predicate} FROM {table}").fetchall()
        assert {row for row in rows if row != (None,)} == {(False,), (True,)}, name


def test_a_source_changes_only_what_it_names() -> None:
    config = DecideConfig.model_validate(
        {"sources": {"books": {"gopher": {"max_words": 2_000_000}, "c4": {}}, "code": {"gopher": None}}}
    )
    books = config.for_source("books")
    assert books.gopher is not None
    assert (books.gopher.max_words, books.gopher.min_words) == (2_000_000, 50)
    assert books.c4 is not None
    assert config.for_source("code").gopher is None
    assert config.for_source("code").repetition == config.repetition
    assert config.for_source("web").gopher == config.gopher


def test_off_and_untouched_look_different_in_the_fingerprint() -> None:
    off = DecideConfig.model_validate({"sources": {"code": {"gopher": None}}})
    untouched = DecideConfig.model_validate({"sources": {"code": {}}})
    assert off.model_dump(mode="json") != untouched.model_dump(mode="json")
    assert DecideConfig.model_validate(off.model_dump(mode="json")) == off


def test_the_order_in_a_mapping_plays_no_part() -> None:
    rules = {"b": "n_words < 3", "a": "n_words < 4"}
    sources = {"x": {"rules": {"d": "n_words < 1", "c": "n_words < 2"}}, "y": {"gopher": None}}
    one = compile_rules(DecideConfig.model_validate({"rules": rules, "sources": sources}))
    turned = {"rules": dict(reversed(rules.items())), "sources": dict(reversed(sources.items()))}
    other = compile_rules(DecideConfig.model_validate(turned))
    assert [rule.name for rule in one] == [rule.name for rule in other]


@pytest.mark.parametrize(
    ("sections", "sentence"),
    [
        ({"gopher": {"min_word": 3}}, "min_word"),
        ({"gopher": {"max_bullet_line_share": 1.5}}, "less than or equal to 1"),
        ({"language": {"allowed": []}}, "would drop everything"),
        ({"rules": {"mine": "random() < 0.5"}}, r"decide\.rules\.mine \(random\(\) < 0\.5\) calls random"),
        ({"rules": {"my rule": "n_words < 3"}}, "made of letters"),
        (
            {"sources": {"code": {"gofer": None}}},
            r"decide\.sources\.code\.gofer is no group of rules; did you mean gopher\?",
        ),
        ({"sources": {"code": {"gopher": {"min_word": 1}}}}, r"no threshold; did you mean min_words"),
        (
            {"sources": {"code": {"gopher": {"min_words": -1}}}},
            r"decide\.sources\.code\.gopher\.min_words: .*greater than or equal",
        ),
        ({"sources": {"code": {"duplicates": {"near": False}}}}, "can't differ between sources"),
        ({"sources": {"code": {"rules": {"none": None}}}}, "turns off a rule that decide.rules does not have"),
        ({"validation_share": 1.0}, "less than 1"),
    ],
)
def test_a_wrong_configuration_is_refused_with_a_sentence(sections: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        DecideConfig.model_validate(sections)


def test_rules_are_checked_against_the_columns_there_are() -> None:
    columns = {"n_words": "INTEGER", "url": "VARCHAR"}
    own = {"gopher": None, "repetition": None}
    check_rules(DecideConfig.model_validate({**own, "rules": {"mine": "n_words < 3"}}), columns)
    with pytest.raises(PredicateError, match=r"decide\.gopher\.min_mean_word_length needs the column mean_word_length"):
        check_rules(DecideConfig(repetition=None), columns)
    with pytest.raises(
        PredicateError, match=r"decide\.sources\.x\.rules\.mine reads the column urls.*did you mean url\?"
    ):
        check_rules(DecideConfig.model_validate({**own, "sources": {"x": {"rules": {"mine": "urls = ''"}}}}), columns)


def test_a_language_may_have_a_threshold_of_its_own() -> None:
    own = {"de": {"language": {"min_probability": 0.5}}, "o'd": {"language": {"min_probability": 0.9}}}
    for least, english in ((0.65, False), (None, True)):
        found = predicates(language={"min_probability": least}, languages=own)
        (rows,) = duckdb.sql(
            f"""SELECT list({found["language.min_probability"]} ORDER BY language, language_probability) FROM (VALUES
            ('de', 0.49::FLOAT), ('de', 0.5::FLOAT), ('en', 0.6::FLOAT), ('o''d', 0.89::FLOAT), ('o''d', 0.9::FLOAT))
            AS t(language, language_probability)"""
        ).fetchall()
        assert rows[0] == [True, False, not english, True, False]
    assert "language.min_probability" not in predicates(language={"min_probability": None})


def test_each_language_of_a_preset_is_judged_by_its_own_thresholds() -> None:
    config = DecideConfig.model_validate({"preset": "fineweb-2", "languages": {"de": {"repetition": None}}})
    languages = [None, "not one", "de", *list(config.languages)[::25]]
    assert config.for_source(language="de").repetition is None
    own = {one: dict(_own_predicates(config.for_source(language=one or ""))) for one in languages}
    scores = "unnest([0.05, 0.1, 0.12, 0.15, 0.2, 0.3, 0.9])::FLOAT AS score, unnest([2, 3, 4, 5, 8, 11, 20]) AS length"
    columns = {rule: mark.column for group, kind in GROUPS.items() for rule, mark in _named(group, kind)}
    with duckdb.connect() as connection:
        connection.register("spoken", pa.table({"language": pa.array(languages)}))
        for rule in compile_rules(config):
            if rule.name not in columns or columns[rule.name] in ("language", "n_stop_words_by_language"):
                continue
            column = columns[rule.name]
            measure = "length" if "length" in column or column.startswith("n_") else "score"
            rows = f"(SELECT language, {measure} AS {column} FROM (SELECT language, {scores} FROM spoken))"
            found = connection.sql(f"SELECT language, coalesce({rule.drop_when}, false) FROM {rows}").fetchall()
            for language in languages:
                expected = connection.sql(
                    f"SELECT coalesce({own[language].get(rule.name, 'false')}, false) FROM {rows} "
                    f"WHERE language IS NOT DISTINCT FROM {'NULL' if language is None else literal(language)}"
                ).fetchall()
                assert [(one,) for of, one in found if of == language] == expected, (rule.name, language)


def _named(group: str, kind: type[RuleGroup]) -> list[tuple[str, DropWhen]]:
    return [(f"{group}.{name}", mark) for name, mark in kind.comparisons().items()]


def _own_predicates(config: DecideConfig) -> list[tuple[str, str]]:
    groups = {name: getattr(config, name) for name in GROUPS}
    return [(f"{name}.{rule}", sql) for name, one in groups.items() if one for rule, sql in one.predicates().items()]


def test_a_threshold_of_a_language_is_a_share() -> None:
    with pytest.raises(ValidationError, match="less than or equal to 1"):
        DecideConfig.model_validate({"languages": {"de": {"language": {"min_probability": 50}}}})
