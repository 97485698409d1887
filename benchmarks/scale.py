"""Cost per document from ten thousand to a million: `python -m benchmarks.scale --documents 10000 100000 1000000`.

Documents are our own, made one batch after another from a seed: sentences of a small vocabulary, no two documents
alike. Each stage's function gets batches of 256, as a run gives them; what counts is its CPU time per document.
"""

import argparse
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from tasks.language import LanguageConfig, identify_language
from tasks.quality.stage import QualityConfig, measure_quality
from tasks.sign import SignConfig, sign_documents

BATCH = 256
SUBJECTS = ("The miller", "A river", "Our old wheel", "Every sack", "The baker's daughter", "No stone", "The mill")
VERBS = ("grinds", "carries", "turns", "weighs", "remembers", "lifts", "follows", "asks for")
OBJECTS = ("the flour", "what the river brings", "a heavy stone", "3.5 sacks of rye", "the road to town", "grist")
ENDS = (" at dawn.", ", and nobody minds.", " without a word.", " again and again!", " in the well-known way.", "...")


def batches(documents: int, seed: int = 7) -> Iterator[pa.RecordBatch]:
    """Batches of generated documents with a column `text`; of about 2,000 characters each."""
    draw = random.Random(seed)
    for start in range(0, documents, BATCH):
        texts = [_document(draw, number) for number in range(start, min(start + BATCH, documents))]
        yield pa.RecordBatch.from_pydict({"text": pa.array(texts, pa.large_string())})


def _document(draw: random.Random, number: int) -> str:
    sentences = [
        draw.choice(SUBJECTS) + f" {draw.choice(VERBS)} {draw.choice(OBJECTS)}" + draw.choice(ENDS)
        for _ in range(draw.randint(20, 60))
    ]
    lines = [" ".join(sentences[place : place + 4]) for place in range(0, len(sentences), 4)]
    return f"Chapter {number}\n\n" + "\n".join(lines)


def cost(function: Callable[[pa.RecordBatch, Any], Any], config: Any, documents: int) -> float:
    """CPU microseconds of a stage's function per document, without the making of the documents."""
    spent = 0.0
    for batch in batches(documents):
        started = time.process_time()
        function(batch, config)
        spent += time.process_time() - started
    return spent / documents * 1e6


def main() -> None:
    """Print the table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--documents", type=int, nargs="+", default=[10_000, 100_000])
    sizes = parser.parse_args().documents
    stages: list[tuple[str, Callable[..., Any], Any]] = [
        ("language", identify_language.fn, LanguageConfig()),
        ("quality", measure_quality.fn, QualityConfig()),
        ("sign", sign_documents, SignConfig()),
    ]
    print("| stage | " + " | ".join(f"µs for each of {size:,}" for size in sizes) + " | most against least |")
    print("|---|" + "---|" * (len(sizes) + 1))
    for name, function, config in stages:
        function(next(batches(BATCH)), config)  # what is loaded or compiled once does not count
        spent = [cost(function, config, size) for size in sizes]
        cells = " | ".join(f"{one:.0f}" for one in spent)
        print(f"| {name} | {cells} | {max(spent) / min(spent) - 1:+.1%} |", flush=True)


if __name__ == "__main__":
    main()
