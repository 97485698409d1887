"""What every stage said of one document, gathered from every view that knows its doc_id."""

from typing import Any

import duckdb
from rich.console import Console

from storage.lake import Lake
from storage.sql import connect, identifier, quoted
from storage.statements import Refused
from tasks.lineage.document import Found, find_documents, path_of

# In the order of the spine; views not named here come after, by name.
ORDER = ["extract", "language", "quality", "sign", "redact", "word_lists", "contamination", "edits", "decide"]
ORDER += ["compose", "tokenize", "pack", "training_rows"]
HIDDEN = {"signature", "buckets", "lines", "paragraphs", "anchors", "text", "doc_id"}
# The same rows stand in the view of the stage that made them.
GATHERED = ("documents", "tokens")
MOST_ROWS = 12
MOST_PLACES = 12


def explain_document(lake: Lake, document: str, console: Console) -> None:
    """Print everything the lake knows of a URL or doc_id. Raises Refused, with what is near, if it knows nothing."""
    connection = connect(lake)
    found = find(connection, document)
    losses, lost = find_losses(connection, document)
    if not found and not losses:
        raise Refused(f"No document and no loss has the URL or doc_id {document!r}{_near(connection, document)}")
    if len(found) > 1:
        say(console, f"{len(found)} documents, the newest first:")
        for one in found:
            say(console, f"  {one.doc_id}  {one.captured or 'no date':<19}  {one.source}")
    for one in found:
        console.print(f"[bold]document {one.doc_id}[/bold]", highlight=False)
        for view, columns in _views(connection).items():
            rows, total = _newest_first(connection, view, columns, "doc_id", one.doc_id)
            for row in rows:
                _print(console, view, row)
            _say_left_out(console, view, total - len(rows))
        print_path(console, path_of(lake, connection, one.doc_id))
    for loss in losses:
        _print(console, "losses", loss)
    _say_left_out(console, "losses", lost - len(losses))


def explained(lake: Lake, document: str) -> dict[str, Any]:
    """The same as plain values. Raises Refused as `explain_document` does."""
    connection = connect(lake)
    found = find(connection, document)
    losses, _ = find_losses(connection, document)
    if not found and not losses:
        raise Refused(f"No document and no loss has the URL or doc_id {document!r}{_near(connection, document)}")
    told = []
    for one in found:
        stages = {
            view: _newest_first(connection, view, columns, "doc_id", one.doc_id)[0]
            for view, columns in _views(connection).items()
            if view != "training_rows"  # told whole under models
        }
        told.append(vars(one) | {"stages": stages} | path_of(lake, connection, one.doc_id))
    return {"documents": told, "losses": losses}


def find(connection: duckdb.DuckDBPyConnection, document: str) -> list[Found]:
    """The documents of a URL, a doc_id or the start of one, the newest first; none before anything was read."""
    return find_documents(connection, document) if "extract" in _columns(connection) else []


def print_path(console: Console, path: dict[str, Any]) -> None:
    """Rules beside their limits, the cluster, corpora, token spans, and the models that read it."""
    for decision in path["decisions"]:
        say(console, f"  rules of {decision['artifact'][:19]}")
        for rule in decision["rules"]:
            mark = "drops" if rule["drops"] else "passes"
            value = rule["value"]
            shown = "no value" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
            # a predicate of the recipe has no one value
            shown = f"{shown}, " if rule["column"] else ""
            say(console, f"    {mark:<6}  {rule['rule']:<36} {shown}{rule['says']}")
        for member in decision["members"]:
            say(console, f"    copy    {member['doc_id']}  {member['url'] or ''}")
            say(console, f"            {member['why']}")
    for corpus in path["corpora"]:
        called = ", ".join(corpus["names"]) or "no name"
        say(console, f"  in corpus {corpus['artifact'][:20]}  {called}: {corpus['split']}, copies: {corpus['copies']}")
    for span in path["tokens"]:
        say(
            console,
            f"  tokens {span['artifact'][:21]}  shard {span['shard']}, from {span['start']}, {span['length']} long",
        )
    for model in path["models"]:
        called = ", ".join(model["names"]) or "no name"
        if "through" in model:
            say(console, f"  read by {model['artifact'][:21]}  {called}: through its base {model['through'][:21]}")
            continue
        steps: dict[int, list[int]] = {}
        for read in model["reads"]:
            steps.setdefault(read["step"], []).append(read["row"])
        said = [f"step {step} (row {', '.join(map(str, dict.fromkeys(rows)))})" for step, rows in steps.items()]
        say(console, f"  read by {model['artifact'][:21]}  {called}: {len(steps)} step{'' if len(steps) == 1 else 's'}")
        for one in said[:MOST_ROWS]:
            say(console, f"    {one}")
        _say_left_out(console, "training_rows", len(said) - MOST_ROWS)


