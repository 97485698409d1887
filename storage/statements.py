"""SQL that a person types: it reads and nothing else.

SELECT (SHOW, DESCRIBE and SUMMARIZE parse as such) and EXPLAIN of what is itself one SELECT; read-only file access
below the lake alone, a locked configuration, a limit on time and memory. (`EXPLAIN ANALYZE COPY … TO` has the type
EXPLAIN and writes a file on a read-only connection: so what stands behind EXPLAIN is parsed by itself.)
"""

import re
import threading
from pathlib import Path

import duckdb
import pyarrow as pa

from storage.sql import quoted

_EXPLAIN = re.compile(r"\s*explain\b\s*(analyze\b)?\s*(\((?:[^()']|'[^']*')*\))?", re.IGNORECASE)
_COMMENT = re.compile(r"\A(\s+|--[^\n]*(\n|\Z)|/\*.*?\*/)+", re.DOTALL)


class Refused(ValueError):
    """A statement that is not a single SELECT, or that took too long. The message says what to do."""


def check(query: str) -> str:
    """The query itself if it is one statement that reads; else Refused, with the reason in a sentence."""
    try:
        statements = duckdb.extract_statements(query)
    except duckdb.Error as error:
        raise Refused(f"This is not SQL that DuckDB can parse: {error}") from error
    if len(statements) != 1:
        raise Refused(f"One statement at a time: this holds {len(statements)}.")
    kind = statements[0].type
    if kind == duckdb.StatementType.EXPLAIN:
        bare = _COMMENT.sub("", query)
        explained = _EXPLAIN.match(bare)
        if explained is None:
            raise Refused("Write EXPLAIN first, then one SELECT.")
        check_select(bare[explained.end() :])
    elif kind != duckdb.StatementType.SELECT:
        raise Refused(
            f"Only SELECT, SHOW, DESCRIBE, SUMMARIZE and EXPLAIN of a SELECT: this is {kind.name}. "
            "Nothing in the lake is changed by SQL."
        )
    return query


def check_select(query: str) -> None:
    """Refuse what is not exactly one SELECT."""
    try:
        inner = duckdb.extract_statements(query)
    except duckdb.Error as error:
        raise Refused(f"What stands behind EXPLAIN is not SQL that DuckDB can parse: {error}") from error
    if len(inner) != 1 or inner[0].type != duckdb.StatementType.SELECT:
        raise Refused("EXPLAIN is for one SELECT: what stands behind it is something else.")


def restrict(connection: duckdb.DuckDBPyConnection, lake: Path, memory: str = "2GB") -> None:
    """Let a connection read files below the lake, and nothing else; this cannot be undone on it."""
    connection.execute(f"set memory_limit = {quoted(memory)}")
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
