"""An n-gram model that scores: one table of hashed n-grams with probabilities and back-off weights.

A file holds a header of five numbers (format, order, slots, n-grams, and the bits of the unknown word's log10), then
keys (uint64), probabilities and back-off weights (float32, log10), little endian. It is mapped into memory, so
processes share it. Two n-grams share a 64-bit key with a chance of one in a million for six million n-grams. No word
can be read back.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from models.ngrams.estimate import Estimate

FORMAT = 2  # the hashes of words are those of this one
HEADER = 5
FILLED = 0.7
"""Share of the table's slots that are taken."""


@dataclass(frozen=True)
class NgramModel:
    """An n-gram model of hashed words."""

    order: int
    ngrams: int
    unknown: float
    table: np.ndarray
    probabilities: np.ndarray
    backoffs: np.ndarray

    def score(self, words: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """log10 of the probability of each text with its end, float64, and how many of its words are unknown, int64.

        Args: `words` uint64, hashed words of all texts; `offsets` (texts + 1) int64.
        """
        from models.ngrams import kernels

        scores, unseen = np.zeros(len(offsets) - 1), np.zeros(len(offsets) - 1, np.int64)
        kernels.score_texts(
            np.ascontiguousarray(words), np.ascontiguousarray(offsets), self.order, self.table, self.probabilities,
            self.backoffs, self.unknown, scores, unseen,
        )  # fmt: skip
        return scores, unseen

    def save(self, path: Path) -> None:
        """Write the file."""
        bits = int(np.array([self.unknown], "<f8").view("<i8")[0])
        with open(path, "wb") as file:
            file.write(np.array([FORMAT, self.order, len(self.table), self.ngrams, bits], "<i8").tobytes())
            for array, kind in ((self.table, "<u8"), (self.probabilities, "<f4"), (self.backoffs, "<f4")):
                file.write(array.astype(kind).tobytes())


def perplexity(scores: np.ndarray, n_words: np.ndarray) -> np.ndarray:
    """Perplexity per word from scores of texts of so many words; the end of each text counts as one more."""
    return np.power(10.0, -scores / (n_words + 1))


def build_model(estimate: Estimate) -> NgramModel:
    """The model that scores as an estimate says."""
    from models.ngrams import kernels

    hashes = np.concatenate([[np.uint64(0), kernels.START, kernels.END], estimate.vocabulary])
    keys, probabilities, backoffs = [], [], []
    for length, ngrams in enumerate(estimate.orders, 1):
        known = ngrams.words[:, 0] != 0 if length == 1 else np.ones(len(ngrams.words), bool)  # the unknown word
        of_length = np.empty(int(known.sum()), np.uint64)
        kernels.ngram_keys(np.ascontiguousarray(hashes[ngrams.words[known]]), of_length)
        keys.append(of_length)
        probabilities.append(ngrams.probability[known].astype(np.float32))
        backoffs.append(ngrams.backoff[known].astype(np.float32))
    every = np.concatenate(keys)
    table = np.zeros(int(len(every) / FILLED) + 16, np.uint64)
    slots = np.empty(len(every), np.int64)
    kernels.place_keys(every, table, slots)
    values = [np.zeros(len(table), np.float32) for _ in range(2)]
    values[0][slots], values[1][slots] = np.concatenate(probabilities), np.concatenate(backoffs)
    unknown = float(np.float32(estimate.orders[0].probability[0]))
    return NgramModel(len(estimate.orders), len(every), unknown, table, *values)


@lru_cache(maxsize=4)
def load_model(path: str | Path) -> NgramModel:
    """Read a model, once a process. Raises: ValueError if the file is none."""
    size = Path(path).stat().st_size
    header = np.fromfile(path, "<i8", HEADER)
    if len(header) < HEADER or header[0] != FORMAT or size != 8 * HEADER + 16 * int(header[2]):
        raise ValueError(f"{path} is no n-gram model of format {FORMAT}.")
    _, order, slots, ngrams, bits = header.tolist()
    content = np.memmap(path, np.uint8, "r")
    arrays, at = [], 8 * HEADER
    for kind, width in (("<u8", 8), ("<f4", 4), ("<f4", 4)):
        arrays.append(np.frombuffer(content, kind, slots, at))
        at += width * slots
    unknown = float(np.array([bits], "<i8").view("<f8")[0])
    return NgramModel(order, ngrams, unknown, *arrays)
