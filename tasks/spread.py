"""The text of a corpus, dealt out from the documents' files to its parts: every file is read once, in bounded memory.

A corpus's order is that of a hash, so each part needs rows of every file. Whoever makes a part first helps to spread
all files into a scratch folder: one Arrow file for each, in which the rows lie by part. A file is claimed with a lock
that the kernel lets go when its holder dies, and counts once it is renamed in; so any number of workers share the
reading, and a run after a kill goes on with the files that are missing. Nothing here is part of the artifact.
"""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.failpoints import reached
from storage.files import write_atomically
from storage.schemas.corpus import CORPUS
from tasks.annotation import NotAligned, read_beside
from tasks.edited import replace_edits
from tasks.spans import apply

BUFFER_BYTES = 32 << 20  # text that is held before it is sorted by part and written
PLACED = pa.schema([*CORPUS.schema, pa.field("part", pa.int32()), pa.field("rank", pa.int32())])
FROM_DOCUMENTS = ["doc_id", "source", "license", "url", "text_bytes", "text"]
FROM_EDITS = ["edits", "composed_bytes", "removed_characters", "redactions"]
WAIT_SECONDS = 0.05


class SpreadError(RuntimeError):
    """A file of documents is not what the decisions were made on."""


@dataclass(frozen=True)
class DocumentFile:
    """A part of a documents artifact, and the parts of its annotations that are read with it, where there are such.

    `edited`: what `decide` says of the edits of those documents of which repeated parts go, of all files together.
    """

    documents: str
    languages: str | None
    edits: str | None = None
    edited: tuple[str, ...] = ()


@dataclass(frozen=True)
class Places:
    """Where the chosen documents lie and where they go; sorted by (file, row)."""

    file: np.ndarray  # int32, place in the list of files
    row: np.ndarray  # int64, row in that file
    part: np.ndarray  # int32
    rank: np.ndarray  # int32, place in the part
    copies: np.ndarray  # int32, (n, phases)
    validation: np.ndarray  # bool
    component: np.ndarray  # int32, place in `names`
    names: tuple[str, ...]  # of the components

    def of_file(self, file: int) -> "Places":
        """The documents of one file."""
        some = slice(*np.searchsorted(self.file, [file, file + 1]))
        return replace(self, **{name: getattr(self, name)[some] for name in PLACE_ARRAYS})


PLACE_ARRAYS = ("file", "row", "part", "rank", "copies", "validation", "component")


def save_places(path: Path, places: Places) -> None:
    """Write them as Arrow IPC, whole or not at all."""
    columns = {name: pa.array(getattr(places, name)) for name in PLACE_ARRAYS if name != "copies"}
    columns["copies"] = pa.FixedSizeListArray.from_arrays(pa.array(places.copies.ravel()), places.copies.shape[1])
    table = pa.table(columns).replace_schema_metadata({"components": json.dumps(places.names)})

    def write(temporary: Path) -> None:
        with pa.ipc.new_file(str(temporary), table.schema) as writer:
            writer.write_table(table)

    write_atomically(path, write)


def load_places(path: Path) -> Places:
    """Read what `save_places` wrote, memory-mapped."""
    table = pa.ipc.open_file(pa.memory_map(str(path))).read_all().combine_chunks()
    columns = {name: table.column(name).combine_chunks() for name in PLACE_ARRAYS}
    copies = columns.pop("copies")
    found = {name: values.to_numpy(zero_copy_only=False) for name, values in columns.items()}
    found["copies"] = copies.flatten().to_numpy().reshape(-1, copies.type.list_size)
    return Places(**found, names=tuple(json.loads(table.schema.metadata[b"components"])))


