"""Documents, languages and decisions in a lake, made straight from rows: what compose is given in its tests."""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from storage.schemas.documents import DOCUMENTS
from storage.schemas.language import LANGUAGE
from storage.schemas.spans import SPANS
from storage.table import Table, column, table
from tasks.annotation import with_doc_id
from tasks.decide.decisions import DECISIONS, UNFILTERED
from tasks.edits import EditsConfig, resolve_edits
from tests.tasks.committed import as_input, commit, fill

WORDS = ["mill", "stone", "grain", "water", "wheel", "flour", "sack", "river", "bread", "oven", "wind"]
GROUP_ROWS = 16
FOUND = with_doc_id(table(column("line_spans", SPANS, "Lines to remove."), column("pii_spans", SPANS, "To redact.")))


@dataclass(frozen=True)
class Page:
    """A document and what was decided on it."""

    doc_id: str
    source: str
    text: str
    language: str
    kept: bool
    split: str
    spans: dict[str, list[dict]] = field(default_factory=dict)
    unfiltered: int | None = None


def write_pages(counts: dict[str, int], seed: int = 1, kept: float = 0.8, validation: float = 0.1) -> list[Page]:
    """So many pages of each source, of unequal length, some dropped, some for validation."""
    draw = random.Random(seed)
    pages = []
    for source, count in counts.items():
        for number in range(count):
            doc_id = hashlib.sha256(f"{seed} {source} {number}".encode()).hexdigest()[:32]
            text = " ".join(draw.choices(WORDS, k=draw.randint(5, 300))) + f" № {number}"
            split = "validation" if draw.random() < validation else "train"
            pages.append(Page(doc_id, source, text, draw.choice(["en", "de"]), draw.random() < kept, split))
    return pages


def put(
    lake: Path,
    pages: Sequence[Page],
    cuts: Sequence[Sequence[int]],
    shuffle: int | None = 0,
    edits: EditsConfig | None = None,
) -> dict:
    """The pages, shuffled unless `shuffle` is None, cut into snapshots, and these into files of so many rows each.

    What the cuts leave over goes into the last file. With `edits` the pages' spans are an annotation, and the stage of
    that name is run on it, inside a run. Returns: the inputs of compose by role; those that the lake has already are
    not made again.
    """
    order = list(pages)
    if shuffle is not None:
        random.Random(shuffle).shuffle(order)
    documents, annotations, start = [], [], 0
    for number, files in enumerate(cuts):
        rows = []
        for file, count in enumerate(files):
            last = number == len(cuts) - 1 and file == len(files) - 1
            rows.append(order[start:] if last else order[start : start + count])
            start += count
        named = {"cuts": [list(one) for one in cuts], "shuffle": shuffle, "number": number}
        batches = [_documents(one) for one in rows]
        table = Table(DOCUMENTS.schema, group_rows=GROUP_ROWS)
        documents.append(commit(lake, "extract", "documents", named, [], table, batches))
        languages = [[{"doc_id": p.doc_id, "language": p.language} for p in one] for one in rows]
        declared = with_doc_id(LANGUAGE)
        filled = [fill(one, declared) for one in languages]
        inputs = [as_input("documents", documents[-1])]
        annotations.append(commit(lake, "language", "annotation", named, inputs, declared, filled))
        if edits is not None:
            spans = [fill([{"doc_id": p.doc_id, **p.spans} for p in one], FOUND) for one in rows]
            found = commit(lake, "found", "annotation", named, inputs, FOUND, spans)
            annotations.append(resolve_edits(edits, documents=documents[-1], annotations=found))
    inputs = [as_input("documents", one) for one in documents]
    inputs += [as_input("annotations", one) for one in annotations]
    decided = [
        {"doc_id": p.doc_id, "source": p.source, "kept": p.kept, "split": p.split, "failed": [], "cluster_size": 1}
        | {"cluster": p.doc_id if p.kept else None, "unfiltered_cluster_size": p.unfiltered}
        for p in sorted(pages, key=lambda page: page.doc_id)
    ]
    declared = UNFILTERED if any(p.unfiltered is not None for p in pages) else DECISIONS
    decisions = commit(lake, "decide", "decisions", {}, inputs, declared, [fill(decided, declared)])
    return {"decisions": decisions, "documents": documents}


def _documents(pages: Sequence[Page]) -> pa.RecordBatch:
    place = {"file": "f", "file_sha256": "0" * 64, "space": "row", "offset": 0, "length": 1, "license": "CC0-1.0"}
    rows = [
        place
        | {"doc_id": p.doc_id, "source": p.source, "text": p.text, "text_bytes": len(p.text.encode())}
        | {"url": f"https://example.org/{p.doc_id}"}
        for p in pages
    ]
    return fill(rows, DOCUMENTS)
