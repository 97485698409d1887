"""The lake as SQL views: one per stage and table, and the ones people ask for.

`connect()` gives them in memory; `catalog.duckdb` in the lake holds the same views with absolute paths and no data,
built aside and swapped in whole, so that any DuckDB client opens it read-only while a flow writes.
"""

import os
import uuid
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from storage import names
from storage.artifact import MAIN_TABLE, TOMBSTONES, Artifact
from storage.forget.rows import READ
from storage.index import INDEX, INDEX_TABLES, write_index
from storage.lake import Lake
from storage.schemas.classifiers import CLASSIFIER
from storage.schemas.conversations import FINETUNING
from storage.schemas.documents import DOCUMENTS, LOSSES
from storage.schemas.evaluations import EVALUATIONS
from storage.schemas.tokens import PACKING, TOKEN_INDEX
from storage.schemas.training import TRAINING, TRAINING_ROWS
from storage.table import Table

CATALOG = "catalog.duckdb"
RESERVED = {"documents", "losses", "artifacts", "lineage", "names", "runs", "training", "training_rows"}
RESERVED |= {"training_conversations", "evaluations", "tokens", "classifiers", "marks", "tombstones"}


class NoSuchView(ValueError):
    """What was named holds no decisions, and so no view of documents."""


def connect(lake: Lake | str | Path | None = None, at: str | None = None) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB connection with every view of the lake.

    `at` is a name or fingerprint of a corpus (or of decisions): `documents` is then as of it, else as of the newest
    corpus. Raises NoLake if the folder holds none, KeyError if there is no such artifact, NoSuchView if it holds no
    decisions.
    """
    lake = (lake if isinstance(lake, Lake) else Lake(lake) if lake is not None else Lake.default()).check()
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    if os.access(lake.root, os.W_OK):  # what lies on a read-only disk can be asked too
        write_index(lake)
    _make(connection, lake, at)
    return connection


def refresh_catalog(lake: Lake) -> Path:
    """Build `catalog.duckdb` aside and swap it in; readers of the old one keep it."""
    write_index(lake)
    target = lake.root / CATALOG
    temporary = lake.root / f".tmp-{uuid.uuid4().hex}-{CATALOG}"
    try:
        with duckdb.connect(str(temporary)) as connection:
            _make(connection, lake, None)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
        temporary.with_name(temporary.name + ".wal").unlink(missing_ok=True)
    return target


def _make(connection: duckdb.DuckDBPyConnection, lake: Lake, at: str | None) -> None:
    """Every view, and as the comment of each of its columns what the declaration of its table says of it."""
    queries, examples = views(lake, at)
    connection.execute("begin")  # else each statement waits for the disk
    for name, query in queries.items():
        connection.execute(f"create view {identifier(name)} as {query}")
    if {"cluster", "failed", "language", "text_bytes"} <= _columns_of(connection, "documents"):
        connection.execute(WHATIF)
    of_view = {name: _meanings(pq.read_schema(path)) for name, path in examples.items()}
    declared = [
        _meanings(one.schema) for one in (*INDEX_TABLES.values(), *EMPTY.values(), CLASSIFIER, PACKING, TRAINING_ROWS)
    ]
    anywhere = {column: said for one in (*of_view.values(), *declared, COMPUTED) for column, said in one.items()}
    of_view["documents"] = anywhere | _meanings(DOCUMENTS.schema)
    of_view["training_conversations"] = _meanings(TRAINING_ROWS.schema) | _meanings(FINETUNING.schema)
    columns = connection.execute("select table_name, column_name from duckdb_columns() where not internal").fetchall()
    for view, column in columns:
        said = of_view.get(view, anywhere).get(column) or COMPUTED.get(column)
        if said:
            connection.execute(f"comment on column {identifier(view)}.{identifier(column)} is {quoted(said)}")
    connection.execute("commit")


WHATIF = """create macro whatif(rule, drops) as table
    select source, language, count(*) as documents,
        count(*) filter (passes) as passes_now, count(*) filter (would) as would_pass,
        count(*) filter (would and not passes) as comes_in, count(*) filter (passes and not would) as goes_out,
        coalesce(sum(text_bytes) filter (passes), 0)::bigint as bytes_now,
        coalesce(sum(text_bytes) filter (would), 0)::bigint as bytes_then
    from (
        select source, language, text_bytes, cluster is not null as passes,
            (cluster is not null or failed = [rule]) and not coalesce(drops, false) as would
        from documents
    ) group by all order by all"""
"""Documents that pass all rules but those of duplicates, as decided, and if `rule` dropped what `drops` is true of."""


def _columns_of(connection: duckdb.DuckDBPyConnection, view: str) -> set[str]:
    return {name for name, *_ in connection.execute(f"describe {identifier(view)}").fetchall()}


def _meanings(schema: pa.Schema) -> dict[str, str]:
    """What each column means, as its declaration says; the sentence travels in the file."""
    return {field.name: field.metadata[b"meaning"].decode() for field in schema if b"meaning" in (field.metadata or {})}


def catalog_moved(lake: Lake) -> bool:
    """Whether `catalog.duckdb` is missing or still names the place where the lake was before."""
    path = lake.root / CATALOG
    if not path.exists():
        return True
    with duckdb.connect(str(path), read_only=True) as connection:
        row = connection.execute("select sql from duckdb_views() where view_name = 'artifacts'").fetchone()
    return row is None or f"{lake.root}/" not in row[0]


def quoted(text: str | Path) -> str:
    """A string as an SQL literal."""
    return "'" + str(text).replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _files(paths: list[Path]) -> str:
    return f"read_parquet([{', '.join(quoted(path) for path in paths)}], union_by_name = true, filename = true)"


_STAGE = "split_part(filename, '/', -3) as stage"
_FINGERPRINT = "split_part(filename, '/', -2) as fingerprint"


EMPTY = {
    "losses": LOSSES,
    "training": TRAINING,
    "evaluations": EVALUATIONS,
    "documents": DOCUMENTS,
    "tokens": TOKEN_INDEX,
}


COMPUTED = {
    "stage": "The stage that wrote the row.",
    "fingerprint": "Fingerprint of the artifact that the row stands in.",
    "seconds": "Seconds that the whole training took.",
    "tokens_per_second": "Tokens a second of the whole training.",
}
"""What the columns mean that views add."""


def views(lake: Lake, at: str | None) -> tuple[dict[str, str], dict[str, Path]]:
    """The views of a lake, from name to query, and for those of a stage's table one of its files.

    The views that people ask for are there without rows before anything has filled them.
    """
    tables: dict[str, list[Path]] = defaultdict(list)
    of_kind: dict[str, list[Path]] = defaultdict(list)
    losses: list[Path] = []
    artifacts = lake.artifacts()
    for artifact in _current(artifacts):
        for part in artifact.manifest.parts:
            if part.table is None or not part.name.endswith(".parquet"):
                continue
            path = artifact.path(part)
            if part.table == "losses" and artifact.manifest.kind in READ:
                losses.append(path)
            if part.table == MAIN_TABLE:
                of_kind[artifact.manifest.kind].append(path)
            view = artifact.stage if part.table == MAIN_TABLE else f"{artifact.stage}_{part.table}"
            tables[f"{view}_table" if view in RESERVED else view].append(path)
    statements = {
        name: f"select * from read_parquet({quoted(lake.root / INDEX / f'{name}.parquet')})" for name in INDEX_TABLES
    }
    statements |= {name: f"select null::varchar as stage, * from ({_no_rows(EMPTY[name])})" for name in EMPTY}
    statements["training"] += " cross join (select null::double as seconds, null::double as tokens_per_second)"
    statements["documents"] = (
        "select * exclude (fingerprint), null::boolean as kept, null::varchar as dropped_by "
        f"from ({_no_rows(EMPTY['documents'])})"
    )
    for name, paths in sorted(tables.items()):
        statements[name] = f"select * exclude (filename), {_FINGERPRINT} from {_files(paths)}"
    asked = {"losses": losses, "tokens": of_kind["tokens"], "evaluations": of_kind["evaluation"]}
    for name, paths in asked.items():
        if paths:
            statements[name] = f"select {_STAGE}, * exclude (filename), {_FINGERPRINT} from {_files(paths)}"
    statements["classifiers"] = _classifiers(of_kind["classifier"])
    statements |= _training(artifacts) | _training_rows(artifacts) | _documents(lake, artifacts, at)
    return statements, {name: paths[0] for name, paths in tables.items()}


def _current(artifacts: list[Artifact]) -> list[Artifact]:
    """All artifacts, but of those that were read from the same snapshot by the same stage only the newest, and none of
    those that were read from a snapshot whose files were listed again, under another licence."""
    newest = {}
    listed_again = _listed_again(artifacts)
    for artifact in artifacts:
        # a successor under tombstones is of the same files
        snapshot = tuple(one for one in artifact.manifest.identity.inputs if one.role != TOMBSTONES)
        read = artifact.manifest.kind in READ and snapshot
        if read and snapshot[0].fingerprint in listed_again:
            continue
        key = (artifact.stage, snapshot) if read else artifact.fingerprint
        newest[key] = artifact
    return list(newest.values())


def _listed_again(artifacts: list[Artifact]) -> set[str]:
    """Fingerprints of snapshots whose files all stand in newer ones of the same source: its licence was changed."""
    of_source: dict[tuple[str, str], list[Artifact]] = defaultdict(list)
    for artifact in artifacts:
        if artifact.manifest.kind == "snapshot":
            config = artifact.manifest.identity.config
            of_source[config["source"], config["holds"]].append(artifact)
    found: set[str] = set()
    for snapshots in of_source.values():
        if len({one.manifest.identity.config["license"] for one in snapshots}) == 1:
            continue  # snapshots of one licence never overlap
        later: set[str] = set()
        for snapshot in reversed(snapshots):
            files = set(snapshot.read(["sha256"]).column("sha256").to_pylist())
            if files <= later:
                found.add(snapshot.fingerprint)
            later |= files
    return found


def _no_rows(declared: Table) -> str:
    names = {"string": "varchar", "large_string": "varchar", "float": "float", "double": "double", "bool": "boolean"}
    names |= {"date32[day]": "date"}
    names |= {f"{sign}int{bits}": kind for bits, kind in _INTEGERS.items() for sign in ("", "u")}
    columns = [
        f"null::{names.get(str(field.type), 'timestamptz' if pa.types.is_timestamp(field.type) else 'varchar')} "
        f"as {identifier(field.name)}"
        for field in declared.schema
    ]
    return f"select {', '.join(columns)}, null::varchar as fingerprint where false"


_INTEGERS = {8: "tinyint", 16: "smallint", 32: "integer", 64: "bigint"}


def _classifiers(paths: list[Path]) -> str:
    """The view `classifiers`: how each does on held-out texts, by the name that it has now; null: it has none."""
    rows = (
        f"select {_STAGE}, * exclude (filename), {_FINGERPRINT} from {_files(paths)}" if paths else _no_rows(CLASSIFIER)
    )
    stage = "" if paths else "null::varchar as stage, "
    return (
        f"select named.name, found.* from (select {stage}* from ({rows})) found left join "
        "(select name, arg_max_null(artifact, number) as artifact from names group by name) named "
        "on named.artifact = found.stage || '/' || found.fingerprint"
    )


def _training(artifacts: list[Artifact]) -> dict[str, str]:
    """The view `training`: the steps of every model, with its seconds and rate from the provenance."""
    models = [artifact for artifact in artifacts if artifact.manifest.kind == "model"]
    if not models:
        return {}
    rates = []
    for model in models:
        notes = model.provenance.get("notes", {}).get("0", {})
        seconds, rate = (notes.get(key) for key in ("seconds", "tokens_per_second"))
        known = [quoted(model.fingerprint), *("null" if one is None else repr(float(one)) for one in (seconds, rate))]
        rates.append(f"({', '.join(known)})")
    rows = _files([path for model in models for path in model.paths()])
    return {
        "training": f"select {_STAGE}, step.* exclude (filename), {_FINGERPRINT}, rate.seconds, rate.tokens_per_second "
        f"from {rows} step left join (values {', '.join(rates)}) rate (model, seconds, tokens_per_second) "
        f"on rate.model = split_part(filename, '/', -2)"
    }


def _training_rows(artifacts: list[Artifact]) -> dict[str, str]:
    """The views of what stood in which row of which step of every model: in `training_rows` spans of documents, in
    `training_conversations` the conversations of a fine-tuned one."""
    documents, conversations = [], []
    for model in artifacts:
        rows = model.paths("rows") if model.manifest.kind == "model" else []
        if not rows:
            continue
        # of a packing that gc, or a hand, has deleted nothing is known any more
        packings = [one for one in model.inputs("packing") if one.exists]
        documents += [_stood(model.fingerprint, _files(rows), _files(one.paths()), SPANS) for one in packings]
        if laid := model.paths("conversations"):
            conversations.append(_stood(model.fingerprint, _files(rows), _files(laid), CONVERSATIONS))
    none = f"({_no_rows(TRAINING_ROWS)})"
    documents = documents or [_stood(None, none, f"({_no_rows(PACKING)})", SPANS)]
    conversations = conversations or [_stood(None, none, f"({_no_rows(FINETUNING)})", CONVERSATIONS)]
    return {
        "training_rows": " union all ".join(documents),
        "training_conversations": " union all ".join(conversations),
    }


SPANS = ("phase", "position", "doc_id", "shard", "start", "length")
CONVERSATIONS = ("position", "conversation_id", "source", "outcome", "kept_tokens")


def _stood(model: str | None, steps: str, laid: str, columns: Sequence[str]) -> str:
    """What was laid into the rows of a split for training, by the steps that read them."""
    fingerprint = "null::varchar" if model is None else quoted(model)
    selected = ", ".join(f"l.{identifier(name)}" for name in columns)
    return (
        f"select {fingerprint} as fingerprint, r.step, r.place, r.row, {selected} from {steps} r "
        f"join {laid} l on l.row = r.row and l.split = 'train'"
    )


def _documents(lake: Lake, artifacts: list[Artifact], at: str | None) -> dict[str, str]:
    """The view `documents`: what was read, every annotation column and the decision, for the inputs of one corpus.

    An input that was damaged and deleted (gristmill verify says so) is left out until a run has made it again.
    """
    decisions = _decisions(lake, artifacts, at)
    if decisions is None or not decisions.exists or not all(one.exists for one in decisions.inputs("documents")):
        read = [artifact for artifact in _current(artifacts) if artifact.manifest.kind == "documents"]
        files = _files([path for one in read for path in one.paths()])
        undecided = "null::boolean as kept, null::varchar as dropped_by"
        return {"documents": f"select * exclude (filename), {undecided} from {files}"} if read else {}
    groups: dict[str, list[Path]] = {"document": [], "decision": decisions.paths()}
    for document in decisions.inputs("documents"):
        groups["document"] += document.paths()
    for annotation in decisions.inputs("annotations"):
        if annotation.exists:
            groups.setdefault(f"of {annotation.stage}", []).extend(annotation.paths())
    seen: set[str] = set()
    selected, joins = [], []
    for alias, paths in groups.items():
        # the first table that has a column gives it: several carry doc_id, source or content_hash
        names = [name for name in pq.read_schema(paths[0]).names if name not in seen and name != "text"]
        seen.update(names)
        selected += [f"{identifier(alias)}.{identifier(name)}" for name in names]
        on = f" on {identifier(alias)}.doc_id = document.doc_id"
        joins.append(f"{'left join ' if joins else ''}{_files(paths)} {identifier(alias)}{on if joins else ''}")
    return {"documents": f"select {', '.join(selected)}, document.text from {' '.join(joins)}"}


def _decisions(lake: Lake, artifacts: list[Artifact], at: str | None) -> Artifact | None:
    if at is not None:
        return decisions_of(lake.get(at))
    corpus = newest_corpus(lake, artifacts)
    if corpus:
        return corpus.input("decisions")
    decisions = [artifact for artifact in artifacts if artifact.manifest.kind == "decisions"]
    return decisions[-1] if decisions else None


def decisions_of(artifact: Artifact) -> Artifact:
    """The decisions that an artifact is, or was composed by. Raises: NoSuchView for any other."""
    found = [artifact] if artifact.manifest.kind == "decisions" else artifact.inputs("decisions")
    if not found:
        raise NoSuchView(f"{artifact} holds no decisions: give the name of a corpus, or of decisions.")
    return found[0]


def newest_corpus(lake: Lake, artifacts: list[Artifact] | None = None) -> Artifact | None:
    """The corpus that a name was given last (an older one that a run came back to, too); without names, the one that
    was made last. None if there is none.
    """
    made = {
        artifact: (0.0, number)
        for number, artifact in enumerate(artifacts if artifacts is not None else lake.artifacts(kind="corpus"))
        if artifact.manifest.kind == "corpus"
    }
    for name in names.all_names(lake):
        number, artifact, assigned = names.entries(lake, name)[-1]
        if artifact in made:
            made[artifact] = max(made[artifact], (assigned, number))
    return max(made, key=lambda artifact: made[artifact]) if made else None