@contextlib.contextmanager
def claimed(path: Path, wait: bool) -> Iterator[bool]:
    """Hold the lock of that name; gives False if another process holds it and `wait` is false."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(lock)


def spread(folder: Path, files: Sequence[DocumentFile], first: int, plan: Callable[[], Places]) -> list[Path]:
    """Deal out every file that has chosen documents, with whoever else does so; returns when all are there.

    Args: `folder` the scratch folder; `first` the file to begin with (others begin elsewhere); `plan` finds the places,
    called by whoever comes first. Returns: the spread files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with claimed(folder / "places.lock", wait=True):
        if not (folder / "places.arrow").exists():
            save_places(folder / "places.arrow", plan())
    places = load_places(folder / "places.arrow")
    needed = np.unique(places.file).tolist()
    paths = [folder / f"{file:05d}.arrow" for file in needed]
    turn = first % len(needed)
    order = [*range(turn, len(needed)), *range(turn)]
    while missing := [place for place in order if not paths[place].exists()]:
        worked = False
        for place in missing:
            with claimed(paths[place].with_suffix(".lock"), wait=False) as mine:
                if mine and not paths[place].exists():
                    reached("compose.spreading")
                    file = files[needed[place]]
                    write_atomically(paths[place], _spreader(file, places.of_file(needed[place]), paths[place]))
                    worked = True
        if not worked:
            time.sleep(WAIT_SECONDS)
    return paths


def _spreader(file: DocumentFile, places: Places, target: Path) -> Callable[[Path], None]:
    """Writes the chosen rows of a file, a batch for each part they go to (and for each buffer)."""

    def write(path: Path) -> None:
        batch_parts: list[int] = []
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with pa.ipc.new_file(str(path), PLACED, options=options) as writer:
            for table in _buffers(file, places):
                part = table.column("part").to_numpy()
                order = np.argsort(part, kind="stable")
                parts, starts = np.unique(part[order], return_index=True)
                for number, some in zip(parts.tolist(), np.split(order, starts[1:]), strict=True):
                    writer.write_batch(table.take(pa.array(some)).combine_chunks().to_batches()[0])
                    batch_parts.append(number)
        # Beside the file, and before it counts: a reader finds its batches without looking at the others.
        index = np.array(batch_parts, "<i4").tobytes()
        write_atomically(_index(target), lambda temporary: temporary.write_bytes(index))

    return write


def _index(path: Path) -> Path:
    """Beside a spread file: the part of each of its batches, int32."""
    return path.with_suffix(".parts")


def _buffers(file: DocumentFile, places: Places) -> Iterator[pa.Table]:
    """The chosen rows of one file with their places, about BUFFER_BYTES of text at a time."""
    languages = _beside(file, file.languages, ["language"])
    names = pa.array(places.names, pa.string())
    edits = _edits(file)
    waiting: list[pa.RecordBatch] = []
    held = 0
    for first_row, group in _groups(Path(file.documents), places.row):
        some = slice(*np.searchsorted(places.row, [first_row, first_row + group.num_rows]))
        rows = places.row[some]
        chosen = group.take(pa.array(rows - first_row))
        if chosen.column("text").null_count:
            raise SpreadError(
                f"{file.documents} has no text for a document that was kept: its text is gone since decide ran. Run "
                "again from decide."
            )
        taken = pa.array(rows)
        columns = _composed(chosen, edits.take(taken) if edits else None, file) | {
            "language": languages.column("language").take(taken).combine_chunks()
            if languages
            else pa.nulls(len(rows), pa.string()),
            "split": pa.array(["train", "validation"]).take(pa.array(places.validation[some].astype(np.int8))),
            "component": names.take(pa.array(places.component[some])),
            "copies": pa.array(places.copies[some].sum(axis=1, dtype=np.int32)),
            "phase_copies": _lists(places.copies[some]),
            "part": pa.array(places.part[some]),
            "rank": pa.array(places.rank[some]),
        }
        waiting.append(pa.RecordBatch.from_arrays([columns[name] for name in PLACED.names], schema=PLACED))
        held += int(pc.sum(columns["text_bytes"]).as_py() or 0)  # type: ignore[attr-defined]
        if held >= BUFFER_BYTES:
            yield pa.Table.from_batches(waiting)
            waiting, held = [], 0
    if waiting:
        yield pa.Table.from_batches(waiting)


