"""Which models read a document or a conversation, in which steps; and which learned from such a model."""

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from storage import names
from storage.artifact import Artifact
from storage.forget import marks
from storage.lake import Lake
from tasks.chat_rows import HELD

READ = ("step", "place", "row", "position")


class Called:
    """The artifacts of a lake as people know them: what each is called, and what is said of it since its commit."""

    def __init__(self, lake: Lake) -> None:
        self._names: dict[str, list[str]] = {}
        for name in names.all_names(lake):
            for number, named, _ in names.history(lake, name):
                self._names.setdefault(named.fingerprint, []).append(f"{name}@{number}")
        self._marks: dict[str, dict[str, str]] = {}
        for mark in marks.all_marks(lake):  # the newest of a sort counts
            self._marks.setdefault(mark.artifact.fingerprint, {})[mark.mark] = str(mark)

    def about(self, artifact: Artifact) -> dict[str, Any]:
        """The artifact, every name that it has or had, with its number (sample/corpus@3), and its marks."""
        return {
            "artifact": f"{artifact.stage}/{artifact.fingerprint}",
            "names": self._names.get(artifact.fingerprint, []),
            "marks": list(self._marks.get(artifact.fingerprint, {}).values()),
        }


def readers_of_document(
    lake: Lake, connection: duckdb.DuckDBPyConnection, called: Called, doc_id: str
) -> list[dict[str, Any]]:
    """The models that read a document, with each of its stretches that they read, and those that are made from them."""
    columns = (*READ, "shard", "start", "length")
    found = connection.execute(
        f"""select fingerprint, {", ".join(columns)} from training_rows where doc_id = $1
        order by fingerprint, step, place, position""",
        [doc_id],
    ).fetchall()
    return _with_descendants(lake, called, _by_model(found, columns))


def readers_of_conversation(
    lake: Lake, connection: duckdb.DuckDBPyConnection, called: Called, conversation_id: str
) -> list[dict[str, Any]]:
    """What became of a conversation in every model that was tuned on it or measured by it: its outcome, the steps that
    read it, and those models that are made from them."""
    columns = ("split", "outcome", "tokens", "kept_tokens", "answer_tokens", "kept_answer_tokens", "row", "position")
    found: dict[str, dict[str, Any]] = {}
    for model in lake.artifacts(kind="model"):
        files = [str(path) for path in model.paths("conversations")]
        told = (
            files
            and connection.execute(
                f"select {', '.join(columns)} from read_parquet($1) where conversation_id = $2",
                [files, conversation_id],
            ).fetchone()
        )
        if not told:
            continue
        about: dict[str, Any] = dict(zip(columns, told, strict=True)) | {"reads": []}
        if about["outcome"] == "copy":
            about["copy_of"] = _first_copy(connection, model, conversation_id)
        if about["split"] == HELD:
            measured = about["row"] is not None
            about["measured_after_steps"] = model.read(["step"], "held_out")["step"].to_pylist() if measured else []
        found[model.fingerprint] = about
    read = connection.execute(
        f"""select fingerprint, {", ".join(READ)}, kept_tokens as length from training_conversations
        where conversation_id = $1 order by fingerprint, step, place""",
        [conversation_id],
    ).fetchall()
    for fingerprint, told in _by_model(read, (*READ, "length")).items():
        found[fingerprint] |= told
    return _with_descendants(lake, called, found)


def _first_copy(connection: duckdb.DuckDBPyConnection, model: Artifact, conversation_id: str) -> str | None:
    """The conversation that says the same and comes first by its id: that one is learned from."""
    files = [str(path) for one in model.inputs("conversations") if one.exists for path in one.paths()]
    row = (
        files
        and connection.execute(
            """select min(conversation_id) from read_parquet($1, union_by_name = true) where content_hash in
        (select content_hash from read_parquet($1, union_by_name = true) where conversation_id = $2)""",
            [files, conversation_id],
        ).fetchone()
    )
    return row[0] if row else None


def _by_model(rows: Sequence[tuple[Any, ...]], columns: Sequence[str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for fingerprint, *values in rows:
        reads = found.setdefault(fingerprint, {"reads": []})["reads"]
        reads.append(dict(zip(columns, values, strict=True)))
    return found


def _with_descendants(lake: Lake, called: Called, own: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Of every model that read it what is told; of one that was made from such a model, through which."""
    told = []
    for model in lake.artifacts(kind="model"):
        line = [model]
        while line[-1].exists and (parents := line[-1].inputs("model")):
            line.append(parents[0])
        reader = next((one for one in line if one.fingerprint in own), None)
        if reader is not None:
            what = own[reader.fingerprint] if reader == model else {"through": f"{reader.stage}/{reader.fingerprint}"}
            told.append(called.about(model) | what)
    return told
