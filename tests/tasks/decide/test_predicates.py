"""What a person may write as a rule, and the sentence for what not."""

import pytest

from tasks.decide.predicates import PredicateError, check_columns, check_predicate, check_type

COLUMNS = {"n_words": "INTEGER", "url": "VARCHAR", "language": "VARCHAR", "bullet_line_share": "FLOAT"}


@pytest.mark.parametrize(
    ("predicate", "reads"),
    [
        ("n_words < 50", {"n_words"}),
        ("n_words BETWEEN 3 AND 9 OR url ILIKE '%spam%'", {"n_words", "url"}),
        ("regexp_matches(url, '^https?://[^/]+/tag/') AND NOT language IN ('en', 'de')", {"url", "language"}),
        ("CASE WHEN language = 'en' THEN n_words < 50 ELSE n_words < 20 END", {"language", "n_words"}),
        ("coalesce(try_cast(url AS INTEGER), 0) > -2", {"url"}),
        ("url = 'a; drop -- table'", {"url"}),
        ("n_words IS NOT DISTINCT FROM 3", {"n_words"}),
        ("n_words < 50 -- short", {"n_words"}),
    ],
)
def test_expressions_over_one_row_are_allowed(predicate: str, reads: set[str]) -> None:
    assert check_predicate("decide.rules.mine", predicate) == reads
    check_columns("decide.rules.mine", reads, COLUMNS)
    check_type("decide.rules.mine", predicate, COLUMNS)


@pytest.mark.parametrize(
    "predicate",
    [
        "",
        "n_words <",
        "n_words < 50; SELECT 1",
        "n_words < 50;",
        "n_words < 50 FROM read_csv('secret.csv')",
        "n_words < 50 LIMIT 1",
        "n_words < 50 UNION SELECT true",
        "n_words < 50 QUALIFY true",
        "DISTINCT n_words < 50",
        "n_words < 50, true",
        "true) OR (true",
        "n_words AS other",
        "EXISTS (SELECT 1)",
        "n_words IN (SELECT 1 FROM read_parquet('x'))",
        "(SELECT true)",
        "n_words < ?",
        "n_words < $limit",
        "*",
        "COLUMNS(*) > 1",
        "random() < 0.5",
        "uuid()::VARCHAR < 'a'",
        "now() > TIMESTAMP '2024-01-01'",
        "getenv('HOME') = 'x'",
        "current_setting('threads') > 1",
        "sum(n_words) > 5",
        "row_number() OVER () > 5",
        "list_contains(list_filter([1], x -> x > 0), n_words)",
        "read_text('/etc/hostname') IS NULL",
        "nextval('s') > 1",
        "no_such_function(n_words)",
        "documents.n_words < 5",
        "error('x')",
    ],
)
def test_everything_else_is_refused_by_a_sentence_that_names_the_place(predicate: str) -> None:
    with pytest.raises(PredicateError, match=r"^decide\.rules\.mine \(") as caught:
        check_predicate("decide.rules.mine", predicate)
    assert str(caught.value).endswith((".", "such as n_words < 50."))


def test_names_that_look_like_values_of_the_moment_are_columns_that_do_not_exist() -> None:
    names = check_predicate("decide.rules.mine", "current_date > DATE '2024-01-01'")
    with pytest.raises(PredicateError, match="reads the column current_date, which no stage"):
        check_columns("decide.rules.mine", names, COLUMNS)


def test_an_unknown_column_gets_the_nearest_right_one() -> None:
    with pytest.raises(
        PredicateError, match=r"column n_word, which no stage of this recipe writes; did you mean n_words\?"
    ):
        check_columns("decide.rules.mine", {"n_word"}, COLUMNS)


def test_the_score_of_a_classifier_that_is_not_there_says_which_one_is_missing() -> None:
    with pytest.raises(PredicateError, match=r"classifier called dclm does .* set decide\.rules\.fasttext to null"):
        check_columns("decide.rules.fasttext", {"dclm_score"}, COLUMNS)


def test_the_text_is_no_score() -> None:
    with pytest.raises(PredicateError, match="decisions are made on scores alone"):
        check_columns("decide.rules.mine", {"text"}, {**COLUMNS, "text": "VARCHAR"})


def test_a_predicate_must_be_true_or_false() -> None:
    with pytest.raises(PredicateError, match="gives INTEGER, not true or false"):
        check_type("decide.rules.mine", "n_words + 1", COLUMNS)
    with pytest.raises(PredicateError, match=r"\(lower\(n_words, 2\)\) cannot be computed: .+"):
        check_type("decide.rules.mine", "lower(n_words, 2)", COLUMNS)
