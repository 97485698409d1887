"""Pack: rows of one length out of documents of all lengths. Nothing is tokenized again for another context length.

A row holds `context_length + 1` tokens: `context_length` inputs, and for each the token after it as its target.
Documents (as often as they have copies) are laid end to end in a seeded order, those of each phase of training by
themselves, and the line is cut into rows: every token of an epoch stands in exactly one row, a document may go on in
the next one, and the first token of a row is no target there. The last row of a phase is shorter: who reads it pads it
and masks the padding
(`storage.tokens.PackedRows`).

The order depends on the seed and on each document's id alone, so it is the same however the corpus is cut into parts.
Training goes through the rows in an order of its own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from storage.artifact import MAIN_TABLE, Artifact
from storage.commit import ShardOutput
from storage.hashing import splitmix64
from storage.schemas.tokens import PACKING
from storage.shards import read_batches
from tasks.config import StageConfig
from tasks.executor import Watch
from tasks.stage import Inputs, Shard, Stage

SPLITS = ("train", "validation")
SPANS_AT_ONCE = 1 << 16


class PackConfig(StageConfig):
    """How long a row is, and the seed of the documents' order."""

    context_length: int = Field(
        default=256, ge=1, description="Tokens that the model sees at once; a row holds one more."
    )
    seed: int = Field(default=0, ge=0, lt=1 << 63, description="Of the order in which documents are laid end to end.")


@dataclass(frozen=True)
class Spans:
    """Stretches of documents in rows, in the order of the rows. All arrays are int64 with one entry a span.

    `row`, `position`: where it stands; `entry`: which of the entries that were packed it belongs to; `offset`: where in
    that entry it starts; `length`: its tokens.
    """

    row: np.ndarray
    position: np.ndarray
    entry: np.ndarray
    offset: np.ndarray
    length: np.ndarray


def cut_rows(lengths: np.ndarray, row_length: int) -> Spans:
    """Lay entries of these lengths (int64, above 0) end to end and cut the line into rows; the last may be shorter."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    starts = ends - lengths
    # A span starts where an entry starts and where a row starts; where both do, it is one span.
    place = np.union1d(starts, np.arange(0, total, row_length, dtype=np.int64))
    entry = np.searchsorted(starts, place, side="right") - 1
    length = np.diff(place, append=total)
    return Spans(place // row_length, place % row_length, entry, place - starts[entry], length)


def order_of(doc_ids: pa.Array, copies: np.ndarray, seed: int) -> np.ndarray:
    """Positions (int64) of documents in a seeded order, each as often as it has copies.

    Sorted by a hash of (seed, doc_id, number of the copy): copies of a document lie apart, and another document more or
    less leaves the order of the others as it was.
    """
    high, low = _halves(doc_ids)
    document = np.repeat(np.arange(len(copies)), copies)
    first = np.cumsum(copies) - copies
    copy = (np.arange(len(document)) - first[document]).astype(np.uint64)
    salt = splitmix64(copy ^ splitmix64(np.array([seed], np.uint64)))
    key = splitmix64(high[document] ^ splitmix64(low[document] ^ salt))
    return document[np.lexsort((copy, low[document], high[document], key))]


def _halves(doc_ids: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The two 64-bit halves of 128-bit ids that are written as 32 hexadecimal characters."""
    try:
        halves = np.frombuffer(bytes.fromhex("".join(doc_ids.to_pylist())), ">u8").astype(np.uint64)
    except ValueError as error:
        raise ValueError(f"A doc_id of the token index is not hexadecimal: {error}.") from error
    if len(halves) != 2 * len(doc_ids):
        raise ValueError("A doc_id of the token index does not have 32 hexadecimal characters.")
    return halves[0::2], halves[1::2]


def _plan(inputs: Inputs, config: PackConfig) -> list[Shard]:
    (tokens,) = inputs["tokens"]
    where = {"index": [str(path) for path in tokens.paths()]}
    return [Shard(0, {"tokens": tokens.fingerprint}, tokens.rows(), where)]


