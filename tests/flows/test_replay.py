"""`batch`, `explain` and SQL agree with an independent replay, and that with what the network was given.

The corpus has two phases and documents that are read more than once; the run was killed and went on from a checkpoint.
"""

import json
import random
from typing import Any

import pytest

from storage.sql import connect
from tasks.lineage.batch import read_batch
from tasks.lineage.explain import explain
from tests.flows.replayed import Token, pack_texts, row_at, rows_by_step, rows_of, shard_tokens, write_chat
from tests.flows.traced import CONTEXT, ROWS_PER_STEP, SEED, STEPS, TUNING, Traced, shared_traced

TOKENS = 50


@pytest.fixture(scope="module")
def traced(tmp_path_factory) -> Traced:
    return shared_traced(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def phases(traced) -> list[list[list[Token]]]:
    """The rows of each phase, from the texts."""
    return pack_texts(traced.corpus.paths(), traced.base.file("tokenizer.json"), CONTEXT + 1)


@pytest.fixture(scope="module")
def steps(phases) -> list[list[tuple[int, list[Token]]]]:
    """Number and tokens of each row of each step."""
    rows = [row for phase in phases for row in phase]
    chosen = rows_by_step([len(phase) for phase in phases], STEPS, ROWS_PER_STEP, SEED)
    return [[(number, rows[number]) for number in step] for step in chosen]


def test_the_replay_is_what_the_network_was_given_before_the_kill_and_after_it(traced, steps):
    expected = [[[one.id for one in row][:CONTEXT] + [0] * (CONTEXT - len(row)) for _, row in step] for step in steps]
    assert traced.read.tolist() == expected


def test_the_replay_covers_two_phases_and_documents_that_are_read_again(traced, phases, steps):
    copies = [row["phase_copies"] for row in rows_of(traced.corpus.paths()) if row["split"] == "train"]
    assert any(sum(first) > 0 and len({0, *first}) > 1 for first in copies)
    assert any(max(one) > 1 for one in copies)
    assert any(all(one) for one in copies)
    first_rows = len(phases[0])
    in_second = [number >= first_rows for step in steps for number, _ in step]
    assert in_second == sorted(in_second)
    assert 0 < sum(in_second) < len(in_second)
    # more places than rows: the order of a second epoch is in it
    assert sum(map(len, phases)) < STEPS * ROWS_PER_STEP


def test_the_spans_of_the_packing_hold_in_the_raw_shards_what_the_texts_say(traced, phases):
    (packing,) = traced.base.inputs("packing")
    shards = shard_tokens(packing.input("tokens").folder)
    rows: dict[int, list[tuple[int, str]]] = {}
    for span in sorted(rows_of(packing.paths()), key=lambda span: (span["row"], span["position"])):
        if span["split"] == "train":
            ids = shards[span["shard"]][span["start"] : span["start"] + span["length"]]
            rows.setdefault(span["row"], []).extend((one, span["doc_id"]) for one in ids)
    expected = [[(one.id, one.doc_id) for one in row] for phase in phases for row in phase]
    assert [rows[number] for number in sorted(rows)] == expected


def test_fifty_random_tokens_are_what_batch_explain_and_sql_say(traced, phases, steps):
    (packing,) = traced.base.inputs("packing")
    shards, sql = shard_tokens(packing.input("tokens").folder), connect(traced.lake)
    draw = random.Random(11)
    told: dict[str, dict[str, Any]] = {}
    phase_of_tokens, copies = set(), set()
    for _ in range(TOKENS):
        step, place = draw.randrange(STEPS), draw.randrange(ROWS_PER_STEP)
        number, tokens = steps[step][place]
        position = draw.randrange(len(tokens))
        token = tokens[position]
        phase_of_tokens.add(number >= len(phases[0]))
        copies.add(token.copy)
        if position < CONTEXT:  # the last is a target alone
            assert traced.read[step, place, position] == token.id

        (row,) = [one for one in read_batch(traced.base, step + 1) if one.place == place]
        assert row.row == number
        (span,) = [one for one in row.spans if one.position <= position < one.position + one.length]
        within = position - span.position
        assert (int(span.ids[within]), span.doc_id, span.url) == (token.id, token.doc_id, token.url)
        assert span.before + within == token.number

        found = sql.execute(
            """select doc_id, row, shard, start + $3 - position from training_rows where fingerprint = $1
            and step = $2 and place = $4 and $3 between position and position + length - 1""",
            [traced.base.fingerprint, step + 1, position, place],
        ).fetchall()
        ((doc_id, in_row, shard, start),) = found
        assert (doc_id, in_row, shards[shard][start]) == (token.doc_id, number, token.id)

        if token.doc_id not in told:
            (told[token.doc_id],) = explain(traced.lake, token.doc_id, connection=sql)["documents"]
        assert told[token.doc_id]["url"] == token.url
        base, tuned = told[token.doc_id]["models"]
        assert tuned["through"] == base["artifact"] == f"pretrain/{traced.base.fingerprint}"
        reads = [
            one
            for one in base["reads"]
            if (one["step"], one["place"], one["row"]) == (step + 1, place, number)
            and one["position"] <= position < one["position"] + one["length"]
        ]
        assert [(one["shard"], one["start"] + position - one["position"]) for one in reads] == [(shard, start)]
    assert len(told) > 5
    assert phase_of_tokens == {False, True}
    assert len(copies) > 1


def test_explain_counts_every_time_that_a_document_was_read(traced, steps):
    """Of the document with the most copies, each stretch in each step, and nothing else."""
    most = max(rows_of(traced.corpus.paths()), key=lambda row: (row["copies"], row["doc_id"]))
    expected = []
    for step, rows in enumerate(steps, 1):
        for place, (number, tokens) in enumerate(rows):
            # a stretch ends where a copy does: after its last token another may begin
            starts = [
                position
                for position, one in enumerate(tokens)
                if one.doc_id == most["doc_id"] and (position == 0 or one.number == 0)
            ]
            expected += [(step, place, number, position) for position in starts]
    (told,) = explain(traced.lake, most["doc_id"])["documents"]
    reads = [(one["step"], one["place"], one["row"], one["position"]) for one in told["models"][0]["reads"]]
    assert reads == expected
    assert len({one[2] for one in reads}) > most["copies"] > 1


def test_fifty_tokens_of_fine_tuning_are_those_of_the_conversations_that_explain_and_batch_name(traced):
    table = [row for row in rows_of(traced.tuned.paths("conversations")) if row["row"] is not None]
    table = [row for row in table if row["split"] == "train"]
    records = {row["conversation_id"]: row["record_id"] for row in rows_of(traced.conversations.paths())}
    written = (traced.sources / "talks" / "talks.jsonl").read_text().splitlines()
    messages = {row["id"]: row["messages"] for row in map(json.loads, written)}
    tokenizer = traced.tuned.file("tokenizer.json")
    n_rows, rows_per_step = 1 + max(row["row"] for row in table), traced.told.shape[1]
    sql, draw = connect(traced.lake), random.Random(13)
    told: dict[str, dict[str, Any]] = {}
    for _ in range(TOKENS):
        step, place = draw.randrange(TUNING.steps), draw.randrange(rows_per_step)
        number = row_at(step * rows_per_step + place, n_rows, TUNING.seed, 1)
        one = draw.choice([row for row in table if row["row"] == number])
        name, start, kept = one["conversation_id"], one["position"], one["kept_tokens"]
        ids = write_chat(tokenizer, messages[records[name]])[:kept]
        end = min(start + kept, CONTEXT)
        assert traced.told[step, place, start:end].tolist() == ids[: end - start]

        (row,) = [one for one in read_batch(traced.tuned, step + 1) if one.place == place]
        (span,) = [one for one in row.spans if one.position == start]
        assert (row.row, span.doc_id, span.ids.tolist()) == (number, name, ids)
        query = """select step, place, row, position, kept_tokens from training_conversations
            where fingerprint = $1 and conversation_id = $2 order by step, place"""
        stood = sql.execute(query, [traced.tuned.fingerprint, name]).fetchall()
        assert (step + 1, place, number, start, kept) in stood
        if name not in told:
            (told[name],) = explain(traced.lake, name, connection=sql)["conversations"]
        (model,) = told[name]["models"]
        assert [tuple(one.values()) for one in model["reads"]] == stood
    assert len(told) > 10


def test_every_conversation_of_a_step_is_named_and_no_other(traced):
    for step in (1, TUNING.steps):
        for row in read_batch(traced.tuned, step):
            inputs, names = traced.told[step - 1, row.place].tolist(), []
            for span in row.spans:
                end = min(span.position + span.length, CONTEXT)
                assert inputs[span.position : end] == span.ids.tolist()[: end - span.position]
                inputs[span.position : end] = [0] * (end - span.position)
                names.append(span.doc_id)
            assert not any(inputs)  # padding is <|endoftext|>, the token 0
            assert len(set(names)) == len(names)
