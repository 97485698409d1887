"""Which component of the mixture each kept document belongs to, and how often it counts: SQL over its columns.

The columns are those of the documents, of every annotation that the decisions looked at, and of the decisions
themselves (`cluster_size`). Only those that an expression names are read, never the text.
"""

from collections.abc import Mapping, Sequence

import duckdb
import numpy as np
import pyarrow as pa

from tasks.decide.predicates import PredicateError, check_columns, check_predicate, literal, quoted
from tasks.mixture import MixtureError
from tasks.mixture_config import ComposeConfig

MOST = 10_000
"""Components at most: more of them are ids, not a mixture."""
DECIDED = {"cluster_size": "INTEGER"}
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
) -> pa.Table:
    """doc_id (string), component (string) and repeat (float64) of each kept document, in no order.

    Args: Parquet files of the decisions, of the documents, and of each annotation by its stage's name.
    Raises: MixtureError where an expression cannot be computed, or gives what cannot be.
    """
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        wanted = {name for where, text, _ in _expressions(config) for name in check_predicate(where, text)}
        selected, joins = ["decided.doc_id"], []
        for number, (name, paths) in enumerate({"documents": documents, **annotations, "decide": decisions}.items()):
            files = f"read_parquet([{', '.join(literal(str(path)) for path in paths)}])"
            found = [row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {files}").fetchall()]
            here = [column for column in found if column in wanted and (name != "decide" or column in DECIDED)]
            wanted -= set(here)
            if here and name == "decide":
                selected += [f"decided.{quoted(column)}" for column in here]
            elif here:
                listed = ", ".join(map(quoted, ["doc_id", *here]))
                joins.append(f"JOIN (SELECT {listed} FROM {files}) t{number} ON t{number}.doc_id = decided.doc_id")
                selected += [f"t{number}.{quoted(column)}" for column in here]
            if name == "decide":
                source = f"(SELECT * FROM {files} WHERE kept) decided"
        if wanted:
            raise MixtureError(f"mixture.by or mixture.repeat reads {min(wanted)}, which no input of the corpus has.")
        repeat = _cast(config.repeat, numeric=True) if config.repeat is not None else "1.0::DOUBLE"
        query = (
            f"SELECT doc_id, coalesce({_cast(config.by, numeric=False)}, {literal(OTHER)}) AS component, "
            f"{repeat} AS repeat FROM (SELECT {', '.join(selected)} FROM {source} {' '.join(joins)})"
        )
        try:
            table = connection.sql(query).to_arrow_table()
        except duckdb.Error as error:
            raise MixtureError(
                f"mixture.by or mixture.repeat cannot be computed: {str(error).splitlines()[0]}"
            ) from error
    _check_values(table)
    return table


def _expressions(config: ComposeConfig) -> list[tuple[str, str, bool]]:
    """(place in the recipe, SQL, whether it gives a number)."""
    found = [("mixture.by", config.by, False)]
    return [*found, ("mixture.repeat", config.repeat, True)] if config.repeat is not None else found


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
    count = len(table.column("component").unique())
    if count > MOST:
        raise MixtureError(f"mixture.by tells {count:,} components apart, more than {MOST:,}: group them further.")
