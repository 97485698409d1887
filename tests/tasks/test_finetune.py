"""Fine-tuning: the loss is on the answers alone, no conversation is lost, held-out loss falls, a kill costs nothing."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.chat import encode_chats
from models.formats.checkpoint import load_model
from models.tokenizer import Tokenizer
from models.training import IGNORED, Batch, batch_loss
from storage.artifact import Artifact, Identity
from storage.commit import stage_artifact
from storage.lake import Lake
from storage.sql import connect
from tasks.chat_rows import HELD, TRAIN, fill_rows, lay_out
from tasks.conversations import ConversationsConfig, read_conversations
from tasks.finetune import finetune
from tasks.ingest import Source, ingest
from tasks.run import running
from tasks.stage import StageFailed
from tests.tasks.small_model import CONTEXT, TUNING, World, shared_chats, shared_tuned, shared_world


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    return shared_world(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def chats(tmp_path_factory) -> Artifact:
    return shared_chats(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def tuned(tmp_path_factory) -> Artifact:
    return shared_tuned(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def tokenizer(world) -> Tokenizer:
    return Tokenizer.load(world.base.file("tokenizer.json"))


@given(st.lists(st.integers(1, 20), max_size=60), st.integers(20, 40))
def test_every_piece_has_a_place_of_its_own(lengths, row_length):
    row, position = fill_rows(lengths, row_length)
    taken = Counter(
        (int(r), place) for r, start, n in zip(row, position, lengths, strict=True) for place in range(start, start + n)
    )
    assert set(taken.values()) <= {1}
    assert all(0 <= place < row_length for _, place in taken)
    assert sorted(set(row.tolist())) == list(range(len(set(row.tolist()))))
    # two rows that are both at most half full would have been one
    filled = [sum(n for r, n in zip(row, lengths, strict=True) if r == one) for one in set(row.tolist())]
    assert sum(2 * one <= row_length for one in filled) <= 1


@pytest.mark.parametrize("lengths", [[3, 0], [3, 21]])
def test_a_piece_that_fits_no_row_is_named(lengths):
    with pytest.raises(ValueError, match="Piece 1 has the length"):
        fill_rows(lengths, 20)


def read(lake: Path, folder: Path, rows: list[dict], held_out: float = 0.0, name: str = "more") -> Artifact:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with running(lake, "read", workers=0, quiet=True):
        (snapshot,) = ingest(Source(name=name, path=str(folder), holds="conversations"))
        return read_conversations(ConversationsConfig(held_out_share=held_out), snapshot=snapshot)


def test_rows_hold_each_conversation_where_the_table_says(chats, tokenizer):
    rows, about = lay_out([chats], tokenizer, CONTEXT + 1, 20)
    messages = {row["conversation_id"]: row["messages"] for row in chats.read().to_pylist()}
    assert [row["conversation_id"] for row in about] == sorted(messages)
    outcomes = Counter(row["outcome"] for row in about)
    assert outcomes["copy"] == 5
    assert outcomes["cut"] == outcomes["left out"] == 1
    assert len(rows[TRAIN]) > 10
    places = 0
    for row in about:
        (chat,) = encode_chats(tokenizer, [messages[row["conversation_id"]]])
        assert (row["tokens"], row["answer_tokens"]) == (len(chat.ids), chat.said.sum())
        if row["row"] is None:
            assert row["outcome"] in ("copy", "left out", "not needed")
            continue
        batch = rows[row["split"]].batch([row["row"]])
        start, kept = row["position"], row["kept_tokens"]
        # the last token of a full row is only a target, the first only an input
        seen, wanted = min(kept, CONTEXT - start), chat.ids[1:kept]
        assert batch.tokens[0, start : start + seen].tolist() == chat.ids[:seen].tolist()
        targets = batch.targets[0, start : start + kept - 1].numpy()
        assert np.array_equal(targets, np.where(chat.said[1:kept], wanted, IGNORED))
        places += int((targets != IGNORED).sum())
    every = [rows[split].batch(range(len(rows[split]))) for split in (TRAIN, HELD)]
    assert places == sum(int((batch.targets != IGNORED).sum()) for batch in every)
    held = [row for row in about if row["split"] == HELD]
    assert sum(row["outcome"] == "whole" for row in held) == 20
    assert sum(row["outcome"] == "not needed" for row in held) == len(held) - 20 - sum(
        row["outcome"] == "copy" for row in held
    )


def test_prompt_tokens_give_no_gradient(world, chats, tokenizer):
    rows, _ = lay_out([chats], tokenizer, CONTEXT + 1, 0)
    batch = rows[TRAIN].batch([0, 1, 2])
    decoder = load_model(world.base.folder)
    kept: list[torch.Tensor] = []
    forward = decoder.logits

    def logits(hidden: torch.Tensor) -> torch.Tensor:
        kept.append(forward(hidden))
        kept[-1].retain_grad()
        return kept[-1]

    decoder.logits = logits
    batch_loss(decoder, batch).backward()
    gradient = kept[0].grad
    assert gradient is not None
    answers = batch.targets != IGNORED
    assert torch.equal(gradient.abs().sum(-1) > 0, answers)
    assert 0 < int(answers.sum()) < answers.numel()
    # and where there is no answer, nothing is learned at all
    decoder.zero_grad()
    batch_loss(decoder, Batch(batch.tokens, torch.full_like(batch.targets, IGNORED), batch.documents)).backward()
    assert all(
        float(parameter.grad.abs().sum()) == 0 for parameter in decoder.parameters() if parameter.grad is not None
    )


def test_a_conversation_does_not_see_its_neighbours_in_a_row(world, tokenizer, tmp_path):
    short = [{"prompt": f"The miller {n}?", "response": f"The bread {n}."} for n in range(4)]
    together, about = lay_out([read(world.lake, tmp_path, short)], tokenizer, CONTEXT + 1, 0)
    assert len({row["row"] for row in about}) < 4
    decoder = load_model(world.base.folder)
    rows = together[TRAIN]
    summed = sum(float(batch_loss(decoder, rows.batch([n])).detach()) for n in range(len(rows)))
    alone = 0.0
    for row in short:
        chat = [{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row["response"]}]
        (encoded,) = encode_chats(tokenizer, [chat])
        ids, said = torch.from_numpy(encoded.ids), torch.from_numpy(encoded.said)
        logits = decoder(ids[None, :-1])[0].log_softmax(-1)
        each = logits[torch.arange(len(ids) - 1), ids[1:]]
        alone -= float(each[said[1:]].sum().detach())
    assert summed == pytest.approx(alone, rel=1e-5)


def test_held_out_loss_falls_and_every_conversation_is_accounted_for(world, chats, tuned):
    held = tuned.read(table="held_out").to_pylist()
    assert [row["step"] for row in held] == [0, 20, 40]
    assert held[-1]["loss"] < 0.7 * held[0]["loss"]
    assert {row["conversations"] for row in held} == {20}
    assert tuned.rows("conversations") == chats.rows()
    sql = connect(world.lake)
    counted = dict(
        sql.execute(
            "select outcome, count(*) from finetune_conversations where fingerprint = ? group by all",
            [tuned.fingerprint],
        ).fetchall()
    )
    assert sum(counted.values()) == chats.rows()
    (summary,) = finetune.summary(tuned)  # type: ignore[misc]
    assert summary["held-out loss before"] > summary["held-out loss"]
    assert all(summary[outcome] == count for outcome, count in counted.items())
    assert "data:image/svg+xml" in finetune.describe(tuned)  # type: ignore[misc]


def test_the_order_of_sources_plays_no_part(world, tokenizer, tmp_path):
    first = read(world.lake, tmp_path / "a", [{"prompt": f"a {n}", "response": "yes"} for n in range(9)], name="first")
    second = read(world.lake, tmp_path / "b", [{"prompt": f"b {n}", "response": "no"} for n in range(9)], name="second")
    rows, about = lay_out([first, second], tokenizer, CONTEXT + 1, 0)
    again, about_again = lay_out([second, first], tokenizer, CONTEXT + 1, 0)
    assert about == about_again
    numbers = range(len(rows[TRAIN]))
    assert torch.equal(rows[TRAIN].batch(numbers).tokens, again[TRAIN].batch(numbers).tokens)


SCRIPT = textwrap.dedent("""
    import sys
    from storage.artifact import Artifact
    from tasks.finetune import finetune
    from tasks.run import running
    from tests.tasks.small_model import TUNING
    if __name__ == "__main__":
        lake, base, chats = sys.argv[1:]
        with running(lake, "finetune", workers=0, quiet=True):
            finetune(
                TUNING,
                model=Artifact(lake=lake, stage="pretrain", fingerprint=base),
                conversations=Artifact(lake=lake, stage="conversations", fingerprint=chats),
            )
