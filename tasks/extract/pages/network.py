"""The network that tells a page's text from what surrounds it: for each block the probability that it belongs to it.

A block's features are looked up and added (an embedding), and two convolutions let each block see its neighbours. Its
weights (about 56,000) were learned by `benchmarks/train_pages.py`, which says from what. There are a few such networks,
learned from other random beginnings, whose mean is better than each. All sums are in a fixed order
in float32.
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numba import types

from tasks.extract.pages import features
from tasks.extract.pages.layout import Layout
from tasks.sign_kernels import compiled

WEIGHTS = Path(__file__).with_name("weights.npz")

_IDS = types.Array(types.int16, 2, "C")
_ROW, _MATRIX = (types.Array(types.float32, dimensions, "C") for dimensions in (1, 2))
_WINDOWS = types.Array(types.float32, 4, "C")


WIDTH = 32
"""Units of a network. A constant: the compiler writes out its loops."""
NETWORKS = 3
"""How many networks there are."""


@compiled(types.void(_IDS, _MATRIX, _ROW, _WINDOWS, _MATRIX, _ROW, types.float32, _ROW))
def _forward(
    ids: Any, embedding: Any, bias: Any, windows: Any, biases: Any, last: Any, last_bias: Any, logits: Any
) -> None:
    """Logits of all blocks. `windows` is (layers, neighbours, in, out), the middle neighbour is the block itself.

    Rows of weights are added four at a time: a sum is read and written once for four. Units that are 0 add nothing and
    are left out, which is half of them.
    """
    count, neighbours = len(ids), windows.shape[1]
    reach = neighbours // 2
    hidden, after = np.empty((count, WIDTH), np.float32), np.empty((count, WIDTH), np.float32)
    total = np.empty(WIDTH, np.float32)
    for block in range(count):
        total[:] = bias
        number = 0
        while number < ids.shape[1] and ids[block, number] >= 0:
            number += 1
        index = 0
        while index + 4 <= number:
            a, b, c, d = ids[block, index], ids[block, index + 1], ids[block, index + 2], ids[block, index + 3]
            for unit in range(WIDTH):
                total[unit] = (
                    total[unit] + embedding[a, unit] + embedding[b, unit] + embedding[c, unit] + embedding[d, unit]
                )
            index += 4
        while index < number:
            a = ids[block, index]
            for unit in range(WIDTH):
                total[unit] += embedding[a, unit]
            index += 1
        for unit in range(WIDTH):
            hidden[block, unit] = max(total[unit], np.float32(0))
    flat = windows.reshape(-1, WIDTH)
    values, rows = np.empty(neighbours * WIDTH, np.float32), np.empty(neighbours * WIDTH, np.int64)
    for layer in range(windows.shape[0]):
        for block in range(count):
            number = 0
            for offset in range(max(-reach, -block), min(reach + 1, count - block)):
                base = (layer * neighbours + offset + reach) * WIDTH
                for given in range(WIDTH):
                    value = hidden[block + offset, given]
                    values[number], rows[number] = value, base + given
                    number += value != 0  # no branch: half of them are, in no order
            total[:] = biases[layer]
            index = 0
            while index + 4 <= number:
                a, b, c, d = rows[index], rows[index + 1], rows[index + 2], rows[index + 3]
                va, vb, vc, vd = values[index], values[index + 1], values[index + 2], values[index + 3]
                for unit in range(WIDTH):
                    total[unit] = (
                        total[unit] + va * flat[a, unit] + vb * flat[b, unit] + vc * flat[c, unit] + vd * flat[d, unit]
                    )
                index += 4
            while index < number:
                a, va = rows[index], values[index]
                for unit in range(WIDTH):
                    total[unit] += va * flat[a, unit]
                index += 1
            for unit in range(WIDTH):
                after[block, unit] = hidden[block, unit] + max(total[unit], np.float32(0))
        hidden, after = after, hidden
    for block in range(count):
        value = last_bias
        for unit in range(WIDTH):
            value += hidden[block, unit] * last[unit]
        logits[block] = value


@cache
def _networks() -> tuple[tuple[Any, ...], ...]:
    """The arrays of each network."""
    with np.load(WEIGHTS) as stored:
        read = {name: np.ascontiguousarray(stored[name], np.float32) for name in stored.files}
    if read["embedding"].shape != (NETWORKS, features.COUNT, WIDTH):
        raise ValueError(
            f"{WEIGHTS.name} holds {read['embedding'].shape} networks, features and units, and the code has "
            f"{(NETWORKS, features.COUNT, WIDTH)}; learn it again (python -m benchmarks.train_pages)."
        )
    names = ("embedding", "bias", "windows", "biases", "last")
    return tuple(
        (*(read[name][number] for name in names), np.float32(read["last_bias"][number, 0]))
        for number in range(NETWORKS)
    )


def features_of(layout: Layout) -> np.ndarray:
    """Numbers of the features that hold for each block (int16; blocks, features.MOST), -1 after the last."""
    ids = np.empty((len(layout.blocks), features.MOST), np.int16)
    features.find_features(layout.nodes, layout.node_bits, layout.blocks, layout.block_bits, ids)
    return ids


class Asked:
    """What the networks say of a page. Each is asked once, when its answer is first needed."""

    def __init__(self, layout: Layout) -> None:
        count = len(layout.blocks)
        self._ids = features_of(layout)
        self._logits = np.empty(count, np.float32)
        self._total = np.zeros(count, np.float32)
        self._asked = 0

    def chances(self, networks: int) -> np.ndarray:
        """The probability of each block to belong to the page's text (float32), from the mean of the first so many
        networks' logits; at least as many as asked before.
        """
        for weights in _networks()[self._asked : networks]:
            _forward(self._ids, *weights, self._logits)
            self._total += self._logits
        self._asked = networks
        return 1 / (1 + np.exp(-self._total / np.float32(networks)))
