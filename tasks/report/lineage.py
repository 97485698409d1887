"""The tree of artifacts that a run ended with: fingerprints, configurations, and what each was made from."""

import dataclasses
import itertools
import json
from dataclasses import dataclass, field
from typing import Any

from storage import names
from storage.artifact import Artifact, flatten
from storage.catalog.superseded import all_superseded
from storage.lake import Lake, compare

SEVERAL = 3


@dataclass
class Node:
    """One artifact, or (`several`) the inputs of one role where they are many.

    `again`: it stands further up with all its inputs. `gone`: why it is not there; nothing else is known of it then.
    `config`: its configuration as dotted keys. `source`: of a
    snapshot. `code`: the revision that made it. `seconds`, `cpu_seconds`: what that took; null where its provenance
    does not say. `differs`: in what, from the artifact that had its name before, or stood in its place below that one
    (`before`). `files`: of a snapshot.
    """

    role: str
    stage: str
    fingerprint: str = ""
    rows: int = 0
    bytes: int = 0
    made: bool = False
    again: bool = False
    gone: str = ""
    several: int = 0
    config: dict[str, str] = field(default_factory=dict)
    inputs: list["Node"] = field(default_factory=list)
    source: str = ""
    code: str = ""
    seconds: float | None = None
    cpu_seconds: float | None = None
    before: str = ""
    differs: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    def cost(self, known: str = "") -> str:
        """Seconds, CPU seconds and the code's revision, as far as they are known, and the revision is not `known`."""
        said = [f"{self.seconds:.1f} s" if self.seconds is not None else ""]
        said.append(f"{self.cpu_seconds:.1f} s of CPU" if self.cpu_seconds is not None else "")
        said.append(f"code {self.code[:12]}" if self.code and self.code != known else "")
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
        node.before = str(old)
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


def ends_of(artifacts: list[Artifact]) -> list[Artifact]:
    """Those of a run's artifacts that no other of them was made from, last made first."""
    used = {one.fingerprint for artifact in artifacts for one in artifact.inputs()}
    return [artifact for artifact in reversed(list(dict.fromkeys(artifacts))) if artifact.fingerprint not in used]


def _why_gone(artifact: Artifact) -> str:
    """Why an artifact is not there that another was made from."""
    aside = all_superseded(Lake(artifact.lake)).get(artifact)
    return f"gristmill gc deleted it: {aside.why}" if aside else "missing: gristmill verify says what to do"


def _node(artifact: Artifact, role: str, run: str, seen: set[str], files: bool = False) -> Node:
    if not artifact.exists:
        return Node(role, artifact.stage, artifact.fingerprint, gone=_why_gone(artifact))
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
    if manifest.kind == "snapshot":
        node.source = manifest.identity.config["source"]
        if files:
            node.files = sorted(artifact.read(["path"]).column("path").to_pylist())
    node.config = {key: _shown(value) for key, value in flatten(manifest.identity.config).items()}
    of_role: dict[str, list[Artifact]] = {}
    for one in manifest.identity.inputs:
        given = Artifact(lake=artifact.lake, stage=one.stage, fingerprint=one.fingerprint).standing()
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
