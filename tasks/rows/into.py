"""The rows of a source's files as rows of a table, with a loss for each that is none."""

import functools
import hashlib
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from storage.artifact import MAIN_TABLE, Artifact
from storage.commit import ShardOutput
from storage.schemas.documents import LOSSES
from storage.sources import locate
from storage.table import Table
from tasks.executor import Watch
from tasks.rows.place import Place, Row, Unread, Unusable
from tasks.rows.read import read_rows
from tasks.run import current_run
from tasks.stage import Shard

BATCH_ROWS = 512


def plan_files(snapshot: Artifact) -> list[Shard]:
    """One shard for each file of a snapshot; its content is the file's row in the snapshot.

    Raises: SourceError if a file is not where it was ingested.
    """
    return [
        Shard(number, row, row["bytes"], {"place": place}, row["path"])
        for number, (row, place) in enumerate(locate(current_run().lake, snapshot))
    ]


def read_into(
    shard: Shard,
    output: ShardOutput,
    watch: Watch,
    declared: Table,
    read: Callable[[Row], dict[str, Any]],
    max_row_bytes: int,
) -> None:
    """One row of the main table for each row of the shard's file that `read` takes, and a loss for each other.

    `read` gives the columns that a row's place and source do not, or raises Unusable. It is called where a row that
    kills its process, or takes too long, is a loss of its own.
    """
    about = shard.content
    where = {"source": about["source"], "file": about["path"], "file_sha256": about["sha256"]}
    rows: list[dict[str, Any]] = []
    losses: list[dict[str, Any]] = []

    def write(least: int) -> None:
        for waiting, schema, name in ((rows, declared.schema, MAIN_TABLE), (losses, LOSSES.schema, "losses")):
            if len(waiting) >= least:
                output.write(pa.RecordBatch.from_pylist(waiting, schema=schema), name)
                waiting.clear()

    found = read_rows(shard.where["place"].path, functools.partial(_taken, read=read), watch.guard, max_row_bytes)
    for number, row in enumerate(found, start=1):
        if isinstance(row, Unread):
            about_it = {"record_type": None, "url": None, "reason": str(row.reason), "detail": row.detail}
            losses.append(where | row.place._asdict() | about_it)
        else:
            place, columns = row
            rows.append(where | place._asdict() | columns)
        write(BATCH_ROWS)
        watch.progress(number)
    write(1)
    shard.where["place"].check()


def _taken(row: Row, read: Callable[[Row], dict[str, Any]]) -> tuple[Place, dict[str, Any]] | Unread:
    try:
        return row.place, read(row)
    except Unusable as loss:
        return Unread(row.place, loss.reason, loss.detail)


def count_rows(artifact: Artifact, column: str) -> list[dict[str, Any]]:
    """Rows by source and `column`, and losses by reason: rows of (source, what, rows)."""
    counted = []
    for name, by, prefix in ((MAIN_TABLE, column, ""), ("losses", "reason", "lost: ")):
        table = artifact.read(["source", by], name).group_by(["source", by]).aggregate([([], "count_all")])
        counted += [(one["source"], prefix + one[by], one["count_all"]) for one in table.to_pylist()]
    return [{"source": source, "what": what, "rows": rows} for source, what, rows in sorted(counted)]


def row_id(source: str, file_sha256: str, place: Place) -> str:
    """128-bit hash of where a row stands, 32 hexadecimal characters: unique by construction."""
    return hashlib.sha256(f"{source}\0{file_sha256}\0{place.space}\0{place.offset}".encode()).hexdigest()[:32]