def _work(shard: Shard, config: PackConfig, output: ShardOutput, watch: Watch) -> None:
    """Lay the documents of each split end to end in a seeded order and cut them into rows of the context length + 1."""
    columns = ["doc_id", "split", "phase_copies", "shard", "start", "length"]
    index = pa.Table.from_batches(batch for path in shard.where["index"] for batch in read_batches(Path(path), columns))
    done = 0
    for split in SPLITS:
        chosen = index.filter(pc.field("split") == split)
        for batch in pack_documents(chosen, split, config):
            output.write(batch)
        done += chosen.num_rows
        watch.progress(done)
    if done != index.num_rows:
        raise ValueError(f"{index.num_rows - done} documents of the token index belong to none of {SPLITS}.")


def pack_documents(index: pa.Table, split: str, config: PackConfig) -> Iterator[pa.RecordBatch]:
    """The rows of PACKING for the documents of one split; `index` has the columns of TOKEN_INDEX, in any order.

    The rows of a phase follow those of the phase before it; the last of each may be shorter.
    """
    doc_ids = index.column("doc_id").combine_chunks()
    number = {name: index.column(name).to_numpy().astype(np.int64) for name in ("shard", "start", "length")}
    copies = phase_copies(index.column("phase_copies"))
    first_row = 0
    for phase in range(copies.shape[1]):
        order = order_of(doc_ids, copies[:, phase], config.seed + phase)
        spans = cut_rows(number["length"][order], config.context_length + 1)
        yield from _batches(doc_ids, number, order, spans, split, phase, first_row)
        first_row += int(spans.row[-1]) + 1 if len(spans.row) else 0


def phase_copies(column: pa.ChunkedArray) -> np.ndarray:
    """The lists of `phase_copies`, all of one length, as (documents, phases) int64; one phase where there are none."""
    values = column.combine_chunks().flatten().to_numpy().astype(np.int64)
    return values.reshape(len(column), -1) if len(column) else np.zeros((0, 1), np.int64)


def _batches(
    doc_ids: pa.Array,
    number: Mapping[str, np.ndarray],
    order: np.ndarray,
    spans: Spans,
    split: str,
    phase: int,
    first_row: int,
) -> Iterator[pa.RecordBatch]:
    """The spans of one phase as batches of PACKING, rows numbered from `first_row` on."""
    for first in range(0, len(spans.row), SPANS_AT_ONCE):
        some = slice(first, first + SPANS_AT_ONCE)
        document = order[spans.entry[some]]
        yield pa.RecordBatch.from_arrays(
            [
                pa.array(first_row + spans.row[some]),
                pa.array([split] * len(document), pa.string()),
                pa.array(np.full(len(document), phase, np.int32)),
                pa.array(spans.position[some].astype(np.int32)),
                doc_ids.take(pa.array(document)),
                pa.array(number["shard"][document].astype(np.int32)),
                pa.array(number["start"][document] + spans.offset[some]),
                pa.array(spans.length[some].astype(np.int32)),
            ],
            schema=PACKING.schema,
        )


def filled(artifact: Artifact) -> list[dict[str, Any]]:
    """How full the rows are, by split and phase: rows, spans, tokens, and the places of the last row without any."""
    row_length = artifact.manifest.identity.config["context_length"] + 1
    grouped = artifact.read(["split", "phase", "row", "length"]).group_by(["split", "phase"])
    found = grouped.aggregate([("row", "min"), ("row", "max"), ("row", "count"), ("length", "sum")]).to_pylist()
    rows = [one | {"rows": one["row_max"] - one["row_min"] + 1} for one in found]
    return [
        {
            "split": one["split"],
            "phase": one["phase"],
            "rows": one["rows"],
            "spans": one["row_count"],
            "tokens": one["length_sum"],
            "padding": one["rows"] * row_length - one["length_sum"],
        }
        for one in sorted(rows, key=lambda one: (one["split"], one["phase"]))
    ]


pack = Stage("pack", 2, "packing", PackConfig, {MAIN_TABLE: PACKING}, _plan, _work, here=True, summary=filled)
