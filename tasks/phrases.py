"""Phrases: in how many documents of a snapshot each n-gram of words stands, by hash. What `drift` finds bursts with.

One artifact for each artifact of documents, so that a refresh counts what is new alone. N-grams of one document are not
listed: they are most of all n-grams, and no burst. Words are those of `tasks.words`; every digit counts as 0, so that
neither a date nor a number makes a phrase new.

Hashes have 52 bits: with the document's number above them they sort as one integer, by which an n-gram that a document
holds twice counts once. Of a billion n-grams one in four million shares its hash with a given phrase.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import Field, field_validator

from storage.artifact import MAIN_TABLE
from storage.commit import ShardOutput
from storage.schemas.drift import PHRASES
from storage.shards import read_batches
from tasks.executor import Watch
from tasks.ngrams import BITS, hash_ngrams, undated
from tasks.stage import Inputs, Shard, Stage, StageConfig
from tasks.words import hash_words

DOCUMENTS_AT_ONCE = 1 << 11
RUN_VALUES = 1 << 24
"""N-grams that are sorted in memory at once, 128 MB; beyond, sorted runs are written and merged."""
RANGES = 64
"""Into so many ranges of hashes runs are cut to be merged: a range of all runs is in memory at once."""


class PhrasesConfig(StageConfig):
    """Which n-grams are counted. The limits of a burst are in the recipe's section `drift`."""

    ngrams: tuple[int, ...] = Field(
        default=(1, 4),
        description="Words of the n-grams that are counted. 1 finds a new word, 4 new words in a row. []: none is "
        "counted, and no burst is looked for.",
    )

    @field_validator("ngrams")
    @classmethod
    def _lengths(cls, ngrams: tuple[int, ...]) -> tuple[int, ...]:
        if any(not 1 <= n <= 100 for n in ngrams):
            raise ValueError("an n-gram has 1 to 100 words")
        return tuple(sorted(set(ngrams)))

    @property
    def enabled(self) -> bool:
        """Whether any n-gram is counted."""
        return bool(self.ngrams)


def _plan(inputs: Inputs, config: PhrasesConfig) -> list[Shard]:
    (documents,) = inputs["documents"]
    parts = documents.parts(MAIN_TABLE)
    content = {"parts": [part.sha256 for part in parts]}
    where = {"paths": [documents.path(part) for part in parts]}
    return [Shard(0, content, sum(part.rows for part in parts), where, str(documents))]


def _work(shard: Shard, config: PhrasesConfig, output: ShardOutput, watch: Watch) -> None:
    """Count in how many documents of a snapshot each n-gram of words stands."""
    runs: list[Path] = []
    waiting: list[np.ndarray] = []
    done = 0

    def spill() -> None:
        path = output.scratch / f"run-{len(runs)}.npy"
        np.save(path, np.sort(np.concatenate(waiting)))
        runs.append(path)
        waiting.clear()

    for path in shard.where["paths"]:
        for texts in texts_of(path):
            waiting.append(distinct(texts, config.ngrams))
            done += len(texts)
            watch.progress(done)
            if sum(map(len, waiting)) >= RUN_VALUES:
                spill()
    if waiting:
        spill()
    for hashes, counts in merged(runs):
        often = counts > 1
        output.write(
            pa.RecordBatch.from_arrays([pa.array(hashes[often]), pa.array(counts[often])], schema=PHRASES.schema)
        )
    for path in runs:
        path.unlink()


def texts_of(path: Path) -> Iterator[list[str]]:
    """The texts of a part of documents, so many at once; those without text left out."""
    for batch in read_batches(path, ["text"]):
        for start in range(0, batch.num_rows, DOCUMENTS_AT_ONCE):
            yield batch.column("text").slice(start, DOCUMENTS_AT_ONCE).drop_null().to_pylist()


def distinct(texts: Sequence[str], ngrams: Sequence[int]) -> np.ndarray:
    """The hashes of the n-grams of each text, each once for each text: uint64, in no order.

    Args: `texts` at most DOCUMENTS_AT_ONCE.
    """
    words = hash_words([undated(text) for text in texts])
    keys = []
    for n in ngrams:
        grams = hash_ngrams(words, n)
        keys.append(grams.hashes | grams.documents.astype(np.uint64) << np.uint64(BITS))
    every = np.sort(np.concatenate(keys))
    first = np.ones(len(every), bool)
    first[1:] = every[1:] != every[:-1]
    return every[first] & np.uint64((1 << BITS) - 1)


def merged(runs: Sequence[Path]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The hashes of sorted runs in order, each once, with how often it stands in them (uint32), a range at a time."""
    opened: list[Any] = [np.load(path, mmap_mode="r") for path in runs]
    edges = np.arange(RANGES + 1, dtype=np.uint64) << np.uint64(BITS - 6)
    cuts = [np.searchsorted(run, edges) for run in opened]
    for number in range(RANGES):
        pieces = [run[cut[number] : cut[number + 1]] for run, cut in zip(opened, cuts, strict=True)]
        values = np.sort(np.concatenate(pieces)) if pieces else np.zeros(0, np.uint64)
        hashes, counts = np.unique(values, return_counts=True)
        yield hashes, counts.astype(np.uint32)


count_phrases = Stage("phrases", 2, "phrases", PhrasesConfig, {MAIN_TABLE: PHRASES}, _plan, _work, unit="rows")
