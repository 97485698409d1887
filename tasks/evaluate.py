"""Evaluate a model: bits per byte of its corpus's validation text, questions with a known answer, samples.

**Bits per byte.** Validation documents in the order of their ids (which are hashes), each from its start up to
`document_bytes`, until `validation_bytes` are together. Each stands by itself: its first token is predicted after
`<|endoftext|>`, as in training; windows slide over what is longer than the context. The bits of its tokens are divided
by the UTF-8 bytes of the text as composed. The end-of-text token is not counted: it is no byte of the text. Beside the
model, on the same bytes: `unigram` (tokens by their share of the training tokens, copies counted), `byte_unigram`,
`xz_each` (`xz -9` of each document alone), `xz_whole` (of all of them in one file, a source's for a source).

**Questions.** A choice's score is the log-probability of its tokens after `<|endoftext|>` and the context, with a space
between where the context is not empty. `accuracy` takes the highest score, `accuracy_per_byte` the highest score per
byte of the choice, so that length does not decide (as `acc_norm` of lm-evaluation-harness). Chance is the mean of
1 / choices; the standard error sqrt(p (1 - p) / (n - 1)). A context that does not fit loses its start. A fine-tuned
model is asked in the same plain form, so that its scores compare with its base's.

**Samples.** A few seeded completions of prompts of our own; a fine-tuned model is also asked as a user would.
"""

from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from pydantic import Field

from models.configuration import Device
from storage.artifact import MAIN_TABLE, Artifact
from storage.commit import ShardOutput
from storage.schemas.evaluations import DOCUMENT_SCORES, EVALUATIONS, PREDICTIONS, SAMPLES
from tasks.ancestry import TOKENIZER_FILE, ancestry
from tasks.config import StageConfig
from tasks.executor import Watch
from tasks.stage import Inputs, Shard, Stage, StageFailed

Rows = list[dict[str, Any]]
CHOICES_GUESS = 4
"""Choices of a question, for the progress line alone."""


class EvaluateConfig(StageConfig):
    """How much is scored, and how. Which documents and questions: a pure function of their ids."""

    validation_bytes: int = Field(default=300_000, ge=0, description="Validation text that is scored. 0: none.")
    document_bytes: int = Field(default=32_768, ge=1, description="A longer document is scored up to here.")
    stride: int | None = Field(
        default=None, ge=1, description="Tokens by which windows slide over long documents. Null: half the context."
    )
    tasks: tuple[str, ...] | None = Field(default=None, description="Sets of questions that are asked. Null: all.")
    items: int = Field(default=500, ge=0, description="Questions of each set, at most.")
    prompts: tuple[str, ...] = Field(
        default=("The", "Once upon a time"),
        description="What samples go on from.",
    )
    messages: tuple[str, ...] = Field(
        default=("What can you tell me?",), description="What a fine-tuned model is asked too."
    )
    sample_tokens: int = Field(default=60, ge=1, description="Tokens of a sample, at most.")
    temperature: float = Field(default=0.8, ge=0, description="Of the samples. 0: always the most probable token.")
    top_k: int | None = Field(default=50, ge=1, description="Samples choose among so many tokens. Null: all.")
    seed: int = Field(default=0, ge=0, description="Of the samples.")
    threads: int = Field(
        default=2,
        ge=1,
        description="CPU threads, 2 on every machine: sums are cut by it, so another number gives other last bits.",
    )
    device: Device = Field(default="cpu", description="Where the model computes; one device.")


def validation_documents(corpus: Artifact, config: EvaluateConfig) -> pa.Table:
    """The validation text to score: (doc_id, source, text), in the order of doc_id, long documents cut short."""
    parts = {"parts": [str(path) for path in corpus.paths()]}
    where = "from read_parquet($parts) where split = 'validation'"
    chosen: Rows = []
    total = 0
    with duckdb.connect() as connection:
        # first the sizes in bytes alone: to hold every validation text is far more than what is scored
        cut = connection.execute(
            f"select doc_id, least(strlen(text), $most) {where} order by doc_id",
            parts | {"most": config.document_bytes},
        ).fetchall()
        # of a character that the cut falls into, up to 3 bytes are left out
        sizes = np.array([size for _, size in cut], np.int64).clip(min=3) - 3
        enough = int(np.searchsorted(np.cumsum(sizes), config.validation_bytes)) + 1
        wanted = {"wanted": [doc_id for doc_id, _ in cut[:enough]]}
        rows = connection.execute(
            f"select doc_id, source, text {where} and doc_id in (select unnest($wanted)) order by doc_id",
            parts | wanted,
        ).fetchall()
    for doc_id, source, whole in rows:
        if total >= config.validation_bytes:
            break
        text = whole.encode()[: config.document_bytes].decode("utf-8", errors="ignore")
        chosen.append({"doc_id": doc_id, "source": source, "text": text})
        total += len(text.encode())
    return pa.Table.from_pylist(
        chosen, schema=pa.schema([("doc_id", pa.string()), ("source", pa.string()), ("text", pa.large_string())])
    )


