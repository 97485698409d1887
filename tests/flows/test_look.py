"""What `gristmill sql` and `explain` print: every value in every form, piped queries, and what was left out said."""

import io
import json
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from flows.cli.explain import print_told
from flows.cli.look import existing_lake, read_queries, sql
from flows.cli.rows import Format, as_table, distinct, write_rows
from storage.artifact import Artifact, Identity, Input
from storage.commit import Staging, stage_artifact
from storage.lake import Lake
from storage.schemas.documents import DOCUMENTS
from storage.statements import Refused
from storage.table import column, table
from tasks.lineage.explain import explain

EVERY_KIND = """select 1 as n, 2 as n, sum(3) as whole, 1.5 as part, 'nan'::double as none, '-inf'::float as low,
    interval 1 month + interval 1 day as span, '\\xFF'::blob as raw, uuid() as id, time '10:00' as clock,
    timestamptz '2026-01-02 03:04:05+00' as moment, date '2026-01-02' as day, [1.5::double, 'nan'] as list,
    {'a': 10::hugeint, 'b': null} as object, map {'k': 1} as map, 'a'::enum('a', 'b') as kind, null as nothing"""
SCORES = table(column("doc_id", pa.string(), "Document."), column("n_words", pa.int32(), "Words."))


@pytest.fixture
def every_kind() -> pa.Table:
    """One row with a value of every kind."""
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        return connection.execute(EVERY_KIND).to_arrow_table()


def test_json_holds_every_value_as_json_has_it(every_kind, tmp_path):
    write_rows(every_kind, Format.json, tmp_path / "rows.json")
    (row,) = json.loads((tmp_path / "rows.json").read_text(), parse_constant=pytest.fail)
    assert (row["n"], row["n_1"], row["whole"], row["part"]) == (1, 2, 3, 1.5)
    assert isinstance(row["whole"], int)
    assert (row["none"], row["low"], row["nothing"]) == (None, None, None)
    assert (row["span"], row["raw"], row["clock"]) == ("P1M1DT0S", "ff", "10:00:00")
    assert (row["list"], row["object"], row["map"]) == ([1.5, None], {"a": 10, "b": None}, [["k", 1]])
    assert (row["day"], row["kind"]) == ("2026-01-02", "a")


def test_csv_holds_every_value_and_what_has_no_form_of_its_own_as_text(every_kind, tmp_path):
    write_rows(every_kind, Format.csv, tmp_path / "rows.csv")
    (row,) = pyarrow.csv.read_csv(tmp_path / "rows.csv").to_pylist()
    assert list(row) == distinct(every_kind.column_names)
    assert (row["n"], row["n_1"], row["whole"], row["span"], row["raw"]) == (1, 2, 3, "P1M1DT0S", "ff")
    assert (row["list"], row["object"]) == ("[1.5, null]", '{"a": 10, "b": null}')


def test_parquet_and_the_table_hold_every_column(every_kind, tmp_path, capsys):
    write_rows(every_kind, Format.parquet, tmp_path / "rows.parquet")
    assert pq.read_table(tmp_path / "rows.parquet").column_names == distinct(every_kind.column_names)
    write_rows(every_kind.select([0, 1, 2]), Format.table, None)
    assert capsys.readouterr().out.split() == ["n", "n_1", "whole", "1", "2", "3"]


def test_a_new_name_of_a_repeated_column_is_never_one_that_is_there():
    assert distinct(["n", "n", "n_1", "n"]) == ["n", "n_2", "n_1", "n_3"]


def test_an_output_that_cannot_be_written_is_refused(every_kind, tmp_path):
    for output in (tmp_path, tmp_path / "none" / "rows.csv"):
        with pytest.raises(Refused, match="can't be written"):
            write_rows(every_kind, Format.csv, output)


