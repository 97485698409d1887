"""Documents of our own in a lake, every stage from parts to compose over them, and a slow account of what should go."""

import itertools
import random
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from storage.artifact import Artifact, Input
from storage.schemas.documents import DOCUMENTS
from storage.schemas.spans import SPANS
from storage.table import Table, column, table
from tasks.annotation import with_doc_id
from tasks.compose import ComposeConfig, compose
from tasks.decide.repeats.rules import RepeatedLines, RepeatedSubstrings
from tasks.decide.rules import DecideConfig
from tasks.decide.stage import decide
from tasks.edits import EditsConfig, resolve_edits
from tasks.parts.stage import PartsConfig, note_parts
from tasks.sign import SignConfig, sign
from tasks.words import hash_words
from tests.tasks.committed import commit, fill

PARTS = PartsConfig(lines=True, paragraphs=True, substrings=6)
SIGN = SignConfig(bands=3, rows=2)
FOUND = with_doc_id(table(column("cut_spans", SPANS, "To remove."), column("pii_spans", SPANS, "To redact.")))
DAY = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Page:
    """A document, kept by every rule unless its text begins with DROP."""

    doc_id: str
    text: str
    host: str | None = "one.example.org"
    day: int | None = 0
    spans: tuple[tuple[str, int, int, str], ...] = ()  # column, start, end, kind


def rules(**sections: dict | None) -> DecideConfig:
    """A configuration of nothing but these repeats, and a rule by which pages are dropped."""
    none = {"gopher": None, "repetition": None, "duplicates": {"exact": False, "near": False}}
    return DecideConfig.model_validate({**none, "rules": {"drop": "license = 'drop'"}, **sections})


def build(
    lake: Path,
    pages: Sequence[Page],
    config: DecideConfig,
    cuts: Sequence[int] = (),
    shuffle: int | None = None,
    edits: EditsConfig | None = None,
    parts: PartsConfig = PARTS,
) -> tuple[Artifact, Artifact]:
    """The decisions and the corpus of these pages, in so many snapshots of one or two files. Inside a run."""
    order = list(pages)
    if shuffle is not None:
        random.Random(shuffle).shuffle(order)
    documents, annotations = [], []
    bounds = [0, *cuts, len(order)]
    for number, (start, stop) in enumerate(itertools.pairwise(bounds)):
        middle = (start + stop) // 2
        files = [one for one in (order[start:middle], order[middle:stop]) if one]
        named = {"cuts": list(cuts), "shuffle": shuffle, "number": number}
        declared = Table(DOCUMENTS.schema, group_rows=3)
        made = commit(lake, "extract", "documents", named, [], declared, [_documents(one) for one in files])
        documents.append(made)
        annotations += [sign(SIGN, documents=made), note_parts(parts, documents=made)]
        if edits is not None:
            inputs = [Input(role="documents", stage="extract", fingerprint=made.fingerprint)]
            found = commit(lake, "found", "annotation", named, inputs, FOUND, [_spans(one) for one in files])
            annotations += [found, resolve_edits(edits, documents=made, annotations=found)]
    decisions = decide(config, documents=documents, annotations=annotations)
    mixture = ComposeConfig(remove=edits.remove, redact=edits.redact) if edits else ComposeConfig()
    mixture = mixture.model_copy(update={"part_bytes": 2000})
    return decisions, compose(mixture, decisions=decisions, documents=documents)


def _documents(pages: Sequence[Page]) -> pa.RecordBatch:
    rows = [
        {"file": "f", "file_sha256": "0" * 64, "space": "row", "offset": 0, "length": 1, "source": "pages"}
        | {"doc_id": one.doc_id, "text": one.text, "text_bytes": len(one.text.encode())}
        | {"url": one.host and f"https://{one.host}/{one.doc_id}", "license": "drop" if _dropped(one) else "CC0-1.0"}
        | {"capture_date": None if one.day is None else DAY + timedelta(days=one.day)}
        for one in pages
    ]
    return fill(rows, DOCUMENTS)


