"""The rows that a model read in one step of its training, document by document, from the tokens that it read.

Which rows stood in a step is in the model, which spans stand in a row is in the packing (or, of a tuned model, in its
table of conversations), and the ids are those of the token shards. The corpus's text plays no part.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet as pq

from models.tokenizer import Tokenizer
from storage.artifact import Artifact
from storage.schemas.documents import FORGOTTEN
from storage.sql import identifier
from storage.statements import Refused
from storage.tokens import TokenShards
from tasks.ancestry import TOKENIZER_FILE, ancestry
from tasks.lineage.limits import compared_columns


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
    """The rows of a step (from 1), or the one with this number. Raises Refused where there is no such step or row."""
    ancestors = ancestry(model)
    with duckdb.connect() as connection:
        files = [str(path) for path in model.paths("rows")]
        asked = connection.execute(
            "select place, row from read_parquet($1) where step = $2 order by place", [files, step]
        ).fetchall()
        if not asked:
            steps = connection.execute("select max(step) from read_parquet($1)", [files]).fetchone()
            raise Refused(f"{model} has no step {step}: its steps are 1 to {steps[0] if steps else 0}.")
    rows = [number for _, number in asked]
    if row is not None and row not in rows:
        raise Refused(f"Step {step} of {model} did not read row {row}. Its rows: {', '.join(map(str, rows))}.")
    wanted = [(place, number) for place, number in asked if row is None or number == row]
    numbers = [number for _, number in wanted]
    spans = _conversations(model, numbers) if ancestors.fine_tuned else _documents(model, numbers)
    return [Row(place, number, spans.get(number, [])) for place, number in wanted]


def tokenizer_of(model: Artifact) -> Tokenizer:
    """The tokenizer that a model carries."""
    return Tokenizer.load(model.file(TOKENIZER_FILE))


def _documents(model: Artifact, rows: Sequence[int]) -> dict[int, list[Span]]:
    """The spans of rows of the packing, by row."""
    packing, tokens = model.input("packing"), model.input("tokens")
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
        spans.setdefault(row, []).append(
            Span(
                doc_id,
                source,
                told.pop("url", None),
                position,
                length,
                shard,
                start,
                before,
                whole - before - length,
                ids,
                told,
            )
        )
    return spans


def _conversations(model: Artifact, rows: Sequence[int]) -> dict[int, list[Span]]:
    """The conversations in rows of a tuned model, where its own table says that they stood.

    One that was forgotten since has its place there, and no tokens.
    """
    from models.chat import encode_chats
    from tasks.chat_rows import TRAIN

    with duckdb.connect() as connection:
        found = connection.execute(
            """select row, position, t.conversation_id, t.source, tokens, kept_tokens, outcome, kept_answer_tokens,
                messages from read_parquet($laid) t join read_parquet($read) using (conversation_id)
            where t.split = $train and row in (select unnest($rows)) order by row, position""",
            {
                "laid": [str(path) for path in model.paths("conversations")],
                "read": [str(path) for one in model.inputs("conversations") for path in one.paths()],
                "train": TRAIN,
                "rows": list(rows),
            },
        ).fetchall()
    chats = encode_chats(tokenizer_of(model), [one[-1] or () for one in found])
    spans: dict[int, list[Span]] = {}
    for (row, position, name, source, tokens, kept, outcome, answer_tokens, messages), chat in zip(
        found, chats, strict=True
    ):
        told = {"outcome": outcome if messages else FORGOTTEN, "answer_tokens": answer_tokens}
        span = Span(name, source, None, position, kept, None, None, 0, tokens - kept, chat.ids[:kept], told)
        spans.setdefault(row, []).append(span)
    return spans


def facts(corpus: Artifact, doc_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """URL of documents, and those scores that the rules of the corpus's recipe look at, by doc_id; nothing of a corpus
    that no decisions made."""
    found: dict[str, dict[str, Any]] = {}
    for decisions in corpus.inputs("decisions"):
        wanted = ["url", *compared_columns(decisions.manifest.identity.config)]
        groups: dict[str, list[Path]] = {}
        for one in (*decisions.inputs("documents"), *decisions.inputs("annotations")):
            groups.setdefault(one.stage, []).extend(one.paths())
        with duckdb.connect() as connection:
            for files in groups.values():
                there = set(pq.read_schema(files[0]).names)
                columns = [name for name in dict.fromkeys(wanted) if name in there]
                if not columns:
                    continue
                rows = connection.execute(
                    f"select doc_id, {', '.join(map(identifier, columns))} "
                    "from read_parquet($1, union_by_name = true) where doc_id in (select unnest($2))",
                    [list(map(str, files)), list(doc_ids)],
                ).fetchall()
                for doc_id, *values in rows:
                    found.setdefault(doc_id, {}).update(zip(columns, values, strict=True))
    return found
