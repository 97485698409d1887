"""What the lake knows of one document beyond its scores: whether it is forgotten, decisions rule by rule, its cluster,
corpora, tokens, and the models that read it."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa

from storage.artifact import Artifact
from storage.forget.rows import named_rows
from storage.forget.tombstones import Matcher, entries
from storage.lake import Lake
from storage.schemas.documents import FORGOTTEN
from tasks.lineage.cluster import read_members
from tasks.lineage.find import Found
from tasks.lineage.limits import check_document, compared
from tasks.lineage.readers import Called, readers_of_document
from tasks.lineage.values import values_of

MOST_MEMBERS = 50
PLACED = "split, phase, row, position, shard, start, length"
DECIDED = "kept, dropped_by, failed, cluster, cluster_size, kept_as, jaccard, split"


def path_of_document(
    lake: Lake, connection: duckdb.DuckDBPyConnection, called: Called, document: Found, most: int | None = MOST_MEMBERS
) -> dict[str, Any]:
    """Tombstones, decisions, corpora, token spans, rows and readers of one document, as plain values.

    Of a cluster at most so many members are listed; None: all.
    """
    of_kind: dict[str, list[Artifact]] = {"decisions": [], "corpus": [], "tokens": [], "packing": []}
    for one in lake.artifacts():
        if one.manifest.kind in of_kind:
            of_kind[one.manifest.kind].append(one)
    told = (_decided(connection, called, one, document.doc_id, most) for one in reversed(of_kind["decisions"]))
    return {
        "forgotten": _forgotten(lake, connection, document),
        "decisions": [one for one in told if one is not None],
        "corpora": _held(connection, called, of_kind["corpus"], document.doc_id, "split, copies, phase_copies"),
        "tokens": _held(connection, called, of_kind["tokens"], document.doc_id, "shard, start, length"),
        "packings": _held(connection, called, of_kind["packing"], document.doc_id, PLACED),
        "models": readers_of_document(lake, connection, called, document.doc_id),
    }


_NAMED_BY = pa.schema([(name, pa.string()) for name in ("doc_id", "url", "source", "record_id")])


def _forgotten(lake: Lake, connection: duckdb.DuckDBPyConnection, document: Found) -> list[dict[str, Any]]:
    """The tombstones that name a document, and whether its text is gone from what was extracted."""
    row = connection.execute("select doc_id, url, source, record_id from extract where doc_id = $1", [document.doc_id])
    read = pa.RecordBatch.from_pylist(row.to_arrow_table().slice(0, 1).to_pylist(), schema=_NAMED_BY)
    naming = [one for one in entries(lake) if named_rows("documents", read, Matcher([one.tombstone])).any()]
    if not naming:
        return []
    left = connection.execute(
        "select count(*) from extract where doc_id = $1 and extractor is distinct from $2", [document.doc_id, FORGOTTEN]
    ).fetchone()
    return [
        {
            "tombstone": entry.number,
            "names": str(entry.tombstone),
            "since": datetime.fromtimestamp(entry.written, UTC).isoformat(timespec="seconds"),
            "text_is_gone": left == (0,),
        }
        for entry in naming
    ]


def _rows(connection: duckdb.DuckDBPyConnection, artifact: Artifact, columns: str, doc_id: str) -> list[dict[str, Any]]:
    """The rows of a document in an artifact's main table. The columns are named, so that no text is read."""
    if not artifact.parts():
        return []
    found = connection.execute(
        f"select {columns} from read_parquet($files, union_by_name = true) where doc_id = $doc_id order by all",
        {"files": [str(path) for path in artifact.paths()], "doc_id": doc_id},
    )
    listed = [one[0] for one in found.description]
    return [dict(zip(listed, row, strict=True)) for row in found.fetchall()]


def _decided(
    connection: duckdb.DuckDBPyConnection, called: Called, decisions: Artifact, doc_id: str, most: int | None
) -> dict[str, Any] | None:
    """A decision with every rule, and the members of the cluster; None where the document was not decided on."""
    told = _rows(connection, decisions, f"source, {DECIDED}", doc_id)
    if not told:
        return None
    (decision,) = told
    config = decisions.manifest.identity.config
    known = {"source": decision.pop("source")}
    known |= values_of(decisions, [doc_id], {"language": None} | compared(config)).get(doc_id, {})
    rules = [asdict(one) for one in check_document(config, known, decision["failed"])]
    about = called.about(decisions) | decision | {"rules": rules, "members": [], "left_out": {}}
    if decision["cluster_size"] > 1:
        members = read_members(connection, decisions, decision["cluster"], doc_id, most)
        about |= {"members": members.rows, "left_out": {"members": members.left_out} if members.left_out else {}}
    return about


def _held(
    connection: duckdb.DuckDBPyConnection, called: Called, artifacts: Sequence[Artifact], doc_id: str, columns: str
) -> list[dict[str, Any]]:
    """What artifacts of one kind say of a document, oldest first."""
    return [called.about(one) | row for one in artifacts for row in _rows(connection, one, columns, doc_id)]
