"""Items planted in documents are found, however they are set; near misses are not; a slow version agrees."""

import itertools
import json
import random
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.artifact import Artifact
from tasks.contamination.items import ItemText, count_items, index_texts, read_benchmarks
from tasks.contamination.stage import ContaminationConfig, find_contamination, stretches
from tasks.ingest import Source, ingest
from tasks.questions import QuestionsConfig, read_questions
from tasks.run import running

CONFIG = ContaminationConfig()
QUESTIONS = [
    (
        "A miller grinds twelve sacks of rye before noon and seven sacks of barley after it, and then the river "
        "freezes. How many sacks stand in the yard at night?",
        ["nineteen", "twelve", "seven"],
        0,
    ),
    (
        "Which of the following parts of a water mill turns the slow motion of the great wheel into the quick motion "
        "of the upper stone?",
        ["the wallower and the stone nut", "the sluice", "the hopper above the stones"],
        0,
    ),
    ("Why do oats float on cold rivers in May?", ["because they are hollow", "because"], 0),
    ("Do oats float?", ["yes", "no"], 1),
    ("", ["The baker who bought the flour paid for it with a cow, two hens and a broken clock.", "A short end."], 0),
]
FILLER = (
    "The road to the village runs along the weir and then turns away from the water, so that whoever walks there hears "
    "the wheel long before seeing it. In spring the meadow is flooded, and children catch small fish in the ditches. "
)


