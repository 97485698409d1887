"""A regression head: a linear map from a text's embedding to a number, fitted in closed form.

The head is ridge regression (Hoerl and Kennard 1970) with an unpenalised intercept; FineWeb-Edu's educational score is
a linear head on a text embedding too (Lozhkov et al. 2024). The embedding is either

- **hashed**: counts of hashed words and word pairs, square roots taken, each added with a hashed sign to one of
  `dimension` places (Weinberger et al. 2009), scaled to length 1. It needs no model, no training and no language, and
  is the same everywhere. fastText's vectors, trained on a few thousand labelled texts, know little more than these
  counts, and would be a second thing to train and keep.
- or a transformer's mean-pooled last hidden states, from a folder that the user names (`models.embedding`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Embed = Callable[[list[str]], np.ndarray]
"""Texts to their embeddings, (n, dimension) float32."""
FORMAT = 2  # the hashes of words are those of this one


@dataclass(frozen=True)
class RidgeHead:
    """Weights (dimension,) float64 and the intercept."""

    weights: np.ndarray
    intercept: float

    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """The number for each row of (n, dimension), float32."""
        return (embeddings.astype(np.float64) @ self.weights + self.intercept).astype(np.float32)

    def save(self, path: Path) -> None:
        """Write the head: a header of two numbers (format, dimension), then intercept and weights, little endian."""
        header = np.array([FORMAT, len(self.weights)], "<i8").tobytes()
        path.write_bytes(header + np.concatenate([[self.intercept], self.weights]).astype("<f8").tobytes())


def load_head(path: str | Path) -> RidgeHead:
    """Read a head. Raises: ValueError if the file is none."""
    content = Path(path).read_bytes()
    header = np.frombuffer(content[:16], "<i8")
    if len(content) < 24 or header[0] != FORMAT or len(content) != 24 + 8 * header[1]:
        raise ValueError(f"{path} is no regression head.")
    values = np.frombuffer(content[16:], "<f8")
    return RidgeHead(values[1:], float(values[0]))


class RidgeSums:
    """The sums that ridge regression needs, gathered a batch at a time: memory is that of the dimension alone."""

    def __init__(self, dimension: int) -> None:
        self.count, self.labels = 0, 0.0
        self.mean = np.zeros(dimension)
        self.products = np.zeros((dimension, dimension))
        self.labelled = np.zeros(dimension)

    def add(self, embeddings: np.ndarray, labels: np.ndarray) -> None:
        """Count in these rows (n, dimension) and their labels (n,)."""
        rows = embeddings.astype(np.float64)
        self.count += len(rows)
        self.labels += float(labels.sum())
        self.mean += rows.sum(axis=0)
        self.products += rows.T @ rows
        self.labelled += labels @ rows

    def solve(self, penalty: float) -> RidgeHead:
        """The head that minimises the squared errors plus `penalty` times the squared weights."""
        mean, label = self.mean / self.count, self.labels / self.count
        covariance = self.products - self.count * np.outer(mean, mean)
        covariance[np.diag_indices_from(covariance)] += penalty
        weights = np.linalg.solve(covariance, self.labelled - self.count * label * mean)
        return RidgeHead(weights, float(label - weights @ mean))


def hashed_embedding(words: np.ndarray, offsets: np.ndarray, dimension: int) -> np.ndarray:
    """Embeddings of texts given as hashed words: (n, dimension) float32, rows of length 1 (0 without words).

    Args: `words` uint64, the words of all texts; `offsets` (n + 1) int64 where each text's words start.
    """
    from models.regression_kernels import add_hashed

    embeddings = np.zeros((len(offsets) - 1, dimension), np.float32)
    add_hashed(np.ascontiguousarray(words), np.ascontiguousarray(offsets), embeddings)
    return embeddings
