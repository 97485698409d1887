"""No profile of ours gets worse unseen: its F1 on pages with a truth stays above the floors of `tests/floors.json`."""

import json
from pathlib import Path

import pytest

from benchmarks.floors import FLOORS, Lowered, below, measure, raised
from benchmarks.labelled import LabelledPage, corpus_hashes, snippet_scores, token_scores

STORED = {"corpora": {"pages": "1"}, "floors": {"one": {"news": 0.9, "snippets": 0.8}}}


def test_no_profile_is_below_its_floors(test_data: Path):
    stored = json.loads(FLOORS.read_text(encoding="utf-8"))
    assert corpus_hashes(test_data) == stored["corpora"]
    assert below(measure(test_data), stored["floors"]) == []


def test_a_score_below_its_floor_is_named():
    assert below({"one": {"news": 0.95, "snippets": 0.79}}, STORED["floors"]) == [
        "one on snippets: 0.7900, and its floor is 0.8"
    ]
    assert len(below({}, STORED["floors"])) == 2


def test_an_update_raises_floors_and_refuses_to_lower_one():
    after = raised(STORED, {"one": {"news": 0.95678, "snippets": 0.8}}, {"pages": "1"})
    assert after["floors"] == {"one": {"news": 0.956, "snippets": 0.8}}
    with pytest.raises(Lowered, match=r"one on news: 0\.8999"):
        raised(STORED, {"one": {"news": 0.8999, "snippets": 0.9}}, {"pages": "1"})
    with pytest.raises(Lowered):
        raised(STORED, {"two": {"news": 1.0, "snippets": 1.0}}, {"pages": "1"})


def test_floors_stand_on_their_pages():
    scores = {"one": {"news": 0.5, "snippets": 0.5}}
    with pytest.raises(Lowered, match="not those"):
        raised(STORED, scores, {"pages": "2"})
    assert raised(STORED, scores, {"pages": "2"}, new_corpus=True)["floors"] == scores


def page(**truth: object) -> LabelledPage:
    return LabelledPage("snippets", "a", "https://www.example.org/a", b"", truth)


def test_snippets_are_counted_as_trafilatura_counts_them():
    pages = [page(**{"with": ["one two", "three"], "without": ["menu", "four"]})]
    # Found of the wanted: "one two" over a line end; of the unwanted: "menu". So precision and recall are a half.
    assert snippet_scores(pages, lambda _: "menu one\n  two") == (0.5, 0.5, 0.5)


def test_tokens_are_words_and_single_characters_of_chinese():
    body = {"summary": ["磨坊 mill"], "sections": [{"headline": [], "paragraphs": ["grinds"]}]}
    news = LabelledPage("news", "a", None, b"", {"expected": {"body": body}})
    f1, precision, recall = token_scores([news], lambda _: "磨 Mill grinds rye")
    assert (f1, precision, recall) == (0.75, 0.75, 0.75)


def test_a_domain_is_held_out_as_a_whole():
    pages = [LabelledPage("snippets", str(n), f"https://{n % 20}.example.org/{n}", b"", {}) for n in range(200)]
    by_domain = {(page.url or "").split("/")[2]: page.held_out for page in pages}
    assert all(page.held_out == by_domain[(page.url or "").split("/")[2]] for page in pages)
    assert 0 < sum(by_domain.values()) < 20
    www = LabelledPage("snippets", "a", "https://www.example.org/a", b"", {})
    assert www.held_out == LabelledPage("snippets", "b", "http://example.org/b", b"", {}).held_out
