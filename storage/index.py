"""The catalog's own tables: artifacts, lineage, names, runs, marks and tombstones as small Parquet files that SQL views
read.

Made again from the registry and the append-only files whenever a connection opens or an artifact is committed.
"""

import json
import time
from pathlib import Path

import pyarrow as pa

from storage import names, runs
from storage.files import write_atomically
from storage.forget import marks, tombstones
from storage.lake import Lake
from storage.shards import TableWriter
from storage.table import Table, column, table

INDEX = ".index"

INDEX_TABLES: dict[str, Table] = {
    "artifacts": table(
        column("artifact", pa.string(), "stage/fingerprint."),
        column("stage", pa.string(), "The stage that made it."),
        column("fingerprint", pa.string(), "Hash of stage, version, configuration and inputs."),
        column("version", pa.int32(), "Version of the stage."),
        column("kind", pa.string(), "What it is: snapshot, documents, annotation, decisions, corpus, …"),
        column("config", pa.string(), "Its configuration, as JSON."),
        column("rows", pa.int64(), "Rows of its main table."),
        column("bytes", pa.int64(), "Bytes of all its parts."),
        column("created", pa.timestamp("us", "UTC"), "When it was committed."),
    ),
    "lineage": table(
        column("artifact", pa.string(), "stage/fingerprint of what was made."),
        column("role", pa.string(), "What the input was used as."),
        column("input", pa.string(), "stage/fingerprint of what it was made from."),
    ),
    "names": table(
        column("name", pa.string(), "The name."),
        column("number", pa.int32(), "The highest number is what the name means now."),
        column("artifact", pa.string(), "stage/fingerprint; null: the name means nothing until it is given again."),
        column("assigned", pa.timestamp("us", "UTC"), "Since when."),
    ),
    "runs": table(
        column("run", pa.string(), "The run's id."),
        column("flow", pa.string(), "What was run."),
        column(
            "state",
            pa.string(),
            "running, completed, failed, cancelled, crashed, or dead (its process is gone and said nothing).",
        ),
        column("message", pa.string(), "Why it failed."),
        column("parameters", pa.string(), "Its parameters, as JSON."),
        column("code", pa.string(), "Revision of the code."),
        column("host", pa.string(), "Where it ran."),
        column("started", pa.timestamp("us", "UTC"), "When it began."),
        column("ended", pa.timestamp("us", "UTC"), "When it ended."),
        column("seconds", pa.string(), "Seconds of each stage, as JSON."),
        column("artifacts", pa.list_(pa.string()), "What it made or used, in order."),
    ),
    "marks": table(
        column("artifact", pa.string(), "stage/fingerprint; it may be gone."),
        column("mark", pa.string(), "holds: it holds forgotten text; learned: it learned from text forgotten since."),
        column("number", pa.int32(), "The highest number of a mark is what it says now."),
        column(
            "documents",
            pa.int64(),
            "Forgotten texts (documents, conversations, …) that it holds, or that its steps read; 0: not counted.",
        ),
        column("steps", pa.int64(), "Training steps that read them."),
        column("made", pa.timestamp("us", "UTC"), "Since when."),
    ),
    "tombstones": table(
        column("number", pa.int32(), "Its number, from 1."),
        column("tombstone_kind", pa.string(), "How it names rows: url, domain, glob, regex, doc_id, record or source."),
        column("pattern", pa.string(), "What it names."),
        column("written", pa.timestamp("us", "UTC"), "Since when."),
    ),
}


def _microseconds(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1e6)


def write_index(lake: Lake) -> None:
    """Write the tables, each whole or not at all."""
    registered = lake.registry.rows()
    artifacts, lineage = [], []
    for fingerprint, stage, version, kind, config, inputs, rows, size, created in registered:
        name = f"{stage}/{fingerprint}"
        artifacts.append((name, stage, fingerprint, version, kind, config, rows, size, _microseconds(created)))
        lineage += [(name, one["role"], f"{one['stage']}/{one['fingerprint']}") for one in json.loads(inputs)]
    named = [
        (name, number, artifact and f"{artifact.stage}/{artifact.fingerprint}", _microseconds(at))
        for name in names.all_names(lake)
        for number, artifact, at in names.entries(lake, name)
    ]
    ran = [
        (
            *(about[key] for key in ("run", "flow", "state", "message")),
            json.dumps(about["parameters"]),
            about["code"],
            about["host"],
            _microseconds(about["started"]),
            _microseconds(about["ended"]),
            json.dumps(about["seconds"]),
            about["artifacts"],
        )
        for about in runs.all_runs(lake)
    ]
    marked = [
        (
            f"{one.artifact.stage}/{one.artifact.fingerprint}",
            *(one.mark, one.number, one.texts, one.steps, _microseconds(one.made)),
        )
        for one in marks.all_marks(lake)
    ]
    buried = [
        (one.number, one.tombstone.kind, one.tombstone.pattern, _microseconds(one.written))
        for one in tombstones.entries(lake)
    ]
    written = {"artifacts": artifacts, "lineage": lineage, "names": named, "runs": ran}
    for name, rows in (written | {"marks": marked, "tombstones": buried}).items():
        _write_rows(lake.root / INDEX / f"{name}.parquet", INDEX_TABLES[name], rows)


def list_artifacts(lake: Lake, stage: str | None = None) -> pa.Table:
    """The artifacts of a stage, or all, in order of their commits, with the names that mean each now and
    what marks it.

    From the registry and the names alone: no manifest is read, so that ten thousand take a moment.
    """
    called: dict[str, list[str]] = {}
    for name in names.all_names(lake):
        if (meant := names.latest(lake, name)) is not None:
            called.setdefault(meant.fingerprint, []).append(name)
    marked: dict[str, set[str]] = {}
    for mark in marks.all_marks(lake):
        marked.setdefault(mark.artifact.fingerprint, set()).add(mark.mark)
    rows = lake.registry.rows(stage)
    fingerprints, stages, _, kinds, _, _, counts, sizes, created = zip(*rows, strict=True) if rows else [()] * 9
    said = [time.strftime("%Y-%m-%d %H:%M", time.gmtime(at)) for at in created]
    return pa.table(
        {
            "stage": pa.array(stages, pa.string()),
            "fingerprint": pa.array([one[:12] for one in fingerprints], pa.string()),
            "kind": pa.array(kinds, pa.string()),
            "rows": pa.array(counts, pa.int64()),
            "megabytes": pa.array([round(size / 1e6, 2) for size in sizes], pa.float64()),
            "created": pa.array(said, pa.string()),
            "names": pa.array([", ".join(called[one]) if one in called else None for one in fingerprints], pa.string()),
            "marks": pa.array([", ".join(sorted(marked.get(one, ()))) or None for one in fingerprints], pa.string()),
        }
    )


def _write_rows(path: Path, declared: Table, rows: list[tuple]) -> None:
    columns = list(zip(*rows, strict=True)) if rows else [[] for _ in declared.schema]
    arrays = [pa.array(values, field.type) for values, field in zip(columns, declared.schema, strict=True)]

    def write(temporary: Path) -> None:
        with TableWriter(temporary, declared) as writer:
            writer.write(pa.RecordBatch.from_arrays(arrays, schema=declared.schema))

    write_atomically(path, write)
