"""Multiple-choice sets of the usual shapes become questions; a row without a clear right answer is a loss."""

import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage.sql import connect
from tasks.ingest import Source, ingest
from tasks.questions import QuestionLoss, QuestionsConfig, read_question, read_questions
from tasks.rows import Unusable
from tasks.run import running

CHOICES = ["a stone", "a sail", "a sack"]
CONFIG = QuestionsConfig()
EXPECTED = {"context": "What grinds?", "choices": CHOICES, "gold": 1}


@pytest.mark.parametrize(
    "row",
    [
        {"context": "What grinds?", "choices": CHOICES, "gold": 1},
        {"question": " What grinds?\n", "options": CHOICES, "answer": "B"},
        {"ctx": "What grinds?", "endings": CHOICES, "label": "1"},
        {"question": {"stem": "What grinds?", "choices": [{"text": one} for one in CHOICES]}, "answerKey": "B"},
        {"query": "What grinds?", "choices": CHOICES, "answer": "a sail"},
        {"query": "What grinds?", "choices": {"text": CHOICES, "label": ["1", "2", "3"]}, "answerKey": "2"},
        {
            "question_stem": "What grinds?",
            "choices": [{"text": text, "label": label} for text, label in zip(CHOICES, "XYZ", strict=True)],
            "answerKey": "Y",
        },
    ],
)
def test_every_shape_gives_the_same_question(row):
    assert read_question(row, CONFIG) == EXPECTED


def test_a_number_is_a_position_even_among_choices_that_are_numbers():
    assert read_question({"context": "2 - 2?", "choices": ["2", "1", "0"], "gold": 2}, CONFIG)["gold"] == 2
    assert read_question({"context": "2 - 2?", "choices": ["2", "1", "0"], "gold": "0"}, CONFIG)["gold"] == 2


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"context": "?"}, QuestionLoss.BAD_ROW),
        ({"context": ["?"], "choices": CHOICES, "gold": 0}, QuestionLoss.BAD_ROW),
        ({"choices": CHOICES, "gold": 0}, QuestionLoss.BAD_ROW),
        ({"context": "", "choices": "abc", "gold": 0}, QuestionLoss.BAD_ROW),
        ({"context": "", "choices": ["a", 5], "gold": 0}, QuestionLoss.BAD_ROW),
        ({"context": "", "choices": ["only"], "gold": 0}, QuestionLoss.TOO_FEW_CHOICES),
        ({"context": "", "choices": ["a", " "], "gold": 0}, QuestionLoss.EMPTY_CHOICE),
        ({"context": "", "choices": ["a", "a "], "gold": 0}, QuestionLoss.SAME_CHOICE_TWICE),
        ({"context": "", "choices": ["a", "\udc00"], "gold": 0}, QuestionLoss.BAD_ENCODING),
        ({"context": "", "choices": CHOICES}, QuestionLoss.NO_GOLD),
        ({"context": "", "choices": CHOICES, "gold": -1}, QuestionLoss.NO_GOLD),
        ({"context": "", "choices": CHOICES, "gold": 3}, QuestionLoss.NO_GOLD),
        ({"context": "", "choices": CHOICES, "gold": "D"}, QuestionLoss.NO_GOLD),
        ({"context": "", "choices": CHOICES, "gold": True}, QuestionLoss.NO_GOLD),
        ({"context": "", "choices": {"text": CHOICES, "label": ["A", "A", "B"]}, "answer": "A"}, QuestionLoss.NO_GOLD),
    ],
)
def test_what_is_no_question_says_why(row, reason):
    with pytest.raises(Unusable) as raised:
        read_question(row, CONFIG)
    assert raised.value.reason == reason


def test_a_context_column_that_a_recipe_names_has_to_be_there():
    row = {"question": "What grinds?", "choices": CHOICES, "gold": 0}
    with pytest.raises(Unusable, match=r"there is no column 'qestion': name it under `fields\.context`"):
        read_question(row, QuestionsConfig(fields={"context": "qestion"}))
    assert read_question(row, QuestionsConfig(fields={"context": "question"}))["context"] == "What grinds?"
    assert read_question(row | {"question": None}, CONFIG)["context"] == ""


def test_every_row_is_a_question_or_a_loss(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    rows = [
        {"task": "mill", "context": "What grinds?", "choices": CHOICES, "gold": 0, "license": "MIT"},
        {"context": "", "choices": ["It turns.", "It turn."], "gold": 0},
        {"context": "no answer", "choices": CHOICES, "gold": None},
    ]
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pq.write_table(pa.Table.from_pylist(rows), folder / "b.parquet")
    with running(tmp_path / "lake", "questions", workers=2, cpu_seconds=2, quiet=True):
        (snapshot,) = ingest(Source(name="quiz", path=str(folder), holds="questions", license="CC0-1.0"))
        artifact = read_questions(QuestionsConfig(), snapshot=snapshot)
        named = read_questions(QuestionsConfig(task="other"), snapshot=snapshot)
    counts = Counter((row["task"], row["license"]) for row in artifact.read(["task", "license"]).to_pylist())
    assert counts == {("mill", "MIT"): 2, ("quiz", "CC0-1.0"): 2}
    # what the same files gave under an older configuration is no second record
    assert connect(tmp_path / "lake").sql("select distinct fingerprint from questions").fetchall() == [
        (named.fingerprint,)
    ]
    assert artifact.rows("losses") == 2
    assert {row["reason"] for row in artifact.read(table="losses").to_pylist()} == {"no gold"}
    assert set(named.read(["task"]).column("task").to_pylist()) == {"mill", "other"}
    assert {"source": "quiz", "what": "lost: no gold", "rows": 2} in read_questions.summary(artifact)  # type: ignore[misc]


@pytest.mark.parametrize(("name", "rows"), [("arc-easy.jsonl.gz", 2376), ("copa.jsonl.gz", 100)])
def test_real_sets_are_read(test_data: Path, tmp_path: Path, name: str, rows: int):
    with running(tmp_path / "lake", "questions", workers=0, quiet=True):
        path = str(test_data / "eval" / name)
        (snapshot,) = ingest(Source(name="real", path=path, holds="questions"))
        artifact = read_questions(QuestionsConfig(), snapshot=snapshot)
    assert artifact.rows() + artifact.rows("losses") == rows
    assert artifact.rows() >= 0.99 * rows
