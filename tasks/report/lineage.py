"""The tree of artifacts that a run ended with: fingerprints, configurations, and what each was made from."""

import dataclasses
import itertools
import json
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from storage import names
from storage.artifact import Artifact, flatten
from storage.files import write_text
from storage.lake import Lake, compare

SEVERAL = 3
LINE_HEIGHT, INDENT, CHARACTER = 20, 22, 7.4


@dataclass
class Node:
    """One artifact, or (`several`) the inputs of one role where they are many.

    `again`: it stands further up with all its inputs. `config`: its configuration as dotted keys. `code`: the revision
    that made it. `seconds`, `cpu_seconds`: what that took; null where its provenance does not say. `differs`: in what,
    from the artifact that had its name before, or stood in its place below that one (`before`). `files`: of a snapshot.
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
    before: str = ""
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
        before = _predecessors(Lake(ends[0].lake))
        for end, root in zip(dict.fromkeys(ends), roots, strict=True):
            _compare_nodes(root, end, None, before)
    return roots


def _predecessors(lake: Lake) -> dict[str, Artifact]:
    """The artifact that had the same name just before, by fingerprint, where `gristmill gc` has left it."""
    found: dict[str, Artifact] = {}
    for name in names.all_names(lake):
        past = [artifact for _, artifact, _ in names.history(lake, name)]
        found |= {new.fingerprint: old for old, new in itertools.pairwise(past) if old != new and old.exists}
    return found


def _compare_nodes(node: Node, new: Artifact, stood: Artifact | None, before: dict[str, Artifact]) -> None:
    """Say in what an artifact differs from the one of the same name before it, or (`stood`) from what stood in its
    place where that is an input; and the same of its own inputs."""
    if node.again:
        return
    old = before.get(new.fingerprint, stood)
    if old is None or old == new or old.stage != new.stage or not old.exists:
        old = None
    else:
        node.before = f"{old.stage}/{old.fingerprint}"
        node.differs = [str(one) for one in compare(old.manifest.identity, new.manifest.identity)]
    places = {} if old is None else _in_place_of(old.inputs(), new.inputs())
    for inner in (one for given in node.inputs for one in (given.inputs if given.several else [given])):
        artifact = Artifact(lake=new.lake, stage=inner.stage, fingerprint=inner.fingerprint)
        _compare_nodes(inner, artifact, places.get(inner.fingerprint), before)


def _in_place_of(old: list[Artifact], new: list[Artifact]) -> dict[str, Artifact]:
    """By the fingerprint of a new input the old one of its stage, where one alone went and one alone came."""
    found = {}
    for stage in {one.stage for one in new}:
        went = list(dict.fromkeys(one for one in old if one.stage == stage and one not in new))
        came = list(dict.fromkeys(one for one in new if one.stage == stage and one not in old))
        if len(went) == len(came) == 1:
            found[came[0].fingerprint] = went[0]
    return found


def cut_tree(node: Node, depth: int | None) -> Node:
    """The tree without what lies more than `depth` steps below its root; whole where that is None."""
    if depth is None:
        return node
    inner = [] if depth == 0 else [cut_tree(one, depth if node.several else depth - 1) for one in node.inputs]
    return dataclasses.replace(node, inputs=inner)


def as_values(node: Node) -> dict[str, Any]:
    """A tree as mappings and lists, for JSON."""
    return dataclasses.asdict(node)


def write_picture(root: Node, path: Path) -> None:
    """The tree as an SVG, or as a page that holds it: one line an artifact with its cost and revision."""
    lines = list(_lines(root, 0))
    width = max(indent * INDENT + len(text) * CHARACTER for indent, text in lines) + 40
    height = LINE_HEIGHT * len(lines) + 20
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" '
        'font-family="ui-monospace, monospace" font-size="12">',
        f'<rect width="{width:.0f}" height="{height}" fill="#fff"/>',
    ]
    last: list[int] = []  # the line that holds the newest artifact of each depth
    for number, (indent, text) in enumerate(lines):
        x, y = 16 + indent * INDENT, 10 + LINE_HEIGHT * number + LINE_HEIGHT / 2
        if indent:
            above = 10 + LINE_HEIGHT * last[indent - 1] + LINE_HEIGHT / 2
            drawn.append(f'<path d="M{x - INDENT},{above + 4} V{y} H{x - 6}" fill="none" stroke="#999"/>')
        drawn.append(f'<circle cx="{x}" cy="{y}" r="3.5" fill="#2a6f97"/>')
        drawn.append(f'<text x="{x + 10}" y="{y + 4}">{escape(text)}</text>')
        last[indent:] = [number]
    picture = "\n".join([*drawn, "</svg>", ""])
    title = f"{root.stage} {root.fingerprint[:12]}"
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
    page = f"{head}<body>{picture}</body></html>\n"
    write_text(path, page if path.suffix == ".html" else picture)


def _lines(node: Node, indent: int) -> Any:
    name = f"{node.stage} x {node.several}" if node.several else f"{node.stage} {node.fingerprint[:12]}"
    if node.again:
        yield indent, f"{name} (see above)"
        return
    cost = node.cost()
    yield indent, f"{name}  {node.rows:,} rows, {node.bytes:,} bytes" + (f", {cost}" if cost else "")
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
            rows, size = sum(one.rows for one in inner), sum(one.bytes for one in inner)
            node.inputs.append(Node(used_as, given[0].stage, "", rows, size, several=len(inner), inputs=inner))
    return node


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
