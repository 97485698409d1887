"""What became of a conversation or a question: the models that were tuned on it, the evaluations that asked it."""

from collections.abc import Collection, Mapping
from typing import Any

import duckdb

from storage.lake import Lake
from tasks.lineage.readers import Called, readers_of_conversation


def path_of_conversation(
    lake: Lake, connection: duckdb.DuckDBPyConnection, called: Called, record: Mapping[str, Any]
) -> dict[str, Any]:
    """The models that a conversation was given to."""
    return {"models": readers_of_conversation(lake, connection, called, record["conversation_id"])}


def path_of_question(
    lake: Lake, connection: duckdb.DuckDBPyConnection, called: Called, record: Mapping[str, Any], views: Collection[str]
) -> dict[str, Any]:
    """The evaluations that asked a question, of which model and with which answer, and the documents that hold it."""
    question = record["question_id"]
    asked = []
    for evaluation in lake.artifacts(kind="evaluation"):
        files = [str(path) for path in evaluation.paths("predictions")]
        if not files:
            continue
        rows = connection.execute(
            """select choice, log_probability, tokens, bytes, cut_tokens, chosen, chosen_per_byte, gold
            from read_parquet($1) where question_id = $2 order by choice""",
            [files, question],
        )
        names = [one[0] for one in rows.description]
        if choices := [dict(zip(names, row, strict=True)) for row in rows.fetchall()]:
            right = {
                f"right{by}": any(one[f"chosen{by}"] and one["gold"] for one in choices) for by in ("", "_per_byte")
            }
            model = called.about(evaluation.input("model"))
            asked.append(called.about(evaluation) | {"model": model} | right | {"choices": choices})
    holding = _holding(connection, question) if "contamination" in views else []
    return {"evaluations": asked, "documents_that_hold_it": holding}


def _holding(connection: duckdb.DuckDBPyConnection, question: str) -> list[str]:
    """The documents in which stretches of a question were found, by doc_id."""
    rows = connection.execute(
        """select distinct doc_id from contamination
        where list_contains([match.item for match in contaminated_by], $1) order by doc_id""",
        [question],
    ).fetchall()
    return [doc_id for (doc_id,) in rows]
