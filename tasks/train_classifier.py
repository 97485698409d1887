"""Train a classifier: fastText on positive and negative texts, or a regression head on labels that are numbers.

Quality, toxicity, spam, machine-generated text: the machinery is one, the training sets differ. They are the
artifact's inputs (roles `positive`, `negative`, `labelled`), so that a classifier always says what it has learned from.
What it does on held-out texts stands in its tables: one row of figures, each held-out text's score, and which share of
the negative texts a threshold keeps.

A text is held out by the hash of its words, so a copy with other spaces, case or punctuation is never on the other
side; one with other words may be.
"""

import hashlib
import itertools
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from models import metrics
from models.fasttext.training import FEWEST_BUCKETS
from models.language import ModelRef
from storage.artifact import MAIN_TABLE, Artifact
from storage.commit import ShardOutput
from storage.schemas.classifiers import CLASSIFIER, HELD_OUT, KEEPS
from tasks.classifying import ClassifierModel, score_texts
from tasks.config import StageConfig
from tasks.executor import Watch
from tasks.learning import Example, Examples, Labelled, gather, parts_of, read_texts
from tasks.stage import Inputs, Shard, Stage

MODEL_FILE = {"fasttext": "model.bin", "ridge": "head.bin"}
KEPT_SHARES = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5)
PRESETS: dict[str, dict[str, Any]] = {
    "dclm": {
        "method": "fasttext",
        "dimension": 100,
        "epochs": 5,
        "learning_rate": 0.1,
        "word_ngrams": 2,
        "min_count": 1,
        "buckets": 2_000_000,
        "max_examples": 200_000,
        "characters": 1_000_000,
    }
}
"""Published settings. dclm: Li et al. 2024 (DataComp-LM), section 4.4, and its code (mlfoundations/dclm,
`baselines/train_fasttext_classifier.py`): fastText's own defaults with word pairs, some 200,000 positive texts
(instructions, explanations) against 200,000 of a filtered crawl; the upper tenth is kept."""
_SPECIAL = re.compile(r"(?<!\S)(?:__label__\S*|</s>)(?!\S)")
"""Words that mean something to fastText: a label, the end of a text."""


class ClassifierConfig(StageConfig):
    """How a classifier is trained. A preset's values stand where none are given."""

    preset: Literal["dclm"] | None = Field(
        default=None, exclude=True, description="Published settings to start from: dclm (Li et al. 2024)."
    )
    method: Literal["fasttext", "ridge"] = Field(
        default="fasttext",
        description="fasttext for classes; ridge (a head on embeddings) for labels that are numbers.",
    )
    positive_labels: tuple[str, ...] = Field(
        default=("1",), description="fasttext: labels of labelled examples that are positive; others are negative."
    )
    positive_from: float = Field(
        default=3.0, description="ridge: the label from which a text counts as positive in precision, recall and AUC."
    )
    characters: int = Field(default=10_000, ge=1, description="Characters of a text that count, from its start.")
    max_examples: int = Field(default=200_000, ge=1, description="Different texts of each class at most.")
    held_out: Annotated[float, Field(gt=0, lt=1, description="Share of the texts that are held out.")] = 0.1
    seed: int = Field(default=1, ge=0, lt=2**32, description="Which texts are held out, and the order of training.")
    dimension: int = Field(default=16, ge=1, description="fasttext: numbers in a word's vector.")
    epochs: int = Field(default=5, ge=1, description="fasttext: how often the texts are read.")
    learning_rate: float = Field(default=0.5, gt=0, description="fasttext: rate at the beginning.")
    word_ngrams: int = Field(
        default=2, ge=2, description="fasttext: words in the longest n-gram (1 can meet NaN in fastText 0.9.3)."
    )
    min_count: int = Field(default=1, ge=1, description="fasttext: how often a word must stand in the texts.")
    buckets: int = Field(default=FEWEST_BUCKETS, ge=FEWEST_BUCKETS, description="fasttext: places for hashed n-grams.")
    embedding: ModelRef | None = Field(
        default=None,
        description="ridge: a folder with a transformer, its last states averaged. Null: hashed words and word pairs.",
    )
    embedding_dimension: int = Field(default=2048, ge=2, le=16_384, description="ridge: numbers in a hashed embedding.")
    embedding_tokens: int = Field(default=512, ge=1, description="ridge: tokens that a transformer reads of a text.")
    penalty: float = Field(default=1.0, gt=0, description="ridge: weight of the squared weights.")

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("preset") in PRESETS:
            return PRESETS[given["preset"]] | given
        return given


