"""How a per-document function becomes a stage: batches in, aligned rows out, killers isolated."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from storage.artifact import MAIN_TABLE, Artifact
from storage.commit import ShardOutput
from storage.files import canonical_json
from storage.shards import conform, read_batches
from storage.table import Table, column, table
from tasks.config import StageConfig
from tasks.executor import RecordDied, Watch

BATCH_FACTOR = 1.0
"""A batch tried again gets the same CPU time once more: its documents follow one by one if that is not enough."""
DOCUMENT_FACTOR = 1 / 3
"""A document alone gets a third of what a batch gets, thousands of times what it needs (and what a child may need to
load a model). At the usual 30 s a document that never ends costs 30 s in the first attempt, 30 s in the second as part
of its batch, and 10 s alone: 70 s. The worst batch, 256 such documents, costs 44 minutes of one worker."""

ANNOTATION_LOSSES = table(
    column("doc_id", pa.string(), "The document whose row is null.", nullable=False),
    column("reason", pa.string(), "timeout, crash or memory.", nullable=False),
    column("detail", pa.string(), "What happened, in a sentence."),
)


def with_doc_id(declared: Table) -> Table:
    """The declared table with `doc_id` in front and every other column nullable: a document without text has null
    scores.
    """
    doc_id = column("doc_id", pa.string(), "The document, as in its documents artifact.", nullable=False)
    return replace(declared, schema=pa.schema([doc_id, *(field.with_nullable(True) for field in declared.schema)]))


class NotAligned(ValueError):
    """An annotation does not have the rows of the documents that it is read beside."""


def read_beside(path: str | Path, columns: Sequence[str], doc_ids: pa.ChunkedArray, beside: str | Path) -> pa.Table:
    """Columns of one part of an annotation, checked to be of these documents, row by row.

    Raises: NotAligned where the doc_ids differ from those of the documents' part (`beside`, for the message).
    """
    with pq.ParquetFile(path) as annotation:
        table = annotation.read(columns=["doc_id", *columns], use_threads=False)
    if not table.column("doc_id").combine_chunks().equals(doc_ids.combine_chunks()):
        raise NotAligned(f"{path} does not have the rows of {beside}: delete its artifact.")
    return table.select(list(columns))


@dataclass(frozen=True)
class About:
    """A table of an annotation that says something of what its documents were compared with: its name, its columns, and
    what gives its rows, from what `prepare` made.
    """

    table: str
    declared: Table
    rows: Callable[[Any], list[dict[str, Any]]]


@dataclass(frozen=True)
class AnnotationWork:
    """Applies a pure function to one part of the documents, `batch_rows` at a time, and keeps the rows aligned.

    Columns that the documents do not have are read from earlier annotations (the inputs `annotations`), part by part
    beside the documents. What `prepare` makes of the configuration and of all other inputs is the function's third
    argument; it is made once in a process.
    """

    name: str
    function: Callable[..., pa.RecordBatch]
    reads: Callable[[Any], tuple[str, ...]]
    writes: Callable[[Any], Table]
    batch_rows: int
    prepare: Callable[[Any, Mapping[str, Sequence[Artifact]]], Any] | None = None
    about: About | None = None

    def plan(self, inputs: Mapping[str, Sequence[Artifact]], config: StageConfig) -> list[Any]:
        """One shard for each part of the one `documents` input.

        Raises: StageFailed where a column is in none of the inputs, or an annotation is of other documents.
        """
        from tasks.stage import Shard, StageFailed

        (documents,) = inputs["documents"]
        parts = documents.parts(MAIN_TABLE)
        beside: dict[str, list[str]] = {}
        if parts:
            missing = set(self.reads(config)).difference(pq.read_schema(documents.path(parts[0])).names)
            for annotation in inputs.get("annotations", ()):
                if annotation.input("documents").origin != documents.origin:
                    raise StageFailed(f"{self.name} failed: {annotation} is not about {documents}, which it is given.")
                names = missing.intersection(pq.read_schema(annotation.paths()[0]).names)
                beside[str(annotation.folder)] = sorted(names)
                missing -= names
            if missing:
                raise StageFailed(
                    f"{self.name} failed: no stage before it writes the column {min(missing)}, which it reads: turn on "
                    "the stage that does."
                )
        others = {role: list(given) for role, given in inputs.items() if role not in ("documents", "annotations")}
        return [
            Shard(
                part.shard,
                {"sha256": part.sha256},
                part.rows,
                {"path": str(documents.path(part)), "part": part.name, "beside": beside, "inputs": others},
                f"{documents}/{part.name}",
            )
            for part in parts
        ]

    def __call__(self, shard: Any, config: StageConfig, output: ShardOutput, watch: Watch) -> None:
        """Write one row per document of the shard."""
        path, done, reads = Path(shard.where["path"]), 0, self.reads(config)
        beside: dict[str, pa.ChunkedArray] = {}
        if shard.where["beside"]:
            with pq.ParquetFile(path) as documents:
                doc_ids = documents.read(columns=["doc_id"], use_threads=False).column("doc_id")
            for folder, names in shard.where["beside"].items():
                table = read_beside(Path(folder) / shard.where["part"], names, doc_ids, path)
                beside |= {name: table.column(name) for name in names}
        prepared = (_prepared(self, config, shard.where["inputs"]),) if self.prepare else ()
        if self.about and shard.index == 0:
            rows = self.about.rows(*prepared)
            output.write(pa.RecordBatch.from_pylist(rows, schema=self.about.declared.schema), self.about.table)
        columns = [name for name in dict.fromkeys(["doc_id", *reads]) if name not in beside]
        for batch in read_batches(path, columns, self.batch_rows):
            for name, values in beside.items():
                batch = batch.append_column(name, values.slice(done, batch.num_rows).combine_chunks())
            output.write(self._rows(batch, config, prepared, done, output, watch))
            done += batch.num_rows
            watch.progress(done)

    def _rows(
        self,
        batch: pa.RecordBatch,
        config: StageConfig,
        prepared: tuple[Any, ...],
        first: int,
        output: ShardOutput,
        watch: Watch,
    ) -> pa.RecordBatch:
        names = self.writes(config).schema.names
        present = batch.column("text" if "text" in batch.schema.names else "doc_id").is_valid()
        dense = batch.filter(present) if present.false_count else batch
        # where each row of the batch finds its result; -1 (null) for a document without text
        place = np.full(batch.num_rows, -1, np.int64)
        place[present.to_numpy(zero_copy_only=False)] = np.arange(dense.num_rows)
        results, lost = self._apply(dense, config, prepared, first, output, watch)
        keep = np.ones(dense.num_rows, bool)
        keep[lost] = False
        renumber = np.where(keep, np.cumsum(keep) - 1, -1)
        place = np.where(place >= 0, renumber[place] if dense.num_rows else -1, -1)
        take = pa.array(place, mask=place < 0)
        values = [results.column(name).take(take) for name in names]
        return pa.RecordBatch.from_arrays([batch.column("doc_id"), *values], names=["doc_id", *names])

    def _apply(
        self,
        dense: pa.RecordBatch,
        config: StageConfig,
        prepared: tuple[Any, ...],
        first: int,
        output: ShardOutput,
        watch: Watch,
    ) -> tuple[pa.RecordBatch, list[int]]:
        """The function's rows for these documents, and the positions of those that killed it (which have no row)."""
        if dense.num_rows == 0:
            return pa.RecordBatch.from_pylist([], schema=self.writes(config).schema), []
        try:
            return self._call(dense, config, prepared, first, BATCH_FACTOR, watch), []
        except RecordDied:
            return self._one_by_one(dense, config, prepared, first, output, watch)

    def _one_by_one(
        self,
        dense: pa.RecordBatch,
        config: StageConfig,
        prepared: tuple[Any, ...],
        first: int,
        output: ShardOutput,
        watch: Watch,
    ) -> tuple[pa.RecordBatch, list[int]]:
        """The same after the batch died: a guarded call for each document, and a loss for each that dies of it."""
        rows: list[pa.RecordBatch] = []
        lost: list[int] = []
        for position in range(dense.num_rows):
            document = dense.slice(position, 1)
            try:
                rows.append(self._call(document, config, prepared, first + position, DOCUMENT_FACTOR, watch))
            except RecordDied as died:
                row = {
                    "doc_id": document.column("doc_id")[0].as_py(),
                    "reason": died.death.reason,
                    "detail": died.death.detail,
                }
                output.write(pa.RecordBatch.from_pylist([row], schema=ANNOTATION_LOSSES.schema), "losses")
                output.notes.setdefault("lost", []).append(row["doc_id"])
                lost.append(position)
        empty = pa.RecordBatch.from_pylist([], schema=self.writes(config).schema)
        return pa.concat_batches([empty, *rows]), lost

    def _call(
        self,
        documents: pa.RecordBatch,
        config: StageConfig,
        prepared: tuple[Any, ...],
        key: int,
        careful_factor: float,
        watch: Watch,
    ) -> pa.RecordBatch:
        given = documents.select(list(self.reads(config)))
        result = watch.guard(key, self.function, given, config, *prepared, careful_factor=careful_factor)
        if result.num_rows != documents.num_rows:
            raise ValueError(f"{self.name} gave {result.num_rows} rows for {documents.num_rows} documents.")
        return conform(result, self.writes(config).schema, self.name)


_LATEST: dict[str, Any] = {}
"""What was prepared last, by what it is made of: a process holds one such thing at a time."""


def _prepared(work: AnnotationWork, config: StageConfig, inputs: Mapping[str, Sequence[Artifact]]) -> Any:
    folders = {role: [str(one.folder) for one in given] for role, given in inputs.items()}
    made_of = canonical_json([work.name, config.model_dump(mode="json"), folders])
    if made_of not in _LATEST:
        _LATEST.clear()
        assert work.prepare is not None
        _LATEST[made_of] = work.prepare(config, inputs)
    return _LATEST[made_of]
