"""Parts: what a document's lines, paragraphs and runs of words are known by, so that repeats are found without them.

Nothing is decided here. Which parts are removed, where, and who keeps them is found by `decide` among the documents
that stay (`decide.repeated_lines`, `decide.repeated_paragraphs`, `decide.repeated_substrings`).

Of runs of words only some are noted: with `substrings: 50`, of each 26 runs of 25 words that follow one another the one
with the smallest hash (winnowing, Schleimer et al. 2003), about one run for 13 words. Two documents that share 50 words
in a row share one of them for certain, so `decide` reads the text of those documents alone that may share so much.
"""

import itertools
import unicodedata
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from pydantic import Field

from storage.schemas.repeats import ANCHORS, LINES, PARAGRAPHS, PART
from storage.table import Table, table
from tasks.stage import StageConfig, stage
from tasks.words import hash_words, joined, word_classes


class PartsConfig(StageConfig):
    """What is noted. Nothing by default: all three together take about a quarter of the text's size."""

    lines: Annotated[bool, Field(description="Note lines, for decide.repeated_lines.")] = False
    paragraphs: Annotated[bool, Field(description="Note paragraphs, for decide.repeated_paragraphs.")] = False
    substrings: Annotated[
        int | None,
        Field(
            ge=2,
            description="Note runs of words so that any shared run of this many is found: the least that "
            "decide.repeated_substrings.min_tokens may be (Lee et al. 2022: 50). Null: none.",
        ),
    ] = None

    @property
    def enabled(self) -> bool:
        """Only where something is noted."""
        return self.lines or self.paragraphs or self.substrings is not None


def _declared(config: PartsConfig) -> Table:
    wanted = (config.lines, LINES), (config.paragraphs, PARAGRAPHS), (config.substrings is not None, ANCHORS)
    return table(*(one for on, one in wanted if on))


@stage("parts", version=3, reads=["text"], writes=_declared)
def note_parts(documents: pa.RecordBatch, config: PartsConfig) -> pa.RecordBatch:
    """One row per document: hashes and places of its lines and paragraphs, hashes of some of its runs of words."""
    texts = documents.column("text").to_pylist()
    columns: dict[str, pa.Array] = {}
    if config.lines or config.paragraphs:
        lines, paragraphs = cut_parts(texts)
        columns |= ({LINES.name: lines} if config.lines else {}) | (
            {PARAGRAPHS.name: paragraphs} if config.paragraphs else {}
        )
    if config.substrings is not None:
        columns[ANCHORS.name] = find_anchors(texts, config.substrings)
    return pa.RecordBatch.from_pydict(columns)


def cut_parts(texts: list[str]) -> tuple[pa.Array, pa.Array]:
    """The lines and the paragraphs of each text, as columns of the type PARTS.

    Neither NFC nor lower case touches a line feed or makes a line blank, so the n-th line of a normalised text is the
    n-th of the text: the one gives its hash, the other its place.
    """
    normal = [(text if text.isascii() else unicodedata.normalize("NFC", text)).lower() for text in texts]
    placed, hashed = _cut(texts), _cut(normal)
    return tuple(_listed(hashed[kind][0], *placed[kind][1:]) for kind in (0, 1))  # type: ignore[return-value]


def _cut(texts: list[str]) -> list[list[np.ndarray]]:
    """Hashes, starts, ends and offsets of the lines, and of the paragraphs, of these texts."""
    from tasks.parts import kernels

    text, bounds = joined(texts)
    room = len(text) // 2 + len(texts)
    kinds: list[list[np.ndarray]] = [
        [*(np.empty(room, kind) for kind in (np.uint64, np.int32, np.int32)), np.empty(len(texts) + 1, np.int64)]
        for _ in range(2)
    ]
    kernels.cut(text, bounds, word_classes(), *kinds[0], *kinds[1])
    return [[*(values[: offsets[-1]] for values in some), offsets] for *some, offsets in kinds]


def _listed(hashes: np.ndarray, starts: np.ndarray, ends: np.ndarray, offsets: np.ndarray) -> pa.Array:
    values: list[Any] = [pa.array(one) for one in (hashes, starts, ends)]
    parts = pa.StructArray.from_arrays(values, fields=list(PART))
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), parts, type=LINES.type)


def find_anchors(texts: list[str], length: int) -> pa.Array:
    """Of each text the hashes of some runs of words, ascending, each once: two that share `length` words share one."""
    from tasks.parts import kernels

    words = hash_words(texts)
    run = max(1, length // 2)
    anchors = np.empty(len(words.hashes) + 1, np.uint64)
    values = np.empty(int(np.diff(words.offsets).max(initial=0)) + 1, np.uint64)
    offsets = np.empty(len(texts) + 1, np.int64)
    kernels.choose_anchors(words.hashes, words.offsets, run, length - run + 1, values, anchors, offsets)
    chosen = [np.unique(anchors[start:stop]) for start, stop in itertools.pairwise(offsets)]
    bounds = np.cumsum([0, *(len(one) for one in chosen)]).astype(np.int32)
    hashes = np.concatenate([np.empty(0, np.uint64), *chosen])
    return pa.ListArray.from_arrays(pa.array(bounds), pa.array(hashes), type=ANCHORS.type)