def _spans(pages: Sequence[Page]) -> pa.RecordBatch:
    rows: list[dict] = []
    for page in pages:
        row: dict = {"doc_id": page.doc_id, "cut_spans": [], "pii_spans": []}
        for name, start, end, kind in sorted(page.spans, key=lambda span: span[1]):
            row[name].append({"start": start, "end": end, "kind": kind})
        rows.append(row)
    return fill(rows, FOUND)


def _dropped(page: Page) -> bool:
    return page.text.startswith("DROP")


def staying(pages: Sequence[Page]) -> list[Page]:
    """The pages that no rule drops, in the order in which they were first seen."""
    kept = [one for one in pages if not _dropped(one)]
    return sorted(kept, key=lambda one: (one.day is None, one.day or 0, one.doc_id))


def cut_slowly(text: str) -> tuple[list[tuple[str, int, int]], list[tuple[str, int, int]]]:
    """The lines and the paragraphs of a text, each as (what it is known by, start, end)."""
    lines: list[tuple[str, int, int]] = []
    blocks: list[list[tuple[str, int, int]]] = []
    place, gap = 0, True
    for line in text.split("\n"):
        end = min(place + len(line) + 1, len(text))
        if line.strip():
            lines.append((_plain(line), place, end))
            if gap:
                blocks.append([])
            blocks[-1].append(lines[-1])
        gap = not line.strip()
        place = end
    starts = [block[0][1] for block in blocks] + [len(text)]
    ends = starts[1:]
    return lines, [
        (" ".join(line[0] for line in block), start, end)
        for block, start, end in zip(blocks, starts, ends, strict=False)
    ]


def _plain(line: str) -> str:
    return " ".join(unicodedata.normalize("NFC", line).lower().split())


def lines_that_go(pages: Sequence[Page], rules: RepeatedLines, paragraphs: bool) -> dict[str, set[tuple[int, int]]]:
    """The spans of repeated lines (or paragraphs) of each page of those that stay, in the order first seen."""
    who: dict[str, list[Page]] = defaultdict(list)
    parts = {page.doc_id: cut_slowly(page.text)[paragraphs] for page in pages}
    for page in pages:
        for name in {name for name, start, end in parts[page.doc_id] if end - start >= rules.min_characters}:
            who[name].append(page)
    going = {
        name
        for name, holders in who.items()
        if len(holders) >= rules.min_documents and len({one.host for one in holders}) >= rules.min_domains
    }
    return {
        page.doc_id: {
            (start, end)
            for name, start, end in parts[page.doc_id]
            if name in going
            and end - start >= rules.min_characters
            and not (rules.keep == "first" and who[name][0] is page)
        }
        for page in pages
    }


def characters_that_go(pages: Sequence[Page], rules: RepeatedSubstrings) -> dict[str, set[int]]:
    """The characters of each page in repeated runs of words: every run is compared with every run."""
    n = rules.min_tokens
    words = hash_words([page.text for page in pages])
    of = [slice(a, b) for a, b in zip(words.offsets, words.offsets[1:], strict=False)]
    hashes = [words.hashes[one].tolist() for one in of]
    gone: dict[str, set[int]] = {}
    for mine, page in enumerate(pages):
        going: set[int] = set()
        for place in range(len(hashes[mine]) - n + 1):
            run = hashes[mine][place : place + n]
            others = range(mine) if rules.keep == "first" else [one for one in range(len(pages)) if one != mine]
            if any(hashes[other][at : at + n] == run for other in others for at in range(len(hashes[other]) - n + 1)):
                going.update(range(place, place + n))
        starts = [0, *words.starts[of[mine]].tolist()[1:], len(page.text)] if hashes[mine] else []
        gone[page.doc_id] = {character for word in going for character in range(starts[word], starts[word + 1])}
    return gone


def leave(text: str, gone: set[int]) -> str:
    """The text without these characters."""
    return "".join(sign for place, sign in enumerate(text) if place not in gone)
