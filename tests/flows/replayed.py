"""What a training reads, replayed as the documentation of packing and training says: in whole numbers, token by token.

Nothing of the code that is tested is used: texts and tables are read as Parquet, token shards as Arrow, and ids come
from the `tokenizers` library.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import tokenizers

WORD = 2**64
GOLDEN = 0x9E3779B97F4A7C15


def finalise(value: int) -> int:
    """The finaliser of splitmix64 (Steele et al. 2014)."""
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 % WORD
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB % WORD
    return value ^ (value >> 31)


def splitmix(value: int) -> int:
    """splitmix64 of one number."""
    return finalise((value + GOLDEN) % WORD)


def rows_of(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """The rows of Parquet files."""
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


def shard_tokens(folder: Path) -> dict[int, list[int]]:
    """The token ids of each shard of a tokens artifact."""
    found = {}
    for path in folder.glob("tokens-*.arrow"):
        with pa.memory_map(str(path)) as source:
            found[int(path.stem.removeprefix("tokens-"))] = pa.ipc.open_file(source).read_all().column(0).to_pylist()
    return found


@dataclass(frozen=True)
class Token:
    """A token in a row: its id, whose it is, which token of that document, and in which of the document's copies."""

    id: int
    doc_id: str
    url: str
    number: int
    copy: int


def pack_texts(corpus: Sequence[Path], tokenizer_file: Path, row_length: int) -> list[list[list[Token]]]:
    """The rows of each phase of training, from the corpus's texts."""
    tokenizer = tokenizers.Tokenizer.from_file(str(tokenizer_file))
    tokenizer.encode_special_tokens = True
    end = tokenizer.token_to_id("<|endoftext|>")
    documents = [row for row in rows_of(corpus) if row["split"] == "train"]
    phases = []
    for phase in range(len(documents[0]["phase_copies"])):
        entries = []
        for row in documents:
            high, low = int(row["doc_id"][:16], 16), int(row["doc_id"][16:], 16)
            for copy in range(row["phase_copies"][phase]):
                key = splitmix(high ^ splitmix(low ^ splitmix(copy ^ splitmix(phase))))
                entries.append((key, high, low, copy, row))
        line = []
        for *_, copy, row in sorted(entries, key=lambda entry: entry[:4]):
            ids = [*tokenizer.encode(row["text"], add_special_tokens=False).ids, end]
            line += [Token(one, row["doc_id"], row["url"], number, copy) for number, one in enumerate(ids)]
        phases.append([line[start : start + row_length] for start in range(0, len(line), row_length)])
    return phases


def row_at(place: int, rows: int, seed: int, stream: int) -> int:
    """The row that stands at a place of a training in one order after the other, each a permutation of all rows."""
    epoch, place = divmod(place, rows)
    key = finalise((finalise((finalise((seed + GOLDEN) % WORD) + stream + GOLDEN) % WORD) + epoch + GOLDEN) % WORD)
    half = 1
    while 4**half < rows:
        half += 1
    while True:
        left, right = place >> half, place % 2**half
        for turn in range(6):
            mixed = finalise((right * GOLDEN + finalise((key + turn * GOLDEN) % WORD)) % WORD)
            left, right = right, left ^ mixed % 2**half
        place = left << half | right
        if place < rows:
            return place


def rows_by_step(phases: Sequence[int], steps: int, rows_per_step: int, seed: int) -> list[list[int]]:
    """The rows of each step of a pretraining: each phase has its part of the steps, and an order of its own.

    `phases`: how many rows each has.
    """
    firsts = [round(sum(phases[:number]) / sum(phases) * steps) for number in range(len(phases) + 1)]
    found = []
    for phase, rows in enumerate(phases):
        stream = phase + (phase > 0)  # 1 is fine-tuning's
        places = range((firsts[phase + 1] - firsts[phase]) * rows_per_step)
        chosen = [sum(phases[:phase]) + row_at(place, rows, seed, stream) for place in places]
        found += [chosen[start : start + rows_per_step] for start in range(0, len(chosen), rows_per_step)]
    return found


def write_chat(tokenizer_file: Path, messages: Sequence[dict[str, str]]) -> list[int]:
    """The ids of a conversation in ChatML, written as one text."""
    tokenizer = tokenizers.Tokenizer.from_file(str(tokenizer_file))
    written = "".join(f"<|im_start|>{one['role']}\n{one['content']}<|im_end|>\n" for one in messages)
    return tokenizer.encode(written, add_special_tokens=False).ids
