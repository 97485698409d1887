"""Instruction data of every usual shape becomes conversations; what does not is a loss with its place."""

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from storage.artifact import Artifact
from storage.sql import connect
from tasks.conversations import (
    ConversationLoss,
    ConversationsConfig,
    hash_messages,
    read_conversation,
    read_conversations,
    split_of,
)
from tasks.ingest import Source, ingest
from tasks.questions import QuestionsConfig, read_question
from tasks.rows import Row, Unread, Unusable, is_text, read_rows
from tasks.run import running

CONFIG = ConversationsConfig()
ASKED = {"role": "user", "content": "What does the miller grind?"}
SAID = {"role": "assistant", "content": "Grain."}


def read(lake: Path, source: Path, config: ConversationsConfig = CONFIG, workers: int = 0) -> Artifact:
    with running(lake, "conversations", workers=workers, cpu_seconds=2, quiet=True):
        (snapshot,) = ingest(Source(name="chats", path=str(source), holds="conversations", license="CC0-1.0"))
        return read_conversations(config, snapshot=snapshot)


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [ASKED, SAID]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": " What does the miller grind?"}]}, SAID]},
        {"conversations": [{"from": "human", "value": ASKED["content"]}, {"from": "gpt", "value": "Grain.\n"}]},
        {"instruction": "What does the miller grind?", "input": "", "output": "Grain."},
        {"prompt": "What does the miller grind?", "response": "Grain."},
        {"prompt": "What does the miller grind?", "completion": "Grain."},
        {"question": "What does the miller grind?", "answer": "Grain."},
    ],
)
def test_every_shape_gives_the_same_conversation(row):
    assert read_conversation(row, CONFIG) == [ASKED, SAID]


def test_alpaca_input_follows_the_instruction_and_a_system_message_comes_first():
    row = {"instruction": "Name it.", "input": "A round stone.", "output": "A millstone.", "system": "Be brief."}
    assert read_conversation(row, CONFIG) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Name it.\n\nA round stone."},
        {"role": "assistant", "content": "A millstone."},
    ]


def test_named_columns_are_taken():
    config = ConversationsConfig(fields={"prompt": "meta.ask", "response": "reply"})
    assert read_conversation({"meta": {"ask": ASKED["content"]}, "reply": "Grain."}, config) == [ASKED, SAID]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"text": "no conversation"}, ConversationLoss.BAD_ROW),
        ({"messages": "hello"}, ConversationLoss.BAD_ROW),
        ({"messages": ["hello"]}, ConversationLoss.BAD_ROW),
        ({"messages": [{"role": "user", "content": [{"type": "image", "url": "x"}]}]}, ConversationLoss.BAD_ROW),
        ({"messages": []}, ConversationLoss.NO_ANSWER),
        ({"messages": [ASKED]}, ConversationLoss.NO_ANSWER),
        ({"prompt": "Anybody there?", "response": None}, ConversationLoss.NO_ANSWER),
        ({"messages": [ASKED, {"role": "assistant", "content": " \n"}]}, ConversationLoss.EMPTY_TURN),
        ({"messages": [ASKED, {"role": "assistant", "content": None}]}, ConversationLoss.EMPTY_TURN),
        ({"messages": [ASKED, {"role": "tool", "content": "{}"}, SAID]}, ConversationLoss.UNKNOWN_ROLE),
        ({"messages": [{"role": ["user"], "content": "x"}, SAID]}, ConversationLoss.UNKNOWN_ROLE),
        ({"messages": [{"role": {"name": "user"}, "content": "x"}, SAID]}, ConversationLoss.UNKNOWN_ROLE),
        ({"messages": [{"role": "\ud800", "content": "x"}, SAID]}, ConversationLoss.UNKNOWN_ROLE),
        ({"messages": [SAID, ASKED]}, ConversationLoss.ROLE_ORDER),
        ({"messages": [ASKED, ASKED, SAID]}, ConversationLoss.ROLE_ORDER),
        ({"messages": [ASKED, SAID, SAID]}, ConversationLoss.ROLE_ORDER),
        ({"messages": [ASKED, {"role": "system", "content": "x"}, SAID]}, ConversationLoss.ROLE_ORDER),
        ({"prompt": "\ud800", "response": "half a pair"}, ConversationLoss.BAD_ENCODING),
        ({"prompt": "x" * 2_000_000, "response": "long"}, ConversationLoss.TOO_LARGE),
    ],
)
def test_what_is_no_conversation_says_why(row, reason):
    with pytest.raises(Unusable) as raised:
        read_conversation(row, CONFIG)
    assert raised.value.reason == reason
    assert is_text(raised.value.detail)


