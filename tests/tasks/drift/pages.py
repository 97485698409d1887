"""Snapshots, what was measured of them and decided on them, made straight from rows: what `drift` is given in tests."""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from storage.artifact import Artifact
from storage.schemas.documents import DOCUMENTS, FILES, LOSSES
from storage.schemas.language import LANGUAGE
from storage.table import Table
from tasks.annotation import with_doc_id
from tasks.decide.decisions import DECISIONS
from tasks.drift.config import DriftConfig
from tasks.drift.stage import find_drift
from tasks.phrases import PhrasesConfig, count_phrases
from tasks.run import running
from tests.tasks.committed import as_input, commit, fill

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
    ingest = commit(lake, "ingest", "snapshot", named, [], FILES, [fill([file], FILES)])
    place = {"source": snapshot.source, "file": "f", "file_sha256": "0" * 64, "space": "row", "offset": 0, "length": 1}
    rows = [
        place | {"doc_id": p.doc_id, "url": p.url, "text": p.text, "text_bytes": len(p.text.encode())}
        for p in snapshot.pages
    ]
    lost = [place | {"reason": reason} for reason in snapshot.lost]
    losses = LOSSES, [fill(lost, LOSSES), fill([], LOSSES)]
    inputs = [as_input("snapshot", ingest)]
    documents = commit(lake, "extract", "documents", named, inputs, DOCUMENTS, halves(rows, DOCUMENTS), losses=losses)
    spoken, declared = [{"doc_id": p.doc_id, "language": p.language} for p in snapshot.pages], with_doc_id(LANGUAGE)
    inputs = [as_input("documents", documents)]
    return documents, commit(lake, "language", "annotation", named, inputs, declared, halves(spoken, declared))


def halves(rows: Sequence[dict], declared: Table) -> list[pa.RecordBatch]:
    """The rows in two parts."""
    return [fill(rows[: len(rows) // 2], declared), fill(rows[len(rows) // 2 :], declared)]


def decide(lake: Path, pages: Sequence[Page], documents: Sequence[Artifact]) -> Artifact:
    """The decisions that the pages name."""
    rows = [
        {"doc_id": p.doc_id, "source": "web", "kept": not (p.dropped_by or p.copy_of), "failed": [], "cluster_size": 1}
        | {"dropped_by": p.dropped_by or ("duplicates.near" if p.copy_of else None), "kept_as": p.copy_of}
        | {"cluster": None if p.dropped_by else p.copy_of or p.doc_id}
        for p in sorted(pages, key=lambda page: page.doc_id)
    ]
    inputs = [as_input("documents", one) for one in documents]
    return commit(lake, "decide", "decisions", {}, inputs, DECISIONS, [fill(rows, DECISIONS)])
