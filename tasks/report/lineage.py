"""The tree of artifacts that a run ended with: fingerprints, configurations, and what each was made from."""

import dataclasses
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from storage import names
from storage.artifact import Artifact, flatten
from storage.lake import Lake, compare
from tasks.console import size
from tasks.report.svg import KEPT, SOFT, drawing, text, text_width

SEVERAL = 3
LINE_HEIGHT, INDENT, MARGIN = 20, 22, 16
COLUMNS = (("rows", 80), ("size", 80), ("s", 70), ("s of CPU", 80), ("code", 110))
"""What a picture says beside each artifact, and how wide that is in pixels."""


@dataclass
class Node:
    """One artifact, or (`several`) the inputs of one role where they are many.

    `again`: it stands further up with all its inputs. `config`: its configuration as dotted keys. `code`: the revision
    that made it. `seconds`, `cpu_seconds`: what that took; null where its provenance does not say. `differs`: from the
    artifact of the same name before it. `files`: of a snapshot.
    """

    role: str
    stage: str
    fingerprint: str = ""
    rows: int = 0
    bytes: int = 0
    made: bool = False
    again: bool = False
    several: int = 0
    config: dict[str, str] = field(default_factory=dict)
    inputs: list["Node"] = field(default_factory=list)
    code: str = ""
    seconds: float | None = None
    cpu_seconds: float | None = None
    differs: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    def cost(self) -> str:
        """Seconds, CPU seconds and the code's revision, as far as they are known."""
        said = [f"{self.seconds:.1f} s" if self.seconds is not None else ""]
        said.append(f"{self.cpu_seconds:.1f} s of CPU" if self.cpu_seconds is not None else "")
        said.append(f"code {self.code[:12]}" if self.code else "")
        return ", ".join(filter(None, said))


def tree(ends: list[Artifact], run: str, *, files: bool = False, predecessors: bool = False) -> list[Node]:
    """The trees of what a run ended with, in order. `run`: artifacts made in it are marked.

    `files`: snapshots list theirs. `predecessors`: each artifact says in what it differs from the one before it.
    """
    seen: set[str] = set()
    roots = [_node(end, "", run, seen, files) for end in dict.fromkeys(ends)]
    if predecessors and ends:
        lake = Lake(ends[0].lake)
        before = _predecessors(lake)
        for root in roots:
            _compare_nodes(root, lake, before)
    return roots


def _predecessors(lake: Lake) -> dict[str, Artifact]:
    """The artifact that had the same name just before, by fingerprint, where `gristmill gc` has left it."""
    found: dict[str, Artifact] = {}
    for name in names.all_names(lake):
        past = [artifact for _, artifact, _ in names.history(lake, name)]
        found |= {new.fingerprint: old for old, new in itertools.pairwise(past) if old != new and old.exists}
    return found


def _compare_nodes(node: Node, lake: Lake, before: dict[str, Artifact]) -> None:
    if node.fingerprint in before and not node.again:
        old = before[node.fingerprint]
        new = Artifact(lake=str(lake.root), stage=node.stage, fingerprint=node.fingerprint)
        if old.stage == new.stage:
            node.differs = [str(one) for one in compare(old.manifest.identity, new.manifest.identity)]
    for inner in node.inputs:
        _compare_nodes(inner, lake, before)


def cut_tree(node: Node, depth: int | None) -> Node:
    """The tree without what lies more than `depth` steps below its root; whole where that is None."""
    if depth is None:
        return node
    inner = [] if depth == 0 else [cut_tree(one, depth if node.several else depth - 1) for one in node.inputs]
    return dataclasses.replace(node, inputs=inner)


def as_values(node: Node) -> dict[str, Any]:
    """A tree as mappings and lists, for JSON."""
    return dataclasses.asdict(node)