ROLE = st.sampled_from(["user", "assistant", "system", "tool"])
WORDS = st.sampled_from(["", "text", "Grain.", "A", "1", "\ud800"]) | st.text(max_size=4)
KEYS = st.sampled_from(["messages", "prompt", "response", "system", "input", "role", "content", "type", "text", "from"])
QUESTION_KEYS = st.sampled_from(["context", "choices", "gold", "label", "text", "question", "task", "id"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 5) | st.floats() | WORDS | ROLE,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | QUESTION_KEYS | WORDS, inner, max_size=5),
    max_leaves=20,
)
TURN = st.fixed_dictionaries({"role": ROLE | JSON, "content": WORDS | JSON})
ROWS = (
    st.dictionaries(KEYS | QUESTION_KEYS, JSON, max_size=6)
    | st.fixed_dictionaries({"messages": st.lists(TURN, max_size=4)})
    | st.fixed_dictionaries({"context": WORDS | JSON, "choices": st.lists(WORDS, max_size=4) | JSON, "gold": JSON})
)


@given(ROWS)
@example({"messages": [{"role": ["user"], "content": "x"}]})
def test_whatever_a_row_holds_it_is_read_or_it_is_a_loss(row):
    for reader in (lambda: read_conversation(row, CONFIG), lambda: read_question(row, QuestionsConfig())):
        try:
            said = json.dumps(reader(), ensure_ascii=False)
        except Unusable as loss:
            said = f"{loss.reason}: {loss.detail}"
        assert is_text(said)  # else Parquet could not hold it


def test_a_question_is_held_out_with_all_its_answers_and_the_share_is_kept():
    held = 0
    for number in range(2000):
        asked = {"role": "user", "content": f"Question {number}?"}
        splits = {split_of([asked, {"role": "assistant", "content": answer}], 0.1) for answer in ("yes", "no", "maybe")}
        assert len(splits) == 1
        held += splits == {"held-out"}
    assert 150 < held < 250
    assert split_of([ASKED, SAID], 0.0) == "train"


def test_white_space_does_not_make_another_conversation_and_roles_do():
    assert hash_messages([ASKED]) == hash_messages([{"role": "user", "content": "What  does\nthe miller grind?"}])
    assert hash_messages([ASKED]) != hash_messages([ASKED | {"role": "assistant"}])
    assert hash_messages([{"role": "user", "content": "ab"}]) != hash_messages([{"role": "user", "content": "a b"}])


LINES = [
    json.dumps({"id": 7, "prompt": "How many stones?", "response": "Two.", "license": "MIT"}),
    "{not json",
    json.dumps(["a list"]),
    "",
    json.dumps({"messages": [ASKED, SAID]}) + " ",
    json.dumps({"messages": [ASKED]}),
    '{"prompt": "line\\u2028separator \u2028 stays in its row", "response": "yes"}',
]


def write_files(folder: Path) -> int:
    folder.mkdir(parents=True)
    plain = ("\n".join(LINES) + "\n").encode()
    (folder / "a.jsonl").write_bytes(plain)
    with gzip.open(folder / "b.jsonl.gz", "wb") as stream:
        stream.write(plain)
    rows = [{"messages": [ASKED, SAID], "license": None}, {"messages": [ASKED], "license": "MIT"}]
    pq.write_table(pa.Table.from_pylist(rows), folder / "c.parquet")
    (folder / "d.json").write_text(
        json.dumps([{"instruction": "Say é.", "output": "é"}, 5, {"instruction": "Zwei?", "output": "2"}], indent=1)
        + "\n",
        encoding="utf-8",
    )
    (folder / "e.jsonl").write_bytes(b"")
    return 2 * len(LINES) + 2 + 3 + 1


def test_every_row_is_a_conversation_or_a_loss_and_the_bytes_are_covered(tmp_path):
    total = write_files(tmp_path / "source")
    artifact = read(tmp_path / "lake", tmp_path / "source", workers=2)
    sql = connect(tmp_path / "lake")
    assert artifact.rows() + artifact.rows("losses") == total
    assert dict(sql.sql("select reason, count(*) from losses group by all").fetchall()) == {
        "bad json": 2,
        "bad row": 5,
        "no answer": 3,
        "empty file": 1,
    }
    ends = {
        "a.jsonl": (tmp_path / "source/a.jsonl").stat().st_size,
        "d.json": (tmp_path / "source/d.json").stat().st_size,
    }
    for file, end in ends.items() | {("b.jsonl.gz", ends["a.jsonl"]), ("c.parquet", 2)}:
        ranges = sql.execute(
            'select "offset", length from conversations where file = $1 union all '
            'select "offset", length from losses where file = $1 order by 1',
            [file],
        ).fetchall()
        assert [0, *(start + length for start, length in ranges)] == [*(start for start, _ in ranges), end]
    licenses = sql.sql("select distinct license from conversations where record_id = '7'").fetchall()
    assert licenses == [("MIT",)]
    assert sql.sql("select distinct license from conversations where record_id is null").fetchall() == [("CC0-1.0",)]
    assert sql.sql("select count(distinct conversation_id) = count(*) from conversations").fetchone() == (True,)
    summed = sum(row["rows"] for row in read_conversations.summary(artifact))  # type: ignore[misc]
    assert summed == total


