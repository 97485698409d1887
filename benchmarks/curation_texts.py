"""Documents for the contests of redaction, word lists and decontamination, and the items planted in them."""

import gzip
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

LONGEST = 20_000  # characters; a book is cut into pieces
BATCH = 256  # documents, as a run gives them to a stage
EVERY = 20  # one document in so many gets an item
SETS = ("text/us-gov-18f", "filters/c4-demo", "text/cpython-lib", "text/gesetze", "text/standardebooks")
MOST = 300


def data() -> Path:
    """The folder of real data."""
    return Path(os.environ["GRISTMILL_TEST_DATA"])


def rows(name: str) -> Iterator[dict]:
    """The rows of a file of the data, by its name without `.jsonl.gz`."""
    with gzip.open(data() / f"{name}.jsonl.gz", "rt", encoding="utf-8", newline="\n") as file:
        yield from (json.loads(line) for line in file.read().split("\n") if line)


def texts() -> list[str]:
    """Pages of a web site and of a crawl, source code, laws and pieces of books: at most MOST of each."""
    found: list[str] = []
    for name in SETS:
        pieces = (text[at : at + LONGEST] for text in map(_text, rows(name)) for at in range(0, len(text), LONGEST))
        found += [piece for piece, _ in zip(pieces, range(MOST), strict=False)]
    return found


def _text(row: dict) -> str:
    return row["text"]


def items() -> list[str]:
    """The questions of GSM8K's test set."""
    return [row["question"] for row in rows("eval/gsm8k-test")]


def write(folder: Path, found: list[str]) -> None:
    """Write documents, one a line."""
    lines = "".join(json.dumps(text) + "\n" for text in found)
    (folder / "texts.jsonl").write_text(lines, encoding="utf-8")


def read(folder: Path) -> list[str]:
    """The documents of a contest."""
    return [json.loads(line) for line in (folder / "texts.jsonl").read_text(encoding="utf-8").split("\n") if line]


def counted(stage: Callable[[Any], Any], documents: Any, column: str, output: Path) -> Callable[[], int]:
    """The timed work of a contest: a stage's function over Arrow documents, batch by batch; writes where it counts any.

    The function is called once beforehand: what it loads or compiles at its first call is not its speed.
    """
    stage(documents.slice(0, 1))

    def work() -> int:
        found = [stage(documents.slice(at, BATCH)) for at in range(0, documents.num_rows, BATCH)]
        counts = [count > 0 for batch in found for count in batch.column(column).to_pylist()]
        output.write_text(json.dumps(counts), encoding="utf-8")
        return documents.num_rows

    return work
