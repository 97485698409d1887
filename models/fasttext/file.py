"""Reads a fastText model file (.bin or .ftz, format 12) into arrays.

The layout, all little endian: magic and version; the arguments; the dictionary (words, then labels, each a string that
ends in a zero byte, a count and a kind); the pruned buckets of a compressed model; the input matrix (dense, or product
quantised); the output matrix likewise. A dense matrix is a view of the file, mapped into memory: processes share it.
"""

import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MAGIC = 793_712_314
VERSION = 12
HIERARCHICAL_SOFTMAX, NEGATIVE_SAMPLING, SOFTMAX, ONE_VS_ALL = 1, 2, 3, 4
SUPERVISED = 3
LABEL_PREFIX = "__label__"
END_OF_TEXT = b"</s>"


class BadModel(ValueError):
    """A file that is no fastText classifier, or one of a form that is not read: what is wrong with it."""


@dataclass(frozen=True)
class FastTextFile:
    """What stands in the file.

    `words`: the words as UTF-8; `labels`: without `__label__`; `label_counts` (labels,) int64; `pruned`: None, or
    (k, 2) int32 of kept buckets and their rows behind those of the words; `inputs` (rows, dimension) float32, `outputs`
    (labels, dimension) float32, dequantised.
    """

    dimension: int
    word_ngrams: int
    loss: int
    buckets: int
    shortest: int
    longest: int
    words: list[bytes]
    labels: list[str]
    label_counts: np.ndarray
    pruned: np.ndarray | None
    inputs: np.ndarray
    outputs: np.ndarray


class _Reader:
    """A file mapped into memory, read from its start to its end."""

    def __init__(self, path: Path) -> None:
        with open(path, "rb") as file:
            self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.at = 0

    def array(self, kind: str, count: int) -> np.ndarray:
        found = np.frombuffer(self.data, np.dtype(kind), count, self.at)
        self.at += found.nbytes
        return found

    def number(self, kind: str) -> Any:
        return self.array(kind, 1)[0].item()

    def string(self) -> bytes:
        end = self.data.find(b"\0", self.at)
        found = self.data[self.at : end]
        self.at = end + 1
        return found


def read_fasttext(path: str | Path) -> FastTextFile:
    """Read a classifier.

    Raises: BadModel if the file is none (another format or version, word vectors, cut short).
    """
    try:
        return _read(_Reader(Path(path)))
    except (ValueError, IndexError) as error:
        said = str(error) if isinstance(error, BadModel) else "it is cut short or damaged"
        raise BadModel(f"{path} is no fastText classifier that can be read: {said}.") from error


def _read(reader: _Reader) -> FastTextFile:
    magic, version = reader.array("<i4", 2).tolist()
    if magic != MAGIC or version != VERSION:
        raise BadModel(f"it does not start as format {VERSION} does")
    dimension, _, _, _, _, word_ngrams, loss, model, buckets, shortest, longest, _ = reader.array("<i4", 12).tolist()
    reader.number("<f8")
    if model != SUPERVISED:
        raise BadModel("it holds word vectors, no classifier")
    if loss not in (HIERARCHICAL_SOFTMAX, NEGATIVE_SAMPLING, SOFTMAX, ONE_VS_ALL):
        raise BadModel(f"its loss is number {loss}")
    size, n_words, n_labels = reader.array("<i4", 3).tolist()
    reader.number("<i8")
    n_pruned = reader.number("<i8")
    words: list[bytes] = []
    labels: list[str] = []
    counts: list[int] = []
    for _ in range(size):
        name, count, kind = reader.string(), reader.number("<i8"), reader.number("<i1")
        if kind == 0:
            words.append(name)
        else:
            labels.append(name.decode("utf-8").removeprefix(LABEL_PREFIX))
            counts.append(count)
    if (len(words), len(labels)) != (n_words, n_labels):
        raise BadModel("its dictionary does not add up")
    pruned = reader.array("<i4", 2 * n_pruned).reshape(-1, 2) if n_pruned >= 0 else None
    inputs = _matrix(reader, reader.number("?"))
    outputs = _matrix(reader, reader.number("?"))
    return FastTextFile(
        dimension, word_ngrams, loss, buckets, shortest, longest, words, labels, np.array(counts, np.int64), pruned,
        inputs, outputs,
    )  # fmt: skip


def _matrix(reader: _Reader, quantised: bool) -> np.ndarray:
    if not quantised:
        rows, columns = reader.array("<i8", 2).tolist()
        return reader.array("<f4", rows * columns).reshape(rows, columns)
    with_norms = reader.number("?")
    rows, columns = reader.array("<i8", 2).tolist()
    codes = reader.array("u1", reader.number("<i4"))
    values = _dequantise(reader, codes, rows)
    if with_norms:
        # fastText multiplies a centroid by the norm when it adds the row: the same product, in 32 bits
        values *= _dequantise(reader, reader.array("u1", rows), rows)
    if values.shape[1] != columns:
        raise BadModel("a quantised matrix has another width than it says")
    return values


def _dequantise(reader: _Reader, codes: np.ndarray, rows: int) -> np.ndarray:
    """The rows that product quantisation codes stand for, (rows, dimension) float32."""
    dimension, parts, width, last_width = reader.array("<i4", 4).tolist()
    centroids = reader.array("<f4", dimension * 256)
    values = np.empty((rows, dimension), np.float32)
    codes = codes.reshape(rows, parts)
    for part in range(parts):
        wide = last_width if part == parts - 1 else width
        start = part * 256 * width
        table = centroids[start : start + 256 * wide].reshape(256, wide)
        values[:, part * width : part * width + wide] = table[codes[:, part]]
    return values
