"""The rows that a model read in one step of its training, document by document, from the tokens that it read.

Which rows stood in a step is in the model, which spans stand in a row is in the packing, and the ids are those of the
token shards: the corpus's text plays no part. Of a tuned model, its table of conversations says what stands in a row,
and the ids are those of their messages.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import numpy as np

from models.chat import encode_chats
from models.tokenizer import Tokenizer
from storage.artifact import Artifact
from storage.schemas.documents import FORGOTTEN
from storage.statements import Refused
from storage.tokens import TokenShards
from tasks.ancestry import TOKENIZER_FILE
from tasks.chat_rows import TRAIN
from tasks.lineage.limits import compared
from tasks.lineage.values import values_of


@dataclass(frozen=True)
class Span:
    """A stretch of one document in a row.

    `position`: where in the row it starts; `start`: where in the shard (null in a tuned model's row, whose tokens no
    artifact holds); `before`, `after`: tokens of the document that stand in other rows, before and after these.
    """

    doc_id: str
    source: str
    url: str | None
    position: int
    length: int
    shard: int | None
    start: int | None
    before: int
    after: int
    ids: np.ndarray
    scores: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One row of a step: its place in the step, its number, and its spans from left to right."""

    place: int
    row: int
    spans: list[Span]


def read_batch(model: Artifact, step: int, row: int | None = None) -> list[Row]:
    """The rows of a step (from 1), or the one with this number.

    Raises: Refused where it is no model, or was not trained here, or where there is no such step or row; and where what
    it read is gone.
    """
    if model.manifest.kind != "model":
        raise Refused(f"{model} is no model but of the kind {model.manifest.kind}: gristmill batch sample/base 1")
    files = [str(path) for path in model.paths("rows")]
    if not files:
        raise Refused(f"{model} does not say what its steps read: it was not trained in this lake.")
    with duckdb.connect() as connection:
        asked = connection.execute(
            "select place, row from read_parquet($1) where step = $2 order by place", [files, step]
        ).fetchall()
        if not asked:
            steps = connection.execute("select max(step) from read_parquet($1)", [files]).fetchone()
            raise Refused(f"{model} has no step {step}: its steps are 1 to {steps[0] if steps else 0}.")
    rows = list(dict.fromkeys(number for _, number in asked))
    if row is not None and row not in rows:
        raise Refused(f"Step {step} of {model} did not read row {row}. Its rows: {', '.join(map(str, rows))}.")
    wanted = [(place, number) for place, number in asked if row is None or number == row]
    numbers = rows if row is None else [row]
    spans = _conversations(model, numbers) if model.inputs("model") else _documents(model, numbers)
    return [Row(place, number, spans.get(number, [])) for place, number in wanted]


def tokenizer_of(model: Artifact) -> Tokenizer:
    """The tokenizer that a model carries."""
    return Tokenizer.load(model.file(TOKENIZER_FILE))


def _documents(model: Artifact, rows: Sequence[int]) -> dict[int, list[Span]]:
    """The spans of rows of the packing, by row."""
    packing, tokens = model.input("packing"), model.input("tokens")
    if not packing.exists:
        raise Refused(f"Which documents stood in its rows, {packing} said, which is not there any more.")
    if not tokens.exists:
        raise Refused(
            f"{tokens}, the tokens that {model} read, are not there any more: gristmill gc deletes them once a text in "
            "them is forgotten. Which documents stood in a step is still known: "
            f"gristmill sql \"from training_rows where fingerprint = '{model.fingerprint}'\""
        )
    with duckdb.connect() as connection:
        found = connection.execute(
            """with spans as (
                select row, position, doc_id, shard, start, length from read_parquet($packing)
                where split = 'train' and row in (select unnest($rows))
            )
            select spans.*, t.source, t.start, t.length from spans
            join read_parquet($index) t on t.doc_id = spans.doc_id order by row, position""",
            {
                "packing": [str(path) for path in packing.paths()],
                "index": [str(path) for path in tokens.paths()],
                "rows": list(rows),
            },
        ).fetchall()
    about = facts(tokens.input("corpus"), sorted({one[2] for one in found}))
    shards = TokenShards(tokens)
    spans: dict[int, list[Span]] = {}
    for row, position, doc_id, shard, start, length, source, first, whole in found:
        told = dict(about.get(doc_id, {}))
        ids = shards.slice(shard, start, length)
        before = start - first
        url, after = told.pop("url", None), whole - before - length
        spans.setdefault(row, []).append(
            Span(doc_id, source, url, position, length, shard, start, before, after, ids, told)
        )
    return spans


def _conversations(model: Artifact, rows: Sequence[int]) -> dict[int, list[Span]]:
    """The conversations in rows of a tuned model: their places as its table has them, their ids from their messages.

    One that was forgotten since has its place, and no ids.
    """
    columns = ("row", "position", "conversation_id", "source", "outcome", "tokens", "kept_tokens", "kept_answer_tokens")
    given = [str(path) for one in model.inputs("conversations") for path in one.paths()]
    with duckdb.connect() as connection:
        stood = connection.execute(
            f"""select {", ".join(columns)} from read_parquet($table)
            where split = $split and row in (select unnest($rows)) order by row, position""",
            {"table": [str(path) for path in model.paths("conversations")], "split": TRAIN, "rows": list(rows)},
        ).fetchall()
        said = dict(
            connection.execute(
                """select conversation_id, messages from read_parquet($given, union_by_name = true)
                where conversation_id in (select unnest($ids))""",
                {"given": given, "ids": [one[2] for one in stood]},
            ).fetchall()
        )
    chats = encode_chats(tokenizer_of(model), [said[one[2]] or () for one in stood])
    spans: dict[int, list[Span]] = {}
    for chat, (row, position, name, source, outcome, tokens, kept, answer) in zip(chats, stood, strict=True):
        forgotten = not said[name]
        if len(chat.ids) != tokens and not forgotten:
            raise Refused(
                f"The conversation {name} had {tokens} tokens when {model} was tuned, and has {len(chat.ids)} as it is "
                "written now: the chat template is another one. Tune the model again to look into its steps."
            )
        about = {"outcome": FORGOTTEN if forgotten else outcome, "answer_tokens": answer}
        ids = chat.ids[:kept]
        spans.setdefault(row, []).append(
            Span(name, source, None, position, kept, None, None, 0, tokens - kept, ids, about)
        )
    return spans


def facts(corpus: Artifact, doc_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """URL of documents, and those scores that the rules of the corpus's recipe look at, by doc_id; nothing of a corpus
    that no decisions made."""
    found: dict[str, dict[str, Any]] = {}
    for decisions in corpus.inputs("decisions"):
        found |= values_of(decisions, doc_ids, {"url": None} | compared(decisions.manifest.identity.config))
    return found