def draw(root: Node) -> str:
    """The tree as SVG, one line an artifact: what it was used as, and in columns its rows, size, cost and revision."""
    lines = list(_lines(root, 0))
    left = max(2 * MARGIN + indent * INDENT + text_width(said) for indent, said, _ in lines)
    edges = list(itertools.accumulate((width for _, width in COLUMNS), initial=left))[1:]
    width, height = edges[-1] + MARGIN, (len(lines) + 1) * LINE_HEIGHT + 2 * MARGIN
    parts = [
        text(edge, MARGIN + 8, name, size=11, fill=SOFT, anchor="end")
        for edge, (name, _) in zip(edges, COLUMNS, strict=True)
    ]
    last: list[float] = []  # where the newest artifact of each depth stands
    for number, (indent, said, values) in enumerate(lines, 1):
        x, y = MARGIN + indent * INDENT, MARGIN + LINE_HEIGHT * (number + 0.5)
        if indent:
            way = f"M{x - INDENT:.1f},{last[indent - 1] + 5:.1f} V{y:.1f} H{x - 7:.1f}"
            parts.append(f'<path d="{way}" fill="none" stroke="{SOFT}"/>')
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{KEPT}"/>')
        parts.append(text(x + 10, y + 4, said))
        parts += [
            text(edge, y + 4, value, size=11, fill=SOFT, anchor="end")
            for edge, value in zip(edges, values, strict=True)
        ]
        last[indent:] = [y]
    title = f"What {root.stage} {root.fingerprint[:12]} was made from"
    return drawing(parts, width=width, height=height, title=title, description=f"{len(lines)} artifacts, one a line.")


def _lines(node: Node, indent: int) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    name = f"{node.stage} × {node.several}" if node.several else f"{node.stage} {node.fingerprint[:12]}"
    if node.again:
        yield indent, f"{name} (see above)", ("",) * len(COLUMNS)
        return
    seconds, cpu = ("" if one is None else f"{one:,.1f}" for one in (node.seconds, node.cpu_seconds))
    yield indent, name, (f"{node.rows:,}", size(node.bytes), seconds, cpu, node.code[:12])
    for inner in node.inputs:
        yield from _lines(inner, indent + 1)


def ends_of(artifacts: list[Artifact]) -> list[Artifact]:
    """Those of a run's artifacts that no other of them was made from, last made first."""
    used = {one.fingerprint for artifact in artifacts for one in artifact.inputs()}
    return [artifact for artifact in reversed(list(dict.fromkeys(artifacts))) if artifact.fingerprint not in used]


def _node(artifact: Artifact, role: str, run: str, seen: set[str], files: bool = False) -> Node:
    manifest = artifact.manifest
    node = Node(role, artifact.stage, artifact.fingerprint, manifest.rows, manifest.bytes)
    if artifact.fingerprint in seen:
        node.again = True
        return node
    seen.add(artifact.fingerprint)
    provenance = artifact.provenance
    node.made = provenance.get("run") == run
    node.code = provenance.get("code") or ""
    node.cpu_seconds = provenance.get("cpu_seconds")
    if "started" in provenance and "ended" in provenance:
        node.seconds = provenance["ended"] - provenance["started"]
    if files and manifest.kind == "snapshot":
        node.files = sorted(artifact.read(["path"]).column("path").to_pylist())
    node.config = {key: _shown(value) for key, value in flatten(manifest.identity.config).items()}
    of_role: dict[str, list[Artifact]] = {}
    for one in manifest.identity.inputs:
        given = Artifact(lake=artifact.lake, stage=one.stage, fingerprint=one.fingerprint).standing()
        if not given.exists:
            continue  # it held forgotten text, and gc deleted it
        of_role.setdefault(one.role if one.role != "annotations" else one.stage, []).append(given)
    for used_as, given in of_role.items():
        inner = [_node(one, used_as, run, seen, files) for one in given]
        if len(inner) < SEVERAL:
            node.inputs += inner
        else:
            rows, count = sum(one.rows for one in inner), sum(one.bytes for one in inner)
            node.inputs.append(Node(used_as, given[0].stage, "", rows, count, several=len(inner), inputs=inner))
    return node


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
