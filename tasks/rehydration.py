"""Rehydration: how often a document counts, by the size of its cluster, as FineWeb-2 does (Penedo et al. 2025).

Of a page that was captured again and again one copy stays. How many there were says something about it: documents with
very few copies, and with very many, are dropped by the rules more often than those between. So a document counts the
more often, the fewer of its size of cluster the rules drop (the paper's section on rehydration, and `misc/rehydration`
of the repository huggingface/fineweb-2, which give this formula):

- for each size the removal rate, and that of all: a cluster counts once, by the share of its members that a rule drops
  (FineWeb-2 looks at the one that its deduplication left, which is any of them);
- 1 where the rate is that of all, or above; `max_repeats` where it is lowest; between them on a straight line;
- the mean of `window` neighbouring sizes, but for the first and last ones; rounded to a whole number, halves to even;
- the largest sizes, which together are `tail` of the clusters, are taken as one. (The repository does not say how its
  were chosen; in the distributions that it gives, they are the smallest such group of at least 0.1 %.)

Clusters are those before the rules (`decide.duplicates.sizes_after`), so that there are dropped documents to count.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from tasks.mixture_config import Rehydration

UNFILTERED = "unfiltered_cluster_size"
"""The column of the decisions that says the size of a document's cluster before the rules."""


def weigh_sizes(
    sizes: np.ndarray, documents: np.ndarray, dropped: np.ndarray, config: Rehydration
) -> list[dict[str, Any]]:
    """How often documents of each size of cluster count: rows of REHYDRATION without `of` and `kept_documents`.

    Args: `sizes` (n,) int64 ascending; `documents` and `dropped` (n,) int64: how many documents are in clusters of each
    size, and how many of them a rule drops.
    """
    clusters, gone = documents / sizes, dropped / sizes
    usual = math.fsum(gone) / math.fsum(clusters)
    last = _tail(clusters, config.tail)
    groups = [(slice(number, number + 1), int(sizes[number])) for number in range(last)] + [(slice(last, None), None)]
    counted = [math.fsum(clusters[some]) for some, _ in groups]
    rates = np.array([math.fsum(gone[some]) for some, _ in groups]) / counted
    repeats = repetitions(rates, usual, config.max_repeats, config.window)
    return [
        {
            "smallest_size": int(sizes[some][0]),
            "largest_size": largest,
            "clusters": number,
            "documents": int(documents[some].sum()),
            "removal_rate": float(rate),
            "usual_removal_rate": usual,
            "repeats": int(often),
        }
        for (some, largest), number, rate, often in zip(groups, counted, rates, repeats, strict=True)
    ]


def repetitions(rates: np.ndarray, usual: float, most: int, window: int) -> np.ndarray:
    """How often documents of each size count, (n,) int64, by the removal rates of ascending sizes and that of all."""
    below = rates < usual
    often = np.ones(len(rates))
    if below.any():
        often[below] += (most - 1) * (rates[below] - usual) / (rates.min() - usual)
    half = window // 2
    smooth = often.copy()
    for number in range(half, len(often) - half):
        smooth[number] = math.fsum(often[number - half : number + half + 1]) / window
    return np.rint(smooth).astype(np.int64)


def _tail(clusters: np.ndarray, share: float) -> int:
    """Where the largest sizes begin that together are at least this share of the clusters; the last one at least."""
    so_far, least = 0.0, share * math.fsum(clusters)
    for number in range(len(clusters) - 1, 0, -1):
        so_far += clusters[number]
        if so_far >= least:
            return number
    return 0


def rehydration_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The weights as a person reads them: a sentence for each value of `mixture.rehydrate.by`."""
    said = []
    for of, found in groupby(rows, key=lambda row: row["of"]):
        some = list(found)
        times = [
            f"{_sizes(run[0]['smallest_size'], run[-1]['largest_size'])}: {'once' if often == 1 else f'{often} times'}"
            for often, run in ((often, list(run)) for often, run in groupby(some, key=lambda row: row["repeats"]))
        ]
        clusters = math.fsum(row["clusters"] for row in some)
        said.append(
            f"rehydrated {of}: the rules drop {some[0]['usual_removal_rate']:.1%} of {clusters:,.0f} clusters; by size "
            f"documents count {', '.join(times)}"
        )
    return said


def _sizes(first: int, last: int | None) -> str:
    if last is None:
        return f"{first} and more"
    return f"{first}" if first == last else f"{first} to {last}"
