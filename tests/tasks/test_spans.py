"""Edits of a text equal a slow version that looks at one character after the other."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.spans import SpanError, apply, merge, resolve

MARKS = {"email": "<EMAIL>", "ip": "", "odd": "x\u0301\U0001f41f"}


@st.composite
def texts_and_spans(draw: st.DrawFn) -> tuple[str, dict, dict]:
    text = draw(st.text(max_size=40))

    def columns(names: list[str]) -> dict:
        if not text:
            return {name: [] for name in names}
        bounds = st.tuples(st.integers(0, len(text)), st.integers(0, len(text))).filter(lambda pair: pair[0] != pair[1])
        span = st.builds(
            lambda pair, kind: {"start": min(pair), "end": max(pair), "kind": kind},
            bounds,
            st.sampled_from([*MARKS, "unmarked"]),
        )
        return {name: draw(st.lists(span, max_size=4)) for name in names}

    return text, columns(["lines", "copies"]), columns(["pii"])


def slowly(text: str, removed: dict, redacted: dict) -> str:
    """What is composed, character by character."""
    gone = [any(s["start"] <= at < s["end"] for spans in removed.values() for s in spans) for at in range(len(text))]
    stretches = [s for spans in redacted.values() for s in spans if s["kind"] in MARKS]
    # stretches that share a character, directly or through others, are one
    group = list(range(len(stretches)))
    for _ in stretches:
        for one, first in enumerate(stretches):
            for two, second in enumerate(stretches):
                if max(first["start"], second["start"]) < min(first["end"], second["end"]):
                    group[one] = group[two] = min(group[one], group[two])
    said: set[int] = set()
    composed = ""
    for at, character in enumerate(text):
        if gone[at]:
            continue
        of = {group[number] for number, s in enumerate(stretches) if s["start"] <= at < s["end"]}
        if not of:
            composed += character
        elif not of <= said:
            said |= of
            mine = [s for number, s in enumerate(stretches) if group[number] in of]
            composed += MARKS[min(mine, key=lambda s: (s["start"], -s["end"], MARKS[s["kind"]]))["kind"]]
    return composed


@given(texts_and_spans())
def test_applied_edits_equal_the_text_composed_character_by_character(case: tuple[str, dict, dict]) -> None:
    text, removed, redacted = case
    assert apply(text, resolve(len(text), removed, redacted, MARKS)) == slowly(text, removed, redacted)


@given(texts_and_spans())
def test_edits_are_sorted_within_the_text_and_do_not_overlap(case: tuple[str, dict, dict]) -> None:
    text, removed, redacted = case
    last = 0
    for start, end, mark in resolve(len(text), removed, redacted, MARKS):
        assert last <= start < end <= len(text)
        assert mark is None or mark in MARKS.values()
        last = end


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)).map(lambda pair: (pair[0], pair[0] + pair[1]))))
def test_merged_spans_cover_the_same_characters_and_leave_gaps_between_them(spans: list[tuple[int, int]]) -> None:
    merged = merge(spans)
    assert {at for start, end in merged for at in range(start, end)} == {at for s, e in spans for at in range(s, e)}
    assert all(first[1] < second[0] for first, second in itertools.pairwise(merged))


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (2, 2), (3, 2), (0, 6)])
def test_a_span_that_is_not_within_its_text_is_a_sentence(start: int, end: int) -> None:
    with pytest.raises(SpanError, match=f"pii has the span {start} to {end} in a text of 5 characters"):
        resolve(5, {}, {"pii": [{"start": start, "end": end, "kind": "email"}]}, MARKS)


def test_of_a_redacted_stretch_with_a_hole_the_mark_stands_once_and_first() -> None:
    span = {"start": 2, "end": 8, "kind": "email"}
    edits = resolve(10, {"lines": [{"start": 4, "end": 6, "kind": None}]}, {"pii": [span]}, MARKS)
    assert apply("0123456789", edits) == "01<EMAIL>89"
    assert apply("0123456789", resolve(10, {"lines": [span]}, {"pii": [span]}, MARKS)) == "0189"
