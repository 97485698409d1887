"""What is known of each block of a page, as numbers of the features that hold for it.

All features are yes or no: amounts are cut into steps. They say what the block is (its length, links, punctuation, tag,
words), what stands above it (tags, words of classes and ids), what its containers hold (how much of the page's running
text, how many links), where it stands, and how blocks with the same tags and classes look.
"""

from typing import Any

import numpy as np
from numba import types

from tasks.extract.pages import columns
from tasks.extract.pages.vocabulary import ATTRIBUTE_WORDS, NAMES, TAG, TEXT_WORDS
from tasks.sign_kernels import compiled

MOST = 160
"""Features of one block at most."""

_NODES, _NODE_BITS = types.Array(types.int32, 2, "C"), types.Array(types.uint64, 2, "C")
_BITS, _IDS = types.Array(types.uint64, 1, "C"), types.Array(types.int16, 2, "C")
_INT, _FLOAT = types.int64, types.float64

RUNNING_CHARACTERS = 60
"""A block of so many characters (one of Chinese or Japanese counts two and a half) and few links is running text."""
RUNNING_LINKED = 0.33

# Where each group of features begins. Counts of steps are those of `_size`, `_share` and the like below.
_GROUPS = {
    "tags above": 64,
    "near": len(ATTRIBUTE_WORDS),
    "above": len(ATTRIBUTE_WORDS),
    "words": len(TEXT_WORDS),
    "tag": len(NAMES),
    "parent tag": len(NAMES),
    "size": 16,
    "linked": 8,
    "size and links": 16 * 8,
    "size and tag": 16 * 8,
    "words of it": 10,
    "commas": 5,
    "sentences": 5,
    "digits": 8,
    "capitals": 8,
    "bold": 8,
    "breaks": 5,
    "first": 8,
    "last": 8,
    "ends": 16 * 8,
    "images": 4,
    "links": 6,
    "page": 16,
    "page running": 16,
    "page linked": 8,
    "page blocks": 12,
    "place": 12,
    "running before": 12,
    "heading": 3,
    "after heading": 10,
    "container 1": 8 * 8,
    "container 2": 8 * 8,
    "container 3": 8 * 8,
    "container 4": 8 * 8,
    "container 1 blocks": 12,
    "container 2 blocks": 12,
    "best": 4,
    "best and size": 4 * 16,
    "best share": 8,
    "from first": 12,
    "to last": 12,
    "twins": 10,
    "twins running": 8,
    "twins size": 16,
    "twins linked": 8,
    "depth": 10,
    "code": 2,
}
STARTS = np.concatenate([[0], np.cumsum(list(_GROUPS.values()))]).astype(np.int64)
COUNT = int(STARTS[-1])
"""How many features there are."""

_SIMPLE = np.zeros(len(NAMES), np.int64)
for _number, _names in enumerate(
    ("p", "li dd dt", "div section article main body", "td th", "h1 h2 h3 h4 h5 h6", "blockquote pre figcaption", "a"),
    start=1,
):
    for _name in _names.split():
        _SIMPLE[TAG[_name]] = _number
_H1 = TAG["h1"]


@compiled(_INT(_FLOAT))
def _size(value: Any) -> Any:
    """Steps of half a power of two from 2 on, 0 to 15."""
    if value < 2:
        return 0
    return min(np.int64(np.log2(value) * 1.5), 15)


@compiled(_INT(_FLOAT))
def _count(value: Any) -> Any:
    """Steps of a count, 0 to 9: 0, 1, 2, 3 to 4, 5 to 8, …."""
    if value < 1:
        return 0
    return min(np.int64(np.ceil(np.log2(value))) + 1, 9)


@compiled(_INT(_FLOAT))
def _share(value: Any) -> Any:
    """Steps of a share, 0 to 7."""
    if value <= 0.0:
        return 0
    if value < 0.05:
        return 1
    if value < 0.15:
        return 2
    if value < 0.33:
        return 3
    if value < 0.6:
        return 4
    if value < 0.85:
        return 5
    if value < 0.99:
        return 6
    return 7


