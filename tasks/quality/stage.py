"""Measure the quality of each document."""

from typing import Annotated

import pyarrow as pa
from pydantic import Field

from storage.schemas.quality import QUALITY
from tasks.quality.c4 import c4_columns
from tasks.quality.fineweb import SHORT_LINE_CHARACTERS, fineweb_columns
from tasks.quality.gopher import STOP_WORDS, gopher_columns, stop_words_by_language
from tasks.quality.lists import BadWords, StopWords, find_bad_words
from tasks.quality.refinedweb import refinedweb_columns
from tasks.quality.repetition import repetition_columns
from tasks.quality.shape import shape_columns
from tasks.quality.words import count_texts
from tasks.stage import StageConfig, stage


class QualityConfig(StageConfig):
    """What is measured. Which documents stay is in the recipe's `decide` section."""

    stop_words: Annotated[
        tuple[Annotated[str, Field(pattern=r"^\w+$")], ...],
        Field(max_length=64, description="Words that `n_stop_words` looks for, each once, as written."),
    ] = STOP_WORDS
    stop_words_by_language: StopWords = Field(
        default_factory=dict,
        description="Stop words of each language, by the language model's code: a mapping, or the path of a YAML file "
        "with one, or of a folder of FineWeb-2's configurations.",
    )
    short_line_characters: Annotated[
        int, Field(ge=0, description="A line is short with at most so many characters (FineWeb: 30).")
    ] = SHORT_LINE_CHARACTERS
    min_line_words: Annotated[
        int, Field(ge=0, description="C4's line rules ask for so many words (the paper: 3; its code: 5).")
    ] = 3
    max_word_characters: Annotated[
        int, Field(ge=1, description="C4's line rules allow a word so many characters (C4's code: 1000).")
    ] = 1000
    bad_words: Annotated[
        BadWords | None,
        Field(description="The list behind `has_c4_bad_word`: {path: a file with one word or phrase a line}."),
    ] = None


@stage("quality", version=2, reads=["text"], writes=QUALITY)
def measure_quality(documents: pa.RecordBatch, config: QualityConfig) -> pa.RecordBatch:
    """One row per document: all metrics of Gopher, C4, FineWeb and RefinedWeb. No threshold: see `decide`.

    Returns: columns of QUALITY, counts int32, shares and ratios float32, null where there is nothing to measure (no
    words, no lines, too few words for an n-gram).
    """
    texts = documents.column("text")
    languages = config.stop_words_by_language
    counted = count_texts(
        texts,
        (config.stop_words, *languages.values()),
        config.short_line_characters,
        config.min_line_words,
        config.max_word_characters,
    )
    counts = counted.counts[:, 0]
    columns = {
        **gopher_columns(counts, counted.stop_words[:, 0]),
        "n_stop_words_by_language": stop_words_by_language(counted.stop_words[:, 1:], tuple(languages)),
        **repetition_columns(counts),
        **c4_columns(counted.counts, counted.spans),
        "has_c4_bad_word": find_bad_words(texts, config.bad_words),
        **fineweb_columns(counts),
        **refinedweb_columns(counts, counted.spans[2]),
        **shape_columns(counts, counted.entropy),
    }
    return pa.RecordBatch.from_arrays([columns[name] for name in QUALITY.schema.names], schema=QUALITY.schema)
