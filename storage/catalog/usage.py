"""Where the bytes of a lake are: `gristmill du`."""

from dataclasses import dataclass

from storage import names
from storage.artifact import Artifact, committed
from storage.catalog.leftovers import size_of
from storage.gc import Keeping, plan
from storage.lake import Lake


@dataclass(frozen=True)
class StageUsage:
    """One stage: its artifacts and their bytes, and how many of these bytes `gc` would free."""

    stage: str
    artifacts: int
    rows: int
    bytes: int
    freed: int


@dataclass(frozen=True)
class NameUsage:
    """What a name, or all names of a recipe (`sample/…`), leads to: all of it, and what no other one leads to."""

    name: str
    artifacts: int
    bytes: int
    exclusive: int


@dataclass(frozen=True)
class Usage:
    """Bytes by stage, by name and by recipe; `beside`: by what else lies in the lake (staging, caches, reports, …)."""

    stages: list[StageUsage]
    names: list[NameUsage]
    recipes: list[NameUsage]
    beside: dict[str, int]
    freed: int


def usage(lake: Lake, keeping: Keeping) -> Usage:
    """Count the parts of every artifact once, and the files beside them; `keeping`: what `gc` is asked to keep."""
    planned = plan(lake, keeping)
    graph, goes = planned.graph, set(planned.delete)
    by_stage: dict[str, list[Artifact]] = {}
    for artifact in graph.nodes:
        by_stage.setdefault(artifact.stage, []).append(artifact)
    stages = [
        StageUsage(
            stage,
            len(made),
            sum(graph.nodes[one].rows for one in made),
            graph.bytes(made),
            graph.bytes(one for one in made if one in goes),
        )
        for stage, made in sorted(by_stage.items())
    ]
    current = {name: meant for name in names.all_names(lake) if (meant := names.latest(lake, name)) is not None}
    led_to = {name: graph.reach([artifact]) for name, artifact in current.items()}
    recipes: dict[str, set[Artifact]] = {}
    for name, reached in led_to.items():
        recipes.setdefault(name.partition("/")[0], set()).update(reached)

    def count(groups: dict[str, set[Artifact]]) -> list[NameUsage]:
        times: dict[Artifact, int] = {}
        for reached in groups.values():
            for one in reached:
                times[one] = times.get(one, 0) + 1
        return [
            NameUsage(name, len(reached), graph.bytes(reached), graph.bytes(one for one in reached if times[one] == 1))
            for name, reached in sorted(groups.items())
        ]

    return Usage(stages, count(led_to), count(recipes), _beside(lake), planned.bytes)


def _beside(lake: Lake) -> dict[str, int]:
    """Bytes of what is no committed artifact: hidden folders, registry, runs, names, reports, staging of all stages."""
    found = {"staging": sum(size_of(path) for path in lake.root.glob("[!.]*/.staging"))}
    for path in sorted(lake.root.iterdir()):
        stage = any(committed(lake.root, path.name))
        if not stage and not (path / ".staging").exists():
            found[path.name] = size_of(path)
    return {name: size for name, size in found.items() if size}
