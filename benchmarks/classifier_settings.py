"""Settings of a quality classifier on a small set: Wikipedia and books against pages of documentation.

    GRISTMILL_TEST_DATA=… python -m benchmarks.classifier_settings

Trains by the stage itself, in a temporary lake; 30% of the texts are held out. The figures of docs/experiments.md.
"""

import gzip
import json
import os
import tempfile
from pathlib import Path

from storage.lake import Lake
from tasks.examples import ExamplesConfig, read_examples
from tasks.ingest import Source, ingest
from tasks.run import running
from tasks.train_classifier import ClassifierConfig, facts, train_classifier

CHARACTERS = 200
SETTINGS = ((16, 0.5), (100, 0.1), (16, 0.1), (100, 0.5))


def _lines(name: str) -> list[str]:
    content = (Path(os.environ["GRISTMILL_TEST_DATA"]) / "text" / name).read_bytes()
    return [line for line in gzip.decompress(content).decode().split("\n") if line.strip()]


def write_examples(path: Path) -> None:
    """Rows of text and label."""
    good = [line for line in _lines("wikitext-2-valid.txt.gz") if len(line) > 300]
    books = [json.loads(line)["text"] for line in _lines("standardebooks.jsonl.gz")]
    good += [book[start : start + CHARACTERS] for book in books for start in range(20_000, 80_000, 2_000)]
    pages = [json.loads(line)["text"] for line in _lines("us-gov-18f.jsonl.gz")]
    poor = [page[start : start + CHARACTERS] for page in pages for start in range(0, min(len(page), 1000), CHARACTERS)]
    rows = [{"text": text[:CHARACTERS], "label": label} for label, some in (("1", good), ("0", poor)) for text in some]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def main() -> None:
    """Print a row of figures for each of SETTINGS."""
    print("| numbers a word | rate | texts | held out | AUC | F1 |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "rows").mkdir()
        write_examples(folder / "rows" / "all.jsonl")
        with running(Lake(folder / "lake"), "learn", workers=0, quiet=True):
            (snapshot,) = ingest(Source(name="rows", path=str(folder / "rows"), holds="examples"))
            examples = read_examples(ExamplesConfig(), snapshot=snapshot)
            for dimension, rate in SETTINGS:
                config = ClassifierConfig(dimension=dimension, learning_rate=rate, held_out=0.3)
                (row,) = facts(train_classifier(config, labelled=[examples]))
                print(f"| {dimension} | {rate} | {row['examples']} | {row['held_out']} | {row['auc']:.4f} | "
                      f"{row['f1']:.3f} |")  # fmt: skip


if __name__ == "__main__":
    main()
