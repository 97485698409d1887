"""A picture of what artifacts were made from: stages from the files at the top to the models at the bottom."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tasks.report.lineage import Node
from tasks.report.svg import DROPPED, GRID, KEPT, SOFT, cut, drawing, rectangle, safe, size, text

BOX, TALL = 142.0, 66.0
TRUNK = 18.0
GAP, BELOW = 12.0, 34.0
EDGE = 10.0
SWEEPS = 4
LINE = 13.0
LETTERS = 24
"""How many of a small line a box has room for."""
CARD = "var(--card, #ffffff)"


class Place(NamedTuple):
    """A box: its layer, from 0 at the top, and the stage of the artifacts in it; or (`beside`) where the way from a box
    in the layer `since` passes on its way to later ones."""

    layer: int
    stage: str
    since: int = -1

    @property
    def beside(self) -> bool:
        """Whether this is no box."""
        return self.since >= 0


Ways = set[tuple[Place, Place]]


def lineage_chart(roots: Sequence[Node], *, title: str) -> str:
    """The artifacts of these trees as boxes, those of one stage and layer together; an arrow leads from what was read
    to what was made of it. An arrow is left out where a longer way leads the same way.

    Returns: SVG. What was made in the run has a blue frame; a box tells code and differences where a pointer rests.
    """
    nodes, inputs = _graph(roots)
    layer = _layers(nodes, inputs)
    boxes: dict[Place, list[Node]] = {}
    for fingerprint, node in nodes.items():
        boxes.setdefault(Place(layer[fingerprint], node.stage), []).append(node)
    place = {node.fingerprint: where for where, given in boxes.items() for node in given}
    ways = _reduce({(place[one], place[to]) for to, given in inputs.items() for one in given})
    steps = {step for one, to in ways for step in _steps(one, to)}
    rows, middle, width = _arrange(boxes, steps)
    top = {number: EDGE + count * (TALL + BELOW) for count, number in enumerate(rows)}
    parts = [_line(one, to, middle, top) for one, to in sorted(steps)]
    parts += [part for where, given in sorted(boxes.items()) for part in _box(middle[where], top[where.layer], given)]
    told = "; ".join(
        f"{where.stage} from {', '.join(given)}"
        for where in sorted(boxes)
        if (given := sorted({one.stage for one, to in ways if to == where}))
    )
    height = 2 * EDGE + len(rows) * (TALL + BELOW) - BELOW
    return drawing(parts, width=width, height=height, title=title, description=f"{told or 'nothing was read'}.")


def _graph(roots: Sequence[Node]) -> tuple[dict[str, Node], dict[str, list[str]]]:
    """Every artifact by its fingerprint, and the fingerprints of its inputs."""
    nodes: dict[str, Node] = {}
    inputs: dict[str, list[str]] = {}
    waiting = [one for root in roots for one in _flat(root)]
    while waiting:
        node = waiting.pop()
        if node.again:
            continue
        nodes[node.fingerprint] = node
        given = [one for inner in node.inputs for one in _flat(inner)]
        inputs[node.fingerprint] = [one.fingerprint for one in given]
        waiting += given
    return nodes, {one: [inner for inner in given if inner in nodes] for one, given in inputs.items()}


def _flat(node: Node) -> Iterator[Node]:
    """An artifact, or those that a node of several stands for."""
    yield from node.inputs if node.several else [node]


def _layers(nodes: Mapping[str, Node], inputs: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """The layer of each artifact: right above the first that reads it; what nothing reads, right below its inputs."""
    readers: dict[str, list[str]] = {one: [] for one in nodes}
    for to, given in inputs.items():
        for one in given:
            readers[one].append(to)
    ahead = {one: len(set(given)) for one, given in inputs.items()}
    ready, ordered = sorted(one for one, count in ahead.items() if not count), list[str]()
    early = dict.fromkeys(nodes, 0)
    while ready:
        one = ready.pop()
        ordered.append(one)
        for to in set(readers[one]):
            early[to] = max(early[to], early[one] + 1)
            ahead[to] -= 1
            if not ahead[to]:
                ready.append(to)
    layer: dict[str, int] = {}
    for one in reversed(ordered):
        layer[one] = min((layer[to] - 1 for to in readers[one]), default=early[one])
    return layer


def _reduce(ways: Ways) -> Ways:
    """Those ways that no longer one leads along: the transitive reduction."""
    following: dict[Place, set[Place]] = {}
    for one, to in ways:
        following.setdefault(one, set()).add(to)
    beyond: dict[Place, set[Place]] = {}
    for one in sorted(following, reverse=True):  # a way leads from a layer to a later one
        beyond[one] = {far for to in following[one] for far in {to} | beyond.get(to, set())}
    return {
        (one, to) for one, to in ways if not any(to in beyond.get(other, ()) for other in following[one] if other != to)
    }


def _steps(one: Place, to: Place) -> Iterator[tuple[Place, Place]]:
    """A way from layer to layer: all ways of one box that pass a layer pass it in one place."""
    before = one
    for layer in range(one.layer + 1, to.layer):
        after = Place(layer, one.stage, one.layer)
        yield before, after
        before = after
    yield before, to


def _arrange(boxes: Mapping[Place, Sequence[Node]], steps: Ways) -> tuple[list[int], dict[Place, float], float]:
    """The layers, the middle of each place, and the width of all: places stand near the mean of those that they are
    connected with."""
    near: dict[Place, list[Place]] = {where: [] for where in boxes}
    for one, to in sorted(steps):
        near.setdefault(one, []).append(to)
        near.setdefault(to, []).append(one)
    rows: dict[int, list[Place]] = {}
    for where in sorted(near):
        rows.setdefault(where.layer, []).append(where)
    width = max((_width(row) for row in rows.values()), default=0) + 2 * EDGE
    middle = {where: x for row in rows.values() for where, x in _centred(row, width)}
    for sweep in range(SWEEPS):
        for number in sorted(rows, reverse=sweep % 2 == 1):
            means = {one: sum(map(middle.__getitem__, near[one])) / max(len(near[one]), 1) for one in rows[number]}
            rows[number].sort(key=lambda where: (means[where], where))
            middle |= _centred(rows[number], width)
    return sorted(rows), middle, width


def _width(row: Sequence[Place]) -> float:
    return sum(TRUNK if where.beside else BOX for where in row) + GAP * (len(row) - 1)


def _centred(row: Sequence[Place], width: float) -> Iterator[tuple[Place, float]]:
    """The places of a layer from left to right, each with its middle."""
    left = (width - _width(row)) / 2
    for where in row:
        wide = TRUNK if where.beside else BOX
        yield where, left + wide / 2
        left += wide + GAP


def _line(one: Place, to: Place, middle: Mapping[Place, float], top: Mapping[int, float]) -> str:
    """A step of a way: an arrow where it ends at a box, and through the layer where it passes one."""
    x, y = middle[one], top[one.layer] + TALL
    end, bottom = middle[to], top[to.layer]
    way = f"M{x:.1f},{y:.1f} C{x:.1f},{y + BELOW / 2:.1f} {end:.1f},{bottom - BELOW / 2:.1f} {end:.1f},"
    if to.beside:
        return f'<path d="{way}{bottom:.1f} V{bottom + TALL:.1f}" fill="none" stroke="{SOFT}"/>'
    head = f"M{end - 3.5:.1f},{bottom - 6:.1f} L{end:.1f},{bottom:.1f} L{end + 3.5:.1f},{bottom - 6:.1f} Z"
    return f'<path d="{way}{bottom - 4:.1f}" fill="none" stroke="{SOFT}"/><path d="{head}" fill="{SOFT}"/>'


def _box(x: float, y: float, given: Sequence[Node]) -> Iterator[str]:
    """A frame with the stage, which artifacts, their rows and bytes, and what they cost."""
    left, first = x - BOX / 2, given[0]
    made, differs = any(one.made for one in given), any(one.differs for one in given)
    border = 1.6 if made else 1.0
    yield f"<g><title>{safe(_hint(given))}</title>"
    yield rectangle(left, y, BOX, TALL, fill=KEPT if made else GRID, radius=5)
    yield rectangle(left + border, y + border, BOX - 2 * border, TALL - 2 * border, fill=CARD, radius=4)
    gone = sum(1 for one in given if one.gone)
    many = f" × {len(given)}" if len(given) > 1 else ""
    yield text(left + 8, y + 17, cut(first.stage, 17 - len(many)) + many, size=12, weight=600)
    sources = ", ".join(dict.fromkeys(one.source for one in given if one.source))
    which = sources or ("" if many else first.fingerprint[:12])
    rows, held = sum(one.rows for one in given), sum(one.bytes for one in given)
    there = f"{rows:,} row{'' if rows == 1 else 's'} · {size(held)}" if gone < len(given) else ""
    lines = [which, there, _cost(given), f"{gone} gone" if many and gone else "gone" if gone else ""]
    for number, said in enumerate((one for one in lines if one), 1):
        yield text(left + 8, y + 17 + number * LINE, cut(said, LETTERS), size=10, fill=SOFT)
    if differs:
        yield text(left + BOX - 8, y + TALL - 7, "changed", size=10, fill=DROPPED, anchor="end", weight=600)
    yield "</g>"


def _cost(given: Sequence[Node]) -> str:
    seconds = [one.seconds for one in given if one.seconds is not None]
    cpu = [one.cpu_seconds for one in given if one.cpu_seconds is not None]
    said = [f"{sum(seconds):.1f} s"] if seconds else []
    return ", ".join([*said, *([f"{sum(cpu):.1f} s of CPU"] if cpu else [])])


def _hint(given: Sequence[Node]) -> str:
    """What does not fit into a box: each artifact with its revision of the code, and in what it differs."""
    lines = []
    for one in given:
        lines.append(f"{one.stage} {one.fingerprint}" + (f", code {one.code[:12]}" if one.code else ""))
        lines += [f"  {one.gone}"] if one.gone else []
        lines += [f"  differs from {one.before}: {said}" for said in one.differs]
    return "\n".join(lines)
