"""A fastText classifier that predicts: the file's arrays, tables to look words up in, and the compiled loops."""

from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from models.fasttext.file import END_OF_TEXT, HIERARCHICAL_SOFTMAX, SOFTMAX, BadModel, FastTextFile, read_fasttext

WHOLE = 1 << 40
"""More characters than any text has."""


class FastText:
    """A classifier whose labels and probabilities are those of the fastText library, bit for bit.

    Of labels with exactly the same probability the first in the file comes first (with hierarchical softmax, the one
    further left in the tree); the library's order is that of its heap.

    Raises: BadModel for a loss that is neither softmax nor hierarchical softmax.
    """

    def __init__(self, file: FastTextFile) -> None:
        if file.loss not in (HIERARCHICAL_SOFTMAX, SOFTMAX):
            raise BadModel("Only classifiers with softmax or hierarchical softmax are read, and this one has neither.")
        self.file = file
        self.labels = file.labels
        self._words = np.frombuffer(b"".join(file.words), np.uint8)
        self._word_offsets = np.zeros(len(file.words) + 1, np.int64)
        np.cumsum([len(word) for word in file.words], out=self._word_offsets[1:])
        self._end_word = file.words.index(END_OF_TEXT) if END_OF_TEXT in file.words else -1
        self._bits, self._kept = _pruned_tables(file)
        hierarchical = file.loss == HIERARCHICAL_SOFTMAX
        self._tree = _label_tree(file.label_counts) if hierarchical else np.empty((0, 2), np.int32)

    def predict(self, texts: pa.Array, k: int = 2, characters: int = WHOLE) -> tuple[np.ndarray, np.ndarray]:
        """The k most probable labels of each text, best first, from its first `characters` code points.

        Args: `texts` of type string or large_string without nulls. A line end parts words as a space does.
        Returns: numbers of labels, (n, k) int32, -1 where there is none; their probabilities, (n, k) float32, which
        fastText's softmax may let pass 1 by 1e-5.
        """
        from models.fasttext import kernels

        text, offsets = utf8(texts)
        k = min(k, len(self.labels))
        labels = np.empty((len(texts), k), np.int32)
        scores = np.empty((len(texts), k), np.float32)
        file = self.file
        kernels.predict_texts(
            text, offsets, characters, self._slots, self._words, self._word_offsets, self._end_word,
            file.word_ngrams, file.shortest, file.longest, max(1, file.buckets),
            0 if file.pruned is None else 1, self._bits, self._kept, file.inputs, file.outputs, self._tree, labels,
            scores,
        )  # fmt: skip
        return labels, scores

    @cached_property
    def _slots(self) -> np.ndarray:
        """A table of word numbers by hash, open addressing, at most half full."""
        from models.fasttext import kernels

        hashes = np.empty(len(self.file.words), np.int32)
        kernels.hash_strings(self._words, self._word_offsets, hashes)
        size = 1 << max(4, (2 * len(hashes)).bit_length())
        slots = np.full(size, -1, np.int32)
        kernels.fill_slots(slots, hashes, size - 1)
        return slots


@lru_cache(maxsize=8)
def load_fasttext(path: str | Path) -> FastText:
    """A classifier, loaded once a process."""
    return FastText(read_fasttext(path))


def utf8(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The bytes of an Arrow array of strings, uint8, and where each starts, (n + 1) int64, without a copy of the text.

    Raises: ValueError where a text is null.
    """
    if texts.null_count:
        raise ValueError(f"{texts.null_count} texts are null: leave them out first.")
    kind = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    _, starts, data = texts.buffers()
    offsets = np.frombuffer(starts, kind, len(texts) + 1, texts.offset * np.dtype(kind).itemsize).astype(np.int64)
    if data is None:
        return np.empty(0, np.uint8), offsets
    return np.frombuffer(data, np.uint8), offsets


def _pruned_tables(file: FastTextFile) -> tuple[np.ndarray, np.ndarray]:
    """For a compressed model: a bit for each bucket that was kept, and a table from it to its row."""
    if file.pruned is None:
        return np.zeros(1, np.int32), np.zeros(2, np.int32)
    bits = np.zeros(file.buckets // 32 + 1, np.uint32)
    np.bitwise_or.at(bits, file.pruned[:, 0] >> 5, np.uint32(1) << (file.pruned[:, 0] & 31).astype(np.uint32))
    size = 1 << max(4, (2 * len(file.pruned)).bit_length())
    kept = np.full((size, 2), -1, np.int32)
    for bucket, row in file.pruned.tolist():
        slot = (bucket * 0x9E3779B1) & (size - 1)
        while kept[slot, 0] >= 0:
            slot = (slot + 1) & (size - 1)
        kept[slot] = bucket, row
    return bits.view(np.int32), kept.ravel()


def _label_tree(counts: np.ndarray) -> np.ndarray:
    """The Huffman tree that hierarchical softmax walks, (labels - 1, 2) int32: the children of each inner node.

    Built as the library builds it, from labels in the order of falling counts.
    """
    n = len(counts)
    tree = np.zeros((max(0, n - 1), 2), np.int32)
    total = [*counts.tolist(), *[10**15] * (n - 1)]
    leaf, inner = n - 1, n
    for node in range(n, 2 * n - 1):
        for side in range(2):
            if leaf >= 0 and total[leaf] < total[inner]:
                tree[node - n, side], leaf = leaf, leaf - 1
            else:
                tree[node - n, side], inner = inner, inner + 1
        total[node] = total[tree[node - n, 0]] + total[tree[node - n, 1]]
    return tree
