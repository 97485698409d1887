"""Writes inputs of decide: documents, quality and signatures as Parquet, cut into any number of files."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.decide.rules import DecideConfig
from tasks.sign import SignConfig, hash_bands

# Small signatures make collisions frequent: 3 bands of 2 values.
SIGN = SignConfig(bands=3, rows=2)


@dataclass(frozen=True)
class Page:
    """One document of a test."""

    doc_id: str
    content: str = ""
    signature: tuple[int, ...] | None = None
    date: datetime | None = None
    source: str = "web"
    scores: dict[str, Any] = field(default_factory=dict)
    url: str | None = None
    text_bytes: int | None = None
    simhash: int | None = None
    embedding: tuple[float, ...] | None = None

    @property
    def shingles(self) -> list[int] | None:
        """A set in which a signature's values stand apart by their place."""
        return None if self.signature is None else sorted({10 * n + v for n, v in enumerate(self.signature)})


QUALITY = pa.schema(
    [
        ("n_words", pa.int32()),
        ("mean_word_length", pa.float32()),
        ("bullet_line_share", pa.float32()),
        ("has_curly_bracket", pa.bool_()),
        ("language", pa.string()),
        ("language_probability", pa.float32()),
        ("line_punctuation_share", pa.float32()),
    ]
)
GOOD: dict[str, Any] = {"n_words": 100, "mean_word_length": 5.0, "bullet_line_share": 0.0}


def named(number: int) -> str:
    """A doc_id or a content hash."""
    return f"{number:032x}"


def config(**sections: Any) -> DecideConfig:
    """A configuration with only the rules that the test's columns can serve."""
    plain = {"gopher": None, "repetition": None, "rules": {"short": "n_words < 50"}, "validation_share": 0.3}
    return DecideConfig.model_validate({**plain, **sections})


def write_inputs(
    folder: Path, pages: Sequence[Page], pieces: int = 1, shuffle: int | None = None
) -> tuple[list[str], dict[str, list[str]]]:
    """Write documents and annotations, each shuffled and cut in its own way. Returns: what decide takes."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {"documents": _documents(pages), "quality": _quality(pages)}
    tables |= {"sign": _signatures(pages), "embed": _embeddings(pages)}
    paths: dict[str, list[str]] = {}
    rng = np.random.default_rng(shuffle)
    for name, table in tables.items():
        order = np.arange(len(pages)) if shuffle is None else rng.permutation(len(pages))
        cuts = np.linspace(0, len(pages), pieces + 1).astype(int)
        paths[name] = []
        for piece, (start, stop) in enumerate(pairwise(cuts)):
            path = folder / f"{name}-{piece}.parquet"
            pq.write_table(table.take(pa.array(order[start:stop])), path, row_group_size=3)
            paths[name].append(str(path))
        if shuffle is not None:
            paths[name] = [paths[name][number] for number in rng.permutation(pieces)]
    documents = paths.pop("documents")
    return documents, paths


def _documents(pages: Sequence[Page]) -> pa.Table:
    return pa.table(
        {
            "doc_id": pa.array([page.doc_id for page in pages], pa.string()),
            "source": pa.array([page.source for page in pages], pa.string()),
            "url": pa.array([page.url for page in pages], pa.string()),
            "capture_date": pa.array([page.date for page in pages], pa.timestamp("us", "UTC")),
            "text_bytes": pa.array([page.text_bytes for page in pages], pa.int64()),
            "text": pa.array(["text that decide must not read"] * len(pages), pa.large_string()),
        }
    )


def _quality(pages: Sequence[Page]) -> pa.Table:
    rows = [{**GOOD, **page.scores} if page.content else {} for page in pages]
    scores = pa.Table.from_pylist([{name: row.get(name) for name in QUALITY.names} for row in rows], schema=QUALITY)
    return scores.add_column(0, "doc_id", pa.array([page.doc_id for page in pages], pa.string()))


def _embeddings(pages: Sequence[Page]) -> pa.Table:
    rows = [None if page.embedding is None else np.array(page.embedding, np.float16) for page in pages]
    return pa.table(
        {
            "doc_id": pa.array([page.doc_id for page in pages], pa.string()),
            "embedding": pa.array(rows, pa.list_(pa.float16())),
        }
    )


def _signatures(pages: Sequence[Page]) -> pa.Table:
    absent = np.array([page.signature is None for page in pages], dtype=bool)
    empty = (0,) * SIGN.n_values
    signatures = np.array([page.signature or empty for page in pages], dtype=np.uint64).reshape(-1, SIGN.n_values)
    mask = pa.array(absent)
    return pa.table(
        {
            "doc_id": pa.array([page.doc_id for page in pages], pa.string()),
            "content_hash": pa.array([page.content or None for page in pages], pa.string()),
            "signature": pa.FixedSizeListArray.from_arrays(pa.array(signatures.ravel()), SIGN.n_values, mask=mask),
            "buckets": pa.FixedSizeListArray.from_arrays(
                pa.array(hash_bands(signatures, SIGN).ravel()), SIGN.bands, mask=mask
            ),
            "shingles": pa.array([page.shingles for page in pages], pa.list_(pa.uint64())),
            "simhash": pa.array([page.simhash for page in pages], pa.uint64()),
        }
    )