def write_questions(folder: Path, questions: Sequence[tuple[str, list[str], int]] = QUESTIONS) -> Artifact:
    """Questions in a lake of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        json.dumps({"question": text, "choices": list(choices), "answer": gold}) for text, choices, gold in questions
    ]
    (folder / "quiz.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    with running(folder / "lake", "test", workers=0, quiet=True):
        (snapshot,) = ingest(Source(name="quiz", path=str(folder / "quiz.jsonl"), holds="questions"))
        return read_questions(QuestionsConfig(), snapshot=snapshot)


@pytest.fixture(scope="module")
def quiz(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return write_questions(tmp_path_factory.mktemp("quiz"))


def look(quiz: Artifact, *texts: str, config: ContaminationConfig = CONFIG) -> list[dict]:
    """The rows of these texts."""
    benchmarks = read_benchmarks([quiz], config.ngram, config.min_words, config.max_items)
    documents = pa.RecordBatch.from_pydict({"text": pa.array(texts, pa.large_string())})
    return find_contamination.fn(documents, config, benchmarks).to_pylist()


def ids(quiz: Artifact) -> list[str]:
    """The ids of QUESTIONS in their order."""
    rows = {row["context"] or row["choices"][0]: row["question_id"] for row in quiz.read().to_pylist()}
    return [rows[context or choices[0]] for context, choices, _ in QUESTIONS]


def shout(text: str) -> str:
    return text.upper()


def respace(text: str) -> str:
    return re.sub(" ", "\n\t  ", text)


def strip_marks(text: str) -> str:
    return re.sub(r"[^\w\s]", "", text)


def add_marks(text: str) -> str:
    return re.sub(r"(\w+)", r"«\1» —", text)


def decompose(text: str) -> str:
    return unicodedata.normalize("NFD", text)


@pytest.mark.parametrize("change", [str, shout, respace, strip_marks, add_marks, decompose])
@pytest.mark.parametrize("number", [0, 1, 2, 4])
def test_a_planted_item_is_found_with_its_place_however_it_is_set(quiz: Artifact, number: int, change) -> None:
    context, choices, gold = QUESTIONS[number]
    planted = change(f"{context} {choices[gold]}" if context else choices[0])
    (row,) = look(quiz, f"{FILLER}{planted} {FILLER}")
    (match,) = row["contaminated_by"]
    assert (match["benchmark"], match["item"]) == ("quiz", ids(quiz)[number])
    found = f"{FILLER}{planted} {FILLER}"[match["start"] : match["end"]]
    assert re.findall(r"\w+", found) == re.findall(r"\w+", planted)
    assert match["share"] == row["contaminated_item_share"] == 1
    assert row["n_contaminated_items"] == 1


def test_a_part_of_an_item_as_long_as_an_ngram_is_found_and_a_shorter_one_is_not(quiz: Artifact) -> None:
    words = QUESTIONS[0][0].split()
    for start in range(len(words) - 13):
        whole, short = (f"Indeed, {' '.join(words[start : start + n])}. Quite. {FILLER}" for n in (13, 12))
        found, missed = look(quiz, whole, short)
        assert [one["ngrams"] for one in found["contaminated_by"]] == [1]
        assert found["contaminated_item_share"] == pytest.approx(13 / (len(words) + 1))
        assert missed["contaminated_by"] == []


def test_near_misses_are_not_found(quiz: Artifact) -> None:
    words = QUESTIONS[0][0].split()
    every_tenth = [f"{word} then" if number % 10 == 9 else word for number, word in enumerate(words)]
    draw = random.Random(3)
    shuffled = draw.sample(words, len(words))
    misses = [
        FILLER * 20,
        " ".join(every_tenth),
        " ".join(shuffled),
        " ".join(reversed(words)),
        "Do oats float? no",  # an item of fewer than eight words is not looked for
        "Why do oats float on cold rivers in June? because they are hollow",
        "a miller grinds twelve sacks of rye before noon and eight sacks of barley after it",
        "",
        "。、！？",
    ]
    for row in look(quiz, *misses):
        assert (row["contaminated_by"], row["n_contaminated_items"]) == ([], 0)
    assert look(quiz, "")[0]["contamination_share"] is None


def test_an_item_cut_in_two_is_two_stretches_of_one_item(quiz: Artifact) -> None:
    words = QUESTIONS[1][0].split()
    text = f"{' '.join(words[:14])} … {FILLER} … {' '.join(words[-13:])}"
    (row,) = look(quiz, text)
    assert len(row["contaminated_by"]) == 2
    assert row["n_contaminated_items"] == 1
    assert [text[one["start"] : one["end"]].split()[0] for one in row["contamination_spans"]] == [words[0], words[-13]]


def test_every_item_of_a_set_is_looked_for_or_counted_with_the_reason_why_not() -> None:
    said = "the wheel of the upper mill turns all day long and nobody has to push it at all"
    texts = [
        ItemText("quiz", "long", "a miller grinds twelve sacks of rye before noon and seven more after it"),
        ItemText("quiz", "whole", "a miller grinds twelve sacks before the noon"),
        ItemText("quiz", "short", "a miller grinds"),
        ItemText("quiz", "choices", "one"),
        ItemText("quiz", "choices", "the baker bought some flour and paid with a cow"),
        *(ItemText("phrases", str(number), said) for number in range(3)),
    ]
    assert count_items(index_texts(texts, 13, 8, 2)) == [
        {"benchmark": "phrases", "items": 3, "looked_for": 0, "too_short": 0, "common": 3},
        {"benchmark": "quiz", "items": 4, "looked_for": 3, "too_short": 1, "common": 0},
    ]
    assert count_items(index_texts([], 13, 8, 2)) == []


@given(
    st.integers(0, 400).flatmap(
        lambda length: st.tuples(
            st.just(length), st.lists(st.tuples(st.integers(0, length), st.integers(0, length)).map(sorted).map(tuple))
        )
    ),
    st.integers(0, 60),
    st.integers(0, 60),
)
def test_what_is_cut_out_is_what_gpt_3_cuts_character_by_character(text, window: int, min_piece: int) -> None:
    length, places = text
    places = [(start, end) for start, end in places if start < end]
    gone = [any(start - window <= at < end + window for start, end in places) for at in range(length)]
    pieces = [(key, len(list(of))) for key, of in itertools.groupby(gone)]
    expected = [key or (bool(places) and size < min_piece) for key, size in pieces for _ in range(size)]
    found = stretches(ContaminationConfig(window=window, min_piece=min_piece), length, sorted(places))
    assert [any(start <= at < end for start, end in found) for at in range(length)] == expected
    assert all(one[1] < other[0] for one, other in itertools.pairwise(found))


def test_what_more_items_share_than_allowed_is_the_form_of_the_set(tmp_path: Path) -> None:
    form = "Read the following passage about the history of mills with care and then answer the question below"
    quiz = write_questions(tmp_path, [(f"{form}: number {n}", ["yes", "no"], 0) for n in range(6)])
    (row,) = look(quiz, form, config=CONFIG.model_copy(update={"max_items": 5}))
    assert row["contaminated_by"] == []
    (row,) = look(quiz, form, config=CONFIG.model_copy(update={"max_items": 6}))
    assert row["n_contaminated_items"] == 6


def slowly(text: str, items: Sequence[str], ngram: int, min_words: int) -> set[int]:
    """Characters of the text within an n-gram of an item, by comparing lists of words."""

    def cut(text: str) -> list[tuple[str, int, int]]:
        return [(found[0].lower(), *found.span()) for found in re.finditer(r"\w+", text)]

    words, inside = cut(text), set()
    for item in items:
        theirs = [word for word, *_ in cut(item)]
        size = ngram if len(theirs) >= ngram else len(theirs)
        if size < min_words:
            continue
        grams = {tuple(theirs[at : at + size]) for at in range(len(theirs) - size + 1)}
        for at in range(len(words) - size + 1):
            if tuple(word for word, *_ in words[at : at + size]) in grams:
                inside.update(range(words[at][1], words[at + size - 1][2]))
    return inside


WORDS = st.lists(st.sampled_from(["a", "b", "C", "d", ", ", "é"]), max_size=30).map(" ".join)


@settings(max_examples=60)
@given(st.lists(WORDS, min_size=1, max_size=4), WORDS, st.integers(1, 5), st.integers(1, 5))
def test_spans_are_those_of_a_slow_comparison_of_words(items: list[str], text: str, ngram: int, least: int) -> None:
    least = min(least, ngram)
    benchmarks = index_texts([ItemText("set", str(n), item) for n, item in enumerate(items)], ngram, least, 50)
    documents = pa.RecordBatch.from_pydict({"text": pa.array([text, text], pa.large_string())})
    rows = find_contamination.fn(documents, CONFIG, benchmarks).to_pylist()
    assert rows[0] == rows[1]
    inside = {at for one in rows[0]["contamination_spans"] for at in range(one["start"], one["end"])}
    assert inside == slowly(text, items, ngram, least)
    assert {at for one in rows[0]["contaminated_by"] for at in range(one["start"], one["end"])} == inside
