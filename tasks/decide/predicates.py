"""Checks a predicate that a person wrote, before any work starts.

A predicate is one SQL expression over the columns of one document, true where the document is to be dropped. It is
parsed by DuckDB itself and the tree is walked: only columns, constants, operators and functions whose result follows
from their arguments may stand in it. What is not known to be harmless is refused.
"""

import difflib
import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import duckdb

# Parts of DuckDB's parse tree that compute a value of one row. (No LAMBDA, PARAMETER, STAR, SUBQUERY or WINDOW.)
ALLOWED_CLASSES = frozenset(
    {
        "BETWEEN",
        "CASE",
        "CAST",
        "COLLATE",
        "COLUMN_REF",
        "COMPARISON",
        "CONJUNCTION",
        "CONSTANT",
        "FUNCTION",
        "OPERATOR",
    }
)
# DuckDB calls these consistent, yet they tell of the machine or the session and not of the document.
SESSION_FUNCTIONS = frozenset(
    {"current_setting", "getenv", "getvariable", "version", "current_schema", "current_schemas"}
)


class PredicateError(ValueError):
    """A predicate that cannot be used: where it stands, what is wrong, what to do."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A clause that names the nearest known names, or nothing where none is near: `; did you mean n_words?`."""
    close = difflib.get_close_matches(name, list(known), n=2, cutoff=0.5)
    return f"; did you mean {' or '.join(close)}?" if close else "."


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def check_predicate(where: str, predicate: str) -> frozenset[str]:
    """The names of the columns that a predicate reads.

    Args: `where` its place in the recipe, for the message; `predicate` the SQL.
    Raises: PredicateError where it is not a single expression, or holds a subquery, an aggregate, a window, a
    parameter, or a function that is unknown, reads more than its arguments, or may answer differently when asked again.
    """
    return frozenset(names[0] for names in _columns(where, predicate, _parse(where, predicate)))


def check_columns(where: str, names: Iterable[str], columns: Mapping[str, str]) -> None:
    """Raises: PredicateError where one of `names` is no column; it names the nearest right one."""
    for name in sorted(names):
        if name == "text":
            raise PredicateError(
                f"{where} reads the column text, but decisions are made on scores alone: have a stage score the text."
            )
        if name not in columns and name.endswith("_score"):
            raise PredicateError(
                f"{where} reads the column {name}, which no stage of this recipe writes: a classifier called "
                f"{name.removesuffix('_score')} does (see classifiers and classify.models). Name one, or set {where} "
                "to null."
            )
        if name not in columns:
            raise PredicateError(
                f"{where} reads the column {name}, which no stage of this recipe writes{nearest(name, columns)}"
            )


def check_type(where: str, predicate: str, columns: Mapping[str, str]) -> None:
    """Raises: PredicateError where the predicate's types don't fit, or it is neither true nor false.

    Args: `columns` the DuckDB type of each column.
    """
    typed = ", ".join(f"NULL::{kind} AS {quoted(name)}" for name, kind in columns.items())
    with duckdb.connect() as connection:
        try:
            ((kind,),) = connection.execute(
                f"SELECT typeof(predicate) FROM (SELECT (\n{predicate}\n) AS predicate FROM (SELECT {typed}))"
            ).fetchall()
        except duckdb.Error as error:
            raise PredicateError(f"{where} ({predicate}) cannot be computed: {_first_line(error)}") from error
    if kind != "BOOLEAN":
        raise PredicateError(
            f"{where} ({predicate}) gives {kind}, not true or false: write a comparison, such as n_words < 50."
        )


def _first_line(error: duckdb.Error) -> str:
    return str(error).split("\n")[0].strip()


@functools.cache
def _functions() -> frozenset[str]:
    """Scalar functions whose result follows from their arguments alone."""
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT function_name FROM duckdb_functions() GROUP BY function_name "
            "HAVING bool_and(function_type = 'scalar' AND stability = 'CONSISTENT')"
        ).fetchall()
    return frozenset(name for (name,) in rows) - SESSION_FUNCTIONS


def _parse(where: str, predicate: str) -> dict[str, Any]:
    """The parse tree of the one expression that `predicate` is."""
    with duckdb.connect() as connection:
        trees = []
        for sql in (f"SELECT {predicate}", "SELECT 1"):
            ((text,),) = connection.execute(
                "SELECT json_serialize_sql(?, skip_default := true, skip_null := true, skip_empty := true)", [sql]
            ).fetchall()
            trees.append(json.loads(text))
    tree, plain = trees
    if tree.get("error"):
        raise PredicateError(
            f"{where} ({predicate}) is not an SQL expression: {tree.get('error_message', 'it cannot be parsed')}."
        )
    statements = tree["statements"]
    expressions = statements[0]["node"].get("select_list", []) if len(statements) == 1 else []
    # Whatever stands around the expression (FROM, LIMIT, UNION, a second statement …) makes the rest unlike SELECT 1.
    if len(expressions) == 1:
        plain["statements"][0]["node"]["select_list"] = expressions
    if (
        len(expressions) != 1
        or statements != plain["statements"]
        or "alias" in expressions[0]
        or ";" in _outside_strings(predicate)
    ):
        raise PredicateError(
            f"{where} ({predicate}) is more than one SQL expression: write only the condition, such as n_words < 50."
        )
    return expressions[0]


def _outside_strings(predicate: str) -> str:
    """The predicate without its quoted parts."""
    parts = predicate.replace('"', "'").split("'")
    return " ".join(parts[::2])


def _columns(where: str, predicate: str, tree: Any) -> Iterator[tuple[str, ...]]:
    """Walk the tree, refuse what is not known to be harmless, and give the columns it reads."""
    if isinstance(tree, list):
        for branch in tree:
            yield from _columns(where, predicate, branch)
        return
    if not isinstance(tree, dict):
        return
    kind = tree.get("class")
    if kind == "CONSTANT":
        return
    if kind is not None and kind not in ALLOWED_CLASSES:
        raise PredicateError(
            f"{where} ({predicate}) holds a {kind.lower()}: "
            "only columns of one document, constants, operators and functions may stand there."
        )
    if kind == "COLUMN_REF":
        names = tuple(tree["column_names"])
        if len(names) != 1:
            raise PredicateError(f"{where} ({predicate}) reads {'.'.join(names)}: name the column alone, {names[-1]}.")
        yield names
        return
    if kind == "FUNCTION":
        name = tree["function_name"].lower()
        if (
            name not in _functions()
            or tree.get("filter")
            or tree.get("order_bys", {}).get("orders")
            or tree.get("distinct")
        ):
            raise PredicateError(
                f"{where} ({predicate}) calls {name}, which is not a function of one row's values alone "
                "(or not a function at all)."
            )
    for branch in tree.values():
        yield from _columns(where, predicate, branch)
