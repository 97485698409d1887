"""Compose: the kept text in its order, weighed by source; the second and last time that text is written.

The mixture is decided without text (see `mixture`): which documents, how often, in which order, in which part. Parts
are the shards: each first helps to deal the documents' files out to all parts (see `spread`), then gathers its own. How
the documents are cut into snapshots and files, and how many workers there are, plays no part in the bytes.

Removals and redactions are the annotation `edits` that the decisions looked at: it says the size of each composed text,
so that budgets are exact before any text is read, and what to change in it. A corpus without edits has no such input.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.artifact import MAIN_TABLE, Artifact
from storage.commit import ShardOutput
from storage.failpoints import reached
from storage.schemas.corpus import CORPUS, MIXTURE
from tasks.executor import Watch
from tasks.mixture import ComposeConfig, Kept, Mixture, MixtureError, mix
from tasks.run import current_run
from tasks.spread import DocumentFile, Places, gather, spread
from tasks.stage import Inputs, Shard, Stage, StageFailed

__all__ = ["ComposeConfig", "compose"]

ROWS_AT_ONCE = 1024


def _plan(inputs: Inputs, config: ComposeConfig) -> list[Shard]:
    """One shard for each part of the corpus. Raises StageFailed where there is nothing to compose."""
    (decisions,) = inputs["decisions"]
    paths, files = [str(path) for path in decisions.paths()], document_files(decisions, inputs["documents"])
    try:
        _check_edits(decisions, config)
        kept, about = read_kept(paths, files, config)
        mixture = mix(kept, config)
    except MixtureError as error:
        raise StageFailed(f"compose failed: {error}") from error
    sources = _count_edits(mixture, kept, about)
    for source in summary_rows(sources):
        current_run().console.line(f"compose         {source}")
    digests = [hashlib.sha256() for _ in range(int(mixture.part[-1]) + 1)]
    cuts = np.searchsorted(mixture.part, np.arange(len(digests) + 1))
    sizes = np.add.reduceat(kept.size[mixture.document], cuts[:-1])
    for number, digest in enumerate(digests):
        some = slice(cuts[number], cuts[number + 1])
        digest.update(np.ascontiguousarray(kept.identifier[mixture.document[some]], ">u8").tobytes())
        digest.update(np.ascontiguousarray(mixture.copies[some], "<i4").tobytes())
    whole = hashlib.sha256(b"".join(digest.digest() for digest in digests)).hexdigest()
    shards = []
    for number, digest in enumerate(digests):
        where: dict[str, Any] = {"decisions": paths, "files": files, "spread": whole[:16], "parts": len(digests)}
        if number == 0:
            where["mixture"] = sources
        content = {"documents": digest.hexdigest(), "part": number}
        shards.append(Shard(number, content, int(sizes[number]), where, f"part {number + 1} of {len(digests)}"))
    return shards


def _work(shard: Shard, config: ComposeConfig, output: ShardOutput, watch: Watch) -> None:
    """Mix the kept documents by source weights, in the order of a seeded hash, into parts of one split each."""
    where = shard.where
    folder = output.scratch.parent / f"spread-{where['spread']}"
    files: Sequence[DocumentFile] = where["files"]
    first = shard.index * len(files) // where["parts"]
    paths = spread(folder, files, first, partial(_places, where["decisions"], files, config))
    reached("compose.spread")
    table = gather(paths, shard.index)
    written = 0
    for start in range(0, table.num_rows, ROWS_AT_ONCE):
        batch = table.slice(start, ROWS_AT_ONCE).combine_chunks().to_batches()[0]
        output.write(batch)
        written += pc.sum(batch.column("text_bytes")).as_py()  # type: ignore[attr-defined]
        watch.progress(written)
    if "mixture" in where:
        output.write(pa.RecordBatch.from_pylist(where["mixture"], schema=MIXTURE.schema), "mixture")


def document_files(decisions: Artifact, documents: Sequence[Artifact]) -> list[DocumentFile]:
    """The files of the documents, each with its part of `language` and of `edits`, if the decisions looked at them."""
    found: dict[str, dict[tuple[str, int], str]] = {"language": {}, "edits": {}}
    for annotation in decisions.inputs("annotations"):
        parts = annotation.parts()
        names = pq.read_schema(annotation.folder / parts[0].name).names if parts else []
        of = annotation.input("documents").origin.fingerprint
        for column in found.keys() & set(names):
            found[column] |= {(of, part.shard): str(annotation.folder / part.name) for part in parts}
    return [
        DocumentFile(str(one.folder / part.name), *(of.get((origin, part.shard)) for of in found.values()))
        for one in documents
        for origin in [one.origin.fingerprint]
        for part in one.parts(MAIN_TABLE)
    ]


def _check_edits(decisions: Artifact, config: ComposeConfig) -> None:
    """Raises: MixtureError where the decisions looked at other edits than this configuration asks for, or at none."""
    asked = {"remove": list(config.remove), "redact": config.redact}
    found = [one for one in decisions.inputs("annotations") if one.stage == "edits"]
    documents = decisions.inputs("documents")
    made = [one.manifest.identity.config for one in found] or [{"remove": [], "redact": {}}]
    same = all({name: one[name] for name in asked} == asked for one in made)
    if not same or (found and len(found) != len(documents)):
        raise MixtureError(
            "The decisions were not made on the edits that mixture.remove and mixture.redact ask for: run the stage "
            "`edits` with them on each artifact of documents, and decide with what it gives."
        )


def read_kept(decisions: Sequence[str], files: Sequence[DocumentFile], config: ComposeConfig) -> tuple[Kept, "About"]:
    """The kept documents sorted by id, without those that the edits leave nothing of. No text is read.

    Raises: MixtureError where a kept document is in none of the files, or in two.
    """
    rows = pa.concat_tables(_read(path, ["doc_id", "split", "kept"]) for path in decisions)
    decided = rows.filter(rows.column("kept"))
    found = pa.concat_tables(_rows(number, file) for number, file in enumerate(files))
    place = pc.index_in(found.column("doc_id"), value_set=decided.column("doc_id"))  # type: ignore[attr-defined]
    found = found.append_column("decided", place).filter(pc.is_valid(place))  # type: ignore[attr-defined]
    n, distinct = found.num_rows, len(found.column("decided").unique())
    if n != distinct or n != decided.num_rows:
        raise MixtureError(
            f"The decisions keep {decided.num_rows} documents, and the documents given hold {distinct} of them in {n} "
            "rows: give exactly the documents that were decided on, each artifact once."
        )
    if found.column("text_bytes").null_count:
        raise MixtureError("A kept document has no text_bytes: its text is gone since decide ran. Run decide again.")
    names = sorted({*found.column("source").unique().to_pylist(), *config.sources})
    gone = found.filter(found.column("emptied")).column("source").value_counts().to_pylist()
    found = found.filter(pc.invert(found.column("emptied")))  # type: ignore[attr-defined]
    n = found.num_rows
    identifiers = bytes.fromhex("".join(found.column("doc_id").to_pylist()))
    identifier = np.frombuffer(identifiers, ">u8").astype(np.uint64).reshape(n, 2)
    order = np.lexsort((identifier[:, 1], identifier[:, 0]))
    found = found.take(pa.array(order))
    split = decided.column("split").take(found.column("decided"))
    source = pc.index_in(found.column("source"), value_set=pa.array(names, pa.string()))  # type: ignore[attr-defined]
    kept = Kept(
        identifier[order],
        source.to_numpy(),
        pc.equal(split, "validation").to_numpy(),  # type: ignore[attr-defined]
        found.column("text_bytes").to_numpy(),
        tuple(names),
    )
    places = found.select(["file", "row", "removed_characters", "redactions"])
    return kept, About(places, {one["values"]: one["counts"] for one in gone})


@dataclass(frozen=True)
class About:
    """What stands beside the kept documents.

    `places`: the file and row of each, and what its edits change; `emptied`: by source, how many kept documents have
    nothing left.
    """

    places: pa.Table
    emptied: Mapping[str, int]


def _count_edits(mixture: Mixture, kept: Kept, about: About) -> list[dict[str, Any]]:
    """Rows of MIXTURE: what each source came to, and what was changed in its documents."""
    rows = [asdict(source) for source in mixture.sources]
    of = kept.source[mixture.document]
    for column in ("removed_characters", "redactions"):
        changed = about.places.column(column).to_numpy()[mixture.document]
        for row, count in zip(rows, np.bincount(of, changed, len(kept.names)).tolist(), strict=True):
            row[column] = int(count)
    return [row | {"emptied_documents": about.emptied.get(row["source"], 0)} for row in rows]


def _read(path: str, columns: list[str]) -> pa.Table:
    with pq.ParquetFile(path) as parquet:
        return parquet.read(columns=columns)


def _rows(number: int, file: DocumentFile) -> pa.Table:
    """Of each row of a documents file what the mixture needs; sizes are those of the composed text."""
    table = _read(file.documents, ["doc_id", "source", "text_bytes"])
    n = table.num_rows
    place = {"file": np.full(n, number, np.int32), "row": np.arange(n)}
    if file.edits is None:
        changes = pa.table({"removed_characters": np.zeros(n, np.int32), "redactions": np.zeros(n, np.int32)})
        emptied = pa.array(np.zeros(n, bool))
    else:
        edits = _read(file.edits, ["composed_bytes", "emptied", "removed_characters", "redactions"])
        changes = edits.select(["removed_characters", "redactions"])
        emptied = pc.fill_null(edits.column("emptied"), False)
        sizes = pc.if_else(pc.is_valid(table.column("text_bytes")), edits.column("composed_bytes"), None)  # type: ignore[attr-defined]
        table = table.set_column(2, "text_bytes", sizes)  # null where the text is null
    for name, values in place.items():
        table = table.append_column(name, pa.array(values))
    for name in changes.column_names:
        table = table.append_column(name, changes.column(name))
    return table.append_column("emptied", emptied)


def _places(decisions: Sequence[str], files: Sequence[DocumentFile], config: ComposeConfig) -> Places:
    """Where each document of the corpus lies and where it goes."""
    kept, about = read_kept(decisions, files, config)
    mixture = mix(kept, config)
    file = about.places.column("file").to_numpy()[mixture.document]
    row = about.places.column("row").to_numpy()[mixture.document]
    rank = np.arange(len(mixture.part)) - np.searchsorted(mixture.part, mixture.part)
    order = np.lexsort((row, file))
    validation = kept.validation[mixture.document]
    columns = (file, row, mixture.part, rank.astype(np.int32), mixture.copies, validation)
    return Places(*(column[order] for column in columns))


def summary_rows(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The mixture as a person reads it: a sentence for each source."""
    said = []
    for row in rows:
        if not row["kept_documents"]:
            said.append(f"{row['source']}: no kept document")
            continue
        end = ", runs out" if row["exhausted"] else ""
        said.append(
            f"{row['source']}: {row['documents']:,} of {row['kept_documents']:,} documents, "
            f"{row['bytes'] / 1e6:,.1f} MB, {row['share_wanted']:.1%} wanted, {row['share']:.1%} got, "
            f"{row['epochs']:.2f} epochs{end}{_changed(row)}"
        )
    return said


def _changed(row: Mapping[str, Any]) -> str:
    counts = {
        "characters removed": row["removed_characters"],
        "redactions": row["redactions"],
        "documents emptied": row["emptied_documents"],
    }
    return "".join(f", {count:,} {what}" for what, count in counts.items() if count)


def summary(artifact: Artifact) -> list[dict[str, Any]]:
    """What the mixture came to: the rows of MIXTURE, one for each source."""
    return artifact.read(table="mixture").to_pylist()


compose = Stage(
    "compose",
    2,
    "corpus",
    ComposeConfig,
    {MAIN_TABLE: CORPUS, "mixture": MIXTURE},
    _plan,
    _work,
    unit="bytes",
    summary=summary,
)
