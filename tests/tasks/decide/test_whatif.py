"""What-if by the rules alone, and curves, are what the whole of decide says under the other configuration."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tasks.decide.decisions import decide_documents
from tasks.decide.predicates import PredicateError
from tasks.decide.rules import DecideConfig
from tasks.decide.thresholds import GopherRules
from tasks.decide.whatif.columns import Columns, Misfit
from tasks.decide.whatif.counts import Documents, compare, describe
from tasks.decide.whatif.curve import NeedsClusters, curve
from tasks.decide.whatif.shared import Shared
from tasks.decide.whatif.tokens import BytesPerToken
from tasks.decide.whatif.verdicts import Verdicts, by_rules, needs_all, read_verdicts
from tests.tasks.decide.inputs import Page, config, named, write_inputs

LANGUAGES = ["en", "de", None]


@st.composite
def pages(draw: st.DrawFn) -> list[Page]:
    """Pages with scores around the limits, some without text, some copies."""
    found = []
    for number in range(draw(st.integers(1, 14))):
        content = named(draw(st.integers(0, 5))) if draw(st.integers(0, 5)) else ""
        scores = {
            "n_words": draw(st.integers(20, 80)),
            "mean_word_length": draw(st.sampled_from([2.5, 3.0, 5.0, None])),
            "bullet_line_share": draw(st.sampled_from([0.0, 0.3, 0.9])),
            "has_curly_bracket": draw(st.booleans()),
            "language": draw(st.sampled_from(LANGUAGES)),
            "language_probability": draw(st.sampled_from([0.1, 0.65, 0.99, None])),
        }
        signature = tuple(draw(st.integers(0, 1)) for _ in range(6)) if content else None
        source = draw(st.sampled_from(["web", "books"]))
        found.append(Page(named(number), content, signature, source=source, scores=scores))
    return found


def gopher(**limits: Any) -> dict[str, Any]:
    """Gopher's group with only those rules that the columns of these tests serve."""
    return {**dict.fromkeys(GopherRules.model_fields), **limits}


@st.composite
def configs(draw: st.DrawFn) -> DecideConfig:
    """Configurations that differ in every way in which a rule can."""
    maybe = lambda *values: draw(st.sampled_from([None, *values]))  # noqa: E731
    sections: dict[str, Any] = {
        "gopher": maybe(
            gopher(min_words=maybe(30, 50, 70), min_mean_word_length=maybe(2.6, 3.0), max_bullet_line_share=maybe(0.3))
        ),
        "language": maybe({"allowed": maybe(["en"], ["en", "de"]), "min_probability": maybe(0.3, 0.65)}),
        "rules": {"odd": maybe("n_words % 2 = 1", "n_words > 60 and source = 'web'"), "a": maybe("has_curly_bracket")},
        "excluded": draw(st.sampled_from([(), ("books",)])),
        "order": draw(st.sampled_from([(), ("language", "gopher.min_words"), ("rules.odd", "gopher")])),
        "sources": draw(st.sampled_from([{}, {"books": {"gopher": gopher(min_words=25)}}, {"web": {"rules": None}}])),
        "languages": draw(st.sampled_from([{}, {"de": {"gopher": gopher(min_words=65)}}, {"de": {"language": None}}])),
    }
    return config(**sections)


class World:
    """Pages written, decided on by one configuration, and read as what-if does."""

    def __init__(self, folder: str, pages: list[Page], old: DecideConfig, shuffle: int | None = 1) -> None:
        self.documents, self.annotations = write_inputs(Path(folder), pages, 2, shuffle)
        self.old = old
        self.table = self.decide(old)
        self.before = read_verdicts(self.table, old)
        ids = self.table.column("doc_id").combine_chunks()
        self.columns = Columns(ids, {"documents": self.documents, **self.annotations})

    def decide(self, rules: DecideConfig) -> pa.Table:
        return decide_documents(self.documents, self.annotations, rules)

    def without_copies(self, rules: DecideConfig) -> list[list[str]]:
        failed = self.decide(rules).column("failed").to_pylist()
        return [[name for name in one if not name.startswith("duplicates.")] for one in failed]


def said(verdicts: Verdicts) -> list[list[str]]:
    return [[verdicts.names[number] for number in np.flatnonzero(row)] for row in verdicts.failed]


@given(pages(), configs(), configs(), st.integers(0, 3))
@hypothesis_settings(max_examples=15)
def test_rules_that_differ_are_enough_to_know_what_all_rules_say(pages, old, new, shuffle):
    with tempfile.TemporaryDirectory() as folder:
        world = World(folder, pages, old, shuffle)
        assert said(world.before) == world.table.column("failed").to_pylist()
        assert not needs_all(old, new)
        assert said(by_rules(world.before, old, new, world.columns)) == world.without_copies(new)


@given(pages(), configs(), st.lists(st.integers(20, 80), min_size=2, max_size=6, unique=True))
@hypothesis_settings(max_examples=8)
def test_each_point_of_a_curve_is_what_decide_says_there(pages, old, values):
    def at(value: int) -> DecideConfig:
        changed = old.model_dump() | {"gopher": gopher(min_words=value)}
        return DecideConfig.model_validate(changed)

    with tempfile.TemporaryDirectory() as folder:
        world = World(folder, pages, old)
        documents = describe(world.columns, BytesPerToken(4.0, "a test"))
        found = curve(world.before, old, [(value, at(value)) for value in values], world.columns, documents)
        assert [one.documents for one in found] == [world.without_copies(at(value)).count([]) for value in values]


