"""Snapshots, what was measured of them and decided on them, made straight from rows: what `drift` is given in tests."""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from storage.artifact import Artifact, Identity, Input
from storage.commit import stage_artifact
from storage.lake import Lake
from storage.schemas.documents import DOCUMENTS, FILES, LOSSES
from storage.schemas.language import LANGUAGE
from storage.table import Table
from tasks.annotation import with_doc_id
from tasks.decide.decisions import DECISIONS
from tasks.drift.config import DriftConfig
from tasks.drift.stage import find_drift
from tasks.phrases import PhrasesConfig, count_phrases
from tasks.run import running

WORDS = [f"{a}{b}" for a in ("mil", "sto", "gra", "wat", "whe", "flo", "sac", "riv") for b in ("ler", "ne", "in", "er")]


@dataclass(frozen=True)
class Page:
    """A document, and what was measured of it and decided on it. `dropped_by`: None where it stays."""

    doc_id: str
    url: str | None
    text: str
    language: str = "en"
    dropped_by: str | None = None
    copy_of: str | None = None


@dataclass(frozen=True)
class Snapshot:
    """Pages of one snapshot, and the reasons of records that became none."""

    pages: Sequence[Page]
    lost: Sequence[str] = ()
    source: str = "web"


def generate(
    seed: int, count: int, *, domains: int = 40, dropped: float = 0.3, german: float = 0.1, words: Sequence[str] = WORDS
) -> list[Page]:
    """Pages of a seeded world: words by a skewed distribution, languages and drops by chance, on so many domains."""
    draw = random.Random(seed)
    weights = [1 / (rank + 1) for rank in range(len(words))]
    pages = []
    for number in range(count):
        text = " ".join(draw.choices(words, weights, k=draw.randint(20, 120))) + f" {draw.randint(1990, 2030)}."
        doc_id = hashlib.sha256(f"{seed} {number}".encode()).hexdigest()[:32]
        url = f"https://www.site-{draw.randrange(domains)}.example/{number}"
        rule = draw.choice(["gopher.min_words", "language.min_probability"]) if draw.random() < dropped else None
        pages.append(Page(doc_id, url, text, "de" if draw.random() < german else "en", rule))
    return pages


def find(lake: Path, known: Sequence[Snapshot], new: Sequence[Snapshot], config: DriftConfig | None = None) -> Artifact:
    """What the stage finds in the new snapshots beside the known ones."""
    with running(lake, "test", quiet=True):
        documents, languages = [], []
        for snapshot in [*known, *new]:
            read, spoken = put(lake, snapshot)
            documents.append(read)
            languages.append(spoken)
        phrases = [count_phrases(PhrasesConfig(), documents=one) for one in documents]
        decisions = decide(lake, [page for one in [*known, *new] for page in one.pages], documents)
        sides = {"known": documents[: len(known)], "new": documents[len(known) :]}
        return find_drift(config, **sides, decisions=decisions, languages=languages, phrases=phrases)


def put(lake: Path, snapshot: Snapshot) -> tuple[Artifact, Artifact]:
    """The documents of a snapshot, in two parts, and their languages."""
    digest = hashlib.sha256(repr(snapshot).encode()).hexdigest()
    named = {"source": snapshot.source, "holds": "documents", "license": None, "files": digest}
    file = {"path": "f", "sha256": "0" * 64, "bytes": 1, "source": snapshot.source}
    ingest = commit(lake, "ingest", "snapshot", named, [], {"part": (FILES, [[file]])})
    place = {"source": snapshot.source, "file": "f", "file_sha256": "0" * 64, "space": "row", "offset": 0, "length": 1}
    rows = [
        place | {"doc_id": p.doc_id, "url": p.url, "text": p.text, "text_bytes": len(p.text.encode())}
        for p in snapshot.pages
    ]
    half = len(rows) // 2
    lost = [place | {"reason": reason} for reason in snapshot.lost]
    tables = {"part": (DOCUMENTS, [rows[:half], rows[half:]]), "losses": (LOSSES, [lost, []])}
    documents = commit(lake, "extract", "documents", named, [as_input("snapshot", ingest)], tables)
    spoken = [{"doc_id": p.doc_id, "language": p.language} for p in snapshot.pages]
    tables = {"part": (with_doc_id(LANGUAGE), [spoken[:half], spoken[half:]])}
    return documents, commit(lake, "language", "annotation", named, [as_input("documents", documents)], tables)


def decide(lake: Path, pages: Sequence[Page], documents: Sequence[Artifact]) -> Artifact:
    """The decisions that the pages name."""
    rows = [
        {"doc_id": p.doc_id, "source": "web", "kept": not (p.dropped_by or p.copy_of), "failed": [], "cluster_size": 1}
        | {"dropped_by": p.dropped_by or ("duplicates.near" if p.copy_of else None), "kept_as": p.copy_of}
        | {"cluster": None if p.dropped_by else p.copy_of or p.doc_id}
        for p in sorted(pages, key=lambda page: page.doc_id)
    ]
    inputs = [as_input("documents", one) for one in documents]
    return commit(lake, "decide", "decisions", {}, inputs, {"part": (DECISIONS, [rows])})


def as_input(role: str, artifact: Artifact) -> Input:
    return Input(role=role, stage=artifact.stage, fingerprint=artifact.fingerprint)


def commit(
    lake: Path,
    stage: str,
    kind: str,
    config: dict,
    inputs: Sequence[Input],
    tables: dict[str, tuple[Table, Sequence[Sequence[dict]]]],
) -> Artifact:
    """An artifact of these rows, by table and part."""
    identity = Identity(stage=stage, version=1, config=config, inputs=tuple(inputs))
    with stage_artifact(Lake(lake), identity, kind, print) as staging:
        if isinstance(staging, Artifact):
            return staging
        records = []
        for number in range(max(len(parts) for _, parts in tables.values())):
            output = staging.output(number, str(number), {name: declared for name, (declared, _) in tables.items()})
            for name, (declared, parts) in tables.items():
                rows = [dict.fromkeys(declared.schema.names) | row for row in parts[number]]
                output.write(pa.RecordBatch.from_pylist(rows, schema=declared.schema), name)
            records.append(output.finish())
        return staging.commit(records, {})
