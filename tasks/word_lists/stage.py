"""The stage of word lists: how many listed words and phrases stand in each document, by list.

Entries and texts are cut into words in the same way (`tasks.words`), so case, white space and punctuation between the
words of a phrase play no part, and a word counts as a whole. In scripts without spaces a word is a letter, so an entry
is found wherever its letters stand (Chinese, Japanese, Thai). An entry that holds no word at all, as an emoji, is found
as it is written. Of entries of one list that overlap, the longest from the left counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from storage.artifact import Artifact
from storage.schemas.spans import SPANS
from storage.table import Table, column, table
from tasks.sequences import SequenceIndex, build_index
from tasks.stage import StageConfig, stage
from tasks.word_lists.lists import WordList, read_entries
from tasks.words import HashedWords, hash_words


class WordListsConfig(StageConfig):
    """Which lists are looked for; a recipe may write the lists alone, without the key `lists`."""

    lists: tuple[WordList, ...] = Field(default=(), description="Lists of the user's; none: no stage.")
    spans: bool = Field(default=False, description="Whether the places are written too, for `mixture.remove`.")

    @model_validator(mode="before")
    @classmethod
    def _lists_alone(cls, given: Any) -> Any:
        return {"lists": given} if isinstance(given, list | tuple) else given

    @model_validator(mode="after")
    def _names(self) -> "WordListsConfig":
        names = [one.name for one in self.lists]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two lists are called {twice[0]!r}: their columns would be the same")
        return self

    @property
    def enabled(self) -> bool:
        """Whether there is a list."""
        return bool(self.lists)


def listed_table(config: WordListsConfig) -> Table:
    """The columns under this configuration."""
    of_list = [
        field
        for one in config.lists
        for field in (
            column(f"n_listed_words_{one.name}", pa.int32(), f"Words and phrases of the list {one.name}."),
            column(f"listed_word_share_{one.name}", pa.float32(), f"Share of words that stand in those of {one.name}."),
        )
    ]
    spans = column("listed_word_spans", SPANS, "Where they stand; kind: the list. Those of two lists may overlap.")
    return table(
        column("n_listed_words", pa.int32(), "Words and phrases of all lists for the document's language."),
        column("listed_word_share", pa.float32(), "Share of words that stand in one; null without words."),
        *of_list,
        *([spans] if config.spans else []),
    )


@dataclass(frozen=True)
class Lists:
    """The files of all lists, numbered: their entries as sequences of words, and those that hold no word."""

    index: SequenceIndex
    of_list: np.ndarray  # the list that each file belongs to
    languages: tuple[str | None, ...]
    signs: tuple[tuple[int, str], ...]


def read_lists(config: WordListsConfig, inputs: Mapping[str, Sequence[Artifact]]) -> Lists:
    """The index of all lists of a configuration."""
    files = [(number, file) for number, one in enumerate(config.lists) for file in one.files]
    entries = [(owner, entry) for owner, (_, file) in enumerate(files) for entry in read_entries(file)]
    words = hash_words([entry for _, entry in entries])
    lengths = np.diff(words.offsets)
    some = np.flatnonzero(lengths)
    owners = np.array([owner for owner, _ in entries], np.int64)
    index = build_index(words, words.offsets[:-1][some], lengths[some], owners[some], np.zeros(len(some), np.int64))
    signs = tuple(entries[place] for place in np.flatnonzero(lengths == 0).tolist())
    of_list = np.array([number for number, _ in files], np.int64)
    return Lists(index, of_list, tuple(file.language for _, file in files), signs)


@stage("word_lists", version=1, reads=["text", "language"], writes=listed_table, prepare=read_lists)
def count_listed_words(documents: pa.RecordBatch, config: WordListsConfig, lists: Lists) -> pa.RecordBatch:
    """One row per document: listed words of all lists and of each, and their share. No threshold: see `decide`.

    A list with a language counts only in documents of it, one without in all.
    """
    texts, languages = documents.column("text").to_pylist(), documents.column("language").to_pylist()
    words = hash_words(texts)
    places = [*_of_words(words, lists, languages), *_of_signs(texts, lists, languages)]
    return _columns(places, words, len(texts), config)


Place = tuple[int, int, int, int, int]  # document, list, first character, last, words


def _of_words(words: HashedWords, lists: Lists, languages: Sequence[str | None]) -> list[Place]:
    """Entries with words: of those of one list that overlap, the longest from the left."""
    found = lists.index.find(words)
    rows = []
    bounds, owners = lists.index.bounds, lists.index.owners
    for document, word, number, length in zip(*(one.tolist() for one in found), strict=True):
        for owner in owners[bounds[number] : bounds[number + 1]].tolist():
            if lists.languages[owner] in (None, languages[document]):
                rows.append((document, int(lists.of_list[owner]), word, -length))
    taken: list[Place] = []
    last = (-1, -1)
    free = 0
    for document, number, word, negative in sorted(set(rows)):
        if (document, number) != last:
            last, free = (document, number), 0
        if word >= free:
            free = word - negative
            first = int(words.offsets[document]) + word
            start, end = int(words.starts[first]), int(words.ends[first - negative - 1])
            taken.append((document, number, start, end, -negative))
    return taken


def _of_signs(texts: Sequence[str], lists: Lists, languages: Sequence[str | None]) -> list[Place]:
    """Entries without words, wherever they stand."""
    taken = []
    for owner, sign in lists.signs:
        for document, text in enumerate(texts):
            if lists.languages[owner] not in (None, languages[document]):
                continue
            start = text.find(sign)
            while start >= 0:
                taken.append((document, int(lists.of_list[owner]), start, start + len(sign), 0))
                start = text.find(sign, start + len(sign))
    return taken


def _columns(places: list[Place], words: HashedWords, n: int, config: WordListsConfig) -> pa.RecordBatch:
    n_words = np.diff(words.offsets)
    counts = np.zeros((n, len(config.lists)), np.int64)
    covered = np.zeros((n, len(config.lists)), np.int64)
    for document, number, _, _, length in places:
        counts[document, number] += 1
        covered[document, number] += length
    either = np.zeros(n, np.int64)
    for document in {place[0] for place in places}:
        # a word that stands in entries of two lists is one listed word of the text
        spans = [place[2:4] for place in places if place[0] == document and place[4]]
        inside = slice(*words.offsets[document : document + 2])
        mine = np.zeros(n_words[document], bool)
        for start, end in spans:
            mine |= (words.starts[inside] >= start) & (words.ends[inside] <= end)
        either[document] = mine.sum()
    columns: dict[str, Any] = {
        "n_listed_words": pa.array(counts.sum(axis=1), pa.int32()),
        "listed_word_share": _share(either, n_words),
    }
    for number, one in enumerate(config.lists):
        columns[f"n_listed_words_{one.name}"] = pa.array(counts[:, number], pa.int32())
        columns[f"listed_word_share_{one.name}"] = _share(covered[:, number], n_words)
    if config.spans:
        listed: list[list[dict[str, Any]]] = [[] for _ in range(n)]
        for document, number, start, end, _ in sorted(places, key=lambda one: (one[0], one[2], one[3], one[1])):
            listed[document].append({"start": start, "end": end, "kind": config.lists[number].name})
        columns["listed_word_spans"] = pa.array(listed, SPANS)
    schema = listed_table(config).schema
    return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


def _share(part: np.ndarray, whole: np.ndarray) -> pa.Array:
    return pa.array((part / np.maximum(whole, 1)).astype(np.float32), mask=whole == 0)
