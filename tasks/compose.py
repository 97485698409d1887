"""Compose: the kept text in its order, weighed by component; the second and last time that text is written.

The mixture is decided without text (see `mixture`): which documents, how often, in which order, in which part. Parts
are the shards: each first helps to deal the documents' files out to all parts (see `spread`), then gathers its own. How
the documents are cut into snapshots and files, and how many workers there are, plays no part in the bytes.

Removals and redactions are the annotation `edits` that the decisions looked at: it says the size of each composed text,
so that budgets are exact before any text is read, and what to change in it. A corpus without edits has no such input.
Where the decisions take repeated parts out of documents, their table `edited` says both for those documents instead.
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
from storage.schemas.corpus import CORPUS, MIXTURE, REHYDRATION
from storage.table import Table
from tasks.components import group_documents
from tasks.edited import replace_edits
from tasks.executor import Watch
from tasks.mixture import Kept, Mixture, MixtureError, mix
from tasks.mixture_config import ComposeConfig
from tasks.rehydration import rehydration_lines
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
        columns = column_files(decisions, inputs["documents"])
        kept, about = read_kept(paths, files, columns, config)
        mixture = mix(kept, config)
    except MixtureError as error:
        raise StageFailed(f"compose failed: {error}") from error
    components = _count_edits(mixture, kept, about)
    for line in [*rehydration_lines(about.weights), *plan_lines(components)]:
        current_run().console.line(f"compose         {line}")
    digests = [hashlib.sha256() for _ in range(int(mixture.part[-1]) + 1)]
    cuts = np.searchsorted(mixture.part, np.arange(len(digests) + 1))
    sizes = np.add.reduceat(kept.size[mixture.document], cuts[:-1])
    for number, digest in enumerate(digests):
        some = slice(cuts[number], cuts[number + 1])
        digest.update(np.ascontiguousarray(kept.identifier[mixture.document[some]], ">u8").tobytes())
        digest.update(np.ascontiguousarray(mixture.copies[some], "<i4").tobytes())
        digest.update("\0".join(kept.names[one] for one in kept.component[mixture.document[some]]).encode())
    whole = hashlib.sha256(b"".join(digest.digest() for digest in digests)).hexdigest()
    shards = []
    for number, digest in enumerate(digests):
        where: dict[str, Any] = {"decisions": paths, "files": files, "spread": whole[:16], "parts": len(digests)}
        where["columns"] = columns
        if number == 0:
            where["mixture"], where["rehydration"] = components, about.weights
        content = {"documents": digest.hexdigest(), "part": number}
        shards.append(Shard(number, content, int(sizes[number]), where, f"part {number + 1} of {len(digests)}"))
    return shards


def _work(shard: Shard, config: ComposeConfig, output: ShardOutput, watch: Watch) -> None:
    """Mix the kept documents by weights, in the order of a seeded hash, into parts of one split each."""
    where = shard.where
    folder = output.scratch.parent / f"spread-{where['spread']}"
    files: Sequence[DocumentFile] = where["files"]
    first = shard.index * len(files) // where["parts"]
    paths = spread(folder, files, first, partial(_places, where["decisions"], files, where["columns"], config))
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
        if config.rehydrate is not None:
            output.write(pa.RecordBatch.from_pylist(where["rehydration"], schema=REHYDRATION.schema), "rehydration")


@dataclass(frozen=True)
class Planned:
    """What a corpus would come to: rows of MIXTURE, and of REHYDRATION where documents count by their clusters."""

    mixture: list[dict[str, Any]]
    rehydration: list[dict[str, Any]]


def plan_mixture(decisions: Artifact, config: ComposeConfig) -> Planned:
    """What a corpus of these decisions would come to; nothing is composed, no text is read.

    Raises: MixtureError, a sentence, where it cannot be composed.
    """
    documents = decisions.inputs("documents")
    files = document_files(decisions, documents)
    _check_edits(decisions, config)
    kept, about = read_kept(
        [str(path) for path in decisions.paths()], files, column_files(decisions, documents), config
    )
    return Planned(_count_edits(mix(kept, config), kept, about), about.weights)


def document_files(decisions: Artifact, documents: Sequence[Artifact]) -> list[DocumentFile]:
    """The files of the documents, each with its part of `language` and of `edits`, if the decisions looked at them, and
    what the decisions themselves say of edits."""
    edited = tuple(str(path) for path in decisions.paths("edited"))
    found: dict[str, dict[tuple[str, int], str]] = {"language": {}, "edits": {}}
    for annotation in decisions.inputs("annotations"):
        parts = annotation.parts()
        names = pq.read_schema(annotation.path(parts[0])).names if parts else []
        of = annotation.input("documents").origin.fingerprint
        for column in found.keys() & set(names):
            found[column] |= {(of, part.shard): str(annotation.path(part)) for part in parts}
    return [
        DocumentFile(
            str(one.path(part)),
            found["language"].get((origin, part.shard)),
            found["edits"].get((origin, part.shard)),
            edited,
        )
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
            "The decisions were not made on the edits that mixture.remove and mixture.redact ask for, and those change "
            "sizes and who stays: decide with them first, as gristmill refresh does with the same settings."
        )


def column_files(decisions: Artifact, documents: Sequence[Artifact]) -> dict[str, list[str]]:
    """The files that a document's columns stand in: of `documents`, and of each annotation by its stage's name."""
    found = {"documents": [str(path) for one in documents for path in one.paths()]}
    for annotation in decisions.inputs("annotations"):
        found.setdefault(annotation.stage, []).extend(map(str, annotation.paths()))
    return found


def read_kept(
    decisions: Sequence[str],
    files: Sequence[DocumentFile],
    columns: Mapping[str, Sequence[str]],
    config: ComposeConfig,
) -> tuple[Kept, "About"]:
    """The kept documents sorted by id, without those that the edits leave nothing of. No text is read.

    `columns`: see `column_files`; looked at where components are no sources, or documents count unequally.

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
    found, weights = _with_component(found, decisions, columns, config)
    names = sorted({*found.column("component").unique().to_pylist(), *config.components})
    gone = found.filter(found.column("emptied")).column("component").value_counts().to_pylist()
    found = found.filter(pc.invert(found.column("emptied")))  # type: ignore[attr-defined]
    n = found.num_rows
    identifiers = bytes.fromhex("".join(found.column("doc_id").to_pylist()))
    identifier = np.frombuffer(identifiers, ">u8").astype(np.uint64).reshape(n, 2)
    order = np.lexsort((identifier[:, 1], identifier[:, 0]))
    found = found.take(pa.array(order))
    split = decided.column("split").take(found.column("decided"))
    component = pc.index_in(found.column("component"), value_set=pa.array(names, pa.string()))  # type: ignore[attr-defined]
    kept = Kept(
        identifier[order],
        component.to_numpy(),
        pc.equal(split, "validation").to_numpy(),  # type: ignore[attr-defined]
        found.column("text_bytes").to_numpy(),
        tuple(names),
        found.column("repeat").to_numpy() if config.counts_unequally else None,
    )
    places = found.select(["file", "row", "removed_characters", "redactions"])
    return kept, About(places, {one["values"]: one["counts"] for one in gone}, weights)