@compiled(_INT(_INT))
def _kind(byte: Any) -> Any:
    """What a character is by its first byte, 0 to 7."""
    if byte == 0:
        return 0
    if 97 <= byte <= 122:
        return 1
    if 65 <= byte <= 90:
        return 2
    if 48 <= byte <= 57:
        return 3
    if byte == 46 or byte == 33 or byte == 63:  # . ! ?
        return 4
    if byte == 58 or byte == 44 or byte == 59:  # : , ;
        return 5
    if byte >= 0x80:
        return 6
    return 7


@compiled(types.void(_NODES, _NODE_BITS, _NODES, _BITS, _IDS))
def find_features(nodes: Any, node_bits: Any, blocks: Any, block_bits: Any, ids: Any) -> None:
    """Fills `ids` (blocks, MOST) with the numbers of each block's features in their order, then -1."""
    count, size = len(blocks), len(nodes)
    long = np.zeros(count, np.float64)  # characters as a reader weighs them
    running = np.zeros(count, np.float64)
    total = np.zeros(size, np.float64)
    linked = np.zeros(size, np.float64)
    good = np.zeros(size, np.float64)
    held = np.zeros(size, np.float64)
    score = np.zeros(size, np.float64)
    all_long = all_linked = all_running = 0.0
    heading = first_running = last_running = -1
    for block in range(count):
        characters = max(blocks[block, columns.CHARACTERS], 1)
        weight = blocks[block, columns.CHARACTERS] + 1.5 * blocks[block, columns.WIDE]
        share = blocks[block, columns.LINKED] / characters
        node = blocks[block, columns.NODE]
        long[block] = weight
        total[node] += weight
        linked[node] += weight * share
        held[node] += 1
        all_long += weight
        all_linked += weight * share
        if heading < 0 and nodes[node, columns.NODE_TAG] == _H1:
            heading = block
        if weight >= RUNNING_CHARACTERS and share < RUNNING_LINKED:
            running[block] = weight
            all_running += weight
            good[node] += weight
            score[node] += 0.3 * weight
            parent = nodes[nodes[node, columns.PARENT], columns.BLOCK_PARENT]
            score[parent] += weight
            score[nodes[nodes[parent, columns.PARENT], columns.BLOCK_PARENT]] += 0.5 * weight
            if first_running < 0:
                first_running = block
            last_running = block
    for node in range(size - 1, 0, -1):
        parent = nodes[node, columns.PARENT]
        total[parent] += total[node]
        linked[parent] += linked[node]
        good[parent] += good[node]
        held[parent] += held[node]
    best, most = 0, 0.0
    for node in range(1, size):
        value = score[node] * (1.0 - linked[node] / max(total[node], 1.0))
        if value > most:
            best, most = node, value
    above_best = nodes[nodes[best, columns.PARENT], columns.BLOCK_PARENT]
    # Twins: blocks whose element and parent have the same tags and classes, by a hash of a few bits.
    twins = np.zeros((4096, 4), np.float64)
    twin = np.zeros(count, np.int64)
    for block in range(count):
        node = blocks[block, columns.NODE]
        parent = nodes[node, columns.PARENT]
        grand = nodes[parent, columns.PARENT]
        key = nodes[node, columns.SIGNATURE] * 31 + nodes[parent, columns.SIGNATURE]
        key = key * 31 + nodes[grand, columns.SIGNATURE]
        key = (key ^ (key >> 13) ^ (key >> 27)) & 4095
        twin[block] = key
        twins[key, 0] += 1
        twins[key, 1] += long[block]
        twins[key, 2] += running[block]
        twins[key, 3] += long[block] * blocks[block, columns.LINKED] / max(blocks[block, columns.CHARACTERS], 1)
    before = running_before = 0.0
    values = np.zeros(len(STARTS), np.int64)
    for block in range(count):
        node, leaf = blocks[block, columns.NODE], blocks[block, columns.LEAF]
        characters = max(blocks[block, columns.CHARACTERS], 1)
        share = blocks[block, columns.LINKED] / characters
        filled = 0
        for group in range(4):
            if group == 0:
                bits = node_bits[leaf, columns.TAGS_ABOVE]
            elif group == 1:
                bits = node_bits[leaf, columns.NEAR] | node_bits[node, columns.NEAR]
            elif group == 2:
                bits = node_bits[leaf, columns.ABOVE]
            else:
                bits = block_bits[block]
            number = STARTS[group]
            while bits:
                if bits & np.uint64(1) and filled < 100:
                    ids[block, filled] = number
                    filled += 1
                bits >>= np.uint64(1)
                number += 1
        length, links = _size(long[block]), _share(share)
        first, last = _kind(blocks[block, columns.FIRST]), _kind(blocks[block, columns.LAST])
        tag = nodes[node, columns.NODE_TAG]
        parent = nodes[nodes[node, columns.PARENT], columns.BLOCK_PARENT]
        values[4] = tag
        values[5] = nodes[parent, columns.NODE_TAG]
        values[6] = length
        values[7] = links
        values[8] = length * 8 + links
        values[9] = length * 8 + _SIMPLE[tag]
        values[10] = _count(blocks[block, columns.WORDS])
        values[11] = min(_count(blocks[block, columns.COMMAS]), 4)
        values[12] = min(_count(blocks[block, columns.SENTENCES]), 4)
        values[13] = _share(blocks[block, columns.DIGITS] / characters)
        values[14] = _share(blocks[block, columns.CAPITALS] / characters)
        values[15] = _share(blocks[block, columns.BOLD] / characters)
        values[16] = min(_count(blocks[block, columns.BREAKS]), 4)
        values[17] = first
        values[18] = last
        values[19] = length * 8 + last
        values[20] = min(blocks[block, columns.IMAGES], 3)
        values[21] = min(_count(blocks[block, columns.LINKS]), 5)
        values[22] = _size(all_long / 16)
        values[23] = _size(all_running / 16)
        values[24] = _share(all_linked / max(all_long, 1.0))
        values[25] = _count(count / 4)
        values[26] = min(np.int64(before / max(all_long, 1.0) * 11.99), 11)
        values[27] = min(np.int64(running_before / max(all_running, 1.0) * 9.99), 9) + 1 if running_before > 0 else 0
        if running_before >= all_running:
            values[27] = 11
        if heading < 0:
            values[28], values[29] = 0, 0
        elif block < heading:
            values[28], values[29] = 1, 0
        else:
            values[28], values[29] = 2, _count(block - heading)
        container = node
        for level in range(4):
            held_share = good[container] / max(all_running, 1.0)
            values[30 + level] = _share(held_share) * 8 + _share(linked[container] / max(total[container], 1.0))
            if level < 2:
                values[34 + level] = _count(held[container])
            container = nodes[nodes[container, columns.PARENT], columns.BLOCK_PARENT]
        relation = 0
        container = node
        while container > 0:
            if container == best:
                relation = 2
                break
            if container == above_best:
                relation = 1
                break
            container = nodes[container, columns.PARENT]
        if relation == 2 and parent == best:
            relation = 3
        values[36] = relation
        values[37] = relation * 16 + length
        values[38] = _share(good[best] / max(all_running, 1.0))
        values[39] = 0 if first_running < 0 else 1 + _count(first_running - block) if block < first_running else 11
        values[40] = 0 if last_running < 0 else 1 + _count(block - last_running) if block > last_running else 11
        key = twin[block]
        values[41] = _count(twins[key, 0])
        values[42] = _share(twins[key, 2] / max(all_running, 1.0))
        values[43] = _size(twins[key, 1] / twins[key, 0])
        values[44] = _share(twins[key, 3] / max(twins[key, 1], 1.0))
        values[45] = min(nodes[node, columns.DEPTH] // 3, 9)
        values[46] = blocks[block, columns.PREFORMATTED]
        for group in range(4, len(STARTS) - 1):
            ids[block, filled] = STARTS[group] + values[group]
            filled += 1
        for index in range(filled, MOST):
            ids[block, index] = -1
        before += long[block]
        running_before += running[block]