def _lists(matrix: np.ndarray) -> pa.ListArray:
    """The rows of a matrix, each a list."""
    offsets = np.arange(len(matrix) + 1, dtype=np.int32) * matrix.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.ascontiguousarray(matrix).ravel()))


def _groups(path: Path, rows: np.ndarray) -> Iterator[tuple[int, pa.RecordBatch]]:
    """(number of its first row, row group) of those row groups that hold one of the `rows`; no other is read."""
    with pq.ParquetFile(path) as parquet:
        first = 0
        for group in range(parquet.num_row_groups):
            count = parquet.metadata.row_group(group).num_rows
            start, stop = np.searchsorted(rows, [first, first + count])
            if start < stop:
                table = parquet.read_row_group(group, columns=FROM_DOCUMENTS, use_threads=False)
                yield first, table.combine_chunks().to_batches()[0]
            first += count


def _beside(file: DocumentFile, annotation: str | None, columns: list[str]) -> pa.Table | None:
    """Columns of an annotation for each row of a documents file; checked to be of the same documents."""
    if annotation is None:
        return None
    with pq.ParquetFile(file.documents) as documents:
        ids = documents.read(columns=["doc_id"]).column("doc_id")
    try:
        return read_beside(annotation, columns, ids, file.documents)
    except NotAligned as error:
        raise SpreadError(str(error)) from error


def _edits(file: DocumentFile) -> pa.Table | None:
    """What is changed in each row of a documents file, if anything in any."""
    edits = _beside(file, file.edits, FROM_EDITS)
    if not file.edited:
        return edits
    with pq.ParquetFile(file.documents) as documents:
        rows = documents.read(columns=["doc_id", "text_bytes"])
    return replace_edits(edits, file.edited, rows.column("doc_id"), rows.column("text_bytes").combine_chunks())


def _composed(chosen: pa.RecordBatch, edits: pa.Table | None, file: DocumentFile) -> dict[str, pa.Array]:
    """What a corpus takes from the documents, the edits applied to their texts."""
    columns = {name: chosen.column(name) for name in FROM_DOCUMENTS}
    if edits is None:
        none = pa.array(np.zeros(chosen.num_rows, np.int32))
        return columns | {"removed_characters": none, "redactions": none}
    counts = {name: edits.column(name).combine_chunks() for name in ("removed_characters", "redactions")}
    edited = edits.column("edits").combine_chunks()
    if len(edited.flatten()):
        texts = chosen.column("text").to_pylist()
        for place, spans in enumerate(edited.to_pylist()):
            if spans:
                texts[place] = apply(texts[place], [(one["start"], one["end"], one["kind"]) for one in spans])
        columns["text"] = pa.array(texts, pa.large_string())
        columns["text_bytes"] = pc.call_function("binary_length", [columns["text"]])
    if not columns["text_bytes"].equals(edits.column("composed_bytes").combine_chunks()):
        said = ", ".join(filter(None, [file.edits, *file.edited]))
        raise SpreadError(f"{said}: the sizes of edited texts are not those of the texts. Delete the artifact.")
    return columns | counts


def gather(paths: Sequence[Path], part: int) -> pa.Table:
    """The rows of one part in their order, columns of CORPUS. All of its text is in memory."""
    found: list[pa.RecordBatch] = []
    for path in paths:
        wanted = np.flatnonzero(np.fromfile(_index(path), "<i4") == part)
        if len(wanted):
            with pa.memory_map(str(path)) as source:
                reader = pa.ipc.open_file(source)
                found += [reader.get_batch(int(batch)) for batch in wanted]
    table = pa.Table.from_batches(found, PLACED)
    order = np.argsort(table.column("rank").to_numpy(), kind="stable")
    return table.take(pa.array(order)).select(CORPUS.schema.names)
