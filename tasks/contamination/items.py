"""The items of evaluation sets as sequences of words, and the index of their n-grams."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from storage.artifact import Artifact
from tasks.sequences import SequenceIndex, build_index
from tasks.words import HashedWords, hash_words

ITEMS_AT_ONCE = 4096


class ItemText(NamedTuple):
    """A text of an item: its set, its id, and what is looked for."""

    benchmark: str
    item: str
    text: str


@dataclass(frozen=True)
class Benchmarks:
    """The n-grams of all items. `benchmarks`, `items` and `n_words` are of each text: the owners in the index.

    `least`: words from which on a text is looked for.
    """

    index: SequenceIndex
    benchmarks: list[str]
    items: list[str]
    n_words: np.ndarray
    least: int


def texts_of(artifact: Artifact) -> Iterator[ItemText]:
    """The texts of an evaluation set: of questions, or of documents that a source holds as benchmarks.

    Of a question its context with the right choice after it; of one without a context each choice. What is forgotten
    has none.
    """
    if artifact.manifest.kind == "documents":
        for batch in artifact.batches(["doc_id", "source", "text"]):
            for row in batch.to_pylist():
                if row["text"]:
                    yield ItemText(row["source"], row["doc_id"], row["text"])
        return
    for batch in artifact.batches(["question_id", "task", "context", "choices", "gold"]):
        for row in batch.filter(batch.column("choices").is_valid()).to_pylist():
            texts = [f"{row['context']} {row['choices'][row['gold']]}"] if row["context"] else row["choices"]
            for text in texts:
                yield ItemText(row["task"], row["question_id"], text)


def read_benchmarks(artifacts: Sequence[Artifact], ngram: int, min_words: int, max_items: int) -> Benchmarks:
    """The index of all items of evaluation sets (see `index_texts`)."""
    return index_texts([one for artifact in artifacts for one in texts_of(artifact)], ngram, min_words, max_items)


def index_texts(found: Sequence[ItemText], ngram: int, min_words: int, max_items: int) -> Benchmarks:
    """The index of every n-gram of every item; a text of fewer words than `ngram` counts whole from `min_words` on.

    An n-gram of more than `max_items` texts is how a set puts its questions, and is not looked for.
    """
    batches = [found[at : at + ITEMS_AT_ONCE] for at in range(0, len(found), ITEMS_AT_ONCE)]
    parts = [hash_words([one.text for one in batch]) for batch in batches]
    n_words = np.concatenate([np.zeros(0, np.int64), *(np.diff(part.offsets) for part in parts)])
    offsets = np.concatenate([[0], np.cumsum(n_words)])
    hashes = np.concatenate([np.zeros(0, np.uint64), *(part.hashes for part in parts)])
    counts = np.where(n_words >= ngram, n_words - ngram + 1, (n_words >= min_words).astype(np.int64))
    owners = np.repeat(np.arange(len(found)), counts)
    places = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    lengths = np.minimum(n_words, ngram)[owners]
    words = HashedWords(hashes, np.zeros(0, np.int32), np.zeros(0, np.int32), offsets)
    index = build_index(words, offsets[owners] + places, lengths, owners, places, most_owners=max_items)
    return Benchmarks(index, [one.benchmark for one in found], [one.item for one in found], n_words, min_words)


def count_items(benchmarks: Benchmarks) -> list[dict[str, Any]]:
    """Of each set its items, those that are looked for, and why the others are not: rows of BENCHMARKS."""
    looked_for = np.isin(np.arange(len(benchmarks.items)), benchmarks.index.owners)
    long_enough = benchmarks.n_words >= benchmarks.least
    state: dict[str, dict[str, int]] = defaultdict(dict)  # 2 looked for, 1 long enough, 0 too short
    for set_, item, of_text in zip(
        benchmarks.benchmarks, benchmarks.items, (looked_for.astype(int) + long_enough).tolist(), strict=True
    ):
        state[set_][item] = max(state[set_].get(item, 0), of_text)
    counted = [(set_, list(items.values())) for set_, items in sorted(state.items())]
    return [
        {
            "benchmark": set_,
            "items": len(of),
            "looked_for": of.count(2),
            "too_short": of.count(0),
            "common": of.count(1),
        }
        for set_, of in counted
    ]


class Match(NamedTuple):
    """A stretch of a document that an item's text shares: words from `first` to `last`, not included."""

    text: int
    first: int
    last: int
    ngrams: int
    share: float


def find_matches(words: HashedWords, benchmarks: Benchmarks) -> Mapping[int, list[Match]]:
    """The stretches of each document that has any, in the order of texts and places.

    N-grams of one text that overlap in the document are one stretch.
    """
    index = benchmarks.index
    runs = index.find(words)
    counts = np.diff(index.bounds)[runs.number]
    which = np.repeat(np.arange(len(runs.number)), counts)
    inside = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    entry = index.bounds[runs.number[which]] + inside
    rows = np.stack(
        [runs.document[which], index.owners[entry], runs.word[which], runs.length[which], index.places[entry]], axis=1
    )
    rows = rows[np.lexsort(rows.T[::-1])]
    cuts = np.flatnonzero(np.any(rows[1:, :2] != rows[:-1, :2], axis=1)) + 1
    found: dict[int, list[Match]] = {}
    for group in np.split(rows, cuts) if len(rows) else []:
        document, text = int(group[0, 0]), int(group[0, 1])
        covered = np.zeros(benchmarks.n_words[text], bool)
        for _, _, _, length, place in group.tolist():
            covered[place : place + length] = True
        share = float(covered.mean())
        stretches: list[list[int]] = []
        for _, _, word, length, _ in group.tolist():
            if stretches and word < stretches[-1][1]:
                last = stretches[-1]
                last[2] += word != last[3]  # the same n-gram may stand in the item twice
                last[1], last[3] = max(last[1], word + length), word
            else:
                stretches.append([word, word + length, 1, word])
        found.setdefault(document, []).extend(
            Match(text, first, last, ngrams, share) for first, last, ngrams, _ in stretches
        )
    return found