def say(console: Console, text: str) -> None:
    """A line as it is: no markup, no colours."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def find_losses(connection: duckdb.DuckDBPyConnection, document: str) -> tuple[list[dict[str, Any]], int]:
    """The rows of the loss ledger with this URL, the newest first, and how many there are in all."""
    columns = _columns(connection).get("extract_losses")
    return _newest_first(connection, "extract_losses", columns, "url", document) if columns else ([], 0)


def _newest_first(
    connection: duckdb.DuckDBPyConnection, view: str, columns: list[str], key: str, value: str
) -> tuple[list[dict[str, Any]], int]:
    """At most MOST_ROWS rows of a view, those of the artifact that was made last first, and how many there are."""
    columns = [name for name in columns if name not in HIDDEN - {"doc_id"}]  # no text is read
    # within an artifact by all columns in turn, so that the same lake always says the same
    order = ", ".join(f"t.{identifier(name)}" for name in columns)
    selected = ", ".join(f"t.{identifier(name)}" for name in columns)
    rows = connection.execute(
        f"""select {selected}, count(*) over () from {identifier(view)} t left join artifacts a using (fingerprint)
        where t.{identifier(key)} = $1 order by a.created desc nulls last, {order} limit {MOST_ROWS}""",
        [value],
    ).fetchall()
    return [dict(zip(columns, row[:-1], strict=True)) for row in rows], rows[0][-1] if rows else 0


def _say_left_out(console: Console, view: str, rows: int) -> None:
    if rows > 0:
        what = f"row{'' if rows == 1 else 's'} of {view}"
        console.print(f"  and {rows:,} more {what}: gristmill sql shows all", highlight=False)


def _columns(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """The columns of every view, in their order."""
    rows = connection.execute(
        "select table_name, column_name from information_schema.columns order by table_name, ordinal_position"
    ).fetchall()
    found: dict[str, list[str]] = {}
    for view, name in rows:
        found.setdefault(view, []).append(name)
    return found


def _views(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """The views of one artifact's rows each that know documents, in the order of the spine, with their columns."""
    known = {
        view: columns
        for view, columns in _columns(connection).items()
        if {"doc_id", "fingerprint"} <= set(columns) and view not in GATHERED
    }
    return {view: known[view] for view in [*(v for v in ORDER if v in known), *sorted(known.keys() - set(ORDER))]}


def _near(connection: duckdb.DuckDBPyConnection, document: str) -> str:
    if "extract" not in _columns(connection):
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
        if isinstance(value, list) and value and isinstance(value[0], dict):
            _print_places(console, name, value)
            continue
        _print_value(console, name, f"{value:.6g}" if isinstance(value, float) else str(value))
    if row.get("contaminated_by"):
        _say_where_items_are(console, row["contaminated_by"])


def _print_places(console: Console, name: str, places: list[dict[str, Any]]) -> None:
    """Spans and matches, one a line: ids and places, and no text."""
    for number, one in enumerate(places[:MOST_PLACES]):
        told = dict(one)
        where = f"{told.pop('start')}:{told.pop('end')}" if {"start", "end"} <= told.keys() else ""
        said = [f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in told.items()]
        _print_value(console, "" if number else name, "  ".join([*([where] if where else []), *said]))
    if len(places) > MOST_PLACES:
        _print_value(console, "", f"and {len(places) - MOST_PLACES:,} more")


def _print_value(console: Console, name: str, shown: str) -> None:
    said = shown if len(shown) <= 120 else shown[:119] + "…"
    console.print(f"    {name:<34} {said}", markup=False, highlight=False, soft_wrap=True)


def _say_where_items_are(console: Console, matches: list[dict[str, Any]]) -> None:
    """How the text of the first item is looked up: no text of an evaluation set stands in what a stage wrote."""
    item = matches[0]["item"]
    for what, query in (
        ("the item", f"from questions select context, choices where question_id = {quoted(item)}"),
        ("or, of a set of texts", f"from extract select text where doc_id = {quoted(item)}"),
    ):
        console.print(f'    {what + ":":<34} gristmill sql "{query}"', markup=False, highlight=False, soft_wrap=True)
