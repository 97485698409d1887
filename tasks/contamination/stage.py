"""The stage of contamination: n-grams of words that a document shares with items of evaluation sets.

Texts and items are cut into words in one way (`tasks.words`): case, punctuation and white space play no part. The
published ways differ in the length of the n-gram and in what is done with a match, which is a threshold of `decide` or
a column of spans to cut out: docs/decontamination.md has a recipe for each.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from storage.artifact import Artifact
from storage.schemas.contamination import BENCHMARKS, CONTAMINATION
from tasks.annotation import About
from tasks.contamination.items import Benchmarks, Match, count_items, find_matches, read_benchmarks
from tasks.spans import merge
from tasks.stage import StageConfig, stage
from tasks.words import HashedWords, hash_words


class ContaminationConfig(StageConfig):
    """What counts as shared with an evaluation set."""

    benchmarks: tuple[str, ...] | None = Field(
        default=None,
        description="Names of sources that hold questions or benchmarks; null: all of the recipe's; []: no stage.",
    )
    ngram: Annotated[int, Field(ge=1, le=1000, description="Words of an n-gram (GPT-3: 13; Tülu 3: 8).")] = 13
    min_words: Annotated[
        int, Field(ge=1, description="An item of fewer words than an n-gram is looked for whole, from so many on.")
    ] = 8
    max_items: Annotated[
        int, Field(ge=1, description="An n-gram of more items is the set's own phrase, and is not looked for.")
    ] = 50
    window: Annotated[
        int, Field(ge=0, description="Characters on each side that contamination_spans take in too (GPT-3: 200).")
    ] = 0
    min_piece: Annotated[
        int,
        Field(ge=0, description="What would be left between two of them of fewer characters is theirs (GPT-3: 200)."),
    ] = 0

    @model_validator(mode="after")
    def _least(self) -> "ContaminationConfig":
        if self.min_words > self.ngram:
            raise ValueError(f"min_words ({self.min_words}) is more than the n-gram has words ({self.ngram})")
        return self

    @property
    def enabled(self) -> bool:
        """Whether any set may be looked for."""
        return self.benchmarks is None or bool(self.benchmarks)


def _prepare(config: ContaminationConfig, inputs: Mapping[str, Sequence[Artifact]]) -> Benchmarks:
    return read_benchmarks(inputs["benchmarks"], config.ngram, config.min_words, config.max_items)


@stage(
    "contamination",
    version=3,
    reads=["text"],
    writes=CONTAMINATION,
    prepare=_prepare,
    given=["benchmarks"],
    about=About("benchmarks", BENCHMARKS, count_items),
)
def find_contamination(
    documents: pa.RecordBatch, config: ContaminationConfig, benchmarks: Benchmarks
) -> pa.RecordBatch:
    """One row per document: stretches that items of evaluation sets share, and how much that is. No threshold.

    Returns: columns of CONTAMINATION.
    """
    texts = documents.column("text").to_pylist()
    words = hash_words(texts)
    found = find_matches(words, benchmarks)
    rows = [
        _row(words, number, found.get(number, []), benchmarks, partial(stretches, config, len(text)))
        for number, text in enumerate(texts)
    ]
    return pa.RecordBatch.from_pylist(rows, schema=CONTAMINATION.schema)


def stretches(config: ContaminationConfig, length: int, places: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """What is cut out of a text of so many characters for matches at these places, sorted, none touching another.

    After GPT-3: each with a window around it, and a piece that would be too short goes with what stands beside it.
    """
    found: list[tuple[int, int]] = []
    for start, end in merge(
        [(max(0, start - config.window), min(length, end + config.window)) for start, end in places]
    ):
        before = found[-1][1] if found else 0
        if start - before < config.min_piece:
            start = found.pop()[0] if found else 0
        found.append((start, end))
    if found and length - found[-1][1] < config.min_piece:
        found.append((found.pop()[0], length))
    return found


def _row(
    words: HashedWords,
    document: int,
    matches: Sequence[Match],
    benchmarks: Benchmarks,
    cut: Callable[[Sequence[tuple[int, int]]], list[tuple[int, int]]],
) -> dict[str, Any]:
    first, stop = int(words.offsets[document]), int(words.offsets[document + 1])
    n_words = stop - first
    by_place: dict[tuple[str, str, int, int], Match] = {}  # an item of several texts may share one place with each
    for one in matches:
        start, end = int(words.starts[first + one.first]), int(words.ends[first + one.last - 1])
        key = (benchmarks.benchmarks[one.text], benchmarks.items[one.text], start, end)
        if key not in by_place or one.share > by_place[key].share:
            by_place[key] = one
    rows = [
        {"benchmark": set_, "item": item, "start": start, "end": end, "ngrams": one.ngrams, "share": one.share}
        for (set_, item, start, end), one in sorted(by_place.items(), key=lambda pair: (*pair[0][2:], *pair[0][:2]))
    ]
    inside = np.zeros(n_words, bool)
    for one in matches:
        inside[one.first : one.last] = True
    spans = [
        {"start": start, "end": end, "kind": next(row["benchmark"] for row in rows if row["start"] >= start)}
        for start, end in cut([(row["start"], row["end"]) for row in rows])
    ]
    return {
        "contaminated_by": rows,
        "contamination_spans": spans,
        "n_contaminated_items": len({(row["benchmark"], row["item"]) for row in rows}),
        "contamination_share": float(inside.mean()) if n_words else None,
        "contaminated_item_share": max((one.share for one in matches), default=0.0),
    }
