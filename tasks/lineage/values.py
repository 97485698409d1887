"""What decisions looked at: columns of the documents and of all annotations, joined as `decide` joins them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from storage.artifact import Artifact
from storage.sql import identifier


def values_of(
    decisions: Artifact, doc_ids: Sequence[str], wanted: Mapping[str, str | None]
) -> dict[str, dict[str, Any]]:
    """Values of documents, by doc_id. `wanted`: names, each with SQL over the columns; None is the column of that name,
    which is left out where there is none. Nothing of documents that are gone.
    """
    groups: dict[str, list[Path]] = {}
    for role in ("documents", "annotations"):
        for one in decisions.inputs(role):
            if one.exists:
                groups.setdefault(role if role == "documents" else one.stage, []).extend(one.paths())
    if "documents" not in groups:
        return {}
    there = {name for files in groups.values() for name in pq.read_schema(files[0]).names}
    asked = {name: sql or identifier(name) for name, sql in wanted.items() if sql is not None or name in there}
    if not doc_ids or not asked:
        return {}
    first, *others = [
        f"(from read_parquet([{', '.join('?' for _ in files)}], union_by_name = true) where doc_id in (from asked))"
        for files in groups.values()
    ]
    selected = ", ".join(f"{sql} as {identifier(f'value of {name}')}" for name, sql in asked.items())
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute("create table asked as select unnest($1) as doc_id", [list(doc_ids)])
        rows = connection.execute(
            f"select doc_id, {selected} from {first} {' '.join(f'left join {one} using (doc_id)' for one in others)}",
            [str(path) for files in groups.values() for path in files],
        ).fetchall()
    return {doc_id: dict(zip(asked, values, strict=True)) for doc_id, *values in rows}
