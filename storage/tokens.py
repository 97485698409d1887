"""Tokens and packed rows, read where they lie: shards are memory-mapped, and only what is asked for is copied.

What is held in memory is the packing's list of spans, 28 bytes each.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.artifact import Artifact
from storage.schemas.tokens import TOKENS
from storage.shards import open_arrow


class TokenShards:
    """The token ids of a tokens artifact by shard and place."""

    def __init__(self, tokens: Artifact) -> None:
        self._chunks: dict[int, list[np.ndarray]] = {}
        self._starts: dict[int, np.ndarray] = {}
        for part in tokens.parts(TOKENS):
            chunks = [chunk.to_numpy() for chunk in open_arrow(tokens.path(part)).column(0).chunks]
            self._chunks[part.shard] = chunks
            self._starts[part.shard] = np.cumsum([0, *map(len, chunks)])

    def length(self, shard: int) -> int:
        """Tokens of a shard."""
        return int(self._starts[shard][-1])

    def copy_into(self, target: np.ndarray, shard: int, start: int) -> None:
        """Fill `target` (any integer type) with the tokens of `shard` from `start` on.

        Raises IndexError if the shard has not that many: the index belongs to other tokens.
        """
        starts = self._starts[shard]
        if start < 0 or start + len(target) > starts[-1]:
            raise IndexError(
                f"Shard {shard} has {starts[-1]} tokens; {len(target)} from {start} on are not all in it. "
                "This index was not made with these tokens."
            )
        filled, number = 0, int(np.searchsorted(starts, start, side="right")) - 1
        while filled < len(target):
            piece = self._chunks[shard][number][start + filled - starts[number] :][: len(target) - filled]
            target[filled : filled + len(piece)] = piece
            filled, number = filled + len(piece), number + 1

    def slice(self, shard: int, start: int, length: int) -> np.ndarray:
        """A copy of `length` tokens, int64."""
        found = np.empty(length, np.int64)
        self.copy_into(found, shard, start)
        return found


class PackedRows:
    """The rows of one split of a packing, as tokens.

    A row has `row_length` = context length + 1 places. A model reads `tokens[:, :-1]` and is asked for `tokens[:, 1:]`,
    counted where `mask[:, 1:]` is true.
    """

    def __init__(self, packing: Artifact, tokens: Artifact, split: str) -> None:
        """Raises ValueError if the packing was made from other tokens."""
        made_from = packing.input("tokens")
        if made_from.fingerprint != tokens.fingerprint:
            raise ValueError(f"{packing} packs {made_from}, not {tokens}: pack these tokens, or give those.")
        self.row_length = int(packing.manifest.identity.config["context_length"]) + 1
        self._tokens = TokenShards(tokens)
        columns = ["row", "split", "phase", "position", "shard", "start", "length"]
        pieces = [
            batch.filter(pc.field("split") == split).drop_columns(["split"]) for batch in packing.batches(columns)
        ]
        spans = pa.Table.from_batches(pieces) if pieces else None
        number = {
            name: spans.column(name).to_numpy() if spans else np.empty(0, np.int64)
            for name in columns
            if name != "split"
        }
        self._position, self._shard = number["position"], number["shard"]
        self._start, self._length = number["start"], number["length"]
        rows = int(number["row"][-1]) + 1 if len(number["row"]) else 0
        self._first = np.searchsorted(number["row"], np.arange(rows + 1))
        self.phase_rows = np.bincount(number["phase"][self._first[:-1]])
        """Rows of each phase of training, int64, in their order; the rows of a phase follow those of the one before."""

    def __len__(self) -> int:
        """Rows of the split."""
        return len(self._first) - 1

    def batch(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(tokens int64 [rows, row_length], mask bool [rows, row_length]) of the rows with these numbers.

        The mask is false where the last row holds no token; the id there is 0. Raises IndexError for a row that is not
        there.
        """
        tokens = np.zeros((len(rows), self.row_length), np.int64)
        mask = np.zeros((len(rows), self.row_length), bool)
        for place, row in enumerate(rows):
            for span, position, length in self._spans(int(row)):
                target = tokens[place, position : position + length]
                self._tokens.copy_into(target, int(self._shard[span]), int(self._start[span]))
                mask[place, position : position + length] = True
        return tokens, mask

    def documents(self, rows: np.ndarray) -> np.ndarray:
        """Which places of a row belong together, int64 [rows, row_length]: the span's number in it, -1 for none."""
        found = np.full((len(rows), self.row_length), -1, np.int64)
        for place, row in enumerate(rows):
            for number, (_, position, length) in enumerate(self._spans(int(row))):
                found[place, position : position + length] = number
        return found

    def _spans(self, row: int) -> list[tuple[int, int, int]]:
        """(number, position, length) of each span of a row."""
        if not 0 <= row < len(self):
            raise IndexError(f"There is no row {row}: the split has {len(self)}.")
        spans = range(self._first[row], self._first[row + 1])
        return [(span, int(self._position[span]), int(self._length[span])) for span in spans]
