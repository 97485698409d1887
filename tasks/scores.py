"""What `evaluate` measures: bits of documents, log-probabilities of choices, samples, and the figures made of them.

Rows come and go as lists of dictionaries: columns of `storage.schemas.evaluations`.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from models.chat import encode_prompt
from models.compression import (
    byte_counts,
    ratio_error,
    sequence_log_probability,
    unigram_bits,
    xz_bits,
    xz_bits_each,
)
from models.decoder import Decoder
from models.generation import generate
from models.tokenizer import Tokenizer
from storage.artifact import Artifact
from storage.tokens import TokenShards

Rows = list[dict[str, Any]]
Done = Callable[[int], None]

TOKENS_AT_ONCE = 1 << 20


def count_tokens(tokens: Artifact, vocabulary_size: int) -> np.ndarray:
    """How often each token stands in an epoch of the training split, copies counted: int64 [vocabulary_size]."""
    counts = np.zeros(vocabulary_size, np.int64)
    shards = TokenShards(tokens)

    def add(rows: Rows) -> None:
        ids = np.concatenate([shards.slice(row["shard"], row["start"], row["length"]) for row in rows])
        weights = np.repeat([row["copies"] for row in rows], [row["length"] for row in rows])
        counts[:] += np.bincount(ids, weights, minlength=vocabulary_size).astype(np.int64)

    waiting: Rows = []
    length = 0
    for batch in tokens.batches(["split", "copies", "shard", "start", "length"]):
        for row in batch.filter(pc.field("split") == "train").to_pylist():
            waiting.append(row)
            length += row["length"]
            if length >= TOKENS_AT_ONCE:
                add(waiting)
                waiting, length = [], 0
    if waiting:
        add(waiting)
    return counts


def score_documents(
    decoder: Decoder,
    tokenizer: Tokenizer,
    texts: pa.Table,
    counts: np.ndarray,
    stride: int | None,
    threads: int,
    done: Done,
) -> Rows:
    """Bits of each text (columns doc_id, source, text) under the model, the unigram models and xz: DOCUMENT_SCORES."""
    rows = texts.to_pylist()
    contents = [row["text"].encode() for row in rows]
    ids = tokenizer.encode([row["text"] for row in rows])
    start = np.array([tokenizer.end_of_text], np.int64)
    nats = sequence_log_probability(decoder, [start] * len(rows), ids, stride, done)
    of_token = unigram_bits(counts, tuple(tokenizer.control.values()))
    of_byte = unigram_bits(byte_counts(tokenizer, counts))
    packed = xz_bits_each(contents, threads)
    return [
        {
            "doc_id": row["doc_id"],
            "source": row["source"],
            "bytes": len(content),
            "tokens": len(tokens),
            "bits": -nat / math.log(2),
            "unigram_bits": float(of_token[tokens].sum()),
            "byte_unigram_bits": float(of_byte[np.frombuffer(content, np.uint8)].sum()),
            "xz_bits": xz,
        }
        for row, content, tokens, nat, xz in zip(rows, contents, ids, nats, packed, strict=True)
    ]


METRICS = {
    "bits_per_byte": "bits",
    "unigram": "unigram_bits",
    "byte_unigram": "byte_unigram_bits",
    "xz_each": "xz_bits",
}
"""Metric of EVALUATIONS → column of DOCUMENT_SCORES."""


def bits_per_byte(texts: pa.Table, scored: Rows) -> Rows:
    """Rows of EVALUATIONS for the validation text, all of it and by source; none if there is none."""
    contents = [text.encode() for text in texts.column("text").to_pylist()]
    found: Rows = []
    for source in [None, *sorted({row["source"] for row in scored})] if scored else []:
        chosen = [number for number, row in enumerate(scored) if source in (None, row["source"])]
        sizes = np.array([scored[number]["bytes"] for number in chosen], np.float64)
        about = {"task": "validation", "source": source or "all", "items": len(chosen), "bytes": int(sizes.sum())}
        unigram = sum(scored[number]["unigram_bits"] for number in chosen) / sizes.sum()
        for metric, column in METRICS.items():
            bits = np.array([scored[number][column] for number in chosen], np.float64)
            model = metric == "bits_per_byte"
            found.append(
                about
                | {
                    "metric": metric,
                    "value": bits.sum() / sizes.sum(),
                    "standard_error": ratio_error(bits, sizes),
                    "tokens": sum(scored[number]["tokens"] for number in chosen) if model else None,
                    "baseline": unigram if model else None,
                }
            )
        together = xz_bits(b"\n".join(contents[number] for number in chosen)) / sizes.sum()
        found.append(
            about | {"metric": "xz_whole", "value": together, "standard_error": None, "tokens": None, "baseline": None}
        )
    return found


def encode_question(tokenizer: Tokenizer, context: str, choices: Sequence[str]) -> tuple[np.ndarray, list[np.ndarray]]:
    """The tokens of `<|endoftext|>` and the context, and of each choice, with a space before it if there is a context.

    Both are encoded by themselves, so that all choices of a question follow the same tokens.
    """
    space = " " if context else ""
    before, *after = tokenizer.encode([context, *(space + choice for choice in choices)])
    return np.concatenate([[tokenizer.end_of_text], before]).astype(np.int64), [one.astype(np.int64) for one in after]


def score_questions(decoder: Decoder, tokenizer: Tokenizer, questions: Iterable[dict[str, Any]], done: Done) -> Rows:
    """The log-probability of each choice of each question (columns of QUESTIONS): rows of PREDICTIONS."""
    found: Rows = []
    prompts: list[np.ndarray] = []
    continuations: list[np.ndarray] = []
    room = decoder.config.context_length + 1
    asked = list(questions)
    for question in asked:
        before, after = encode_question(tokenizer, question["context"], question["choices"])
        for number, (choice, ids) in enumerate(zip(question["choices"], after, strict=True)):
            prompts.append(before)
            continuations.append(ids)
            found.append(
                {
                    "task": question["task"],
                    "question_id": question["question_id"],
                    "choice": number,
                    "tokens": len(ids),
                    "bytes": len(choice.encode()),
                    "cut_tokens": min(max(0, len(before) + len(ids) - room), len(before)),
                    "gold": number == question["gold"],
                }
            )
    scores = sequence_log_probability(decoder, prompts, continuations, None, done)
    per_byte = scores / np.array([row["bytes"] for row in found] or [1], np.float64)[: len(found)]
    start = 0
    for question in asked:
        stop = start + len(question["choices"])
        best, best_per_byte = int(scores[start:stop].argmax()), int(per_byte[start:stop].argmax())
        for place in range(start, stop):
            found[place] |= {
                "log_probability": float(scores[place]),
                "chosen": place - start == best,
                "chosen_per_byte": place - start == best_per_byte,
            }
        start = stop
    return found


def accuracies(predictions: Rows) -> Rows:
    """Rows of EVALUATIONS for each task: share of right answers, by score and by score per byte, beside chance."""
    found: Rows = []
    for task in dict.fromkeys(row["task"] for row in predictions):
        rows = [row for row in predictions if row["task"] == task]
        n = len({row["question_id"] for row in rows})
        choices: dict[str, int] = {}
        for row in rows:
            choices[row["question_id"]] = choices.get(row["question_id"], 0) + 1
        chance = sum(1 / count for count in choices.values()) / n
        for metric, column in (("accuracy", "chosen"), ("accuracy_per_byte", "chosen_per_byte")):
            share = sum(row["gold"] and row[column] for row in rows) / n
            found.append(
                {
                    "task": task,
                    "source": None,
                    "metric": metric,
                    "value": share,
                    "standard_error": math.sqrt(share * (1 - share) / (n - 1)) if n > 1 else None,
                    "items": n,
                    "bytes": None,
                    "tokens": None,
                    "baseline": chance,
                }
            )
    return found


def draw_samples(
    decoder: Decoder,
    tokenizer: Tokenizer,
    prompts: Sequence[tuple[str, bool]],
    longest: int,
    temperature: float,
    top_k: int | None,
    seed: int,
) -> Rows:
    """What the model goes on with after each prompt (text, whether it is put as a user's message): rows of SAMPLES."""
    found: Rows = []
    for number, (prompt, chat) in enumerate(prompts):
        ids = prompt_tokens(tokenizer, prompt, chat)
        generator = torch.Generator().manual_seed(seed * 1_000_003 + number)
        options = {
            "longest": longest,
            "temperature": temperature,
            "top_k": top_k,
            "stop": tokenizer.ends,
            "generator": generator,
        }
        said = list(generate(decoder, ids.tolist(), **options))
        found.append(
            {
                "number": number,
                "prompt": prompt,
                "chat": chat,
                "temperature": temperature,
                "text": tokenizer.decode(said),
                "tokens": len(said),
                "ended": len(said) < longest,
            }
        )
    return found


def prompt_tokens(tokenizer: Tokenizer, prompt: str, chat: bool) -> np.ndarray:
    """What generation goes on from, int64: a user's message and the head of the answer, or a text as it begins."""
    if chat:
        return encode_prompt(tokenizer, [{"role": "user", "content": prompt}])
    (ids,) = tokenizer.encode([prompt])
    return np.concatenate([[tokenizer.end_of_text], ids]).astype(np.int64)