def _with_component(
    found: pa.Table, decisions: Sequence[str], columns: Mapping[str, Sequence[str]], config: ComposeConfig
) -> tuple[pa.Table, list[dict[str, Any]]]:
    """With the columns component and, where documents count unequally, repeat; and rows of REHYDRATION."""
    if config.by == "source" and not config.counts_unequally:
        return found.append_column("component", found.column("source")), []
    others = {name: paths for name, paths in columns.items() if name != "documents"}
    grouped, weights = group_documents(decisions, columns["documents"], others, config)
    place = pc.index_in(found.column("doc_id"), value_set=grouped.column("doc_id"))  # type: ignore[attr-defined]
    for name in ("component", "repeat"):
        found = found.append_column(name, grouped.column(name).take(place))
    return found, weights


@dataclass(frozen=True)
class About:
    """What stands beside the kept documents.

    `places`: the file and row of each, and what its edits change; `emptied`: by component, how many kept documents
    have nothing left; `weights`: rows of REHYDRATION, by which they count.
    """

    places: pa.Table
    emptied: Mapping[str, int]
    weights: list[dict[str, Any]]


def _count_edits(mixture: Mixture, kept: Kept, about: About) -> list[dict[str, Any]]:
    """Rows of MIXTURE: what each component came to, and, with the first phase, what was changed in its documents."""
    rows: list[dict[str, Any]] = [asdict(one) | dict.fromkeys(_CHANGES, 0) for one in mixture.components]
    first = rows[: len(kept.names)]
    of = kept.component[mixture.document]
    for column in ("removed_characters", "redactions"):
        changed = about.places.column(column).to_numpy()[mixture.document]
        for row, count in zip(first, np.bincount(of, changed, len(kept.names)).tolist(), strict=True):
            row[column] = int(count)
    for row in first:
        row["emptied_documents"] = about.emptied.get(row["component"], 0)
    return rows


