"""SQL over a lake: the views, and that what a person types can read and nothing else."""

import threading
import time

import duckdb
import pyarrow as pa
import pytest

from storage import names, runs
from storage.artifact import Artifact, Identity, Input
from storage.commit import stage_artifact
from storage.lake import Lake, NoLake
from storage.schemas.documents import DOCUMENTS, LOSSES
from storage.sql import NoSuchView, catalog_moved, connect, newest_corpus, refresh_catalog
from storage.statements import Refused, check, restrict, run_query
from storage.table import Table, column, table

SCORES = table(column("doc_id", pa.string(), "Document."), column("n_words", pa.int32(), "Words."))
DECISIONS = table(
    column("doc_id", pa.string(), "Document."),
    column("source", pa.string(), "Source."),
    column("kept", pa.bool_(), "Kept."),
    column("dropped_by", pa.string(), "Rule."),
)
CORPUS = table(column("doc_id", pa.string(), "Document."))


def commit(
    lake: Lake,
    stage: str,
    kind: str,
    config: dict,
    inputs: list[tuple[str, Artifact]],
    tables: dict[str, tuple[Table, list[dict]]],
) -> Artifact:
    listed = tuple(Input(role=role, stage=one.stage, fingerprint=one.fingerprint) for role, one in inputs)
    with stage_artifact(lake, Identity(stage=stage, version=1, config=config, inputs=listed), kind, print) as staging:
        output = staging.output(0, "key", {name: declared for name, (declared, _) in tables.items()})
        for name, (declared, rows) in tables.items():
            output.write(pa.RecordBatch.from_pylist(rows, schema=declared.schema), name)
        return staging.commit([output.finish()], {})


def document(number: int) -> dict:
    row = dict.fromkeys(DOCUMENTS.schema.names)
    place = {"source": "web", "file": "a.warc.gz", "file_sha256": "0" * 64, "space": "file"}
    return (
        row
        | place
        | {
            "doc_id": f"{number:032x}",
            "offset": number,
            "length": 1,
            "url": f"http://one.example/{number}",
            "text": f"text {number}",
        }
    )


@pytest.fixture
def filled(lake) -> Lake:
    """Two snapshots of two documents, a score for each, decisions over both, and a corpus of the second decisions."""
    store = Lake(lake)
    read, scores = [], []
    for number in (0, 2):
        loss = dict.fromkeys(LOSSES.schema.names) | {
            key: document(0)[key] for key in ("source", "file", "file_sha256", "space")
        }
        losses = (LOSSES, [loss | {"offset": 90 + number, "length": 9, "reason": "request"}])
        rows = [document(number), document(number + 1)]
        read.append(
            commit(store, "extract", "documents", {"n": number}, [], {"part": (DOCUMENTS, rows), "losses": losses})
        )
        counted = [{"doc_id": row["doc_id"], "n_words": row["offset"] * 10} for row in rows]
        scores.append(
            commit(store, "quality", "annotation", {}, [("documents", read[-1])], {"part": (SCORES, counted)})
        )
    for least in (5, 15):
        inputs = [
            ("documents", read[0]),
            ("documents", read[1]),
            ("annotations", scores[0]),
            ("annotations", scores[1]),
        ]
        rows = [
            {
                "doc_id": f"{n:032x}",
                "source": "web",
                "kept": n * 10 >= least,
                "dropped_by": None if n * 10 >= least else "gopher.min_words",
            }
            for n in range(4)
        ]
        decided = commit(store, "decide", "decisions", {"min_words": least}, inputs, {"part": (DECISIONS, rows)})
        kept = [{"doc_id": row["doc_id"]} for row in rows if row["kept"]]
        corpus = commit(store, "compose", "corpus", {}, [("decisions", decided)], {"part": (CORPUS, kept)})
        names.assign(store, f"corpus-{least}", corpus)
    runs.start(store, "r1", "refresh", {"recipe": "x"}, "abc")
    runs.end(store, "r1", "completed", None, [corpus], {"decide": 1.5})
    return store


def test_documents_hold_every_score_and_the_decision_of_the_newest_corpus(filled):
    rows = (
        connect(filled)
        .sql("select doc_id, url, source, kept, dropped_by, n_words, text from documents order by doc_id")
        .fetchall()
    )
    assert [row[3] for row in rows] == [False, False, True, True]
    assert rows[1] == (f"{1:032x}", "http://one.example/1", "web", False, "gopher.min_words", 10, "text 1")
    assert rows[3][4] is None