def model_of(config: ClassifierConfig, path: str, sha256: str) -> ClassifierModel:
    """How a trained model is asked."""
    return ClassifierModel(
        method=config.method,
        sha256=sha256,
        path=path,
        positive_label="positive",
        characters=config.characters,
        embedding=config.embedding,
        embedding_dimension=config.embedding_dimension,
        embedding_tokens=config.embedding_tokens,
    )


def _plan(inputs: Inputs, config: ClassifierConfig) -> list[Shard]:
    where = {role: parts_of(inputs.get(role, ())) for role in ("positive", "negative", "labelled")}
    content = {role: [one.fingerprint for one in artifacts] for role, artifacts in inputs.items()}
    return [Shard(0, content, sum(one.rows() for artifacts in inputs.values() for one in artifacts), where)]


class _Rows:
    """Texts and labels by role, walked as often as they are asked for."""

    def __init__(self, parts: list[dict[str, str]], labels: Callable[[str | None, float | None], float | None]) -> None:
        self.parts, self.labels = parts, labels

    def __iter__(self) -> Iterator[Labelled]:
        for doc_id, source, text, word, number in read_texts(self.parts):
            label = self.labels(word, number)
            if label is not None:
                yield doc_id, source, text, label


class _Chain:
    """One set of texts after another."""

    def __init__(self, *sets: Iterable[Labelled]) -> None:
        self.sets = sets

    def __iter__(self) -> Iterator[Labelled]:
        return itertools.chain.from_iterable(self.sets)


def _classes(where: dict[str, list[dict[str, str]]], config: ClassifierConfig) -> list[Iterable[Labelled]]:
    """The texts of each class: positive and negative ones, or, for ridge, all whose label is a number."""
    if config.method == "ridge":
        return [_Rows(where["labelled"], lambda word, number: number)]

    def label(word: str | None, wanted: float) -> float | None:
        return wanted if word is not None and (word in config.positive_labels) == bool(wanted) else None

    return [
        _Chain(
            _Rows(where[role], lambda *_, w=value: w), _Rows(where["labelled"], lambda word, _, w=value: label(word, w))
        )
        for role, value in (("positive", 1.0), ("negative", 0.0))
    ]


def _work(shard: Shard, config: ClassifierConfig, output: ShardOutput, watch: Watch) -> None:
    """Learn from the training texts, score the held-out ones, and write the model and both."""
    with tempfile.TemporaryDirectory(prefix="gristmill-train-") as name:
        folder = Path(name)
        examples = gather(
            _classes(shard.where, config),
            folder,
            seed=config.seed,
            characters=config.characters,
            held_out=config.held_out,
            at_most=config.max_examples,
        )
        _check(examples, config)
        path = output.file(MODEL_FILE[config.method])
        train = _train_ridge if config.method == "ridge" else _train_fasttext
        train(examples, config, path, folder)
        model = model_of(config, str(path), hashlib.sha256(path.read_bytes()).hexdigest())
        scores = np.concatenate([score_texts(model, texts) for _, texts in examples.batches(examples.held_out)])
    _write(examples, scores, config, output)
    watch.progress(shard.size)


def _check(examples: Examples, config: ClassifierConfig) -> None:
    """Raises: ValueError, with what is missing, where there is nothing to learn or nothing to measure by."""
    for what, some in (("to learn from", examples.training), ("held out", examples.held_out)):
        if config.method == "ridge":
            if len(some) < 2:
                raise ValueError(
                    f"There are {len(some)} texts {what} whose label is a number; two at least are needed."
                )
            continue
        positive = sum(1 for one in some if one.label)
        if not positive or positive == len(some):
            raise ValueError(
                f"Of {len(some)} texts {what}, {positive} are positive: some of both kinds are needed. "
                "Name sources with more texts, or another share to hold out."
            )


