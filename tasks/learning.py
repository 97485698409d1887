"""Texts to learn from: those of documents and of labelled examples, each different one once, some held out by hash.

Everything is a function of the texts and the seed, whatever order they come in: a text's hash says whether it is among
those taken where there are too many, and where it stands in the training; the hash of its words whether it is held out.
"""

import hashlib
import heapq
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from storage.artifact import Artifact
from storage.shards import read_batches

_WORD = re.compile(r"\w+")
Labelled = tuple[str, str, str, float]
"""doc_id (or example_id), source, text, label."""


class Example(NamedTuple):
    """A text that was taken: where it stands in the file of texts, and what is known of it."""

    order: int
    held_out: bool
    label: float
    doc_id: str
    source: str
    offset: int
    length: int


class Examples:
    """Texts that were taken, in the order of their hashes, and how many were left out because they were there already.

    The texts lie in a file, a temporary one: memory holds some hundred bytes for each.
    """

    def __init__(self, path: Path, examples: list[Example], repeated: int) -> None:
        self.path, self.examples, self.repeated = path, examples, repeated
        self.training = [one for one in examples if not one.held_out]
        self.held_out = [one for one in examples if one.held_out]

    def texts(self, chosen: Iterable[Example]) -> Iterator[str]:
        """The texts of these examples, in their order."""
        with open(self.path, "rb") as file:
            for one in chosen:
                file.seek(one.offset)
                yield file.read(one.length).decode()

    def batches(self, chosen: Sequence[Example], size: int = 256) -> Iterator[tuple[list[Example], list[str]]]:
        """The same, so many at once."""
        for start in range(0, len(chosen), size):
            some = list(chosen[start : start + size])
            yield some, list(self.texts(some))


def parts_of(artifacts: Iterable[Artifact]) -> list[dict[str, str]]:
    """The files of documents or examples, for a shard's `where`."""
    return [{"path": str(path), "kind": one.manifest.kind} for one in artifacts for path in one.paths()]


def read_texts(parts: Iterable[dict[str, str]]) -> Iterator[tuple[str, str, str, str | None, float | None]]:
    """(id, source, text, label, value) of every text that is there and not blank; documents have no label."""
    for part in parts:
        labelled = part["kind"] == "examples"
        columns = ["example_id", "source", "text", "label", "value"] if labelled else ["doc_id", "source", "text"]
        for batch in read_batches(Path(part["path"]), columns):
            lists = [batch.column(name).to_pylist() for name in columns]
            for row in zip(*lists, strict=True):
                if row[2] is not None and row[2].strip():
                    yield row if labelled else (*row, None, None)


def gather(
    texts: Sequence[Iterable[Labelled]], folder: Path, *, seed: int, characters: int, held_out: float, at_most: int
) -> Examples:
    """Take at most `at_most` different texts of each class, cut after so many characters; `held_out` is a share.

    Args: `texts` one iterable for each class, which is walked twice and gives the same both times. A text that two
    classes have is left out of both.
    """
    keys: list[set[int]] = []
    repeated = 0
    for of_class in texts:
        heap: list[int] = []
        known: set[int] = set()
        for _, _, text, _ in of_class:
            key = _key(text[:characters], seed)
            if key in known:
                repeated += 1
                continue
            if len(heap) == at_most and -key < heap[0]:
                continue
            known.add(key)
            if len(heap) == at_most:
                known.discard(-heapq.heappushpop(heap, -key))
            else:
                heapq.heappush(heap, -key)
        keys.append(known)
    both = {key for number, known in enumerate(keys) for other in keys[:number] for key in known & other}
    repeated += 2 * len(both)
    taken: list[Example] = []
    path = folder / "texts"
    with open(path, "wb") as file:
        offset = 0
        for of_class, known in zip(texts, keys, strict=True):
            known -= both
            for doc_id, source, text, label in of_class:
                text = text[:characters]
                key = _key(text, seed)
                if key not in known:
                    continue
                known.discard(key)
                content = text.encode()
                file.write(content)
                held = _side(text, seed) < held_out * 2**64
                taken.append(Example(key, held, label, doc_id, source, offset, len(content)))
                offset += len(content)
    return Examples(path, sorted(taken), repeated)


def _key(text: str, seed: int) -> int:
    """128 bits of a hash of a text, white space evened out."""
    return _hash(" ".join(text.split()), seed, 16)


def _side(text: str, seed: int) -> int:
    """64 bits of a hash of a text's words in small letters: copies with other punctuation or case fall on one side."""
    return _hash(" ".join(_WORD.findall(text.lower())), seed, 8)


def _hash(text: str, seed: int, size: int) -> int:
    salt = seed.to_bytes(8, "little")
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=size, salt=salt).digest(), "big")
