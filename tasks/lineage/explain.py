"""Everything that a lake knows of what one asks about: rows of every view that has its id, and its path to models.

No text is read. Lists are cut where they are long, and `left_out` says of which how much is missing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from storage.lake import Lake
from storage.sql import connect, identifier
from tasks.lineage.document import MOST_MEMBERS, path_of_document
from tasks.lineage.find import (
    MOST_FOUND,
    UNREAD,
    Found,
    Listed,
    columns_of_views,
    find_documents,
    find_records,
    limited,
    not_found,
    spellings,
)
from tasks.lineage.readers import Called
from tasks.lineage.record import path_of_conversation, path_of_question

# In the order of the spine; views not named here come after, by name.
ORDER = ["extract", "language", "quality", "sign", "redact", "word_lists", "contamination", "edits", "decide"]
ORDER += ["compose", "tokenize"]
HIDDEN = UNREAD | {"signature", "buckets", "lines", "paragraphs", "anchors", "shingles", "embedding", "doc_id"}
"""Columns of text, which is not read, and of lists of hashes, which say nothing to a person."""
GATHERED = {"documents", "tokens", "pack", "training_rows"}
"""Views whose rows stand in those of a stage too, or are told whole in the path."""
MOST_ROWS = 12

Told = dict[str, Any]


def explain(
    lake: Lake, asked: str, *, everything: bool = False, connection: duckdb.DuckDBPyConnection | None = None
) -> Told:
    """Documents, conversations, questions and losses that have this URL or id, as plain values.

    Of a view at most MOST_ROWS rows are given, of documents at most MOST_FOUND, of a cluster's
    members MOST_MEMBERS; `everything`: all.
    `connection`: one that `storage.sql.connect` gave, for who asks many times; to open one costs most of the time.
    Raises: Refused, with what is near, if the lake knows nothing of it.
    """
    connection, called = connection or connect(lake), Called(lake)
    views = columns_of_views(connection)
    rows, found, members = (None,) * 3 if everything else (MOST_ROWS, MOST_FOUND, MOST_MEMBERS)
    documents = find_documents(connection, asked, found) if "extract" in views else Listed[Found]((), 0)
    records = {
        view: find_records(connection, view, views[view], asked, found)
        for view in ("conversations", "questions")
        if view in views
    }
    losses = Listed[Told]((), 0)
    if "extract_losses" in views:
        losses = _newest_first(connection, "extract_losses", views["extract_losses"], "url", spellings(asked), rows)
    listed = {"documents": documents, **records, "losses": losses}
    if not any(one.total for one in listed.values()):
        raise not_found(connection, views, asked)
    told: Told = {
        "documents": [
            vars(one)
            | _said(connection, views, one.doc_id, rows)
            | path_of_document(lake, connection, called, one, members)
            for one in documents.rows
        ]
    }
    for view, of_record in records.items():
        told[view] = []
        for one in of_record.rows:
            path = (
                path_of_conversation(lake, connection, called, one)
                if view == "conversations"
                else path_of_question(lake, connection, called, one, views)
            )
            told[view].append(one | path)
    left_out = {name: one.left_out for name, one in listed.items() if one.left_out}
    return told | {"losses": losses.rows, "left_out": left_out}


def _said(
    connection: duckdb.DuckDBPyConnection, views: Mapping[str, Sequence[str]], doc_id: str, most: int | None
) -> Told:
    """What every stage said of a document: its rows in every view of an artifact's rows that knows documents."""
    stages, left_out = {}, {}
    known = [view for view, columns in views.items() if {"doc_id", "fingerprint"} <= set(columns)]
    for view in sorted(known, key=lambda view: (ORDER.index(view) if view in ORDER else len(ORDER), view)):
        if view in GATHERED:
            continue
        found = _newest_first(connection, view, views[view], "doc_id", [doc_id], most)
        stages[view] = found.rows
        if found.left_out:
            left_out[view] = found.left_out
    return {"stages": stages, "left_out": left_out}


def _newest_first(
    connection: duckdb.DuckDBPyConnection,
    view: str,
    columns: Sequence[str],
    key: str,
    values: Sequence[str],
    most: int | None,
) -> Listed[Told]:
    """Rows of a view where a column has one of these values, those of the artifact that was made last first, and within
    one in the order of all columns, so that the same lake always says the same."""
    names = [name for name in columns if name not in HIDDEN]
    selected = ", ".join(f"t.{identifier(name)}" for name in names)
    among = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    rows = connection.execute(
        f"""select {selected}, count(*) over () from {identifier(view)} t left join artifacts a using (fingerprint)
        where t.{identifier(key)} in ({among}) order by a.created desc nulls last, {selected} {limited(most)}""",
        list(values),
    ).fetchall()
    return Listed([dict(zip(names, row[:-1], strict=True)) for row in rows], rows[0][-1] if rows else 0)
