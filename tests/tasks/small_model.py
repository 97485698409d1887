"""A small world for tests of models: a corpus of our own writing, its tokenizer, tokens, rows, and a base that read it.

Everything follows from a seed; the base takes a few seconds.
"""

import functools
import hashlib
import json
import random
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from models.decoder import ModelConfig
from models.training import TrainingConfig
from storage.artifact import Artifact, Identity
from storage.commit import stage_artifact
from storage.lake import Lake
from storage.table import column, table
from tasks.conversations import ConversationsConfig, read_conversations
from tasks.finetune import FinetuneConfig, finetune
from tasks.ingest import Source, ingest
from tasks.pack import PackConfig, pack
from tasks.pretrain import PretrainConfig, pretrain
from tasks.questions import QuestionsConfig, read_questions
from tasks.run import running
from tasks.tokenize import fitting, tokenize
from tasks.train_tokenizer import TokenizerConfig, train_tokenizer

CORPUS = table(
    column("doc_id", pa.string(), "Document.", nullable=False),
    column("source", pa.string(), "Source."),
    column("component", pa.string(), "Component."),
    column("language", pa.string(), "Language."),
    column("split", pa.string(), "Split."),
    column("copies", pa.int32(), "Copies."),
    column("phase_copies", pa.list_(pa.int32()), "Copies by phase."),
    column("text", pa.large_string(), "Text."),
)
CONTEXT = 64
PEOPLE = ["miller", "baker", "farmer", "carter"]
DEEDS = {
    "miller": "grinds the grain",
    "baker": "bakes the bread",
    "farmer": "sows the field",
    "carter": "drives the cart",
}
TUNING = FinetuneConfig(steps=40, tokens_per_step=512, held_out=20, validations=2, threads=1, checkpoint_every=10)
PLACES = ["by the river", "at the mill", "in the village", "on the hill"]


@dataclass(frozen=True)
class World:
    """What was made, and the lake it lies in."""

    lake: Path
    corpus: Artifact
    tokenizer: Artifact
    tokens: Artifact
    packing: Artifact
    base: Artifact


def write_text(draw: random.Random, sentences: int) -> str:
    """Sentences of a small grammar, a few of them with signs outside of ASCII."""
    said = []
    for _ in range(sentences):
        who = draw.choice(PEOPLE)
        said.append(f"The {who} {DEEDS[who]} {draw.choice(PLACES)}" + draw.choice([".", ".", "; so says the Müller."]))
        if draw.random() < 0.3:
            said.append(f"What does the {who} do {draw.choice(PLACES)}, number {draw.randint(0, 99)}?")
    return " ".join(said)


def commit_corpus(lake: Path, count: int = 160, seed: int = 7, phases: int = 1) -> Artifact:
    """A corpus of two sources, every eighth document in its validation part.

    Of several phases, each has the documents whose number leaves its own remainder.
    """
    draw = random.Random(seed)
    rows = []
    for number in range(count):
        source, held = ("web", "books")[number % 3 == 0], number % 8 == 0
        copies = 1 if held else 1 + number % 2
        own = 0 if held else number % phases
        rows.append(
            {
                "doc_id": hashlib.sha256(f"{seed} {number}".encode()).hexdigest()[:32],
                "source": source,
                "component": source,
                "language": "en",
                "split": "validation" if held else "train",
                "copies": copies,
                "phase_copies": [copies if phase == own else 0 for phase in range(phases)],
                "text": write_text(draw, draw.randint(2, 16)),
            }
        )
    identity = Identity(stage="compose", version=1, config={"seed": seed, "count": count, "phases": phases})
    # of no kind that the views know: they look for the decisions that a corpus was composed by
    with stage_artifact(Lake(lake), identity, "text", print) as staging:
        if isinstance(staging, Artifact):
            return staging
        output = staging.output(0, "key", {"part": CORPUS})
        output.write(pa.RecordBatch.from_pylist(rows, schema=CORPUS.schema))
        return staging.commit([output.finish()], {})


def build_world(lake: Path, steps: int = 80, seed: int = 7) -> World:
    """The corpus and a base model of 64 tokens of context that has read it for some steps."""
    with running(lake, "world", workers=1, quiet=True):
        corpus = commit_corpus(lake, seed=seed)
        tokenizer = train_tokenizer(TokenizerConfig(vocabulary_size=400), corpus=corpus)
        tokens = tokenize(fitting(tokenizer), corpus=corpus, tokenizer=tokenizer)
        packing = pack(PackConfig(context_length=CONTEXT), tokens=tokens)
        config = PretrainConfig(
            model=ModelConfig(depth=2, width=32, heads=2, key_value_heads=1, head_width=16, mlp_width=64),
            training=TrainingConfig(steps=steps, tokens_per_step=512, threads=1),
            validations=2,
        )
        base = pretrain(config, packing=packing, tokens=tokens, tokenizer=tokenizer)
    return World(lake, corpus, tokenizer, tokens, packing, base)


def read_chats(lake: Path, folder: Path, count: int = 120, held_out: float = 0.2) -> Artifact:
    """Conversations about the same small world: who does what. Some are copies, two are too long for the context."""
    draw = random.Random(3)
    rows = []
    for number in range(count):
        who = draw.choice(PEOPLE)
        question = f"What does the {who} do {draw.choice(PLACES)}, number {number}?"
        rows.append({"prompt": question, "response": f"The {who} {DEEDS[who]}."})
    rows += rows[:5]
    rows.append({"prompt": "Tell all.", "response": write_text(draw, 30)})
    rows.append({"prompt": write_text(draw, 30), "response": "That was long."})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "chats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with running(lake, "chats", workers=1, quiet=True):
        (snapshot,) = ingest(Source(name="chats", path=str(folder), holds="conversations"))
        return read_conversations(ConversationsConfig(held_out_share=held_out), snapshot=snapshot)


def read_quiz(lake: Path, folder: Path) -> Artifact:
    """Two sets of questions: one that the corpus answers, one whose contexts are long or missing."""
    draw = random.Random(5)
    rows = []
    for number in range(40):
        who = draw.choice(PEOPLE)
        choices = [DEEDS[one] for one in draw.sample(PEOPLE, 4)]
        rows.append({"task": "deeds", "context": f"The {who}", "choices": choices, "gold": DEEDS[who]})
        good = write_text(draw, 1)
        context = write_text(draw, 9) if number % 2 else ""
        choices = [good, " ".join(reversed(good.split()))]
        rows.append({"task": "order", "context": context, "choices": choices, "gold": 0})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "quiz.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with running(lake, "quiz", workers=1, quiet=True):
        (snapshot,) = ingest(Source(name="quiz", path=str(folder), holds="questions"))
        return read_questions(QuestionsConfig(), snapshot=snapshot)


@functools.cache
def shared_world(folder: Path) -> World:
    """The world with a base, built once for a session's folder. Nobody may change its lake but by adding artifacts."""
    return build_world(folder / "shared-world" / "lake")


@functools.cache
def shared_chats(folder: Path) -> Artifact:
    """Its conversations."""
    return read_chats(shared_world(folder).lake, folder / "shared-world" / "chats")


@functools.cache
def shared_tuned(folder: Path) -> Artifact:
    """A model that has learned from them."""
    world, chats = shared_world(folder), shared_chats(folder)
    with running(world.lake, "finetune", workers=0, quiet=True):
        return finetune(TUNING, model=world.base, conversations=chats)
