"""Which artifacts hold forgotten text, and which learned from it: a function of the lake and of its tombstones.

Nothing is remembered here, so that it holds for what was made at the same time as a tombstone, too: what is read from
sources by its rows, a corpus and tokens by the doc_ids in them, a model by the rows that its steps read.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from storage.artifact import TOMBSTONES, Artifact
from storage.forget import marks
from storage.forget.named import named_ids
from storage.forget.rows import READ, forgotten_rows
from storage.forget.tombstones import Tombstone, all_tombstones
from storage.lake import Lake

LEARNED_KINDS = frozenset({"tokenizer", "classifier", "reference"})
"""What keeps of the texts it was made from only what it learned: never deleted, marked."""


def read_tombstones(listed: Artifact) -> list[Tombstone]:
    """The tombstones that an artifact of them lists."""
    return [Tombstone(row["kind"], row["pattern"]) for row in listed.read().to_pylist()]


def tombstones_of(read: Artifact) -> frozenset[Tombstone]:
    """The tombstones under which documents, or other rows of a source, were made."""
    return frozenset(one for listed in read.inputs(TOMBSTONES) for one in read_tombstones(listed))


def uncovered(read: Artifact, tombstones: Iterable[Tombstone]) -> list[str]:
    """The ids of the rows that tombstones name, and whose text this artifact still holds, sorted."""
    missing = set(tombstones) - tombstones_of(read)
    named = set(named_ids(read, missing))
    return sorted(named - forgotten_ids(read)) if named else []


def forgotten_ids(read: Artifact) -> set[str]:
    """The ids of the rows that say nothing any more."""
    kind, found = read.manifest.kind, set[str]()
    for batch in read.batches([READ[kind].id, READ[kind].known_by]):
        found.update(batch.column(READ[kind].id).filter(pa.array(forgotten_rows(kind, batch))).to_pylist())
    return found


@dataclass(frozen=True)
class Reading:
    """A model that has read forgotten text: how many such documents or conversations, in which steps (ascending)."""

    model: Artifact
    texts: int
    steps: tuple[int, ...]


@dataclass
class Holders:
    """What a lake holds of forgotten text.

    `read`: artifacts of documents, conversations, questions and examples, with the ids of the rows whose text they
    hold. `successors`: what stands for those of which another reading of the same snapshot is there, without that text.
    `texts`: corpora, tokens and evaluations that hold some. `models`: those that read some, with their steps.
    `learned`: what else learned from it (tokenizers, classifiers, references, exports). `compared`: annotations of
    documents that were compared with it, and say where it stands in them. `ids`: every row that the tombstones name.
    """

    read: dict[Artifact, list[str]] = field(default_factory=dict)
    successors: dict[Artifact, Artifact] = field(default_factory=dict)
    texts: list[Artifact] = field(default_factory=list)
    models: list[Reading] = field(default_factory=list)
    learned: list[Artifact] = field(default_factory=list)
    compared: list[Artifact] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)

    @property
    def deleted(self) -> list[Artifact]:
        """What `gc` deletes whoever uses or names it."""
        return [*self.read, *self.texts]


def find_holders(lake: Lake, tombstones: Sequence[Tombstone] | None = None) -> Holders:
    """What holds text that these tombstones name (default: those of the lake), or learned from it."""
    wanted = all_tombstones(lake) if tombstones is None else tombstones
    while wanted:
        artifacts = [one for one in lake.artifacts() if one.exists]
        try:
            return _find(lake, artifacts, wanted)
        except (FileNotFoundError, duckdb.IOException):
            if all(one.exists for one in artifacts):
                raise  # else `gc` has deleted one meanwhile
    return Holders()


def _find(lake: Lake, artifacts: Sequence[Artifact], wanted: Sequence[Tombstone]) -> Holders:
    found, clean = Holders(), dict[Artifact, Artifact]()
    for one in artifacts:
        if one.manifest.kind in READ:
            found.ids.update(named_ids(one, wanted))
            if holds := uncovered(one, wanted):
                found.read[one] = holds
            else:
                clean[one.origin] = one
    # a reading under other settings is no successor: it may have other rows, and a name may mean what this one became
    found.successors = {one: clean[one.origin] for one in found.read if one.origin in clean}
    # an artifact that is gone still says through its mark that others learned from it
    touched = {mark.artifact.fingerprint for mark in marks.all_marks(lake)}
    touched.update(one.fingerprint for one in found.read)
    with _knowing(found.ids) as connection:
        for one in artifacts:  # what an artifact was made from was committed before it
            if _look(one, found, touched, connection):
                touched.add(one.fingerprint)
    return found


def holds_forgotten(lake: Lake, corpus: Artifact) -> bool:
    """Whether a corpus has a document that a tombstone of the lake names, and with it its text."""
    known = all_tombstones(lake)
    with _knowing({one for read in corpus.inputs("documents") for one in uncovered(read, known)}) as connection:
        return _holds_ids(corpus, connection)


def _knowing(ids: set[str]) -> duckdb.DuckDBPyConnection:
    """A connection with the table `forgotten` of these ids."""
    connection = duckdb.connect()
    connection.register("forgotten", pa.table({"id": pa.array(sorted(ids), pa.string())}))
    return connection


def _look(one: Artifact, found: Holders, touched: set[str], connection: duckdb.DuckDBPyConnection) -> bool:
    kind = one.manifest.kind
    given = [used for used in one.manifest.identity.inputs if used.fingerprint in touched]
    if kind in ("corpus", "tokens"):
        if _holds_ids(one, connection):
            found.texts.append(one)
            return True
    elif kind == "model":
        reading = _reading(one, connection)
        if reading is None and any(used.role == "model" for used in given):
            reading = Reading(one, 0, ())  # what its base learned it has, too
        if reading is not None:
            found.models.append(reading)
            return True
    elif kind == "evaluation":
        if any(used.role == "model" for used in given):
            found.texts.append(one)  # samples of a model that may know it by heart
            return True
    elif (kind == "export" or kind in LEARNED_KINDS) and given:
        found.learned.append(one)
        return True
    elif kind == "annotation" and any(used.role != "documents" for used in given):
        found.compared.append(one)
    return False


def _holds_ids(one: Artifact, connection: duckdb.DuckDBPyConnection) -> bool:
    paths = [str(path) for path in one.paths()]
    query = "select 1 from read_parquet($paths) where doc_id in (from forgotten) limit 1"
    return bool(paths) and connection.execute(query, {"paths": paths}).fetchone() is not None


def _reading(model: Artifact, connection: duckdb.DuckDBPyConnection) -> Reading | None:
    """What a model has read of it itself: by the packing of its rows, or, fine-tuned, by its table of conversations."""
    rows, name, spans = model.paths("rows"), "conversation_id", model.paths("conversations")
    if not spans:
        name, spans = (
            "doc_id",
            [path for packing in model.inputs("packing") if packing.exists for path in packing.paths()],
        )
    if not rows or not spans:
        return None
    steps = connection.execute(
        f"""select r.step, list(distinct s.{name}) from read_parquet($rows) r join read_parquet($spans) s
        on s.row = r.row and s.split = 'train' where s.{name} in (from forgotten) group by r.step order by r.step""",
        {"rows": [str(path) for path in rows], "spans": [str(path) for path in spans]},
    ).fetchall()
    if not steps:
        return None
    texts = {one for _, read in steps for one in read}
    return Reading(model, len(texts), tuple(step for step, _ in steps))


def mark_holders(lake: Lake, holders: Holders) -> None:
    """Say of everything found what it is: an append-only mark beside each artifact."""
    for read, ids in holders.read.items():
        marks.put(lake, read, "holds", texts=len(ids))
    for one in holders.texts:
        marks.put(lake, one, "holds")
    for reading in holders.models:
        marks.put(lake, reading.model, "learned", reading.texts, len(reading.steps))
    for one in holders.learned:
        marks.put(lake, one, "learned")