def rules_of_duplicates() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "near": st.booleans(),
            "url": st.booleans(),
            "min_jaccard": st.sampled_from([None, 0.4, 0.7]),
            "min_exact_jaccard": st.sampled_from([None, None, 0.4]),
            "keep": st.sampled_from(["first_seen", "first_seen", "newest", "longest"]),
        }
    )


@given(pages(), st.lists(st.tuples(configs(), rules_of_duplicates()), min_size=2, max_size=4), st.integers(0, 3))
@hypothesis_settings(max_examples=6)
def test_points_that_share_what_is_the_same_are_what_decide_says(pages, points, shuffle):
    changed = [DecideConfig.model_validate(old.model_dump() | {"duplicates": rules}) for old, rules in points]
    with tempfile.TemporaryDirectory() as folder:
        world = World(folder, pages, changed[0], shuffle)
        where = {"documents": world.documents, "annotations": world.annotations, "lost": {}}
        shared = Shared(where, changed, world.columns)
        for number, one in enumerate(changed):
            assert shared.decide(number).kept.tolist() == world.decide(one).column("kept").to_pylist()


def test_scores_of_forgotten_texts_fail_no_rule(tmp_path):
    pages = [Page(named(n), named(50 + n), scores={"n_words": words}) for n, words in enumerate((30, 30, 90))]
    world = World(str(tmp_path), pages, config())
    new = config(rules={"short": "n_words < 40", "small": "n_words < 100"})
    table = decide_documents(world.documents, world.annotations, world.old, tombstones=[named(0)])
    told = by_rules(read_verdicts(table, world.old), world.old, new, world.columns)
    made = decide_documents(world.documents, world.annotations, new, tombstones=[named(0)])
    assert (
        said(told)
        == made.column("failed").to_pylist()
        == [["forget.tombstone"], ["rules.short", "rules.small"], ["rules.small"]]
    )


def test_counts_of_parts_add_up_and_say_what_moves():
    before = Verdicts(("a",), np.array([[False], [False], [True], [True]]), True)
    after = Verdicts(("b", "a"), np.array([[False, False], [True, False], [False, False], [True, True]]), True)
    source, language = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 0])
    size = np.array([8, 80, 800, 8000])
    ratio = BytesPerToken(4.0, "a test", {("s", "de"): 8.0})
    groups = (["s", "t"], ["de", None])
    ids = pa.array([named(number) for number in range(4)])
    documents = Documents(ids, source, language, groups, size, ratio)
    found = compare(before, after, documents)
    assert (found.total.documents_before, found.total.documents_after) == (2, 2)
    assert (found.total.documents_in, found.total.documents_out) == (1, 1)
    assert (found.total.tokens_before, found.total.tokens_after) == (1 + 20, 1 + 200)
    assert {part: (one.documents, one.tokens_in, one.tokens_out) for part, one in found.parts.items()} == {
        ("s", "de"): (1, 0, 0),
        ("s", None): (1, 0, 20),
        ("t", "de"): (2, 200, 0),
    }
    assert [
        (one.rule, one.first_before, one.first_after, one.failed_before, one.failed_after) for one in found.rules
    ] == [
        ("b", 0, 2, 0, 2),
        ("a", 2, 0, 2, 1),
    ]


def test_parts_that_go_are_not_counted_as_tokens():
    nothing = np.zeros((3, 0), dtype=bool)
    groups = (["s"], [None])
    documents = Documents(
        pa.array([named(number) for number in range(3)]),
        np.zeros(3, int),
        np.zeros(3, int),
        groups,
        np.array([40, 400, 4000]),
        BytesPerToken(4.0, "a test"),
    )
    edited = pa.table({"doc_id": [named(2), named(0)], "composed_bytes": [400, 4]})
    total = compare(Verdicts((), nothing, True), Verdicts((), nothing, True, edited), documents).total
    assert (total.tokens_before, total.tokens_after) == (10 + 100 + 1000, 1 + 100 + 100)


def test_a_rule_that_cannot_be_computed_is_said_with_its_place(tmp_path):
    world = World(str(tmp_path), [Page(named(1), named(2), (0,) * 6)], config())
    for predicate, said in (("n_wrods < 3", "did you mean n_words"), ("n_words + 1", "not true or false")):
        with pytest.raises(PredicateError, match=said):
            by_rules(world.before, world.old, config(rules={"mine": predicate}), world.columns)
    points = [(share, config(duplicates={"min_jaccard": share})) for share in (0.5, 0.9)]
    documents = describe(world.columns, BytesPerToken(4.0, "a test"))
    with pytest.raises(NeedsClusters, match="--clusters"):
        curve(world.before, world.old, points, world.columns, documents)


def test_an_input_that_lacks_a_document_is_said(tmp_path):
    world = World(str(tmp_path), [Page(named(1), named(2), (0,) * 6)], config())
    columns = Columns(pa.array([named(1), named(9)]), world.columns.inputs)
    with pytest.raises(Misfit, match=named(9)):
        columns.read(["n_words"])
