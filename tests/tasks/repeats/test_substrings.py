"""Repeated runs of words equal a quadratic search for them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tasks.decide.repeats.rules import RepeatedSubstrings
from tasks.decide.repeats.substrings import find_runs


@st.composite
def corpora(draw: st.DrawFn) -> tuple[list[list[int]], list[int]]:
    """Documents of few different words, and an order of them."""
    vocabulary = draw(st.sampled_from([1, 2, 3, 9]))
    texts = draw(st.lists(st.lists(st.integers(0, vocabulary), max_size=25), min_size=1, max_size=6))
    return texts, draw(st.permutations(range(len(texts))))


def slowly(texts: list[list[int]], order: list[int], length: int, keep_first: bool) -> list[tuple[int, int]]:
    """(document, word) of every word that goes."""
    gone = set()
    for rank, one in enumerate(order):
        others = order[:rank] if keep_first else [two for two in order if two != one]
        for place in range(len(texts[one]) - length + 1):
            run = texts[one][place : place + length]
            for two in others:
                if any(texts[two][at : at + length] == run for at in range(len(texts[two]) - length + 1)):
                    gone.update((one, word) for word in range(place, place + length))
    return sorted(gone)


@given(corpora(), st.integers(2, 5), st.sampled_from(["first", "none"]), st.sampled_from([1, 7, 1 << 20]))
def test_the_words_that_go_are_those_of_a_quadratic_search(
    corpus: tuple[list[list[int]], list[int]], length: int, keep: str, at_once: int
) -> None:
    texts, order = corpus
    words = np.array([word for text in texts for word in text], np.uint64)
    bounds = np.cumsum([0, *map(len, texts)])
    rules = RepeatedSubstrings.model_validate({"min_tokens": length, "keep": keep})
    found = find_runs(words, bounds, np.array(order, np.int64), rules, at_once)
    said = [(doc, word - int(bounds[doc])) for doc, first, behind in found.tolist() for word in range(first, behind)]
    assert said == slowly(texts, order, length, keep == "first")
    followed = found[1:][found[1:, 0] == found[:-1, 0]]
    before = found[:-1][found[1:, 0] == found[:-1, 0]]
    assert (before[:, 2] < followed[:, 1]).all()  # longest stretches: none touches the next
