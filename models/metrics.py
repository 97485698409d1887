"""How well scores agree with labels: precision, recall, area under the ROC curve, rank correlation, R2."""

import numpy as np


def precision_recall(scores: np.ndarray, positive: np.ndarray, cut: float) -> tuple[float | None, float | None]:
    """Of texts that score `cut` or more, the share that is positive; of positive texts, the share that scores so much.

    None where there is nothing to divide by.
    """
    called = scores >= cut
    right = int((called & positive).sum())
    return _share(right, int(called.sum())), _share(right, int(positive.sum()))


def f1(precision: float | None, recall: float | None) -> float | None:
    """The harmonic mean; None where one is, 0 where both are."""
    if precision is None or recall is None:
        return None
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def auc(scores: np.ndarray, positive: np.ndarray) -> float | None:
    """Chance that a positive text scores above a negative one, ties counted half (Mann and Whitney 1947); None where
    one of them is missing."""
    n, m = int(positive.sum()), int((~positive).sum())
    if not n or not m:
        return None
    return float((ranks(scores)[positive].sum() - n * (n + 1) / 2) / (n * m))


def ranks(values: np.ndarray) -> np.ndarray:
    """The rank of each value from 1, equal values at the mean of their places; float64."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return ((ends - counts + 1 + ends) / 2)[group]


def spearman(scores: np.ndarray, labels: np.ndarray) -> float | None:
    """Correlation of the ranks; None where all scores or all labels are equal."""
    a, b = (ranks(values) - (len(values) + 1) / 2 for values in (scores, labels))
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum() / size) if size else None


def r2(scores: np.ndarray, labels: np.ndarray) -> float | None:
    """Share of the labels' variance that the scores explain, below 0 where the mean would do better; None where all
    labels are equal."""
    around = float(((labels - labels.mean()) ** 2).sum()) if len(labels) else 0.0
    return float(1 - ((labels - scores) ** 2).sum() / around) if around else None


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