def _train_fasttext(examples: Examples, config: ClassifierConfig, path: Path, folder: Path) -> None:
    from models.fasttext.training import train_classifier

    lines = folder / "lines"
    with open(lines, "w", encoding="utf-8", newline="\n") as file:
        for one, text in zip(examples.training, examples.texts(examples.training), strict=True):
            label = "positive" if one.label else "negative"
            file.write(f"__label__{label} {_SPECIAL.sub(' ', ' '.join(text.split()))}\n")
    options = {
        "dim": config.dimension,
        "epoch": config.epochs,
        "lr": config.learning_rate,
        "wordNgrams": config.word_ngrams,
        "minCount": config.min_count,
        "bucket": config.buckets,
        "seed": config.seed,
    }
    train_classifier(lines, options).save_model(str(path))


def _train_ridge(examples: Examples, config: ClassifierConfig, path: Path, folder: Path) -> None:
    from models.regression import RidgeSums
    from tasks.classifying import embed_texts

    sums: RidgeSums | None = None
    model = model_of(config, "", "")
    for some, texts in examples.batches(examples.training):
        rows = embed_texts(model, texts)
        sums = sums or RidgeSums(rows.shape[1])
        sums.add(rows, np.array([one.label for one in some]))
    assert sums is not None  # `_check` saw two texts
    sums.solve(config.penalty).save(path)


def _write(examples: Examples, scores: np.ndarray, config: ClassifierConfig, output: ShardOutput) -> None:
    ridge = config.method == "ridge"
    cut = config.positive_from if ridge else 0.5
    labels = np.array([one.label for one in examples.held_out])
    positive = labels >= (cut if ridge else 1)
    exact = scores.astype(np.float64)
    precision, recall = metrics.precision_recall(exact, positive, cut)
    about = {
        "method": config.method,
        "examples": len(examples.training),
        "positive": sum(1 for one in examples.training if one.label >= (cut if ridge else 1)),
        "held_out": len(labels),
        "held_out_positive": int(positive.sum()),
        "repeated": examples.repeated,
        "precision": precision,
        "recall": recall,
        "f1": metrics.f1(precision, recall),
        "auc": metrics.auc(exact, positive),
        "cut": cut,
        "r2": metrics.r2(exact, labels) if ridge else None,
        "spearman": metrics.spearman(exact, labels) if ridge else None,
    }
    output.write(pa.RecordBatch.from_pylist([about], schema=CLASSIFIER.schema))
    rows = [_row(one, score) for one, score in zip(examples.held_out, scores.tolist(), strict=True)]
    output.write(pa.RecordBatch.from_pylist(rows, schema=HELD_OUT.schema), "held_out")
    keeps = []
    for share in KEPT_SHARES if (~positive).any() else ():
        threshold = float(np.quantile(exact[~positive], 1 - share, method="higher"))
        reached = metrics.precision_recall(exact, positive, threshold)[1]
        keeps.append({"keep": share, "threshold": threshold, "recall": reached})
    output.write(pa.RecordBatch.from_pylist(keeps, schema=KEEPS.schema), "keeps")


def _row(one: Example, score: float) -> dict[str, Any]:
    return {"doc_id": one.doc_id, "source": one.source, "label": one.label, "score": score}


def facts(artifact: Artifact) -> list[dict[str, Any]]:
    """The one row of figures of a classifier."""
    return artifact.read().to_pylist()


train_classifier = Stage(
    "train_classifier",
    2,
    "classifier",
    ClassifierConfig,
    {MAIN_TABLE: CLASSIFIER, "held_out": HELD_OUT, "keeps": KEEPS},
    _plan,
    _work,
    unit="rows",
    summary=facts,
)