def choose_questions(questions: list[Artifact], config: EvaluateConfig) -> Rows:
    """The questions to ask, by task, in the order of their ids, at most `items` of each; none twice, none forgotten."""
    columns = ["question_id", "task", "context", "choices", "gold"]
    read = [row for one in questions for row in one.read(columns).to_pylist()]
    known = {row["question_id"]: row for row in read if row["choices"] is not None}
    of_task: dict[str, Rows] = {}
    for row in sorted(known.values(), key=lambda row: row["question_id"]):
        of_task.setdefault(row["task"], []).append(row)
    missing = sorted(set(config.tasks or ()) - set(of_task))
    if missing:
        raise StageFailed(
            f"evaluate: there are no questions of the task {missing[0]!r}; there are "
            f"{', '.join(sorted(of_task)) or 'none'}. Correct `evaluation.tasks` in the recipe, or add a source that "
            "holds them."
        )
    asked = sorted(of_task) if config.tasks is None else config.tasks
    return [row for task in asked for row in of_task[task][: config.items]]


def _plan(inputs: Inputs, config: EvaluateConfig) -> list[Shard]:
    """One shard. Raises StageFailed if the corpus is not the model's own."""
    (model,), (corpus,), questions = inputs["model"], inputs["corpus"], list(inputs.get("questions", ()))
    if corpus.manifest.kind == "model":
        raise StageFailed(f"{corpus} is a model, and the corpus to score on is wanted: leave `--corpus` out.")
    own = ancestry(model).corpus
    if own != corpus:
        raise StageFailed(
            f"{model} learned from {own}, and {corpus} is another corpus: its validation part may hold what the model "
            "has read. Evaluate it on its own corpus, or train it on the new one first."
        )
    asked = choose_questions(questions, config)
    content = {
        "model": model.fingerprint,
        "corpus": corpus.fingerprint,
        "questions": [q.fingerprint for q in questions],
    }
    size = validation_documents(corpus, config).num_rows + len(asked)
    where = {"model": model, "corpus": corpus, "questions": questions}
    return [Shard(0, content, max(size, 1), where, str(model))]


def _work(shard: Shard, config: EvaluateConfig, output: ShardOutput, watch: Watch) -> None:
    """Score validation text and questions, and let the model speak."""
    from models.formats.checkpoint import load_model
    from models.tokenizer import Tokenizer
    from models.training import fixed_arithmetic
    from tasks.scores import accuracies, bits_per_byte, count_tokens, draw_samples, score_documents, score_questions

    model: Artifact = shard.where["model"]
    found = ancestry(model)
    asked = choose_questions(shard.where["questions"], config)
    texts = validation_documents(shard.where["corpus"], config)
    with fixed_arithmetic(config.threads):
        decoder = load_model(model.folder).to(config.device)
        tokenizer = Tokenizer.load(model.file(TOKENIZER_FILE))
        counts = count_tokens(found.tokens, len(tokenizer))
        scored = score_documents(decoder, tokenizer, texts, counts, config.stride, config.threads, watch.progress)
        answered = score_questions(
            decoder, tokenizer, asked, lambda done: watch.progress(texts.num_rows + done // CHOICES_GUESS)
        )
        prompts = [(prompt, False) for prompt in config.prompts]
        prompts += [(message, True) for message in config.messages] if found.fine_tuned else []
        samples = draw_samples(
            decoder, tokenizer, prompts, config.sample_tokens, config.temperature, config.top_k, config.seed
        )
    rows = [*bits_per_byte(texts, scored), *accuracies(answered)]
    for written, declared, name in (
        (rows, EVALUATIONS, MAIN_TABLE),
        (scored, DOCUMENT_SCORES, "documents"),
        (answered, PREDICTIONS, "predictions"),
        (samples, SAMPLES, "samples"),
    ):
        output.write(pa.RecordBatch.from_pylist(written, schema=declared.schema), name)


def summarise(artifact: Artifact) -> list[dict[str, Any]]:
    """What was measured: rows of (task, source, metric, value, standard_error, baseline, items)."""
    columns = ["task", "source", "metric", "value", "standard_error", "baseline", "items"]
    return artifact.read(columns).to_pylist()


evaluate = Stage(
    "evaluate",
    2,
    "evaluation",
    EvaluateConfig,
    {MAIN_TABLE: EVALUATIONS, "documents": DOCUMENT_SCORES, "predictions": PREDICTIONS, "samples": SAMPLES},
    _plan,
    _work,
    here=True,
    unit="items",
    summary=summarise,
)
