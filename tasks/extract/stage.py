"""The extract stage: the files of a snapshot become documents, and every record that can't is a row of the losses.

For each file the byte ranges of the two tables cover it without gap or overlap. A record that kills its worker, by a
crash or beyond its CPU time, is a loss as well (in a Parquet file with the rest of its row group). All else is kept.
"""

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from storage.artifact import MAIN_TABLE, Artifact
from storage.commit import ShardOutput
from storage.schemas.documents import DOCUMENTS, LOSSES
from storage.sources import locate
from tasks.executor import Watch
from tasks.extract.config import ExtractConfig
from tasks.run import current_run
from tasks.stage import Inputs, Shard, Stage

if TYPE_CHECKING:
    from tasks.extract.documents import DocumentRow, LossRow

# The readers are imported where they are called: with their compiled loops that takes half a second, which a run that
# reads nothing does without.

SHARD_BYTES = 4 << 20
"""Bytes of an archive in one shard, as it lies on the disk (about 500 pages). Cuts are part of the result: a change of
this number is a new version of the stage."""
BATCH_ROWS = 256
BATCH_BYTES = 16 << 20


def doc_id(source: str, file_sha256: str, space: str, offset: int) -> str:
    """128-bit hash of where a document stands, 32 hexadecimal characters."""
    return hashlib.sha256(f"{source}\0{file_sha256}\0{space}\0{offset}".encode()).hexdigest()[:32]


def _plan(inputs: Inputs, config: ExtractConfig) -> list[Shard]:
    from tasks.extract.dispatch import pieces_of
    from tasks.extract.dumps import nearest_licenses

    shards: list[Shard] = []
    for snapshot in inputs["snapshot"]:
        located = locate(current_run().lake, snapshot)
        beside = nearest_licenses([row["path"] for row, _ in located]) if config.reader == "repository" else {}
        placed = {row["path"]: (row["sha256"], place.path) for row, place in located}
        for row, place in located:
            pieces = pieces_of(place.path, SHARD_BYTES) if config.reader is None else [(0, row["bytes"])]
            for start, stop in pieces:
                content = row | {"start": start, "stop": stop}
                label = row["path"] if stop - start == row["bytes"] else f"{row['path']} from byte {start:,}"
                where: dict[str, Any] = {"place": place}
                if license_file := beside.get(row["path"]):
                    content["license_file"], where["license"] = placed[license_file]
                shards.append(Shard(len(shards), content, max(stop - start, 1), where, label))
    return shards


def _read(shard: Shard, config: ExtractConfig, watch: Watch) -> Iterator["DocumentRow | LossRow"]:
    from tasks.extract.dispatch import read_file
    from tasks.extract.dumps import DUMPS

    path, content = shard.where["place"].path, shard.content
    if config.reader is not None:
        return DUMPS[config.reader](path, content["path"], config, watch.guard, shard.where.get("license"))
    return read_file(path, config, watch.guard, (content["start"], content["stop"]))


def _work(shard: Shard, config: ExtractConfig, output: ShardOutput, watch: Watch) -> None:
    """Read records, extract the main text of pages; every record becomes a document or a row of the losses, with its
    place.
    """
    from tasks.extract.documents import LossRow, finish_row

    about = {"source": shard.content["source"], "file": shard.content["path"], "file_sha256": shard.content["sha256"]}
    documents: list[dict[str, Any]] = []
    losses: list[dict[str, Any]] = []
    waiting = count = 0
    for count, row in enumerate(_read(shard, config, watch), start=1):
        watch.progress(count)
        if isinstance(row, LossRow):
            losses.append(about | row._asdict())
            if row.reason == "timeout":
                output.notes.setdefault("timeouts", []).append([row.space, row.offset])
        else:
            place = {"doc_id": doc_id(about["source"], about["file_sha256"], row.space, row.offset)}
            documents.append(about | place | finish_row(row, shard.content["license"], config))
            waiting += row.text_bytes
        if len(documents) >= BATCH_ROWS or waiting >= BATCH_BYTES:
            output.write(pa.RecordBatch.from_pylist(documents, schema=DOCUMENTS.schema))
            documents, waiting = [], 0
        if len(losses) >= BATCH_ROWS:
            output.write(pa.RecordBatch.from_pylist(losses, schema=LOSSES.schema), "losses")
            losses = []
    output.write(pa.RecordBatch.from_pylist(documents, schema=DOCUMENTS.schema))
    output.write(pa.RecordBatch.from_pylist(losses, schema=LOSSES.schema), "losses")
    shard.where["place"].check()


def ledger(artifact: Artifact) -> list[dict[str, Any]]:
    """Records by what became of them: rows of (source, outcome, records), most first."""
    read, lost = ([str(path) for path in artifact.paths(name)] for name in (MAIN_TABLE, "losses"))
    if not read:
        return []
    with duckdb.connect() as connection:
        rows = connection.execute(
            """select source, 'document' as outcome, count(*) as records from read_parquet($read) group by all
            union all select source, reason, count(*) from read_parquet($lost) group by all
            order by source, records desc, outcome""",
            {"read": read, "lost": lost},
        ).fetchall()
    return [{"source": source, "outcome": outcome, "records": records} for source, outcome, records in rows]


extract = Stage(
    "extract",
    3,
    "documents",
    ExtractConfig,
    {MAIN_TABLE: DOCUMENTS, "losses": LOSSES},
    _plan,
    _work,
    unit="records",
    summary=ledger,
    forgets=True,
)
