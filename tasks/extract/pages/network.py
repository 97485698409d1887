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
_ROW, _MATRIX, _CUBE = (types.Array(types.float32, dimensions, "C") for dimensions in (1, 2, 3))
_WINDOWS = types.Array(types.float32, 4, "C")


@compiled(types.void(_IDS, _MATRIX, _ROW, _WINDOWS, _MATRIX, _ROW, types.float32, _ROW))
def _forward(
    ids: Any, embedding: Any, bias: Any, windows: Any, biases: Any, last: Any, last_bias: Any, logits: Any
) -> None:
    """Logits of all blocks. `windows` is (layers, neighbours, in, out), the middle neighbour is the block itself."""
    count, width = len(ids), embedding.shape[1]
    hidden = np.empty((count, width), np.float32)
    for block in range(count):
        for unit in range(width):
            hidden[block, unit] = bias[unit]
        for index in range(ids.shape[1]):
            feature = ids[block, index]
            if feature < 0:
                break
            for unit in range(width):
                hidden[block, unit] += embedding[feature, unit]
        for unit in range(width):
            hidden[block, unit] = max(hidden[block, unit], np.float32(0))
    reach = windows.shape[1] // 2
    more = np.empty(width, np.float32)
    for layer in range(windows.shape[0]):
        after = np.empty((count, width), np.float32)
        for block in range(count):
            for unit in range(width):
                more[unit] = biases[layer, unit]
            for offset in range(-reach, reach + 1):
                if 0 <= block + offset < count:
                    for given in range(width):
                        value = hidden[block + offset, given]
                        if value != 0:
                            for unit in range(width):
                                more[unit] += value * windows[layer, offset + reach, given, unit]
            for unit in range(width):
                after[block, unit] = hidden[block, unit] + max(more[unit], np.float32(0))
        hidden = after
    for block in range(count):
        value = last_bias
        for unit in range(width):
            value += hidden[block, unit] * last[unit]
        logits[block] = value


@cache
def _networks() -> tuple[tuple[Any, ...], ...]:
    """The arrays of each network."""
    with np.load(WEIGHTS) as stored:
        read = {name: np.ascontiguousarray(stored[name], np.float32) for name in stored.files}
    if read["embedding"].shape[1] != features.COUNT:
        raise ValueError(
            f"{WEIGHTS.name} was learned with {read['embedding'].shape[1]} features and the code has {features.COUNT}; "
            "learn it again (python -m benchmarks.train_pages)."
        )
    names = ("embedding", "bias", "windows", "biases", "last")
    return tuple(
        (*(read[name][number] for name in names), np.float32(read["last_bias"][number, 0]))
        for number in range(len(read["embedding"]))
    )


def features_of(layout: Layout) -> np.ndarray:
    """Numbers of the features that hold for each block (int16; blocks, features.MOST), -1 after the last."""
    ids = np.empty((len(layout.blocks), features.MOST), np.int16)
    features.find_features(layout.nodes, layout.node_bits, layout.blocks, layout.block_bits, ids)
    return ids


def probabilities(layout: Layout, networks: int) -> np.ndarray:
    """The probability of each block of a page to belong to its text (float32), from the mean of the first so many
    networks' logits.
    """
    ids = features_of(layout)
    logits = np.empty(len(layout.blocks), np.float32)
    total = np.zeros(len(layout.blocks), np.float32)
    for weights in _networks()[:networks]:
        _forward(ids, *weights, logits)
        total += logits
    return 1 / (1 + np.exp(-total / np.float32(networks)))
