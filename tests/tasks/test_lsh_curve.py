"""The curve of bands and rows against exact fractions and drawn values, and real signatures against the curve."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.lsh_curve import measure, planted, probability, similarity_found
from tasks.sign import SignConfig, hash_bands, sign_words


@given(st.integers(0, 100), st.integers(1, 60), st.integers(1, 20))
def test_the_curve_is_its_formula_in_exact_fractions(hundredths: int, bands: int, rows: int) -> None:
    exact = 1 - (1 - Fraction(hundredths, 100) ** rows) ** bands
    assert float(probability(hundredths / 100, bands, rows)) == pytest.approx(float(exact), rel=1e-12, abs=0)


@pytest.mark.parametrize(("bands", "rows"), [(14, 8), (20, 5), (1, 1), (3, 1), (1, 4)])
def test_the_curve_is_what_values_drawn_one_by_one_come_to(bands: int, rows: int) -> None:
    draw, n = np.random.default_rng(bands), 20_000
    for similarity in (0.3, 0.7, 0.9):
        agree = draw.random((n, bands, rows)) < similarity
        found, expected = agree.all(axis=2).any(axis=1).mean(), float(probability(similarity, bands, rows))
        assert abs(found - expected) < 4 * (expected * (1 - expected) / n) ** 0.5 + 1e-9


@given(st.floats(0.001, 0.999), st.integers(1, 200), st.integers(1, 50))
def test_the_similarity_of_a_share_has_that_share(share: float, bands: int, rows: int) -> None:
    assert float(probability(similarity_found(share, bands, rows), bands, rows)) == pytest.approx(share, rel=1e-9)


@pytest.mark.parametrize("ngram", [1, 5])
def test_planted_pairs_have_the_similarity_that_is_said(ngram: int) -> None:
    for wanted in (0.0, 0.05, 0.5, 0.83, 1.0):
        for first, second, said in planted(wanted, 5, ngram, seed=3):
            one, other = (
                {tuple(words[at : at + ngram]) for at in range(len(words) - ngram + 1)}
                for words in (first.tolist(), second.tolist())
            )
            assert said == len(one & other) / len(one | other)
            assert abs(said - wanted) < 0.01


@pytest.mark.parametrize(("bands", "rows", "ngram"), [(14, 8, 5), (20, 5, 1)])
def test_real_signatures_find_what_the_curve_says(bands: int, rows: int, ngram: int) -> None:
    config = SignConfig(bands=bands, rows=rows, ngram=ngram)
    similarities = [0.1, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    found = list(
        measure(
            lambda words, offsets: hash_bands(sign_words(words, offsets, config), config),
            similarities,
            bands=bands,
            rows=rows,
            ngram=ngram,
            pairs=700,  # more than are signed at once, and no multiple of that
            seed=5,
        )
    )
    for one, similarity in zip(found, similarities, strict=True):
        expected = 1 - (1 - similarity**rows) ** bands
        assert one.expected == pytest.approx(expected, abs=0.01)
        assert one.error == pytest.approx((expected * (1 - expected) / 700) ** 0.5, abs=0.002)
        assert abs(one.found - one.expected) < 4 * one.error + 1 / 700
    assert found[-1].found == 1


def test_buckets_that_miss_are_seen() -> None:
    """The measurement can fail: of signatures whose last rows never agree, nothing is found."""
    found = measure(
        lambda words, offsets: np.arange(len(offsets) - 1, dtype=np.uint64)[:, None],
        [0.9],
        bands=14,
        rows=8,
        ngram=5,
        pairs=20,
        seed=1,
    )
    (only,) = found
    assert only.found == 0
    assert only.expected > 0.99
