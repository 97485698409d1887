"""What every stage said of one document, gathered from every view that knows its doc_id."""

from typing import Any

import duckdb
from rich.console import Console

from storage.lake import Lake
from storage.sql import connect, identifier
from storage.statements import Refused

# In the order of the spine; views not named here come after, by name.
ORDER = ["extract", "language", "quality", "sign", "decide", "compose", "tokenize", "pack", "training_rows"]
HIDDEN = {"signature", "buckets", "text", "doc_id"}
MOST_ROWS = 12


def explain_document(lake: Lake, document: str, console: Console) -> None:
    """Print everything the lake knows of a URL or doc_id. Raises Refused, with what is near, if it knows nothing."""
    connection = connect(lake)
    found = find(connection, document)
    losses = find_losses(connection, document)
    if not found and not losses:
        raise Refused(f"No document and no loss has the URL or doc_id {document!r}{_near(connection, document)}")
    for doc_id in found:
        console.print(f"[bold]document {doc_id}[/bold]")
        for view in _views(connection):
            rows = connection.execute(
                f"select * from {identifier(view)} where doc_id = $1 limit {MOST_ROWS + 1}", [doc_id]
            )
            names = [column[0] for column in rows.description or []]
            for row in rows.fetchall()[:MOST_ROWS]:
                _print(console, view, dict(zip(names, row, strict=True)))
    for loss in losses:
        _print(console, "losses", loss)


def find(connection: duckdb.DuckDBPyConnection, document: str) -> list[str]:
    """The doc_ids of a URL, or the doc_id itself if it was ever read."""
    if "extract" not in _tables(connection):
        return []
    rows = connection.execute(
        "select distinct doc_id from extract where doc_id = $1 or url = $1 order by doc_id", [document]
    )
    return [row[0] for row in rows.fetchall()]


def find_losses(connection: duckdb.DuckDBPyConnection, document: str) -> list[dict[str, Any]]:
    """The rows of the loss ledger with this URL."""
    if "extract_losses" not in _tables(connection):
        return []
    rows = connection.execute(f"select * from extract_losses where url = $1 limit {MOST_ROWS}", [document])
    names = [column[0] for column in rows.description or []]
    return [dict(zip(names, row, strict=True)) for row in rows.fetchall()]


def _tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    return [row[0] for row in connection.execute("select view_name from duckdb_views() where not internal").fetchall()]


def _views(connection: duckdb.DuckDBPyConnection) -> list[str]:
    rows = connection.execute(
        "select distinct table_name from information_schema.columns "
        "where column_name = 'doc_id' and table_name <> 'documents'"
    ).fetchall()
    known = {row[0] for row in rows}
    return [view for view in ORDER if view in known] + sorted(known.difference(ORDER))


def _near(connection: duckdb.DuckDBPyConnection, document: str) -> str:
    if "extract" not in _tables(connection):
        return ": nothing has been read into this lake yet."
    query = "select url from extract where url is not null order by jaro_winkler_similarity(url, $1) desc limit 1"
    row = connection.execute(query, [document]).fetchone()
    return f". The nearest URL is {row[0]}" if row else "."


def _print(console: Console, view: str, row: dict[str, Any]) -> None:
    fingerprint = row.pop("fingerprint", None)
    console.print(f"  [bold]{view}[/bold]" + (f"  {fingerprint[:12]}" if fingerprint else ""))
    for name, value in row.items():
        if name in HIDDEN or value is None:
            continue
        shown = f"{value:.6g}" if isinstance(value, float) else str(value)
        console.print(
            f"    {name:<34} {shown if len(shown) <= 120 else shown[:119] + '…'}", markup=False, highlight=False
        )
