"""Which artifacts hold forgotten text, and which learned from it: a function of the lake and of its tombstones.

Nothing is remembered here, so that it holds for what was made at the same time as a tombstone, too: documents by their
rows, a corpus and tokens by the doc_ids in them, a model by the rows that its steps read.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import duckdb
import numpy as np
import pyarrow as pa

from storage.artifact import TOMBSTONES, Artifact
from storage.forget import marks
from storage.forget.tombstones import Matcher, Tombstone, all_tombstones
from storage.lake import Lake
from storage.schemas.documents import FORGOTTEN

LEARNED_KINDS = frozenset({"tokenizer", "classifier", "reference"})
"""What keeps of the texts it was made from only what it learned: never deleted, marked."""


def read_tombstones(listed: Artifact) -> list[Tombstone]:
    """The tombstones that an artifact of them lists."""
    return [Tombstone(row["kind"], row["pattern"]) for row in listed.read().to_pylist()]


def tombstones_of(documents: Artifact) -> frozenset[Tombstone]:
    """The tombstones under which documents were made."""
    return frozenset(one for listed in documents.inputs(TOMBSTONES) for one in read_tombstones(listed))


def named_ids(documents: Artifact, tombstones: Iterable[Tombstone], *, with_text: bool = False) -> list[str]:
    """The doc_ids that tombstones name, sorted; `with_text`: only of those that still say something."""
    matcher, found = Matcher(list(tombstones)), []
    for batch in documents.batches(["doc_id", "url", "extractor"]):
        named = matcher.matches(batch.column("doc_id"), batch.column("url"))
        if with_text:
            named &= np.array([extractor != FORGOTTEN for extractor in batch.column("extractor").to_pylist()], bool)
        found += batch.column("doc_id").filter(pa.array(named)).to_pylist()
    return sorted(found)


def uncovered(documents: Artifact, tombstones: Iterable[Tombstone]) -> list[str]:
    """The doc_ids that tombstones name, and whose text these documents still hold."""
    missing = set(tombstones) - tombstones_of(documents)
    return named_ids(documents, missing, with_text=True) if missing else []


@dataclass(frozen=True)
class Reading:
    """A model that has read forgotten text: how many such documents, in which steps (ascending)."""

    model: Artifact
    documents: int
    steps: tuple[int, ...]


@dataclass
class Holders:
    """What a lake holds of forgotten text.

    `documents`: artifacts of documents with the doc_ids whose text they hold. `texts`: corpora, tokens and evaluations
    that hold some. `models`: those that read some, base models with their steps. `learned`: what else learned from it
    (tokenizers, classifiers, references, exports). `doc_ids`: every document that the tombstones name.
    """

    documents: dict[Artifact, list[str]] = field(default_factory=dict)
    texts: list[Artifact] = field(default_factory=list)
    models: list[Reading] = field(default_factory=list)
    learned: list[Artifact] = field(default_factory=list)
    doc_ids: set[str] = field(default_factory=set)

    @property
    def deleted(self) -> list[Artifact]:
        """What `gc` deletes whoever uses or names it."""
        return [*self.documents, *self.texts]


def find_holders(lake: Lake, tombstones: Sequence[Tombstone] | None = None) -> Holders:
    """What holds text that these tombstones name (default: those of the lake), or learned from it."""
    wanted = all_tombstones(lake) if tombstones is None else tombstones
    found = Holders()
    if not wanted:
        return found
    artifacts = lake.artifacts()
    for one in artifacts:
        if one.manifest.kind == "documents":
            found.doc_ids.update(named_ids(one, wanted))
            if holds := uncovered(one, wanted):
                found.documents[one] = holds
    # an artifact that is gone still says through its mark that others learned from it
    touched = {mark.artifact.fingerprint for mark in marks.all_marks(lake)}
    touched.update(one.fingerprint for one in found.documents)
    with duckdb.connect() as connection:
        connection.register("forgotten", pa.table({"doc_id": pa.array(sorted(found.doc_ids), pa.string())}))
        for one in artifacts:  # what an artifact was made from was committed before it
            if _look(one, found, touched, connection):
                touched.add(one.fingerprint)
    return found


def _look(one: Artifact, found: Holders, touched: set[str], connection: duckdb.DuckDBPyConnection) -> bool:
    kind = one.manifest.kind
    given = [used for used in one.manifest.identity.inputs if used.fingerprint in touched]
    if kind in ("corpus", "tokens"):
        if _holds_ids(one, connection):
            found.texts.append(one)
            return True
    elif kind == "model":
        reading = _reading(one, connection) if one.inputs("packing") else None
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
    return False


def _holds_ids(one: Artifact, connection: duckdb.DuckDBPyConnection) -> bool:
    paths = [str(path) for path in one.paths()]
    query = "select 1 from read_parquet($paths) where doc_id in (from forgotten) limit 1"
    return bool(paths) and connection.execute(query, {"paths": paths}).fetchone() is not None


def _reading(model: Artifact, connection: duckdb.DuckDBPyConnection) -> Reading | None:
    rows, packing = model.paths("rows"), model.input("packing")
    if not rows or not packing.exists:
        return None
    steps = connection.execute(
        """select r.step, list(distinct p.doc_id) from read_parquet($rows) r join read_parquet($spans) p
        on p.row = r.row and p.split = 'train' where p.doc_id in (from forgotten) group by r.step order by r.step""",
        {"rows": [str(path) for path in rows], "spans": [str(path) for path in packing.paths()]},
    ).fetchall()
    if not steps:
        return None
    documents = {doc_id for _, doc_ids in steps for doc_id in doc_ids}
    return Reading(model, len(documents), tuple(step for step, _ in steps))


def mark_holders(lake: Lake, holders: Holders) -> None:
    """Say of everything found what it is: an append-only mark beside each artifact."""
    for documents, doc_ids in holders.documents.items():
        marks.put(lake, documents, "holds", documents=len(doc_ids))
    for one in holders.texts:
        marks.put(lake, one, "holds")
    for reading in holders.models:
        marks.put(lake, reading.model, "learned", reading.documents, len(reading.steps))
    for one in holders.learned:
        marks.put(lake, one, "learned")
