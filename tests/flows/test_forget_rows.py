"""Conversations, questions and examples are forgotten as documents are: their rows stay, and what they say goes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from flows.forget import forget, plan_forgetting
from storage import gc, names
from storage.artifact import Artifact
from storage.catalog.superseded import all_superseded
from storage.catalog.verify import verify
from storage.forget import marks
from storage.forget.rows import READ
from storage.forget.tombstones import bury, parse
from storage.lake import Lake
from tasks.contamination.items import texts_of
from tasks.conversations import ConversationsConfig, read_conversations
from tasks.evaluate import EvaluateConfig, choose_questions
from tasks.examples import read_examples
from tasks.finetune import finetune
from tasks.ingest import Source, ingest
from tasks.learning import parts_of, read_texts
from tasks.lineage.batch import read_batch
from tasks.questions import read_questions
from tasks.run import running
from tests.acceptance.said import find
from tests.tasks.small_model import TUNING, shared_chats, shared_tuned

SENTENCE = "Crimson otters juggle eleven brass compasses beside Quimper harbour."
PLANTED = 7
STAGES = {"conversations": read_conversations, "questions": read_questions, "examples": read_examples}


def rows_of(kind: str) -> list[dict]:
    """Twelve rows, of which one says the sentence; the own id of the last is an address."""
    ids = [*(f"user-{number}" for number in range(11)), "https://qa.example/11"]
    said = [SENTENCE if number == PLANTED else f"Sack {number} stands at the mill." for number in range(12)]
    made = {
        "conversations": lambda text: {"prompt": f"What of this? {text}", "response": text},
        "questions": lambda text: {"context": f"Someone says: {text}", "choices": [text, "Nothing."], "gold": 0},
        "examples": lambda text: {"text": text, "label": f"label of {text}"},
    }[kind]
    return [{"id": own} | made(text) for own, text in zip(ids, said, strict=True)]


def read(lake: Lake, folder: Path, kind: str) -> Artifact:
    """What the lake has of those rows, read now if it has none."""
    (folder / kind).mkdir(parents=True, exist_ok=True)
    path = folder / kind / "rows.jsonl"
    if not path.exists():
        path.write_text("".join(json.dumps(row) + "\n" for row in rows_of(kind)), encoding="utf-8")
    with running(lake, "read", workers=0, quiet=True):
        (snapshot,) = ingest(Source(name="rows", path=str(folder / kind), holds=kind))  # type: ignore[arg-type]
        return STAGES[kind](snapshot=snapshot)


@pytest.mark.parametrize("kind", STAGES)
def test_a_successor_has_the_same_rows_and_the_sentence_is_nowhere_after_gc(kind, tmp_path):
    lake = Lake(tmp_path / "lake")
    before = read(lake, tmp_path, kind)
    old = before.read().to_pylist()
    name = old[PLANTED][READ[kind].id]
    assert find(lake.root, SENTENCE).keys() == {kind}
    plan = plan_forgetting(lake, [parse(name)])
    assert (plan.named[kind], plan.rows[kind], plan.holders.read) == ([name], 12, {before: [name]})
    assert plan.files == {tmp_path / kind / "rows.jsonl": 1}
    forget(lake, [parse(name)], workers=0)
    after = read(lake, tmp_path, kind)
    assert after.origin == before
    assert all_superseded(lake)[before].successor == after
    new = after.read().to_pylist()
    assert old[PLANTED] | dict.fromkeys(READ[kind].gone) == new[PLANTED]
    assert [row for row in old if row != old[PLANTED]] == [row for row in new if row != new[PLANTED]]
    gc.collect(lake, gc.Keeping(runs=0))
    assert find(lake.root, SENTENCE) == {}
    assert verify(lake).damages == []
    assert read(lake, tmp_path, kind) == after

    anew = Lake(tmp_path / "anew")
    bury(anew, parse(name))
    assert read(anew, tmp_path, kind).manifest == after.manifest  # copied or read from the file: the same bytes
    assert find(anew.root, SENTENCE) == {}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("record:rows/user-1*", [1, 10]),
        ("record:*/user-7", [7]),
        ("https://qa.example/11", [11]),
        ("domain:qa.example", [11]),
        ("regex:user-", []),  # no address
        ("source:rows", list(range(12))),
    ],
)
def test_a_row_is_named_by_its_own_id_with_its_source_and_by_its_address_where_that_is_one(target, expected, tmp_path):
    lake = Lake(tmp_path / "lake")
    made = read(lake, tmp_path, "conversations").read(["conversation_id"]).column("conversation_id").to_pylist()
    named = plan_forgetting(lake, [parse(target)]).named["conversations"]
    assert named == sorted(made[number] for number in expected)


def test_what_is_forgotten_is_neither_asked_nor_compared_with_nor_learned_from(tmp_path):
    lake = Lake(tmp_path / "lake")
    found = {kind: read(lake, tmp_path, kind) for kind in STAGES}
    planted = {kind: one.read().to_pylist()[PLANTED][READ[kind].id] for kind, one in found.items()}
    forget(lake, [parse(one) for one in planted.values()], workers=0)
    left = {kind: read(lake, tmp_path, kind) for kind in STAGES}
    asked = choose_questions([left["questions"]], EvaluateConfig())
    assert {row["question_id"] for row in choose_questions([found["questions"]], EvaluateConfig())} == {
        row["question_id"] for row in asked
    } | {planted["questions"]}
    assert len(asked) == 11
    assert {one.item for one in texts_of(left["questions"])} == {row["question_id"] for row in asked}
    learned = [row[0] for row in read_texts(parts_of([left["examples"]]))]
    assert len(learned) == 11
    assert planted["examples"] not in learned


def test_what_says_the_same_as_a_forgotten_conversation_is_told(tmp_path):
    lake, folder = Lake(tmp_path / "lake"), tmp_path / "talks"
    folder.mkdir()
    row = {"prompt": "Who grinds?", "response": "The miller."}
    told = [row, {"prompt": "Who bakes?", "response": "The baker."}, row | {"response": "The  miller. "}]
    (folder / "rows.jsonl").write_text("".join(json.dumps(one) + "\n" for one in told), encoding="utf-8")
    with running(lake, "read", workers=0, quiet=True):
        (snapshot,) = ingest(Source(name="talks", path=str(folder), holds="conversations"))
        made = read_conversations(ConversationsConfig(), snapshot=snapshot)
    ids = made.read(["conversation_id"]).column("conversation_id").to_pylist()
    assert plan_forgetting(lake, [parse(ids[0])]).copies == [ids[2]]
    assert plan_forgetting(lake, [parse(ids[0]), parse(ids[2])]).copies == []


@pytest.mark.timeout(180)
def test_a_tuned_model_is_marked_with_the_steps_that_read_it_and_the_next_one_never_does(tmp_path_factory, tmp_path):
    shared = tmp_path_factory.getbasetemp()
    tuned, chats = shared_tuned(shared), shared_chats(shared)
    lake = Lake(shutil.copytree(tuned.lake, tmp_path / "lake"))
    shutil.copytree(shared / "shared-world" / "chats", tmp_path / "chats")
    tuned, chats = (one.model_copy(update={"lake": str(lake.root)}) for one in (tuned, chats))
    names.assign(lake, "small/tuned", tuned)
    laid = {row["conversation_id"]: row for row in tuned.read(table="conversations").to_pylist()}
    of_row = {row["row"]: row["step"] for row in tuned.read(table="rows").to_pylist()}
    name = next(one for one, row in laid.items() if row["split"] == "train" and row["row"] in of_row)
    steps = {row["step"] for row in tuned.read(table="rows").to_pylist() if row["row"] == laid[name]["row"]}
    before = {span.doc_id: span for row in read_batch(tuned, min(steps)) for span in row.spans}

    forget(lake, [parse(name)], workers=0)
    (mark,) = marks.marks_of(lake, tuned)
    assert (mark.mark, mark.texts, mark.steps) == ("learned", 1, len(steps))
    gc.collect(lake, gc.Keeping(runs=9))
    assert not chats.exists
    after = {span.doc_id: span for row in read_batch(tuned, min(steps)) for span in row.spans}
    assert after.keys() == before.keys()
    assert after[name].scores["outcome"] == "forgotten"
    assert (after[name].position, after[name].length, len(after[name].ids)) == (*_place(before[name]), 0)
    for other in before.keys() - {name}:
        assert np.array_equal(after[other].ids, before[other].ids)
        assert (after[other].position, after[other].length) == _place(before[other])

    with running(lake, "again", workers=0, quiet=True):
        model = tuned.input("model")
        again = finetune(TUNING.model_copy(update={"steps": 2}), model=model, conversations=[chats.standing()])
    now = {row["conversation_id"]: row for row in again.read(table="conversations").to_pylist()}
    assert now.keys() == laid.keys()
    assert (now[name]["outcome"], now[name]["tokens"], now[name]["row"]) == ("forgotten", 0, None)
    assert [one for one in now if now[one]["outcome"] == "forgotten"] == [name]
    assert marks.marks_of(lake, again) == []


def _place(span) -> tuple[int, int]:
    return span.position, span.length
