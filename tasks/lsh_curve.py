"""Which pairs a signature of bands and rows finds: the curve, and planted pairs to hold it against.

Two sets of Jaccard similarity s agree in one MinHash value with probability s (Broder 1997), in all `rows` values of a
band with s^rows, and in at least one of `bands` bands with 1 - (1 - s^rows)^bands (Leskovec, Rajaraman and Ullman,
Mining of Massive Datasets, section 3.4.2). That holds for values drawn independently; `measure` asks real ones.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

SHINGLES = (150, 600)
"""How many shingles a planted set has, at least and at most."""
AT_ONCE = 500
"""Pairs signed at once: with signatures of 112 values, 1 MiB of them."""

BucketKeys = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Hashed words of n documents (uint64) and where each starts (n + 1, int64) to bucket keys (n, bands) uint64."""


class Found(NamedTuple):
    """Of planted pairs of about one similarity: their mean exact `similarity`, what share of them the curve
    `expected`, the share that was `found`, and the standard error of that share if the curve is right."""

    similarity: float
    expected: float
    found: float
    error: float


def probability(similarity: ArrayLike, bands: int, rows: int) -> np.ndarray:
    """Probability that two sets of these Jaccard similarities (in [0, 1]) share a bucket, float64 of the same shape."""
    agree = np.asarray(similarity, dtype=np.float64) ** rows
    with np.errstate(divide="ignore"):  # at 1 the logarithm is -inf, and what follows from it is right
        return -np.expm1(bands * np.log1p(-agree))  # 1 - (1 - agree)^bands would lose what is far below 1e-16


def similarity_found(share: float, bands: int, rows: int) -> float:
    """The Jaccard similarity of which this share of pairs, in (0, 1), is found: the inverse of `probability`."""
    return float(-np.expm1(np.log1p(-share) / bands)) ** (1 / rows)


def planted(similarity: float, pairs: int, ngram: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
    """Pairs of documents of hashed words whose sets of `ngram`-word shingles have nearly this Jaccard similarity.

    Both have the same number of shingles, of SHINGLES, and begin with one stretch of words; all others are random.
    Yields: the words of both (uint64), and their similarity exactly.
    """
    draw = np.random.default_rng([seed, round(1e6 * similarity)])
    for _ in range(pairs):
        size = int(draw.integers(*SHINGLES, endpoint=True))
        shared = round(2 * similarity / (1 + similarity) * size)  # s shared ones of 2 * size - s in all
        n_words, stretch = size + ngram - 1, shared + ngram - 1 if shared else 0
        first, second = draw.integers(0, 2**64, (2, n_words), dtype=np.uint64)
        second[:stretch] = first[:stretch]
        yield first, second, shared / (2 * size - shared)


def measure(
    keys: BucketKeys, similarities: Sequence[float], *, bands: int, rows: int, ngram: int, pairs: int, seed: int
) -> Iterator[Found]:
    """Plant `pairs` pairs of each similarity, hash them with `keys`, and yield the share that has a common bucket."""
    for similarity in similarities:
        exact, found = [], []
        group: list[np.ndarray] = []
        for first, second, jaccard in planted(similarity, pairs, ngram, seed):
            group += [first, second]
            exact.append(jaccard)
            if len(group) == 2 * AT_ONCE or len(exact) == pairs:
                found.append(_share_a_bucket(keys, group))
                group = []
        expected = probability(np.array(exact), bands, rows)
        error = float(np.sqrt((expected * (1 - expected)).sum())) / pairs
        yield Found(float(np.mean(exact)), float(expected.mean()), float(np.concatenate(found).mean()), error)


def _share_a_bucket(keys: BucketKeys, documents: list[np.ndarray]) -> np.ndarray:
    """Whether each document with an even number shares a bucket with the one after it, (n / 2,) bool."""
    offsets = np.cumsum([0, *map(len, documents)], dtype=np.int64)
    found = keys(np.concatenate(documents), offsets)
    return (found[::2] == found[1::2]).any(axis=1)
