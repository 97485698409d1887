"""Tables of data and lists are kept or left as a whole: their short cells and items say little by themselves."""

from typing import Any

from numba import types

from tasks.extract.pages import columns
from tasks.extract.pages.vocabulary import TAG
from tasks.sign_kernels import compiled

_NODES, _CHANCES, _KEPT = types.Array(types.int32, 2, "C"), types.Array(types.float32, 1, "C"), types.float64

_TABLE, _UL, _OL, _DL = TAG["table"], TAG["ul"], TAG["ol"], TAG["dl"]


@compiled(types.void(_NODES, _NODES, _CHANCES, _KEPT, _KEPT, _KEPT))
def fill_groups(nodes: Any, blocks: Any, chances: Any, keep: Any, linked: Any, least: Any) -> None:
    """Raise to `keep` the chances of all blocks of a table or list that stands in the text.

    It does so if the block before or after it, in the same container, is kept; at most the share `linked` of its
    characters are links; and the mean chance of its blocks, by characters, is at least `least`.
    """
    count = len(blocks)
    start = 0
    while start < count:
        group = blocks[start, columns.NODE]
        while group > 0 and not (
            nodes[group, columns.NODE_TAG] == _TABLE
            or nodes[group, columns.NODE_TAG] == _UL
            or nodes[group, columns.NODE_TAG] == _OL
            or nodes[group, columns.NODE_TAG] == _DL
        ):
            group = nodes[group, columns.PARENT]
        if group == 0:
            start += 1
            continue
        container = nodes[nodes[group, columns.PARENT], columns.BLOCK_PARENT]
        stop = start
        characters = links = chance = 0.0
        while stop < count:
            node = blocks[stop, columns.NODE]
            while node > group:
                node = nodes[node, columns.PARENT]
            if node != group:
                break
            size = blocks[stop, columns.CHARACTERS]
            characters += size
            links += blocks[stop, columns.LINKED]
            chance += size * chances[stop]
            stop += 1
        near = False
        for other in (start - 1, stop):
            if 0 <= other < count and chances[other] >= keep:
                node = blocks[other, columns.NODE]
                while node > container:
                    node = nodes[node, columns.PARENT]
                near = near or node == container
        if near and characters > 0 and links <= linked * characters and chance >= least * characters:
            for block in range(start, stop):
                chances[block] = max(chances[block], keep)
        start = stop
