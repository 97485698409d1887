"""Pretraining as a stage: what it writes, what it refuses, and a run killed anywhere that ends with the same bytes."""

import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

from models.configuration import ModelConfig, OptimizerConfig, TrainingConfig
from models.formats.checkpoint import load_model
from models.training import TrainingState, rows_of_step
from storage.artifact import Artifact
from storage.lake import Lake
from storage.sql import connect
from storage.tokens import PackedRows
from tasks.pack import PackConfig, pack
from tasks.pretrain import PretrainConfig, pretrain
from tasks.run import running
from tasks.stage import StageFailed
from tasks.tokenize import fitting, tokenize
from tasks.train_tokenizer import TokenizerConfig, train_tokenizer
from tasks.training import Checkpoints
from tests.tasks.small_model import CONTEXT, World, commit_corpus, shared_world

TINY = ModelConfig(depth=1, width=16, heads=2, key_value_heads=1, head_width=8, mlp_width=24)


def settings(steps: int = 20, **changes) -> PretrainConfig:
    training = TrainingConfig(steps=steps, tokens_per_step=256, threads=1)
    return PretrainConfig(model=TINY, training=training, validations=4, checkpoint_every=5).model_copy(update=changes)


def train(lake: Path, config: PretrainConfig) -> Artifact:
    """The model that this configuration makes of the one packing in the lake."""
    packing = Lake(lake).artifacts("pack")[0]
    tokens = packing.input("tokens")
    with running(lake, "pretrain", quiet=True):
        return pretrain(config, packing=packing, tokens=tokens, tokenizer=tokens.input("tokenizer"))


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    return shared_world(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def model(world) -> Artifact:
    return train(world.lake, settings(steps=60))


def test_the_loss_falls_and_every_step_has_a_row(world, model):
    rows = model.read().to_pylist()
    assert [row["step"] for row in rows] == list(range(1, 61))
    assert [row["tokens_seen"] for row in rows] == [256 * step for step in range(1, 61)]
    assert np.mean([row["loss"] for row in rows[-5:]]) < rows[0]["loss"] - 1
    held = {row["step"]: row["validation_loss"] for row in rows if row["validation_loss"] is not None}
    assert list(held) == [15, 30, 45, 60]
    assert held[60] < held[15]
    # 400 tokens of a text with few words stand for some 3 bytes each
    ratio = rows[59]["validation_loss"] / np.log(2) / rows[59]["validation_bits_per_byte"]
    assert 2 < ratio < 8


def test_the_held_out_loss_is_that_of_the_model_that_was_kept(world, model):
    """An independent count: cross-entropy over the same rows, one at a time, in float64."""
    decoder = load_model(model.folder)
    held = PackedRows(world.packing, world.tokens, "validation")
    numbers = np.unique(np.linspace(0, len(held) - 1, min(64, len(held))).round().astype(int))
    total, count = 0.0, 0
    for number in numbers:
        tokens, mask = held.batch(np.array([number]))
        with torch.no_grad():
            chances = torch.log_softmax(decoder(torch.from_numpy(tokens[:, :-1])).double(), -1)[0]
        for place, (token, counts) in enumerate(zip(tokens[0, 1:], mask[0, 1:], strict=True)):
            total -= float(chances[place, token]) if counts else 0.0
            count += int(counts)
    assert model.read().to_pylist()[-1]["validation_loss"] == pytest.approx(total / count, rel=1e-5)


def test_it_is_said_which_documents_stood_in_which_step(world, model):
    rows = model.read(table="rows").to_pylist()
    n_rows = len(PackedRows(world.packing, world.tokens, "train"))
    assert [(row["step"], row["place"]) for row in rows] == [(s, p) for s in range(1, 61) for p in range(4)]
    assert [row["row"] for row in rows[8:12]] == rows_of_step(0, 0, 2, n_rows, 4).tolist()
    first_epoch = [row["row"] for row in rows[: n_rows // 4 * 4]]
    assert len(set(first_epoch)) == len(first_epoch)
    found = connect(world.lake).execute(
        "select count(*), count(distinct p.doc_id) from pretrain_rows r join pack p on p.row = r.row "
        "where r.fingerprint = $1 and p.split = 'train' and r.step = 3",
        [model.fingerprint],
    )
    spans, documents = found.fetchone() or (0, 0)
    assert spans >= 4
    assert documents >= 1


def test_each_step_reads_rows_of_its_own_phase_and_phases_follow_each_other(tmp_path):
    lake = tmp_path / "lake"
    with running(lake, "phases", workers=1, quiet=True):
        corpus = commit_corpus(lake, phases=3)
        tokenizer = train_tokenizer(TokenizerConfig(vocabulary_size=400), corpus=corpus)
        tokens = tokenize(fitting(tokenizer), corpus=corpus, tokenizer=tokenizer)
        packing = pack(PackConfig(context_length=CONTEXT), tokens=tokens)
        made = pretrain(settings(steps=60), packing=packing, tokens=tokens, tokenizer=tokenizer)
    own = {
        row["doc_id"]: [copies > 0 for copies in row["phase_copies"]].index(True)
        for row in corpus.read(["doc_id", "phase_copies"]).to_pylist()
    }
    found = connect(lake).execute(
        "select r.step, p.phase, list(distinct p.doc_id) from pretrain_rows r join pack p on p.row = r.row "
        "where r.fingerprint = $1 and p.fingerprint = $2 and p.split = 'train' group by all order by all",
        [made.fingerprint, packing.fingerprint],
    )
    rows = found.fetchall()
    phases = [phase for _, phase, _ in rows]
    assert len(rows) == 60
    assert phases == sorted(phases)
    assert set(phases) == {0, 1, 2}
    assert all(own[doc_id] == phase for _, phase, doc_ids in rows for doc_id in doc_ids)
    # as many steps as rows, so that each phase is read as often as the others
    held = PackedRows(packing, tokens, "train").phase_rows
    for phase in range(3):
        assert phases.count(phase) == pytest.approx(60 * held[phase] / held.sum(), abs=1)


def test_times_and_rates_are_provenance_not_rows(model):
    notes = model.provenance["notes"]["0"]
    assert notes["tokens_per_second"] > 0
    assert notes["threads"] == 1
    assert notes["device"] == "cpu"
    assert notes["clock"][-1][0] == 60
    assert set(model.read().column_names) == {
        "step",
        "tokens_seen",
        "loss",
        "learning_rate",
        "gradient_norm",
        "validation_loss",
        "validation_bits_per_byte",
    }


def test_it_shows_a_row_of_figures_and_a_curve(model):
    assert pretrain.summary is not None
    assert pretrain.describe is not None
    (row,) = pretrain.summary(model)
    assert row["steps"] == 60
    assert row["last loss"] < row["first loss"]
    assert re.fullmatch(r"!\[Loss of .*\]\(data:image/svg\+xml;base64,[A-Za-z0-9+/=]+\)\n", pretrain.describe(model))


def test_confined_to_its_document_a_token_is_harder_to_predict(world):
    free, confined = (train(world.lake, settings(steps=10, confine=confine)) for confine in (False, True))
    assert free.fingerprint != confined.fingerprint
    assert free.read(["loss"]) != confined.read(["loss"])


def test_how_often_a_checkpoint_is_written_changes_no_identity(world, model):
    with running(world.lake, "again", quiet=True) as run:
        again = pretrain(
            settings(steps=60, checkpoint_every=1),
            packing=world.packing,
            tokens=world.tokens,
            tokenizer=world.tokenizer,
        )
        assert again == model
        assert run.steps[-1].reused


def test_tokens_of_another_tokenizer_are_refused(world):
    with running(world.lake, "other", quiet=True):
        other = train_tokenizer(TokenizerConfig(vocabulary_size=300), corpus=world.corpus)
        with pytest.raises(StageFailed, match=r"was made by train_tokenizer/.*, not by .* its ids mean other text"):
            pretrain(settings(), packing=world.packing, tokens=world.tokens, tokenizer=other)
        tokens = tokenize(fitting(other), corpus=world.corpus, tokenizer=other)
        with pytest.raises(StageFailed, match="pack these tokens"):
            pretrain(settings(), packing=world.packing, tokens=tokens, tokenizer=other)


def test_a_loss_that_is_no_number_names_the_step_its_rows_and_the_sql_for_their_documents(world):
    wild = settings().training.model_copy(update={"optimizer": OptimizerConfig(learning_rate=1e30)})
    with pytest.raises(StageFailed, match=r"Step \d+ has the loss .* gradient norm nan") as caught:
        train(world.lake, settings(training=wild))
    query = re.search(r"`(select distinct doc_id from pack .*?)`", str(caught.value))
    assert query
    assert len(connect(world.lake).sql(query[1]).fetchall()) >= 1


def test_only_the_last_checkpoints_stay_and_a_damaged_one_is_passed_over(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    assert checkpoints.newest() is None
    for step in (5, 10, 15):
        checkpoints.save(TrainingState(step, {"model/x": torch.full((3,), float(step))}))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"checkpoint-0000000{step}.{kind}" for step in (10, 15) for kind in ("json", "safetensors")
    ]
    newest = checkpoints.newest()
    assert newest is not None
    assert newest.step == 15
    damaged = tmp_path / "checkpoint-000000015.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    before = checkpoints.newest()
    damaged.with_suffix(".json").write_text("{")
    assert checkpoints.newest() is not None
    assert before is not None
    assert (before.step, before.tensors["model/x"].tolist()) == (10, [10.0] * 3)


SCRIPT = textwrap.dedent("""
    import sys
    from pathlib import Path
    from tests.tasks.test_pretrain import settings, train
    if __name__ == "__main__":
        train(Path(sys.argv[1]), settings())
""")


def contents(artifact: Artifact) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes() for path in sorted(artifact.folder.iterdir()) if path.name != "provenance.json"
    }


@pytest.fixture(scope="module")
def undisturbed(world) -> dict[str, bytes]:
    return contents(train(world.lake, settings()))


# (where it is killed, the step it goes on from)
POINTS = [("pretrain.step:3", 0), ("pretrain.step:13", 10), ("pretrain.checkpoint:1", 5), ("shard.renaming:1", 15)]


@pytest.mark.parametrize(("point", "goes_on_from"), POINTS)
def test_killed_at_a_named_point_it_goes_on_to_the_same_bytes(tmp_path, world, undisturbed, point, goes_on_from):
    lake = tmp_path / "lake"
    for artifact in (world.corpus, world.tokenizer, world.tokens, world.packing):
        shutil.copytree(artifact.folder, lake / artifact.stage / artifact.fingerprint)
    Lake(lake).registry.rebuild()
    killed = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(lake)],
        env=os.environ | {"GRISTMILL_KILL_AT": point},
        capture_output=True,
        timeout=240,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert not Lake(lake).artifacts("pretrain")
    model = train(lake, settings())
    assert contents(model) == undisturbed
    assert model.provenance["notes"]["0"]["resumed_from_step"] == goes_on_from
    assert not list(lake.glob("*/.staging/*.work"))
