"""Which component of the mixture each kept document belongs to, and how often it counts: SQL over its columns.

The columns are those of the documents, of every annotation that the decisions looked at, and of the decisions
themselves (the sizes of clusters). Only those that an expression names are read, never the text.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from storage.schemas.corpus import REHYDRATION
from tasks.decide.predicates import PredicateError, check_columns, check_predicate, literal, quoted
from tasks.mixture import MixtureError
from tasks.mixture_config import MOST_REPEATS, ComposeConfig, Rehydration
from tasks.rehydration import UNFILTERED, weigh_sizes

MOST = 10_000
"""Components at most: more of them are ids, not a mixture."""
DECIDED = {"cluster_size": "INTEGER", UNFILTERED: "INTEGER"}
"""What the decisions give besides, with its DuckDB type."""
OTHER = "other"
"""The component of documents for which `by` gives null."""


def check_expressions(config: ComposeConfig, columns: Mapping[str, str]) -> None:
    """Check `by` and `repeat` before any work.

    Args: `columns` the DuckDB type of each column of the documents and of all annotations.
    Raises: PredicateError, a sentence with the place in the recipe, where one of them cannot be computed from them.
    """
    columns = {**columns, **DECIDED}
    for where, expression, numeric in _expressions(config):
        check_columns(where, check_predicate(where, expression), columns)
        typed = ", ".join(f"NULL::{kind} AS {quoted(name)}" for name, kind in columns.items())
        with duckdb.connect() as connection:
            try:
                connection.execute(f"SELECT {_cast(expression, numeric)} FROM (SELECT {typed}) WHERE false").fetchall()
            except duckdb.Error as error:
                said = str(error).split("\n")[0].strip()
                raise PredicateError(f"{where} ({expression}) cannot be computed: {said}") from error


def group_documents(
    decisions: Sequence[str], documents: Sequence[str], annotations: Mapping[str, Sequence[str]], config: ComposeConfig
) -> tuple[pa.Table, list[dict[str, Any]]]:
    """doc_id (string), component (string) and repeat (float64) of each kept document, in no order; and where documents
    count by the size of their cluster, how often those of each size: rows of REHYDRATION.

    Args: Parquet files of the decisions, of the documents, and of each annotation by its stage's name.
    Raises: MixtureError where an expression cannot be computed, or gives what cannot be.
    """
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        inputs = {"documents": documents, **annotations, "decide": decisions}
        try:
            weights = _weigh(connection, inputs, config.rehydrate) if config.rehydrate is not None else []
            table = connection.sql(_grouped(connection, inputs, config, weights)).to_arrow_table()
        except duckdb.Error as error:
            places = " or ".join(where for where, text, _ in _expressions(config) if text not in ("source", "language"))
            raise MixtureError(f"{places} cannot be computed: {str(error).splitlines()[0]}") from error
    _check_values(table)
    if weights:
        _count_kept(weights, table)
    return table.select(["doc_id", "component", "repeat"]), weights


def _grouped(
    connection: duckdb.DuckDBPyConnection,
    inputs: Mapping[str, Sequence[str]],
    config: ComposeConfig,
    weights: Sequence[Mapping[str, Any]],
) -> str:
    """A query for the component of each kept document and how often it counts; by weights, also which it counts by."""
    component = f"coalesce({_cast(config.by, numeric=False)}, {literal(OTHER)})"
    wanted = {name: where for where, text, _ in _expressions(config) for name in check_predicate(where, text)}
    if config.rehydrate is None:
        repeat = _cast(config.repeat, numeric=True) if config.repeat is not None else "1.0::DOUBLE"
        columns = _joined(connection, inputs, wanted, "kept")
        return f"SELECT doc_id, {component} AS component, {repeat} AS repeat FROM {columns}"
    groups = pa.Table.from_pylist(list(weights), schema=REHYDRATION.schema)
    connection.register("weights", groups.append_column("number", pa.array(np.arange(len(weights)))))
    of = f"coalesce({_cast(config.rehydrate.by, numeric=False)}, {literal(OTHER)})"
    columns = _joined(connection, inputs, {**wanted, UNFILTERED: "mixture.rehydrate"}, "kept")
    return (
        f"SELECT doc_id, component, repeats::DOUBLE AS repeat, number FROM (SELECT doc_id, {component} AS component, "
        f'{of} AS "of it", {quoted(UNFILTERED)} AS "its size" FROM {columns}) LEFT JOIN weights ON "of" = "of it" '
        f'AND "its size" BETWEEN smallest_size AND coalesce(largest_size, "its size")'
    )


def _weigh(
    connection: duckdb.DuckDBPyConnection, inputs: Mapping[str, Sequence[str]], config: Rehydration
) -> list[dict[str, Any]]:
    """Rows of REHYDRATION, of all documents that stand in clusters before the rules."""
    where = "mixture.rehydrate.by"
    of = f"coalesce({_cast(config.by, numeric=False)}, {literal(OTHER)})"
    wanted = dict.fromkeys([*check_predicate(where, config.by), UNFILTERED, "cluster"], where)
    columns = _joined(connection, inputs, wanted, f"{UNFILTERED} > 0")
    rows = connection.execute(
        f'SELECT {of} AS "of", {UNFILTERED} AS size, count(*), count(*) FILTER (cluster IS NULL) FROM {columns} '
        "GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    found: list[dict[str, Any]] = []
    for name, some in groupby(rows, key=lambda row: row[0]):
        _, sizes, documents, dropped = (np.array(column) for column in zip(*some, strict=True))
        found += [{"of": name, **row, "kept_documents": 0} for row in weigh_sizes(sizes, documents, dropped, config)]
    return found


def _count_kept(weights: list[dict[str, Any]], table: pa.Table) -> None:
    for row, count in zip(weights, np.bincount(table.column("number").to_numpy(), minlength=len(weights)), strict=True):
        row["kept_documents"] = int(count)


def _joined(
    connection: duckdb.DuckDBPyConnection, inputs: Mapping[str, Sequence[str]], wanted: Mapping[str, str], which: str
) -> str:
    """SQL of a table with doc_id and the wanted columns, a row for each decision of which `which` is true.

    Args: `wanted`: columns, each with the place in the recipe that asks for it.
    Raises: MixtureError where no input has a column.
    """
    missing, selected, joins, source = set(wanted), ["decided.doc_id"], [], ""
    for number, (name, paths) in enumerate(inputs.items()):
        files = f"read_parquet([{', '.join(literal(str(path)) for path in paths)}])"
        found = [row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {files}").fetchall()]
        known = [*DECIDED, "cluster"] if name == "decide" else found
        here = [column for column in found if column in missing and column in known]
        missing -= set(here)
        if name == "decide":
            selected += [f"decided.{quoted(column)}" for column in here]
            source = f"(SELECT * FROM {files} WHERE {which}) decided"
        elif here:
            listed = ", ".join(map(quoted, ["doc_id", *here]))
            joins.append(f"JOIN (SELECT {listed} FROM {files}) t{number} ON t{number}.doc_id = decided.doc_id")
            selected += [f"t{number}.{quoted(column)}" for column in here]
    if UNFILTERED in missing:
        raise MixtureError(
            f"{wanted[UNFILTERED]} reads {UNFILTERED}, which decisions have with decide.duplicates.sizes_after "
            "alone: set that ([] for the clusters of all texts) and decide again."
        )
    if missing:
        name = min(missing)
        raise MixtureError(f"{wanted[name]} reads {name}, which no input of the corpus has.")
    return f"(SELECT {', '.join(selected)} FROM {source} {' '.join(joins)})"


def _expressions(config: ComposeConfig) -> list[tuple[str, str, bool]]:
    """(place in the recipe, SQL, whether it gives a number)."""
    found = [("mixture.by", config.by, False)]
    found += [("mixture.repeat", config.repeat, True)] if config.repeat is not None else []
    return [*found, ("mixture.rehydrate.by", config.rehydrate.by, False)] if config.rehydrate is not None else found


def _cast(expression: str, numeric: bool) -> str:
    return f"CAST((\n{expression}\n) AS {'DOUBLE' if numeric else 'VARCHAR'})"


def _check_values(table: pa.Table) -> None:
    repeat = table.column("repeat")
    values = repeat.to_numpy()
    wrong = repeat.null_count or not np.isfinite(values).all() or (values < 0).any()
    if wrong:
        raise MixtureError(
            "mixture.repeat is null, negative or no number for some document: guard it, as with coalesce(…, 1)."
        )
    if len(values) and values.max() > MOST_REPEATS:
        raise MixtureError(
            f"mixture.repeat is {values.max():g} for some document, more than {MOST_REPEATS}: bound it, as with "
            f"least(…, {MOST_REPEATS})."
        )
    count = len(table.column("component").unique())
    if count > MOST:
        raise MixtureError(f"mixture.by tells {count:,} components apart, more than {MOST:,}: group them further.")
