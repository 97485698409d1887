"""Tokens of documents before anything is tokenized: bytes per token, as the recipe's tokenizer came to in this lake."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import duckdb
import numpy as np

DEFAULT_BYTES_PER_TOKEN = 4.0
"""Where nothing was ever tokenized and no recipe says another: the default of `mixture.bytes_per_token`."""
LEAST_DOCUMENTS = 20
"""So many documents of a source and language must have been tokenized before their own ratio is used."""


@dataclass(frozen=True)
class BytesPerToken:
    """How many UTF-8 bytes a token stands for. `source` and `language` know a part; `basis` says where it is from."""

    usual: float
    basis: str
    of: Mapping[tuple[str, str | None], float] = field(default_factory=dict)

    def tokens(self, source: np.ndarray, language: np.ndarray, groups: Sequence, size: np.ndarray) -> np.ndarray:
        """Estimated tokens of each document, float64.

        Args: `source` and `language` numbers into `groups`, two lists of names (a language may be None); `size` bytes.
        """
        sources, languages = groups
        table = np.array([[self.of.get((one, two), self.usual) for two in languages] for one in sources])
        return size / table[source, language]


def stated(ratio: float | None) -> BytesPerToken:
    """A ratio that nothing in the lake has shown yet."""
    if ratio is None:
        return BytesPerToken(DEFAULT_BYTES_PER_TOKEN, f"{DEFAULT_BYTES_PER_TOKEN:g} bytes a token, the default")
    return BytesPerToken(ratio, f"{ratio:g} bytes a token, as mixture.bytes_per_token says")


def realised(paths: Sequence[str], called: str) -> BytesPerToken | None:
    """The ratios in the index of tokenized documents; None where it has no document. `called`: what made it."""
    rows = [row for row in _sums(paths, "1") if row[3]]
    if not rows:
        return None
    usual = sum(row[3] for row in rows) / sum(row[4] for row in rows)
    of = {(source, language): size / length for source, language, n, size, length in rows if n >= LEAST_DOCUMENTS}
    return BytesPerToken(
        usual, f"{usual:.3g} bytes a token, as {called} came to; by source and language where known", of
    )


def estimate_beside(paths: Sequence[str], ratio: BytesPerToken) -> tuple[int, int]:
    """Tokens of a tokenized corpus, copies counted: as the ratio estimates them, and as they are."""
    rows = _sums(paths, "copies")
    told = sum(size / ratio.of.get((source, language), ratio.usual) for source, language, _, size, _ in rows)
    return round(told), sum(row[4] for row in rows)


def _sums(paths: Sequence[str], times: str) -> list[tuple[str, str | None, int, int, int]]:
    """Of an index of tokenized documents, each counted so many times: source, language, documents, bytes, tokens."""
    with duckdb.connect() as connection:
        return connection.execute(
            f"select source, language, count(*), sum(bytes * {times})::bigint, sum(length * {times})::bigint "
            "from read_parquet($paths) group by all order by all",
            {"paths": list(paths)},
        ).fetchall()
