"""SQL that a person types: it reads and nothing else.

SELECT (SHOW, DESCRIBE and SUMMARIZE parse as such) and EXPLAIN of what is itself one SELECT; read-only file access
below the lake alone, a locked configuration, a limit on time and memory. (`EXPLAIN ANALYZE COPY … TO` has the type
EXPLAIN and writes a file on a read-only connection: so what stands behind EXPLAIN is parsed by itself.)
"""

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from storage.sql import quoted

_EXPLAIN = re.compile(r"explain\b\s*(analyze\b|\((?:analyze|format\s+\w+|[\s,])*\))?", re.IGNORECASE)
# Table functions that only read. Others may write: `from enable_logging(storage = 'file')` parses as a SELECT.
READING = frozenset(
    [
        "range",
        "generate_series",
        "unnest",
        "repeat",
        "glob",
        "read_parquet",
        "parquet_scan",
        "parquet_schema",
        "parquet_metadata",
        "parquet_file_metadata",
        "parquet_kv_metadata",
        "read_json",
        "read_json_auto",
        "read_ndjson",
        "read_csv",
        "read_csv_auto",
        "read_text",
        "read_blob",
        "duckdb_views",
        "duckdb_tables",
        "duckdb_columns",
        "duckdb_functions",
        "duckdb_settings",
        "duckdb_types",
        "pragma_table_info",
        "pragma_version",
        "json_each",
        "json_tree",
        "regexp_split_to_table",
        "query_table",
        "whatif",
    ]
)
WRITING = frozenset({"write_log", "nextval", "setseed", "getvariable"})


class Refused(ValueError):
    """A statement that is not a single SELECT, or that took too long. The message says what to do."""


def check(query: str) -> str:
    """The query itself if it is one statement that reads; else Refused, with the reason in a sentence."""
    bare = query.strip()
    explain = _EXPLAIN.match(bare)
    if explain is None:
        _check_select(query)
        return query
    if "--" in bare or "/*" in bare:
        raise Refused("EXPLAIN takes no comments here: what stands behind it is checked by itself. Leave them out.")
    _check_select(bare[explain.end() :])
    return query


def _check_select(query: str) -> None:
    """Refuse what is not exactly one SELECT that calls only functions which read."""
    with duckdb.connect() as parser:
        row = parser.execute("select json_serialize_sql($1::varchar)", [query]).fetchone()
    tree: dict[str, Any] = json.loads(row[0]) if row else {"error": True}
    if tree.get("error"):
        if tree.get("error_type") == "not implemented":
            raise Refused(
                "Only SELECT, SHOW, DESCRIBE, SUMMARIZE and EXPLAIN of a SELECT are answered. "
                "Nothing in the lake is changed by SQL."
            )
        raise Refused(f"This is not SQL that DuckDB can parse: {tree.get('error_message', query)}")
    if len(tree["statements"]) != 1:
        held = len(tree["statements"]) or "none"
        raise Refused(f"One statement at a time: this holds {held}.")
    for kind, name in _functions(tree):
        if name in WRITING or (kind == "TABLE_FUNCTION" and name not in READING):
            raise Refused(f"The function {name} is not answered here: only functions that read are.")


def _functions(node: Any) -> Iterator[tuple[str, str]]:
    """(kind, lower-case name) of every function call in DuckDB's syntax tree."""
    if isinstance(node, dict):
        if "function_name" in node:
            yield "", str(node["function_name"]).lower()
        if node.get("type") == "TABLE_FUNCTION" and isinstance(node.get("function"), dict):
            yield "TABLE_FUNCTION", str(node["function"].get("function_name")).lower()
        for inner in node.values():
            yield from _functions(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _functions(inner)


def restrict(connection: duckdb.DuckDBPyConnection, lake: Path, memory: str = "2GB") -> None:
    """Let a connection read files below the lake, and nothing else; this cannot be undone on it."""
    connection.execute(f"set memory_limit = {quoted(memory)}")
    connection.execute(
        f"set temp_directory = {quoted(lake / '.cache' / 'spill')}"
    )  # what a large sort spills stays here
    connection.execute(f"set allowed_directories = [{quoted(lake)}]")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def run_query(connection: duckdb.DuckDBPyConnection, query: str, seconds: float = 60.0) -> pa.Table:
    """The rows of one checked query as Arrow.

    The connection must have been restricted. Raises Refused for anything that is not one SELECT, and after `seconds`.
    """
    check(query)
    timer = threading.Timer(seconds, connection.interrupt)
    timer.start()
    try:
        return connection.execute(query).to_arrow_table()
    except duckdb.InterruptException as error:
        raise Refused(
            f"The query took more than {seconds:g} s and was stopped. Ask for less, or raise --seconds."
        ) from error
    finally:
        timer.cancel()
