"""A page as the scanner sees it: its elements and blocks as arrays, its text, and what it declares."""

import re
from dataclasses import dataclass
from functools import cache
from html import unescape

import numpy as np

from tasks.extract.config import ExtractConfig
from tasks.extract.pages import columns, scanner, text
from tasks.extract.pages.vocabulary import NAMES, TAGS, attribute_automaton, tag_table, text_automaton
from tasks.extract.payload import Refused
from tasks.extract.reasons import LossReason

TAG_BITS = tuple(
    re.findall(
        r"\w+",
        "nav footer aside header article main form table td li ul ol dl figure figcaption blockquote pre h1 h2 h3 h4 "
        "h5 h6 section details p button label a time address center font small strong em cite code summary menu "
        "fieldset dialog th caption dd dt div body span",
    )
)
"""Tags that the bits of `columns.TAGS_ABOVE` stand for, the first is the lowest bit."""

_ATTRIBUTE = re.compile(r"([^\s=/>\"']+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>]+)))?")


@dataclass(frozen=True, slots=True)
class Element:
    """An element that declares something: its tag, its attributes (names in lower case, the first of each), its text.

    Text is that of `title` and of `script` (JSON-LD) alone. `aside`: it stands in a picture or another part that a
    reader does not see.
    """

    tag: str
    attributes: dict[str, str]
    text: str
    aside: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """A scanned page. The columns of the arrays are named in `columns`.

    Attributes:
        nodes, node_bits: a row an element, in the order of the page (int32, uint64).
        blocks, block_bits: a row a block of text, in its order (int32, uint64).
        text: the blocks' text, UTF-8, cut by `blocks`.
        elements: those that declare something: title, meta, time, JSON-LD.
    """

    nodes: np.ndarray
    node_bits: np.ndarray
    blocks: np.ndarray
    block_bits: np.ndarray
    text: bytes
    elements: tuple[Element, ...]


@cache
def _tables() -> tuple[np.ndarray, ...]:
    bits = np.array([1 << TAG_BITS.index(name) if name in TAG_BITS else 0 for name in ("", *TAGS)], np.uint64)
    return (*tag_table(), bits, text.byte_kinds(), *attribute_automaton(), *text_automaton())


def read_layout(html: str, config: ExtractConfig) -> Layout:
    """Scan a page. Raises: Refused: too large, too many nodes, too deep."""
    if len(html) > config.max_bytes:
        raise Refused(LossReason.TOO_LARGE, f"{len(html)} characters")
    data = np.frombuffer(html.encode("utf-8", "replace"), np.uint8)
    brackets = scanner.count_brackets(data)
    # Every "<" can begin a node: a bound that costs nothing, before there is an array of nodes.
    if brackets > 2 * config.max_nodes:
        raise Refused(LossReason.TOO_MANY_NODES, f"more than {config.max_nodes} nodes")
    rows = brackets + 2
    nodes = np.empty((rows, columns.NODE_COLUMNS), np.int32)
    node_bits = np.empty((rows, 4), np.uint64)
    blocks = np.empty((rows, columns.BLOCK_COLUMNS), np.int32)
    block_bits = np.empty(rows, np.uint64)
    elements = np.empty((columns.MAX_ELEMENTS, columns.ELEMENT_COLUMNS), np.int32)
    out = np.empty(len(data) + 5 * rows, np.uint8)
    state = np.empty(columns.STATE, np.int64)
    scanner.scan(
        data,
        *_tables(),
        nodes,
        node_bits,
        blocks,
        block_bits,
        elements,
        out,
        state,
        config.max_depth,
        config.max_nodes,
    )
    if state[columns.STATUS] == columns.TOO_DEEP:
        raise Refused(LossReason.TOO_DEEP, f"more than {config.max_depth} elements deep")
    if state[columns.STATUS] == columns.TOO_MANY or state[columns.COUNTED] > config.max_nodes:
        raise Refused(LossReason.TOO_MANY_NODES, f"more than {config.max_nodes} nodes")
    found = elements[: state[columns.ELEMENTS]].tolist()
    return Layout(
        nodes[: state[columns.NODES]],
        node_bits[: state[columns.NODES]],
        blocks[: state[columns.BLOCKS]],
        block_bits[: state[columns.BLOCKS]],
        out[: state[columns.OUT]].tobytes(),
        tuple(_element(data, *row) for row in found),
    )


def _element(data: np.ndarray, tag: int, start: int, end: int, text_start: int, text_end: int, aside: int) -> Element:
    attributes: dict[str, str] = {}
    for name, double, single, bare in _ATTRIBUTE.findall(_decoded(data, start, end)):
        if (name := name.lower()) not in attributes:
            value = double or single or bare
            attributes[name] = unescape(value) if "&" in value else value
    return Element(NAMES[tag], attributes, _decoded(data, text_start, text_end), bool(aside))


def _decoded(data: np.ndarray, start: int, end: int) -> str:
    return data[start:end].tobytes().decode("utf-8", "replace") if end > start else ""
