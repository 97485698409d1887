"""A lake whose lineage is asked about: two versions of a corpus, in two phases and with documents that are read more
than once; a model that was killed in the middle and went on; one that was tuned on conversations; what both scored.

What the network was given in every step is recorded where it enters the forward pass, by every attempt.
`python -m tests.flows.traced LAKE FILE` is the attempt that is killed.
"""

import functools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch.nn.modules.module import register_module_forward_pre_hook

from models.decoder import Decoder, ModelConfig
from models.training import TrainingConfig
from storage import names
from storage.artifact import Artifact
from storage.lake import Lake
from tasks.compose import ComposeConfig
from tasks.conversations import ConversationsConfig, read_conversations
from tasks.evaluate import EvaluateConfig, evaluate
from tasks.finetune import FinetuneConfig, finetune
from tasks.ingest import Source, ingest
from tasks.mixture import Phase
from tasks.pack import PackConfig, pack
from tasks.pretrain import PretrainConfig, pretrain
from tasks.questions import QuestionsConfig, read_questions
from tasks.run import running
from tasks.tokenize import TokenizeConfig, tokenize
from tasks.train_tokenizer import TokenizerConfig, train_tokenizer
from tests.acceptance.drive import ROOT
from tests.acceptance.world import write_world
from tests.tasks.report.test_report import RULES, grow

CONTEXT, SEED, STEPS, ROWS_PER_STEP = 64, 5, 150, 4
KILLED_AFTER, CHECKPOINT_EVERY = 75, 30
TUNING = FinetuneConfig(steps=20, tokens_per_step=4 * CONTEXT, held_out=8, validations=2, threads=1, seed=3)
MIXTURE = ComposeConfig(
    by="language",
    budget_bytes=100_000,
    max_epochs=3,
    phases=(Phase(name="all", share=0.6), Phase(name="more-german", share=0.4, weights={"de": 0.7, "en": 0.3})),
)
PRETRAINING = PretrainConfig(
    model=ModelConfig(depth=1, width=16, heads=1, key_value_heads=1, head_width=16, mlp_width=32),
    training=TrainingConfig(steps=STEPS, tokens_per_step=ROWS_PER_STEP * CONTEXT, threads=1, seed=SEED),
    validations=2,
    validation_rows=4,
    checkpoint_every=CHECKPOINT_EVERY,
)


@dataclass(frozen=True)
class Traced:
    """The lake and its sources, two versions of a corpus, a model that read the second, and one tuned on conversations.

    `read`, `told`: the inputs of each step of pretraining and of fine-tuning as the network was given them, int64
    [steps, rows of a step, context length].
    """

    lake: Lake
    sources: Path
    first: Artifact
    corpus: Artifact
    base: Artifact
    tuned: Artifact
    conversations: Artifact
    questions: Artifact
    evaluations: list[Artifact]
    read: np.ndarray
    told: np.ndarray


@contextmanager
def recording(path: Path) -> Iterator[None]:
    """Append to a file every batch that a decoder is given while it trains: int64, little-endian, in the order given.

    Each is on the disk before the step goes on, so that a kill takes none away.
    """
    with open(path, "ab", buffering=0) as stream:

        def note(module: object, given: tuple) -> None:
            if isinstance(module, Decoder) and module.training:
                stream.write(given[0].numpy().astype("<i8").tobytes())

        handle = register_module_forward_pre_hook(note)
        try:
            yield
        finally:
            handle.remove()


def recorded(path: Path, rows_per_step: int) -> np.ndarray:
    """What was recorded, [steps, rows of a step, context length]."""
    return np.fromfile(path, "<i8").reshape(-1, rows_per_step, CONTEXT)


def train_base(lake: Path, record: Path) -> Artifact:
    """The base model of the one packing in the lake."""
    packing = Lake(lake).artifacts("pack")[0]
    tokens = packing.input("tokens")
    with running(lake, "traced", workers=0, quiet=True), recording(record):
        return pretrain(PRETRAINING, packing=packing, tokens=tokens, tokenizer=tokens.input("tokenizer"))


def train_and_be_killed(lake: Path, record: Path) -> None:
    """The same in a process of its own, which dies in the middle."""
    killed = subprocess.run(
        [sys.executable, "-m", "tests.flows.traced", str(lake), str(record)],
        cwd=ROOT,
        env=os.environ | {"GRISTMILL_KILL_AT": f"pretrain.step:{KILLED_AFTER}"},
        capture_output=True,
        timeout=240,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()


def read_source(folder: Path, name: str, holds: str) -> list[Artifact]:
    """The snapshots of a source in the world."""
    return ingest(Source(name=name, path=str(folder / name), holds=holds, license="CC0-1.0"))


def build(folder: Path) -> Traced:
    """Everything, in `folder`."""
    write_world(folder, warcs=2)
    lake = Lake(folder / "lake")
    with running(lake.root, "traced", workers=1, quiet=True):
        first = grow(folder, RULES | {"gopher": {"min_words": 60, "min_stop_words": 0}}, MIXTURE)
        corpus = grow(folder, RULES, MIXTURE)
        tokenizer = train_tokenizer(TokenizerConfig(vocabulary_size=400), corpus=corpus)
        tokens = tokenize(TokenizeConfig(), corpus=corpus, tokenizer=tokenizer)
        pack(PackConfig(context_length=CONTEXT), tokens=tokens)
        (talks,) = read_source(folder, "talks", "conversations")
        conversations = read_conversations(ConversationsConfig(held_out_share=0.2), snapshot=talks)
        (quiz,) = read_source(folder, "quiz", "questions")
        questions = read_questions(QuestionsConfig(), snapshot=quiz)
    attempts = [folder / f"attempt-{number}" for number in (1, 2)]
    train_and_be_killed(lake.root, attempts[0])
    base = train_base(lake.root, attempts[1])
    resumed = base.provenance["notes"]["0"]["resumed_from_step"]
    before, after = (recorded(one, ROWS_PER_STEP) for one in attempts)
    assert (len(before), resumed, len(after)) == (KILLED_AFTER, 60, STEPS - resumed)
    with running(lake.root, "traced", workers=0, quiet=True), recording(folder / "tuning"):
        tuned = finetune(TUNING, model=base, conversations=conversations)
    with running(lake.root, "traced", workers=0, quiet=True):
        wanted = EvaluateConfig(validation_bytes=2000, items=6, sample_tokens=2, prompts=("The",), threads=1)
        scores = [evaluate(wanted, model=one, corpus=corpus, questions=questions) for one in (base, tuned)]
    for name, artifact in {"base": base, "tuned": tuned, "base-scores": scores[0], "tuned-scores": scores[1]}.items():
        names.assign(lake, f"mill/{name}", artifact)
    for one in (first, corpus):
        names.assign(lake, "mill/corpus", one)
    read, told = np.concatenate([before[:resumed], after]), recorded(folder / "tuning", 4)
    return Traced(lake, folder, first, corpus, base, tuned, conversations, questions, scores, read, told)


@functools.cache
def shared_traced(folder: Path) -> Traced:
    """The lake, built once for a session's folder. Nobody may change it."""
    return build(folder / "traced")


if __name__ == "__main__":
    train_base(Path(sys.argv[1]), Path(sys.argv[2]))