def test_one_worker_and_four_give_the_same_bytes(tmp_path):
    write_files(tmp_path / "source")
    parts = [read(tmp_path / f"lake{n}", tmp_path / "source", workers=n).manifest.parts for n in (1, 4)]
    assert parts[0] == parts[1]


def test_a_damaged_file_costs_what_is_behind_the_damage(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    lines = "".join(json.dumps({"prompt": f"{n} {hash(str(n))}", "response": "ok"}) + "\n" for n in range(20_000))
    whole = gzip.compress(lines.encode())
    (folder / "cut.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    (folder / "bad.parquet").write_bytes(b"PAR1 and nothing more")
    (folder / "open.json").write_text('[{"prompt": "a", "response": "b"}, {"prompt": ')
    (folder / "notes.txt").write_text("not a table")
    artifact = read(tmp_path / "lake", folder)
    assert 5_000 < artifact.rows() < 15_000
    reasons = artifact.read(["file", "reason"], "losses").to_pylist()
    assert {(row["file"], row["reason"]) for row in reasons} >= {
        ("bad.parquet", "damaged"),
        ("open.json", "bad json"),
        ("notes.txt", "unknown format"),
    }
    assert any(row["file"] == "cut.jsonl.gz" for row in reasons)


def test_a_row_group_that_never_ends_in_arrow_is_a_loss_and_the_others_are_conversations(tmp_path):
    """A real run: one row group holds a list of times so long that reading it takes many seconds."""
    (tmp_path / "chats").mkdir()
    schema = pa.schema(
        [("prompt", pa.string()), ("response", pa.string()), ("when", pa.list_(pa.timestamp("us", "UTC")))]
    )
    with pq.ParquetWriter(tmp_path / "chats" / "a.parquet", schema) as writer:
        for length in (1, 8_000_000, 1):
            times = pa.array(np.zeros(length, np.int64)).cast(pa.timestamp("us", "UTC"))
            columns = [["ask"], ["reply"], pa.ListArray.from_arrays(pa.array([0, length], pa.int32()), times)]
            writer.write_table(pa.table(columns, schema=schema))
    with running(tmp_path / "lake", "chats", workers=1, cpu_seconds=0.3, quiet=True):
        (snapshot,) = ingest(Source(name="chats", path=str(tmp_path / "chats"), holds="conversations"))
        artifact = read_conversations(CONFIG, snapshot=snapshot)
    (lost,) = artifact.read(["space", "offset", "length", "reason"], "losses").to_pylist()
    assert lost == {"space": "row", "offset": 1, "length": 1, "reason": "timeout"}
    assert artifact.read(["offset"]).column("offset").to_pylist() == [0, 2]


@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=20) | st.integers()), max_size=6), st.booleans())
def test_a_json_array_gives_its_elements_and_they_cover_the_file(tmp_path_factory, rows, indented):
    path = tmp_path_factory.mktemp("array") / "rows.json"
    path.write_text(json.dumps(rows, ensure_ascii=True, indent=2 if indented else None) + "\n")
    found = list(read_rows(path))
    if not rows:
        assert [one.reason for one in found if isinstance(one, Unread)] == ["empty file"]
        return
    assert [dict(one.values) for one in found if isinstance(one, Row)] == rows
    edges = [0, *(one.place.offset + one.place.length for one in found)]
    assert edges == [*(one.place.offset for one in found), path.stat().st_size]


@pytest.mark.parametrize("text", ['{"a": 1}', "[", "[]x", "[{}", "[{},]", "[{}] more", "[{} {}]", "nothing"])
def test_a_broken_json_array_says_where(tmp_path, text):
    (tmp_path / "rows.json").write_text(text)
    found = list(read_rows(tmp_path / "rows.json"))
    last = found[-1]
    assert isinstance(last, Unread)
    assert last.place.offset + last.place.length == len(text)
    assert [one.place.offset for one in found] == sorted(one.place.offset for one in found)


def test_real_sets_are_read(test_data, tmp_path):
    names = {
        "rasbt-instruction-data.json.gz": (1100, 0),
        "dolly_hhrlhf-train-small.jsonl.gz": (1000, 0),
        "gsm8k-train.jsonl.gz": (7473, 0),
        "llamafactory-v1_sft_demo.jsonl.gz": None,
        "llamafactory-glaive_toolcall_en_demo.json.gz": None,
    }
    folder = tmp_path / "source"
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes((test_data / "sft" / name).read_bytes())
    read(tmp_path / "lake", folder, workers=2)
    sql = connect(tmp_path / "lake")
    for name, expected in names.items():
        if expected:
            got = sql.execute(
                "select (select count(*) from conversations where file = $1), "
                "(select count(*) from losses where file = $1)",
                [name],
            ).fetchone()
            assert got == expected
    tools = sql.sql("select distinct reason from losses where file like '%glaive%'").fetchall()
    assert tools == [("unknown role",)]
    assert sql.sql("select count(*) > 0 from conversations where file like '%v1_sft%'").fetchone() == (True,)
