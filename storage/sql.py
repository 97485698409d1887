"""The lake as SQL views: one per stage and table, and the ones people ask for.

`connect()` gives them in memory; `catalog.duckdb` in the lake holds the same views with absolute paths and no data, built
aside and swapped in whole, so that any DuckDB client opens it read-only while a flow writes.
"""

import json
import os
import uuid
from collections import defaultdict
from pathlib import Path

import duckdb
import pyarrow as pa

from storage import names, runs
from storage.artifact import MAIN_TABLE, Artifact
from storage.files import write_atomically
from storage.lake import Lake
from storage.shards import TableWriter
from storage.table import Table, column, table

CATALOG = "catalog.duckdb"
INDEX = ".index"
RESERVED = {"documents", "losses", "artifacts", "lineage", "names", "runs"}

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
        column("artifact", pa.string(), "stage/fingerprint."),
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
}


class NoSuchView(ValueError):
    """`at` names something that holds no documents."""


def connect(lake: Lake | str | Path | None = None, at: str | None = None) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB connection with every view of the lake.

    `at` is a name or fingerprint of a corpus (or of decisions): `documents` is then as of it, else as of the newest corpus.
    Raises KeyError if there is no such artifact, NoSuchView if it holds no decisions.
    """
    lake = lake if isinstance(lake, Lake) else Lake(lake) if lake is not None else Lake.default()
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    _write_index(lake)
    for statement in views(lake, at):
        connection.execute(statement)
    return connection


def refresh_catalog(lake: Lake) -> Path:
    """Build `catalog.duckdb` aside and swap it in; readers of the old one keep it."""
    _write_index(lake)
    target = lake.root / CATALOG
    temporary = lake.root / f".tmp-{uuid.uuid4().hex}-{CATALOG}"
    try:
        with duckdb.connect(str(temporary)) as connection:
            for statement in views(lake, None):
                connection.execute(statement)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
        temporary.with_name(temporary.name + ".wal").unlink(missing_ok=True)
    return target


def catalog_moved(lake: Lake) -> bool:
    """Whether `catalog.duckdb` is missing or still names the place where the lake was before."""
    path = lake.root / CATALOG
    if not path.exists():
        return True
    with duckdb.connect(str(path), read_only=True) as connection:
        row = connection.execute("select sql from duckdb_views() where view_name = 'artifacts'").fetchone()
    return row is None or str(lake.root) not in row[0]


def _microseconds(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1e6)


def _write_index(lake: Lake) -> None:
    registered = lake.registry.rows()
    artifacts, lineage = [], []
    for fingerprint, stage, version, kind, config, inputs, rows, size, created in registered:
        name = f"{stage}/{fingerprint}"
        artifacts.append((name, stage, fingerprint, version, kind, config, rows, size, _microseconds(created)))
        lineage += [(name, one["role"], f"{one['stage']}/{one['fingerprint']}") for one in json.loads(inputs)]
    named = [
        (name, number, f"{artifact.stage}/{artifact.fingerprint}", _microseconds(at))
        for name in names.all_names(lake)
        for number, artifact, at in names.history(lake, name)
    ]
    ran = [
        (
            about["run"], about["flow"], about["state"], about["message"], json.dumps(about["parameters"]), about["code"], about["host"],
            _microseconds(about["started"]), _microseconds(about["ended"]), json.dumps(about["seconds"]), about["artifacts"],
        )
        for about in runs.all_runs(lake)
    ]  # fmt: skip
    for name, rows in {"artifacts": artifacts, "lineage": lineage, "names": named, "runs": ran}.items():
        _write_rows(lake.root / INDEX / f"{name}.parquet", INDEX_TABLES[name], rows)


def _write_rows(path: Path, declared: Table, rows: list[tuple]) -> None:
    columns = list(zip(*rows, strict=True)) if rows else [[] for _ in declared.schema]
    arrays = [pa.array(values, field.type) for values, field in zip(columns, declared.schema, strict=True)]

    def write(temporary: Path) -> None:
        with TableWriter(temporary, declared) as writer:
            writer.write(pa.RecordBatch.from_arrays(arrays, schema=declared.schema))

    write_atomically(path, write)


def quoted(text: str | Path) -> str:
    """A string as an SQL literal."""
    return "'" + str(text).replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _files(paths: list[Path]) -> str:
    return f"read_parquet([{', '.join(quoted(path) for path in paths)}], union_by_name = true, filename = true)"


_STAGE_OF_FILE = "split_part(filename, '/', -3)"
_FINGERPRINT_OF_FILE = "split_part(filename, '/', -2)"


def views(lake: Lake, at: str | None) -> list[str]:
    """The `create view` statements of a lake."""
    tables: dict[str, list[Path]] = defaultdict(list)
    losses: list[Path] = []
    artifacts = lake.artifacts()
    for artifact in artifacts:
        for part in artifact.manifest.parts:
            if part.table is None or not part.name.endswith(".parquet"):
                continue
            path = artifact.folder / part.name
            if part.table == "losses":
                losses.append(path)
            view = artifact.stage if part.table == MAIN_TABLE else f"{artifact.stage}_{part.table}"
            tables[f"{view}_table" if view in RESERVED else view].append(path)
    statements = [
        f"create view {name} as select * from read_parquet({quoted(lake.root / INDEX / f'{name}.parquet')})"
        for name in INDEX_TABLES
    ]
    for name, paths in sorted(tables.items()):
        statements.append(
            f"create view {identifier(name)} as select * exclude (filename), {_FINGERPRINT_OF_FILE} as fingerprint from {_files(paths)}"
        )
    if losses:
        statements.append(
            f"create view losses as select {_STAGE_OF_FILE} as stage, * exclude (filename), {_FINGERPRINT_OF_FILE} as fingerprint from {_files(losses)}"
        )
    documents = _documents(lake, artifacts, at)
    return statements + ([documents] if documents else [])


def _documents(lake: Lake, artifacts: list[Artifact], at: str | None) -> str | None:
    """The view `documents`: what was read, every annotation column and the decision, for the inputs of one corpus."""
    decisions = _decisions(lake, artifacts, at)
    if decisions is None:
        read = [artifact for artifact in artifacts if artifact.manifest.kind == "documents"]
        if not read:
            return None
        base = _files([path for one in read for path in one.paths()])
        return f"create view documents as select * exclude (filename), null::boolean as kept, null::varchar as dropped_by from {base}"
    read = decisions.inputs("documents")
    base = _files([path for one in read for path in one.paths()])
    by_stage: dict[str, list[Path]] = defaultdict(list)
    for annotation in decisions.inputs("annotations"):
        by_stage[annotation.stage] += annotation.paths()
    selected = ["d.* exclude (filename, text)", "decision.* exclude (doc_id, source, filename)"]
    joins = []
    for number, paths in enumerate(by_stage.values()):
        selected.append(f"a{number}.* exclude (doc_id, filename)")
        joins.append(f"left join {_files(paths)} a{number} on a{number}.doc_id = d.doc_id")
    joins.append(f"left join {_files(decisions.paths())} decision on decision.doc_id = d.doc_id")
    return f"create view documents as select {', '.join(selected)}, d.text from {base} d {' '.join(joins)}"


def _decisions(lake: Lake, artifacts: list[Artifact], at: str | None) -> Artifact | None:
    if at is not None:
        asked = lake.get(at)
        found = [asked] if asked.manifest.kind == "decisions" else asked.inputs("decisions")
        if not found:
            raise NoSuchView(f"{asked} holds no decisions: give the name of a corpus, or of decisions.")
        return found[0]
    for kind in ("corpus", "decisions"):
        newest = [artifact for artifact in artifacts if artifact.manifest.kind == kind]
        if newest:
            return newest[-1] if kind == "decisions" else newest[-1].input("decisions")
    return None
