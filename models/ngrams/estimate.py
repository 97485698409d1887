"""Interpolated modified Kneser-Ney estimation (Chen and Goodman 1998; as lmplz: Heafield et al. 2013), with numpy.

A text is one sequence `<s> w1 … wn </s>`. Words are given as 64-bit hashes: no string is held, none is in the model.

- The adjusted count of an n-gram is its count where n is the order or where it begins with `<s>`, else the number of
  different words before it.
- Discounts of an order follow from how many n-grams have the adjusted counts 1 to 4: Y = t1 / (t1 + 2 t2), and
  D_k = k - (k + 1) Y t_{k+1} / t_k for k = 1, 2, 3 and more. Where one of the t is 0, or a discount comes out below 0
  or above k (little or odd text), the order takes 0.5, 1 and 1.5, lmplz's fallback.
- Unigrams are interpolated with the uniform distribution over the vocabulary, `</s>` and one unknown word, which has
  nothing else.
- Pruned n-grams (three words and more, seen at most `prune` times) are taken out after the discounts: their mass goes
  to the back-off weight.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

UNKNOWN, START, END = 0, 1, 2
"""Numbers of the words that no text holds; those of texts follow."""
FALLBACK = (0.5, 1.0, 1.5)


@dataclass(frozen=True)
class Ngrams:
    """The n-grams of one length: `words` (n-grams, length) int32 numbers; `probability` and `backoff` float64, log10.

    A back-off of 0 where no n-gram goes on from it.
    """

    words: np.ndarray
    probability: np.ndarray
    backoff: np.ndarray


@dataclass(frozen=True)
class Estimate:
    """`vocabulary`: the hash of each word from number 3 on, uint64; `orders`: the n-grams of each length, from 1."""

    vocabulary: np.ndarray
    orders: list[Ngrams]

    def arpa(self, names: list[str] | None = None) -> Iterator[str]:
        """The model in ARPA's format, line by line; words by `names`, else by their hashes in hexadecimal."""
        texts = ["<unk>", "<s>", "</s>", *(names or [f"{value:016x}" for value in self.vocabulary.tolist()])]
        yield "\\data\\"
        for length, ngrams in enumerate(self.orders, 1):
            yield f"ngram {length}={len(ngrams.words)}"
        for length, ngrams in enumerate(self.orders, 1):
            yield f"\n\\{length}-grams:"
            last = length == len(self.orders)
            for words, p, b in zip(ngrams.words.tolist(), ngrams.probability, ngrams.backoff, strict=True):
                said = " ".join(texts[word] for word in words)
                yield f"{np.float32(p):.9g}\t{said}" + ("" if last else f"\t{np.float32(b):.9g}")
        yield "\n\\end\\"


def estimate(words: np.ndarray, offsets: np.ndarray, order: int, prune: int = 0) -> Estimate:
    """Train on texts.

    Args: `words` uint64, the hashed words of all texts one after another; `offsets` (texts + 1) int64 where each
    begins; `order` 2 or more; `prune` how often an n-gram of three words and more may stand and still be left out.
    Raises: ValueError without any word, for an order below 2, or for more words than 32 bits count.
    """
    if order < 2:
        raise ValueError(f"An n-gram model's order is 2 or more, not {order}.")
    if not len(words):
        raise ValueError("The reference has no words to learn from.")
    if len(words) + 2 * len(offsets) >= 2**31:
        raise ValueError(f"{len(words):,} words are more than an n-gram model is made of here: take fewer.")
    vocabulary, numbers = np.unique(words, return_inverse=True)
    sequence, begins, lengths = _with_ends(numbers.astype(np.int32) + 3, offsets)
    size = len(vocabulary) + 3
    levels = _levels(sequence, begins, lengths, size, order)
    adjusted = _adjusted_counts(levels, order)
    orders: list[Ngrams] = []
    probability = np.full(size, 1.0 / (size - 1))  # before unigrams: uniform over all but <s>
    kept = np.ones(size, bool)
    weight = np.zeros(0)
    for n, level in enumerate(levels, 1):
        counts = adjusted[n - 1].astype(np.float64)
        if n == 1:
            counts[START] = 0
        left = counts - _discounts(counts)[np.minimum(counts, 3).astype(np.int64)]
        if n == 1:
            total = counts.sum()
            spread = 1 - left.sum() / total
            probability = left / total + spread / (size - 1)
            probability[START] = 1e-99
            kept = np.ones(size, bool)
            words_of = np.arange(size)[:, None]
        else:
            keep = (level.counts > prune) if n > 2 else np.ones(len(counts), bool)
            total = np.bincount(level.prefix, weights=counts, minlength=len(probability))
            share = left / total[level.prefix]
            used = np.bincount(level.prefix, weights=np.where(keep, share, 0.0), minlength=len(probability))
            weight = np.where(total > 0, 1 - used, 1.0)
            words_of_last = orders[-1].words
            orders[-1] = _chosen(orders[-1], kept, weight)
            probability = share + weight[level.prefix] * probability[level.suffix]
            words_of = np.column_stack([words_of_last[level.prefix], level.last])
            kept = keep
        orders.append(Ngrams(words_of.astype(np.int32), np.log10(probability), np.zeros(len(probability))))
    orders[-1] = _chosen(orders[-1], kept, np.ones(len(probability)))
    return Estimate(vocabulary, orders)