def test_queries_end_with_a_semicolon_or_with_the_text():
    assert list(read_queries(["select 1;\n", "\n", "select\n", "2;\n", "select 3\n"])) == [
        "select 1",
        "select\n2",
        "select 3",
    ]
    assert list(read_queries(["\n", " "])) == []


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def pipe(lake: Path, text: str, monkeypatch: pytest.MonkeyPatch, output: Path | None = None) -> None:
    """`gristmill sql --format json` with this text on standard input."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    sql(query=None, form=Format.json, at=None, output=output, seconds=60.0, memory="1GB", lake=lake)


def test_piped_queries_are_answered_with_or_without_a_semicolon(lake, monkeypatch, capsys, tmp_path):
    commit(Lake(lake), "quality", "annotation", 0, [], SCORES)
    pipe(lake, "select 1 as n", monkeypatch)
    assert json.loads(capsys.readouterr().out) == [{"n": 1}]
    pipe(lake, "select 1 as n;\nselect 2 as n", monkeypatch)
    assert capsys.readouterr().out.split() == ["[", "{", '"n":', "1", "}", "]", "[", "{", '"n":', "2", "}", "]"]
    pipe(lake, "select 3 as n", monkeypatch, tmp_path / "rows.json")
    assert json.loads((tmp_path / "rows.json").read_text()) == [{"n": 3}]
    with pytest.raises(Refused, match="there are 2"):
        pipe(lake, "select 1;\nselect 2", monkeypatch, tmp_path / "rows.json")


def test_output_at_the_prompt_is_refused(lake, monkeypatch, tmp_path):
    commit(Lake(lake), "quality", "annotation", 0, [], SCORES)
    monkeypatch.setattr(sys, "stdin", Terminal())
    with pytest.raises(Refused, match="this is a prompt"):
        sql(query=None, form=Format.json, output=tmp_path / "rows.json", lake=lake)


def commit(lake: Lake, stage: str, kind: str, number: int, rows: list[dict], declared, *inputs: Artifact) -> Artifact:
    """An artifact of these rows."""
    listed = tuple(Input(role="documents", stage=one.stage, fingerprint=one.fingerprint) for one in inputs)
    identity = Identity(stage=stage, version=1, config={"n": number}, inputs=listed)
    with stage_artifact(lake, identity, kind, print) as staging:
        assert isinstance(staging, Staging)
        output = staging.output(0, "key", {"part": declared})
        output.write(pa.RecordBatch.from_pylist(rows, schema=declared.schema))
        return staging.commit([output.finish()], {"ended": 1000.0 + number})


def test_explain_shows_the_newest_first_and_says_what_it_left_out(lake):
    store, doc_id, url = Lake(lake), f"{1:032x}", "http://mill.example/1"
    row = dict.fromkeys(DOCUMENTS.schema.names) | {"doc_id": doc_id, "url": url, "text": "Grain."}
    row |= {"source": "web", "file": "a.warc.gz", "file_sha256": "0" * 64, "space": "file", "offset": 0, "length": 1}
    read = commit(store, "extract", "documents", 0, [row], DOCUMENTS)
    for number in range(15):
        scores = [{"doc_id": doc_id, "n_words": 100 + number}]
        commit(store, "quality", "annotation", number, scores, SCORES, read)
    said = io.StringIO()
    print_told(Console(file=said, width=120), explain(store, url), everything=False)
    counted = [int(line.split()[1]) for line in said.getvalue().splitlines() if line.split()[:1] == ["n_words"]]
    assert counted == list(range(114, 102, -1))
    assert "and 3 more rows of quality" in said.getvalue()


def test_a_folder_that_is_no_lake_is_said_and_left_as_it_was(tmp_path):
    (tmp_path / "notes").mkdir()
    for folder, said in ((tmp_path / "none", "does not exist"), (tmp_path / "notes", "holds nothing that a run made")):
        with pytest.raises(Refused, match=rf"{said}.*gristmill run sample.*--lake FOLDER"):
            existing_lake(folder)
    assert [path.name for path in tmp_path.rglob("*")] == ["notes"]


def test_a_narrow_terminal_cuts_no_number():
    said = io.StringIO()
    row = {"a name that is long enough to be cut": "x" * 60, "documents": 123456789012, "bytes": 4_000_000}
    Console(file=said, width=40).print(as_table(pa.Table.from_pylist([row]), 40, sizes=("bytes",)))
    assert "123456789012" in said.getvalue()
    assert "4.0 MB" in said.getvalue()
    assert max(map(len, said.getvalue().splitlines())) <= 40
