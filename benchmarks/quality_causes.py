"""Why a rule of ours and of datatrove's decide differently on a document: which words are cut in which other way.

Both count the same (the contest shows it: with datatrove's words no decision differs), so a difference is one of words
or of sentences. The text is cut at white space into chunks; where our words in a chunk are not datatrove's, the chunk
has a kind, told by its form. Then the words of one kind of chunks are taken from datatrove, everything else being ours:
the kind whose words turn the decision is the cause. If none does alone, kinds are added, the most frequent first, until
it turns: with all of them the words are datatrove's, so that no difference can be left over.
"""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from tasks.decide.rules import DecideConfig, compile_rules
from tasks.quality import kernels as k
from tasks.quality.c4 import c4_columns
from tasks.quality.fineweb import fineweb_columns
from tasks.quality.given import GivenWords, count_given_words, cut_words, given_words, joined
from tasks.quality.gopher import STOP_WORDS, gopher_columns
from tasks.quality.repetition import repetition_columns
from tasks.quality.words import count_texts, hash_word

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
STOP_HASHES = {hash_word(word)[0] for word in STOP_WORDS}
SENTENCES = "a sentence that spaCy's sentencizer ends elsewhere"


@dataclass(frozen=True)
class Scored:
    """Counts of texts (n, texts, columns) and how many stop words each has; `rows`: which of the judge's texts."""

    counts: np.ndarray
    stop_words: np.ndarray
    rows: Sequence[int]


class Judge:
    """Decides on texts by our rules, from counts in which what depends on words may be replaced."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self._column = pa.array(texts, pa.large_string())
        counted = count_texts(self._column, (STOP_WORDS,))
        self._spans = counted.spans
        self.own = Scored(counted.counts, counted.stop_words[:, 0], range(len(texts)))
        self._predicates = [(rule.name, rule.drop_when) for rule in compile_rules(DecideConfig.model_validate(DECIDE))]
        self.rules = [name for name, _ in self._predicates]

    def failed(self, scored: Scored) -> np.ndarray:
        """(documents, rules) bool: which rules drop which documents."""
        rows = pa.array(list(scored.rows))
        whole = scored.counts[:, k.WHOLE]
        columns = {
            **gopher_columns(whole, scored.stop_words),
            **repetition_columns(whole),
            **c4_columns(scored.counts, [one.take(rows) for one in self._spans]),
            **fineweb_columns(whole),
        }
        with duckdb.connect() as connection:
            connection.register("scores", pa.table(columns))
            wanted = ", ".join(f"coalesce(({sql}), false) AS rule_{at}" for at, (_, sql) in enumerate(self._predicates))
            found = connection.sql(f"SELECT {wanted} FROM scores").to_arrow_table()
        return np.column_stack([column.to_numpy() for column in found.columns])

    def with_words(
        self,
        rows: Sequence[int],
        words: Sequence[GivenWords],
        after: Sequence[int],
        sentences: Sequence[Mapping[str, int]],
    ) -> Scored:
        """The counts of texts with other words, another number of them after FineWeb's line rules, other sentences."""
        counts = self.own.counts[list(rows)].copy()
        count_given_words(words, counts)
        counts[:, k.AFTER_FINEWEB, k.TOKENS] = after
        counts[:, k.AFTER_C4, k.SENTENCES] = [one["after_c4"] for one in sentences]
        counts[:, k.AFTER_FINEWEB, k.SENTENCES] = [one["after_fineweb"] for one in sentences]
        found = [len(STOP_HASHES.intersection(one.hashes.tolist())) for one in words]
        return Scored(counts, np.array(found), rows)

    def with_words_of(self, theirs: Sequence[Mapping[str, Any]]) -> Scored:
        """The counts of all texts with the words and sentences that datatrove saw."""
        return self.with_words(
            range(len(self.texts)),
            [given_words(one["words"]) for one in theirs],
            [len(one["words_after"]) for one in theirs],
            [one["sentences"] for one in theirs],
        )


class Chunks:
    """A text in chunks between white space, each with our words and theirs, and the kind of those that differ."""

    def __init__(self, text: str, words: Sequence[str]) -> None:
        self.ours: list[GivenWords] = []
        self.theirs: list[GivenWords] = []
        self.kinds: list[str | None] = []
        place = word = 0
        for chunk in re.finditer(r"\S+", text):
            mine: list[str] = []
            while word < len(words) and (found := text.find(words[word], place)) >= 0 and found < chunk.end():
                mine.append(words[word])
                place = found + len(words[word])
                word += 1
            ours, theirs = cut_words(chunk.group()), given_words(mine)
            same = np.array_equal(ours.hashes, theirs.hashes)
            self.ours.append(ours)
            self.theirs.append(theirs)
            self.kinds.append(None if same else kind_of(chunk.group()))

    def mixed(self, kinds: Collection[str]) -> GivenWords:
        """The words of the text: theirs in chunks of these kinds, ours in all others."""
        nothing = given_words([])
        parts = zip(self.ours, self.theirs, self.kinds, strict=True)
        return joined([nothing, *(theirs if kind in kinds else ours for ours, theirs, kind in parts)])


def kind_of(chunk: str) -> str:
    """The first of KINDS whose form a chunk has."""
    return next((name for name, pattern in KINDS if re.search(pattern, chunk)), OTHER)


def causes(
    judge: Judge, theirs: Sequence[Mapping[str, Any]], measured: np.ndarray, verdicts: np.ndarray
) -> tuple[Counter[str], int]:
    """How many decisions of single rules differ by which cause, and how many have none."""
    found: Counter[str] = Counter()
    left_over = 0
    for row in np.flatnonzero((measured != verdicts).any(axis=1)):
        rules = np.flatnonzero(measured[row] != verdicts[row])
        named = _causes_of(judge, int(row), theirs[row], verdicts[row], rules)
        found.update(cause for cause in named if cause is not None)
        left_over += named.count(None)
    return found, left_over


def _causes_of(
    judge: Judge, row: int, theirs: Mapping[str, Any], verdict: np.ndarray, rules: np.ndarray
) -> list[str | None]:
    """The cause for which each of the rules decides differently on one text."""
    whole, after = Chunks(judge.texts[row], theirs["words"]), Chunks(theirs["left"], theirs["words_after"])
    frequent = Counter(kind for kind in (*whole.kinds, *after.kinds) if kind is not None)
    single = [(kind,) for kind, _ in frequent.most_common()]
    added = [tuple(kind for kind, _ in frequent.most_common(n)) for n in range(2, len(frequent) + 1)]
    own = {
        "after_c4": int(judge.own.counts[row, k.AFTER_C4, k.SENTENCES]),
        "after_fineweb": int(judge.own.counts[row, k.AFTER_FINEWEB, k.SENTENCES]),
    }
    trials = [((SENTENCES,), theirs["sentences"]), *((kinds, own) for kinds in (*single, *added))]
    scored = judge.with_words(
        [row] * len(trials),
        [whole.mixed(kinds) for kinds, _ in trials],
        [len(after.mixed(kinds).hashes) for kinds, _ in trials],
        [sentences for _, sentences in trials],
    )
    turned = judge.failed(scored) == verdict
    named = [np.flatnonzero(turned[:, rule]) for rule in rules]
    return [" + ".join(trials[first[0]][0]) if len(first) else None for first in named]