_CHANGES = ("emptied_documents", "removed_characters", "redactions")


def _read(path: str, columns: list[str]) -> pa.Table:
    with pq.ParquetFile(path) as parquet:
        return parquet.read(columns=columns)


def _rows(number: int, file: DocumentFile) -> pa.Table:
    """Of each row of a documents file what the mixture needs; sizes are those of the composed text."""
    table = _read(file.documents, ["doc_id", "source", "text_bytes"])
    n = table.num_rows
    place = {"file": np.full(n, number, np.int32), "row": np.arange(n)}
    names = ["composed_bytes", "emptied", "removed_characters", "redactions"]
    edits = _read(file.edits, names) if file.edits else None
    if file.edited:
        edits = replace_edits(edits, file.edited, table.column("doc_id"), table.column("text_bytes").combine_chunks())
    if edits is None:
        changes = pa.table({"removed_characters": np.zeros(n, np.int32), "redactions": np.zeros(n, np.int32)})
        emptied = pa.array(np.zeros(n, bool))
    else:
        changes = edits.select(["removed_characters", "redactions"])
        emptied = pc.fill_null(edits.column("emptied"), False)
        sizes = pc.if_else(pc.is_valid(table.column("text_bytes")), edits.column("composed_bytes"), None)  # type: ignore[attr-defined]
        table = table.set_column(2, "text_bytes", sizes)  # null where the text is null
    for name, values in place.items():
        table = table.append_column(name, pa.array(values))
    for name in changes.column_names:
        table = table.append_column(name, changes.column(name))
    return table.append_column("emptied", emptied)


def _places(
    decisions: Sequence[str],
    files: Sequence[DocumentFile],
    columns: Mapping[str, Sequence[str]],
    config: ComposeConfig,
) -> Places:
    """Where each document of the corpus lies and where it goes."""
    kept, about = read_kept(decisions, files, columns, config)
    mixture = mix(kept, config)
    file = about.places.column("file").to_numpy()[mixture.document]
    row = about.places.column("row").to_numpy()[mixture.document]
    rank = np.arange(len(mixture.part)) - np.searchsorted(mixture.part, mixture.part)
    order = np.lexsort((row, file))
    validation = kept.validation[mixture.document]
    component = kept.component[mixture.document]
    return Places(
        file[order],
        row[order],
        mixture.part[order],
        rank.astype(np.int32)[order],
        mixture.copies[order],
        validation[order],
        component[order],
        kept.names,
    )


def plan_lines(rows: Sequence[Mapping[str, Any]], most: int = 40) -> list[str]:
    """The mixture as a person reads it: a sentence for each component, of each phase where there are several.

    Of more than `most` components of a phase the largest are told, those that run out first.
    """
    phases = list(dict.fromkeys(row["phase"] for row in rows))
    said = []
    for phase in phases:
        of = [row for row in rows if row["phase"] == phase]
        shown = sorted(of, key=lambda row: (not row["exhausted"], -row["bytes"]))[:most] if len(of) > most else of
        before = f"{phase}: " if len(phases) > 1 else ""
        said += [before + line for line in _component_lines(shown)]
        if len(of) > most:
            said.append(f"{before}and {len(of) - most:,} components more")
    return said


def _component_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    said = []
    for row in rows:
        if not row["kept_documents"]:
            said.append(f"{row['component']}: no kept document")
            continue
        short = row["share_wanted"] - row["share"]
        end = ", runs out" if row["exhausted"] else ""
        why = "" if row["exhausted"] else ": no document that was read least fits into the rest"
        end += f" (short of its share by {short:.1%}{why})" if short > (0.001 if row["exhausted"] else 0.01) else ""
        said.append(
            f"{row['component']}: {row['documents']:,} of {row['kept_documents']:,} documents, "
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
    """What the mixture came to: the rows of MIXTURE, one for each component and phase."""
    return artifact.read(table="mixture").to_pylist()


def tables(config: ComposeConfig) -> dict[str, Table]:
    """What is written: the corpus, what its mixture came to, and by which weights, if documents count by clusters."""
    weights = {} if config.rehydrate is None else {"rehydration": REHYDRATION}
    return {MAIN_TABLE: CORPUS, "mixture": MIXTURE, **weights}


compose = Stage(
    "compose",
    4,
    "corpus",
    ComposeConfig,
    tables,
    _plan,
    _work,
    unit="bytes",
    summary=summary,
)