""")


def test_killed_fine_tuning_goes_on_to_the_same_bytes(world, chats, tuned, tmp_path):
    shutil.copytree(world.lake, tmp_path / "lake", ignore=shutil.ignore_patterns("finetune"))
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "lake"), world.base.fingerprint, chats.fingerprint]
    killed = subprocess.run(
        command, env=os.environ | {"GRISTMILL_KILL_AT": "finetune.step:27"}, capture_output=True, timeout=120
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    again = subprocess.run(command, capture_output=True, timeout=120)
    assert again.returncode == 0, again.stderr.decode()
    resumed = tuned.model_copy(update={"lake": str(tmp_path / "lake")})
    assert resumed.manifest == tuned.manifest
    assert resumed.provenance["notes"]["0"]["resumed_from_step"] == 20


def test_what_cannot_be_learned_from_is_a_sentence(world, tmp_path):
    too_long = [{"prompt": "The miller grinds the grain. " * 60, "response": "Yes."}]
    with running(world.lake, "finetune", workers=0, quiet=True):
        with pytest.raises(StageFailed, match="there are no conversations"):
            finetune(TUNING, model=world.base, conversations=[])
        with pytest.raises(StageFailed, match="has an answer within the context of 64 tokens"):
            finetune(TUNING, model=world.base, conversations=read(world.lake, tmp_path, too_long, name="long"))
        with pytest.raises(StageFailed, match="is no model but of the kind text"):
            finetune(TUNING, model=world.corpus, conversations=[])


def other_tokenizer(world: World) -> Artifact:
    """A model like the base whose tokenizer.json is another one."""
    identity = world.base.manifest.identity
    changed = Identity(stage="pretrain", version=99, config=identity.config, inputs=identity.inputs)
    with stage_artifact(Lake(world.lake), changed, "model", print) as staging:
        if isinstance(staging, Artifact):
            return staging
        output = staging.output(0, "key", {})
        for name in ("model.safetensors", "config.json", "tokenizer_config.json"):
            shutil.copy(world.base.file(name), output.file(name))
        text = world.base.file("tokenizer.json").read_text(encoding="utf-8")
        output.file("tokenizer.json").write_text(text + "\n", encoding="utf-8")
        return staging.commit([output.finish()], {})


def test_a_model_with_another_tokenizer_is_refused(world, chats):
    with running(world.lake, "finetune", workers=0, quiet=True), pytest.raises(StageFailed, match="another tokenizer"):
        finetune(TUNING, model=other_tokenizer(world), conversations=chats)
