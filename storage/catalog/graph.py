"""The artifacts of a lake and what each was made from, in memory: what `gc`, `verify` and `du` walk along."""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from storage.artifact import Artifact, committed
from storage.lake import Lake


@dataclass(frozen=True)
class Node:
    """An artifact, as the registry has it: bytes are those of its parts, `created` is in seconds since 1970."""

    artifact: Artifact
    kind: str
    version: int
    rows: int
    bytes: int
    created: float
    inputs: tuple[Artifact, ...]


class Graph:
    """Every artifact by its handle, in the order of their commits. What lies there unregistered is registered first."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.nodes: dict[Artifact, Node] = {}
        lake.adopt()
        there = set(committed(lake.root))
        for fingerprint, stage, version, kind, _, inputs, rows, size, created in lake.registry.rows():
            artifact = self.handle(stage, fingerprint)
            if artifact in there:
                made_from = tuple(self.handle(one["stage"], one["fingerprint"]) for one in json.loads(inputs))
                self.nodes[artifact] = Node(artifact, kind, version, rows, size, created, made_from)

    def handle(self, stage: str, fingerprint: str) -> Artifact:
        """The handle of an artifact of this lake."""
        return Artifact(lake=str(self.lake.root), stage=stage, fingerprint=fingerprint)

    def reach(self, roots: Iterable[Artifact], without: Collection[Artifact] = ()) -> set[Artifact]:
        """Those roots that are there, and all they were made from; the way does not lead to or through `without`.

        A root is reached even if it stands in `without`.
        """
        waiting = [root for root in roots if root in self.nodes]
        found = set(waiting)
        while waiting:
            for one in self.nodes[waiting.pop()].inputs:
                if one in self.nodes and one not in found and one not in without:
                    found.add(one)
                    waiting.append(one)
        return found

    def dependents_first(self, chosen: Collection[Artifact]) -> list[Artifact]:
        """The chosen artifacts in an order in which each comes before what it was made from."""
        order: list[Artifact] = []
        seen: set[Artifact] = set()
        for start in chosen:
            stack = [(start, iter(self.nodes[start].inputs))] if start not in seen else []
            seen.add(start)
            while stack:
                node, inputs = stack[-1]
                following = next((one for one in inputs if one in self.nodes and one not in seen), None)
                if following is None:
                    order.append(node)
                    stack.pop()
                else:
                    seen.add(following)
                    stack.append((following, iter(self.nodes[following].inputs)))
        wanted = set(chosen)
        return [one for one in reversed(order) if one in wanted]

    def bytes(self, chosen: Iterable[Artifact]) -> int:
        """Bytes of all parts of these artifacts."""
        return sum(self.nodes[one].bytes for one in chosen)
