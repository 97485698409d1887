"""Conversations laid into rows of the context length, and what became of each: what fine-tuning reads.

Several stand in a row where they fit, none in two. torch is imported where batches are made, not before.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from models.chat import encode_chats
from models.tokenizer import Tokenizer
from storage.artifact import Artifact
from storage.schemas.documents import FORGOTTEN

if TYPE_CHECKING:
    from models.training import Batch

TRAIN, HELD = "train", "held-out"
CONVERSATIONS_AT_ONCE = 2048


def fill_rows(lengths: Sequence[int], row_length: int) -> tuple[np.ndarray, np.ndarray]:
    """Lay pieces of these lengths into rows, none across two: (row, position) of each, int64.

    Best fit, longest first (Johnson 1974): each piece goes to the fullest row that has room, rows of equal room in the
    order in which they came to have it. Raises ValueError if a piece is longer than a row, or empty.
    """
    row, position = np.zeros(len(lengths), np.int64), np.zeros(len(lengths), np.int64)
    of_room: list[list[int]] = [[] for _ in range(row_length + 1)]
    rooms = opened = 0  # bit r of `rooms`: there is a row with room for r
    for piece in sorted(range(len(lengths)), key=lambda piece: (-lengths[piece], piece)):
        length = lengths[piece]
        if not 1 <= length <= row_length:
            raise ValueError(f"Piece {piece} has the length {length}; a row holds 1 to {row_length}.")
        fitting = rooms >> length
        if fitting:
            room = length + (fitting & -fitting).bit_length() - 1
            chosen = of_room[room].pop(0)
            if not of_room[room]:
                rooms &= ~(1 << room)
        else:
            room, chosen = row_length, opened
            opened += 1
        row[piece], position[piece] = chosen, row_length - room
        of_room[room - length].append(chosen)
        rooms |= 1 << (room - length)
    return row, position


@dataclass(frozen=True)
class Piece:
    """A conversation as it stands in a row: token ids, which of them the assistant says, and where it starts."""

    ids: np.ndarray
    said: np.ndarray
    position: int


class ChatRows:
    """Rows of conversations. A row has `row_length` = context length + 1 places, as in pretraining."""

    def __init__(self, rows: Sequence[Sequence[Piece]], row_length: int, padding: int) -> None:
        self.rows, self.row_length, self.padding = rows, row_length, padding

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, numbers: Sequence[int] | np.ndarray) -> "Batch":
        """The rows with these numbers: context-length inputs, and as targets the tokens that the assistant says."""
        import torch

        from models.training import IGNORED, Batch

        shape = (len(numbers), self.row_length)
        tokens = np.full(shape, self.padding, np.int64)
        targets, documents = np.full(shape, IGNORED, np.int64), np.full(shape, -1, np.int64)
        for place, number in enumerate(numbers):
            for count, piece in enumerate(self.rows[int(number)]):
                where = slice(piece.position, piece.position + len(piece.ids))
                tokens[place, where] = piece.ids
                documents[place, where] = count
                targets[place, where] = np.where(piece.said, piece.ids, IGNORED)
        return Batch(
            torch.from_numpy(tokens[:, :-1]), torch.from_numpy(targets[:, 1:]), torch.from_numpy(documents[:, :-1])
        )


def lay_out(
    conversations: Sequence[Artifact], tokenizer: Tokenizer, row_length: int, held_out: int
) -> tuple[dict[str, ChatRows], list[dict[str, Any]]]:
    """The rows of both splits, and a row of FINETUNING for every conversation, in the order of their ids."""
    pieces: dict[str, list[tuple[int, np.ndarray, np.ndarray]]] = {TRAIN: [], HELD: []}
    about: list[dict[str, Any]] = []
    seen: set[str] = set()
    for batch in _by_id(conversations):
        for row, chat in zip(batch, encode_chats(tokenizer, [row["messages"] or () for row in batch]), strict=True):
            ids, said = chat.ids[:row_length], chat.said[:row_length]
            split = row["split"]
            if row["messages"] is None:
                outcome = FORGOTTEN
            elif row["content_hash"] in seen:
                outcome = "copy"
            elif split == HELD and len(pieces[HELD]) >= held_out:
                outcome = "not needed"
            elif not said[1:].any():
                outcome = "left out"
            else:
                outcome = "whole" if len(ids) == len(chat.ids) else "cut"
                pieces[split].append((len(about), ids, said))
            if outcome != FORGOTTEN:  # a copy of it that nobody forgot is no copy of anything that is there
                seen.add(row["content_hash"])
            stands = outcome in ("whole", "cut")
            about.append(
                {name: row[name] for name in ("conversation_id", "source", "split")}
                | {"tokens": len(chat.ids), "answer_tokens": int(chat.said.sum()), "outcome": outcome}
                | {"kept_tokens": len(ids) if stands else 0, "kept_answer_tokens": int(said.sum()) if stands else 0}
                | {"row": None, "position": None}
            )
    rows: dict[str, ChatRows] = {}
    for split, found in pieces.items():
        row, position = fill_rows([len(ids) for _, ids, _ in found], row_length)
        listed: list[list[Piece]] = [[] for _ in range(int(row.max()) + 1 if len(row) else 0)]
        for (number, ids, said), in_row, start in zip(found, row.tolist(), position.tolist(), strict=True):
            listed[in_row].append(Piece(ids, said, start))
            about[number] |= {"row": in_row, "position": start}
        rows[split] = ChatRows(listed, row_length, tokenizer.end_of_text)
    return rows, about


def _by_id(conversations: Sequence[Artifact]) -> Iterator[list[dict[str, Any]]]:
    """All conversations in the order of their ids, some at a time: no order of sources or snapshots plays a part."""
    columns = ["conversation_id", "source", "split", "content_hash", "messages"]
    tables = [one.read(columns) for one in conversations if one.rows()]
    if not tables:
        return
    together = pa.concat_tables(tables).sort_by("conversation_id")
    for start in range(0, together.num_rows, CONVERSATIONS_AT_ONCE):
        yield together.slice(start, CONVERSATIONS_AT_ONCE).to_pylist()