def test_at_a_name_documents_are_as_of_that_corpus(filled):
    assert connect(filled, at="corpus-5").sql("select count(*) from documents where kept").fetchone() == (3,)
    assert connect(filled, at="corpus-15").sql("select count(*) from documents where kept").fetchone() == (2,)
    with pytest.raises(NoSuchView, match="holds no decisions"):
        connect(filled, at=filled.artifacts("quality")[0].fingerprint)


def test_documents_follow_the_corpus_that_was_named_last(filled):
    five, fifteen = (names.latest(filled, name) for name in ("corpus-5", "corpus-15"))
    assert newest_corpus(filled) == fifteen
    names.assign(filled, "mine/corpus", five)  # a run that came back to what it had made before
    assert newest_corpus(filled) == five
    assert connect(filled).sql("select count(*) from documents where kept").fetchone() == (3,)


def test_of_a_source_whose_licence_was_changed_only_the_newest_reading_shows(lake):
    store = Lake(lake)
    files = table(column("path", pa.string(), "Path."), column("sha256", pa.string(), "Hash."))
    listed = [{"path": "a", "sha256": "0a"}, {"path": "b", "sha256": "0b"}]
    for number, licence in enumerate((None, "CC0-1.0")):
        config = {"source": "web", "holds": "documents", "license": licence, "files": str(number)}
        snapshot = commit(store, "ingest", "snapshot", config, [], {"part": (files, listed)})
        commit(store, "extract", "documents", {}, [("snapshot", snapshot)], {"part": (DOCUMENTS, [document(1)])})
    assert connect(store).sql("select fingerprint from extract").fetchall() == [
        (store.artifacts("extract")[-1].fingerprint,)
    ]


def test_every_stage_and_the_catalog_itself_are_views(filled):
    sql = connect(filled)
    assert sql.sql("select count(*) from extract").fetchone() == (4,)
    assert sql.sql("select stage, reason, count(*) from losses group by all").fetchall() == [("extract", "request", 2)]
    assert sql.sql("select stage, count(*) from artifacts group by all order by all").fetchall() == [
        ("compose", 2),
        ("decide", 2),
        ("extract", 2),
        ("quality", 2),
    ]
    assert sql.sql("select count(*) from lineage where role = 'annotations'").fetchone() == (4,)
    assert sql.sql("select flow, state from runs").fetchall() == [("refresh", "completed")]
    assert sql.sql("select name from names order by name").fetchall() == [("corpus-15",), ("corpus-5",)]


def test_a_lake_whose_only_run_failed_answers_too(lake):
    with pytest.raises(NoLake, match=r"the folder does not exist\. `gristmill run sample` makes one"):
        connect(lake)
    runs.start(Lake(lake), "r1", "refresh", {}, "abc")
    runs.end(Lake(lake), "r1", "failed", "extract: no such file", [], {})
    sql = connect(lake)
    assert sql.sql("select count(*) from artifacts").fetchone() == (0,)
    assert sql.sql("select state, message from runs").fetchall() == [("failed", "extract: no such file")]


def test_every_column_says_what_it_means(filled):
    refresh_catalog(filled)
    said = "select table_name, column_name, comment from duckdb_columns() where not internal"
    with duckdb.connect(str(filled.root / "catalog.duckdb"), read_only=True) as catalog:
        for client in (connect(filled), catalog):
            rows = client.sql(said).fetchall()
            assert [row for row in rows if not row[2]] == []
            assert ("documents", "n_words", "Words.") in rows
            assert ("quality", "n_words", "Words.") in rows


def test_views_that_nothing_has_filled_have_the_columns_of_filled_ones(filled, tmp_path):
    store = Lake(tmp_path / "new")
    runs.start(store, "r1", "refresh", {}, "abc")
    empty = connect(store)
    for view in ("documents", "losses", "training", "evaluations", "tokens"):
        assert empty.sql(f"select * from {view}").fetchall() == []
    assert {"kept", "dropped_by", "doc_id", "url"} <= set(empty.sql("from documents").columns)
    assert {"stage", "step", "loss", "seconds", "tokens_per_second"} <= set(empty.sql("from training").columns)
    assert empty.sql("from losses").columns == connect(filled).sql("from losses").columns