def _chosen(ngrams: Ngrams, kept: np.ndarray, weight: np.ndarray) -> Ngrams:
    """Those n-grams that are kept, with their back-off weights."""
    return Ngrams(ngrams.words[kept], ngrams.probability[kept], np.log10(np.maximum(weight[kept], 1e-99)))


@dataclass(frozen=True)
class _Level:
    """The different n-grams of one length, int32: how often each stands, the (n - 1)-grams that it begins and
    ends with by their numbers, its last word, and whether it begins with `<s>`."""

    counts: np.ndarray
    prefix: np.ndarray
    suffix: np.ndarray
    last: np.ndarray
    starts: np.ndarray


def _with_ends(numbers: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The texts with words, each with <s> before and </s> behind it; where each begins; how long each is."""
    spans = np.diff(offsets)
    offsets = np.concatenate([offsets[:-1][spans > 0], offsets[-1:]])
    lengths = spans[spans > 0] + 2
    begins = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    sequence = np.empty(int(lengths.sum()), np.int32)
    inner = np.ones(len(sequence), bool)
    inner[begins] = inner[begins + lengths - 1] = False
    sequence[begins], sequence[begins + lengths - 1] = START, END
    sequence[inner] = numbers
    return sequence, begins, lengths


def _levels(sequence: np.ndarray, begins: np.ndarray, lengths: np.ndarray, size: int, order: int) -> list[_Level]:
    counts = np.bincount(sequence, minlength=size).astype(np.int32)
    everything = np.arange(size, dtype=np.int32)
    levels = [_Level(counts, everything, everything, everything, everything == START)]
    after = np.repeat((begins + lengths).astype(np.int32), lengths)  # where the text of each place ends
    places, ids = np.arange(len(sequence), dtype=np.int32), sequence
    for n in range(2, order + 1):
        fits = places + n <= after[places]
        # ids[k] is the (n - 1)-gram at places[k]; the one a place further is its neighbour, for no text ends between
        following = np.flatnonzero(fits) + 1
        places = places[fits]
        keys = ids[fits].astype(np.int64) * size + sequence[places + (n - 1)]
        keys, first, numbers, found = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
        prefix = (keys // size).astype(np.int32)
        suffix, last = ids[following[first]], (keys % size).astype(np.int32)
        levels.append(_Level(found.astype(np.int32), prefix, suffix, last, levels[-1].starts[prefix]))
        ids = numbers.astype(np.int32)
    return levels


def _adjusted_counts(levels: list[_Level], order: int) -> list[np.ndarray]:
    counts = []
    for n, level in enumerate(levels, 1):
        if n == order:
            counts.append(level.counts)
            continue
        before = np.bincount(levels[n].suffix, minlength=len(level.counts))
        counts.append(np.where(level.starts, level.counts, before))
    return counts


def _discounts(counts: np.ndarray) -> np.ndarray:
    """What is taken from adjusted counts of 0, 1, 2, and 3 or more."""
    t = [int((counts == k).sum()) for k in range(1, 5)]
    if all(t):
        y = t[0] / (t[0] + 2 * t[1])
        found = [k - (k + 1) * y * t[k] / t[k - 1] for k in range(1, 4)]
        if all(0 <= one <= k for k, one in enumerate(found, 1)):
            return np.array([0.0, *found])
    return np.array([0.0, *FALLBACK])
