"""On real sets: every item of GSM8K's test set is found in itself, and nearly none in the training set."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pytest

from tasks.contamination.items import Benchmarks, ItemText, index_texts
from tasks.contamination.stage import ContaminationConfig, find_contamination
from tasks.words import hash_words

CONFIG = ContaminationConfig()


def questions(path: Path) -> list[str]:
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
        return [json.loads(line)["question"] for line in file.read().split("\n") if line]


@pytest.fixture(scope="module")
def gsm8k(test_data: Path) -> list[str]:
    return questions(test_data / "eval" / "gsm8k-test.jsonl.gz")


@pytest.fixture(scope="module")
def index(gsm8k: list[str]) -> Benchmarks:
    items = [ItemText("gsm8k", str(number), item) for number, item in enumerate(gsm8k)]
    return index_texts(items, CONFIG.ngram, CONFIG.min_words, CONFIG.max_items)


def look(texts: list[str], index: Benchmarks) -> list[dict]:
    documents = pa.RecordBatch.from_pydict({"text": pa.array(texts, pa.large_string())})
    return find_contamination.fn(documents, CONFIG, index).to_pylist()


def test_each_item_that_is_long_enough_is_found_whole_in_itself(gsm8k: list[str], index: Benchmarks) -> None:
    lengths = [stop - start for start, stop in zip(*(hash_words(gsm8k).offsets[at:] for at in (0, 1)), strict=False)]
    for number, (row, n_words) in enumerate(zip(look(gsm8k, index), lengths, strict=True)):
        if n_words >= CONFIG.min_words:
            assert str(number) in {one["item"] for one in row["contaminated_by"]}
            assert row["contaminated_item_share"] == row["contamination_share"] == 1


def test_of_the_training_set_few_questions_share_an_ngram_with_the_test_set_and_none_is_in_it(
    test_data: Path, index: Benchmarks
) -> None:
    rows = look(questions(test_data / "sft" / "gsm8k-train.jsonl.gz"), index)
    touched = [row for row in rows if row["n_contaminated_items"]]
    assert 0 < len(touched) < 0.01 * len(rows)
    assert max(row["contaminated_item_share"] for row in touched) < 1