def test_any_client_reads_the_catalog_while_it_is_swapped(filled):
    refresh_catalog(filled)
    stop = threading.Event()
    swaps = []

    def swap() -> None:
        while not stop.is_set():
            swaps.append(refresh_catalog(filled))

    writer = threading.Thread(target=swap)
    writer.start()
    try:
        until = time.monotonic() + 3
        while time.monotonic() < until:
            with duckdb.connect(str(filled.root / "catalog.duckdb"), read_only=True) as client:
                assert client.sql("select count(*) from documents where kept").fetchone() == (2,)
    finally:
        stop.set()
        writer.join()
    assert len(swaps) > 2


def test_a_lake_that_moved_is_noticed_and_its_catalog_made_again(filled, tmp_path):
    refresh_catalog(filled)
    assert not catalog_moved(filled)
    moved = Lake(filled.root.rename(tmp_path / "elsewhere"))
    assert catalog_moved(moved)
    refresh_catalog(moved)
    with duckdb.connect(str(moved.root / "catalog.duckdb"), read_only=True) as client:
        assert client.sql("select count(*) from documents").fetchone() == (4,)


READS = [
    "select 1",
    "from artifacts",
    "show tables",
    "describe documents",
    "summarize documents",
    "explain select * from documents",
    "explain analyze select count(*) from documents",
    "-- how many\nselect 1",
    "/* /* how */ many */ select 1",
    "explain (analyze, format json) select 1",
    "explain (select 1)",
    "with t as (select 1 as one) select * from t",
]
WRITES = [
    "create table t as select 1",
    "insert into extract select * from extract",
    "update extract set url = null",
    "delete from extract",
    "drop view extract",
    "copy (select 1) to '{out}'",
    "explain analyze copy (select 1) to '{out}'",
    "/* x */ explain analyze copy (select 1) to '{out}'",
    "explain (analyze) copy (select 1) to '{out}'",
    "explain (analyze, format json) copy (select 1) to '{out}'",
    "explain analyze create table t as select 1",
    "explain explain analyze copy (select 1) to '{out}'",
    "/* /* */ explain select 1 -- */ explain analyze copy (select 1 as a) to '{out}'",
    "explain /* */ analyze copy (select 1) to '{out}'",
    "explain select 1 -- \n; copy (select 1) to '{out}'",
    "from enable_logging(storage = 'file', storage_path = '{out}')",
    "select * from (from enable_profiling(save_location = '{out}'))",
    "from checkpoint()",
    "select write_log('x', log_type := 'y')",
    "with t as (from force_checkpoint()) from t",
    "export database '{out}'",
    "attach '{out}'",
    "install httpfs",
    "load httpfs",
    "set memory_limit = '100GB'",
    "set enable_external_access = true",
    "call pragma_version()",
    "select 1; copy (select 1) to '{out}'",
    "vacuum",
    "checkpoint",
    "begin transaction",
    "",
]


@pytest.mark.parametrize("query", READS)
def test_sql_that_reads_is_answered(filled, query):
    connection = connect(filled)
    restrict(connection, filled.root)
    assert run_query(connection, query).num_rows >= 1


@pytest.mark.parametrize("query", WRITES)
def test_sql_that_would_write_is_refused_and_writes_nothing(filled, tmp_path, query):
    out = tmp_path / "out"
    connection = connect(filled)
    restrict(connection, filled.root)
    before = sorted(path for path in filled.root.rglob("*"))
    with pytest.raises(Refused):
        run_query(connection, query.format(out=out))
    assert not out.exists()
    assert sorted(path for path in filled.root.rglob("*")) == before


@pytest.mark.parametrize(
    "query",
    [
        "select * from read_text('{secret}')",
        "select * from '{secret}'",
        "select * from read_csv('{secret}')",
        "select * from glob('{secret}')",
    ],
)
def test_files_outside_the_lake_are_not_read(filled, tmp_path, query):
    secret = tmp_path / "secret.csv"
    secret.write_text("a,b\n1,2\n")
    connection = connect(filled)
    restrict(connection, filled.root)
    with pytest.raises(duckdb.Error, match=r"(?i)permission|disabled|not allowed"):
        run_query(connection, query.format(secret=secret))


def test_a_query_that_takes_too_long_is_stopped(filled):
    connection = connect(filled)
    restrict(connection, filled.root)
    with pytest.raises(Refused, match=r"more than 0\.5 s"):
        run_query(connection, "select sum(a.range * b.range) from range(10000000) a, range(10000000) b", seconds=0.5)


def test_check_gives_the_query_back():
    assert check("select 1") == "select 1"
