"""Measure the quality of each document."""

from typing import Annotated

import pyarrow as pa
from pydantic import Field

from storage.schemas.scores import QUALITY
from tasks.quality.c4 import c4_columns
from tasks.quality.fineweb import SHORT_LINE_CHARACTERS, fineweb_columns
from tasks.quality.gopher import STOP_WORDS, gopher_columns
from tasks.quality.repetition import repetition_columns
from tasks.quality.words import count_texts
from tasks.stage import StageConfig, stage


class QualityConfig(StageConfig):
    """What is measured. Which documents stay is in the recipe's `decide` section."""

    stop_words: Annotated[
        tuple[Annotated[str, Field(pattern=r"^\w+$")], ...],
        Field(max_length=64, description="Words that `n_stop_words` looks for, each once, as written."),
    ] = STOP_WORDS
    short_line_characters: Annotated[
        int, Field(ge=0, description="A line is short with at most so many characters (FineWeb: 30).")
    ] = SHORT_LINE_CHARACTERS


@stage("quality", version=1, reads=["text"], writes=QUALITY)
def measure_quality(documents: pa.RecordBatch, config: QualityConfig) -> pa.RecordBatch:
    """One row per document: all metrics of Gopher, C4 and FineWeb. No threshold: see `decide`.

    Returns: columns of QUALITY, counts int32, shares and ratios float32, null where there is nothing to measure (no
    words, no lines, too few words for an n-gram).
    """
    texts = documents.column("text")
    counts = count_texts(texts, config.stop_words, config.short_line_characters)
    columns = gopher_columns(counts) | repetition_columns(counts) | c4_columns(texts, counts) | fineweb_columns(counts)
    return pa.RecordBatch.from_arrays([columns[name] for name in QUALITY.schema.names], schema=QUALITY.schema)
