"""Perplexity under a reference: text like it is less perplexing; null without words; figures of the reference."""

import gzip
import json
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from storage.artifact import Artifact
from storage.lake import Lake
from tasks.examples import ExamplesConfig, read_examples
from tasks.ingest import Source, ingest
from tasks.perplexity import NgramFile, PerplexityConfig, measure_perplexity
from tasks.run import running
from tasks.train_reference import ReferenceConfig, train_reference
from tests.tasks.planted import advertisement, tale, texts, write_texts


def train(folder: Path, given: list[str], config: ReferenceConfig) -> Artifact:
    """A reference of texts, in a lake of its own, trained in this process."""
    write_texts(folder / "rows" / "all.jsonl", given)
    with running(Lake(folder / "lake"), "learn", workers=0, quiet=True):
        (snapshot,) = ingest(Source(name="rows", path=str(folder / "rows"), holds="examples"))
        return train_reference(config, texts=[read_examples(ExamplesConfig(), snapshot=snapshot)])


def measure(artifact: Artifact, given: list[str]) -> tuple[list[float | None], list[float | None]]:
    (part,) = [part for part in artifact.manifest.parts if part.name == "ngrams.bin"]
    config = PerplexityConfig(model=NgramFile(sha256=part.sha256, path=str(artifact.file("ngrams.bin"))))
    batch = pa.RecordBatch.from_pydict({"text": pa.array(given, pa.large_string())})
    found = measure_perplexity.fn(batch, config)  # type: ignore[misc]
    return found.column("perplexity").to_pylist(), found.column("unknown_word_share").to_pylist()


def shuffled(text: str, seed: int) -> str:
    words = text.split()
    random.Random(seed).shuffle(words)
    return " ".join(words)


def test_planted_text_is_told_by_its_perplexity(tmp_path: Path):
    artifact = train(tmp_path, texts(tale, 300, 1), ReferenceConfig(order=4, prune=0, held_out=0.1))
    like, _ = measure(artifact, texts(tale, 60, 2))
    mixed, _ = measure(artifact, [shuffled(text, seed) for seed, text in enumerate(texts(tale, 60, 2))])
    other, strange = measure(artifact, texts(advertisement, 60, 2))
    cut = np.quantile(np.array(like, float), 0.97)
    assert (np.array(mixed, float) > cut).mean() > 0.95
    assert (np.array(other, float) > cut).mean() == 1
    assert np.mean(strange) > 0.4  # type: ignore[arg-type]
    (figures,) = artifact.read().to_pylist()
    assert figures["held_out_perplexity"] == pytest.approx(np.median(np.array(like, float)), rel=0.25)
    assert (figures["order"], len(figures["ngrams"])) == (4, 4)
    assert figures["documents"] + figures["held_out_documents"] == 300


def test_texts_without_words_have_no_perplexity(tmp_path: Path):
    artifact = train(tmp_path, texts(tale, 30, 1), ReferenceConfig(order=2))
    values, shares = measure(artifact, ["", " … !", "the mill", "the Mill.", "xyzzy"])
    assert values[:2] == shares[:2] == [None, None]
    assert values[2] == values[3]  # case and punctuation are no words
    assert shares[2:] == [0, 0, 1]


def test_the_reference_takes_no_more_words_than_it_may(tmp_path: Path):
    artifact = train(tmp_path, texts(tale, 300, 1), ReferenceConfig(order=2, max_words=2000, held_out=0))
    (figures,) = artifact.read().to_pylist()
    assert 2000 <= figures["words"] < 4000
    assert figures["held_out_perplexity"] is None


def test_a_reference_without_words_is_refused(tmp_path: Path):
    with pytest.raises(Exception, match="no words to learn from"):
        train(tmp_path, ["…", "!"], ReferenceConfig())


def test_books_are_less_perplexing_to_a_model_of_books(test_data: Path, tmp_path: Path):
    def rows(name: str) -> list[str]:
        content = gzip.decompress((test_data / "text" / f"{name}.jsonl.gz").read_bytes()).decode()
        return [json.loads(line)["text"] for line in content.split("\n") if line]

    books = [
        book[start : start + 4000] for book in rows("standardebooks")[:24] for start in range(20_000, 100_000, 4000)
    ]
    artifact = train(tmp_path, books[: 20 * 20], ReferenceConfig(order=3, prune=1))
    own, _ = measure(artifact, books[20 * 20 :])  # four other books
    pages, _ = measure(artifact, rows("us-gov-18f")[:100])
    laws, unknown = measure(artifact, rows("gesetze")[:100])
    print(
        {
            name: round(float(np.median(np.array(one, float))))
            for name, one in (("books", own), ("pages", pages), ("laws", laws))
        }
    )
    assert np.median(np.array(own, float)) < np.median(np.array(pages, float)) < np.median(np.array(laws, float))
    assert np.mean(unknown) > 0.5  # type: ignore[arg-type]
