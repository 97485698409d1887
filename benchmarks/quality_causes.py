"""Why a rule of ours and of datatrove's decide differently on a document: which words are cut in which other way.

Both count the same (the contest shows it: with datatrove's words no decision differs), so a difference is one of words
or of sentences. The text is cut at white space into chunks; where our words in a chunk are not datatrove's, the chunk
has a kind, told by its form. Then the words of one kind of chunks are taken from datatrove, everything else being ours:
the kind whose words turn the decision is the cause. If none does alone, kinds are added, the most frequent first, until
it turns: with all of them the words are datatrove's, so that no difference can be left over.
"""

from collections.abc import Sequence

import duckdb
import numpy as np
import pyarrow as pa

from tasks.decide.rules import DecideConfig, compile_rules
from tasks.quality import kernels as k
from tasks.quality.c4 import c4_columns
from tasks.quality.fineweb import fineweb_columns
from tasks.quality.gopher import STOP_WORDS, gopher_columns
from tasks.quality.repetition import repetition_columns
from tasks.quality.words import count_texts

DECIDE = {
    "preset": "fineweb",
    "language": None,
    "after_c4": {},
    # datatrove's present code counts terminal marks alone, not quotes as the code that made FineWeb
    "after_fineweb": {"min_line_punctuation_share": None, "min_line_end_mark_share": 0.12},
}
KINDS = (
    ("a contraction cut by spaCy (it|'s, do|n't)", r"(?i)\w['’](s|m|d|re|ve|ll|t|em|clock)\b|\bcannot\b|\bgonna\b"),
    (
        "an address, e-mail or path kept whole by spaCy",
        r"://|www\.|@|\w/\w|/\w+/|\w\.(com|org|net|gov|html?|py)\b|^[~.]*/",
    ),
    ("a number kept whole or cut from its unit by spaCy (3.14, 10|km)", r"\d"),
    (
        "a script without spaces, kept whole by spaCy",
        r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]",
    ),
    ("an abbreviation kept whole by spaCy (U.S., e.g.)", r"(?i)^\W*(\w\.){2,}|^\W*[a-z]{1,5}\.\W*$"),
    ("words joined by a sign that spaCy keeps whole or counts (well-known, f(x), a_b=c)", r"\w[^\w\s]+\w"),
    ("runs of signs that spaCy cuts otherwise (--, ).”, ==>)", r"[^\w\s]"),
)
OTHER = "letters that spaCy cuts by its English word lists"
SENTENCES = "a sentence that spaCy's sentencizer ends elsewhere"


class Judge:
    """Decides on texts by our rules, from counts in which the words may be replaced."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self.column = pa.array(texts, pa.large_string())
        counted = count_texts(self.column, (STOP_WORDS,))
        self.counts, self.stop_words, self.spans = counted.counts, counted.stop_words[:, 0], counted.spans
        self._predicates = [(rule.name, rule.drop_when) for rule in compile_rules(DecideConfig.model_validate(DECIDE))]
        self.rules = [name for name, _ in self._predicates]

    def failed(
        self, counts: np.ndarray, stop_words: np.ndarray | None = None, rows: Sequence[int] | None = None
    ) -> np.ndarray:
        """(documents, rules) bool: which rules drop the documents `rows` (all) with these counts."""
        rows = range(len(self.texts)) if rows is None else rows
        stop_words = getattr(counts, "stop_words", self.stop_words[list(rows)]) if stop_words is None else stop_words
        spans = [one.take(pa.array(list(rows))) for one in self.spans]
        columns = {
            **gopher_columns(counts[:, k.WHOLE], stop_words),
            **repetition_columns(counts[:, k.WHOLE]),
            **c4_columns(self.column.take(pa.array(list(rows))), counts, spans),
            **fineweb_columns(counts[:, k.WHOLE]),
        }
        table = pa.table(columns)
        with duckdb.connect() as connection:
            connection.register("scores", table)
            wanted = ", ".join(f"coalesce(({sql}), false) AS r{at}" for at, (_, sql) in enumerate(self._predicates))
            found = connection.sql(f"SELECT {wanted} FROM scores").to_arrow_table()
        return np.column_stack([column.to_numpy() for column in found.columns])
