"""The tree of artifacts that a run ended with: fingerprints, configurations, and what each was made from."""

import json
from dataclasses import dataclass, field
from typing import Any

from storage.artifact import Artifact, flatten

SEVERAL = 3


@dataclass
class Node:
    """One artifact, or (`several`) the inputs of one role where they are many.

    `again`: it stands further up with all its inputs. `config`: its configuration as dotted keys.
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


def tree(ends: list[Artifact], run: str) -> list[Node]:
    """The trees of what a run ended with, in order. `run`: artifacts made in it are marked."""
    seen: set[str] = set()
    return [_node(end, "", run, seen) for end in dict.fromkeys(ends)]


def ends_of(artifacts: list[Artifact]) -> list[Artifact]:
    """Those of a run's artifacts that no other of them was made from, last made first."""
    used = {one.fingerprint for artifact in artifacts for one in artifact.inputs()}
    return [artifact for artifact in reversed(list(dict.fromkeys(artifacts))) if artifact.fingerprint not in used]


def _node(artifact: Artifact, role: str, run: str, seen: set[str]) -> Node:
    manifest = artifact.manifest
    node = Node(role, artifact.stage, artifact.fingerprint, manifest.rows, manifest.bytes)
    if artifact.fingerprint in seen:
        node.again = True
        return node
    seen.add(artifact.fingerprint)
    node.made = artifact.provenance.get("run") == run
    node.config = {key: _shown(value) for key, value in flatten(manifest.identity.config).items()}
    of_role: dict[str, list[Artifact]] = {}
    for one in manifest.identity.inputs:
        given = Artifact(lake=artifact.lake, stage=one.stage, fingerprint=one.fingerprint).standing()
        if not given.exists:
            continue  # it held forgotten text, and gc deleted it
        of_role.setdefault(one.role if one.role != "annotations" else one.stage, []).append(given)
    for used_as, given in of_role.items():
        inner = [_node(one, used_as, run, seen) for one in given]
        if len(inner) < SEVERAL:
            node.inputs += inner
        else:
            rows, size = sum(one.rows for one in inner), sum(one.bytes for one in inner)
            node.inputs.append(Node(used_as, given[0].stage, "", rows, size, several=len(inner), inputs=inner))
    return node


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
