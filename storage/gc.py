"""Deletes what nothing leads to any more: `gristmill gc`.

Kept is what a name means now (and its last versions, on request), what the last runs used or made, what runs that go on
use, and everything these were made from. Also kept, whoever uses them: snapshots, without which a refresh would read
old files again; and the newest reading of each snapshot, which nobody can make again once its files are gone.

An artifact that was superseded is kept for none of these but the first and the third; and what was made from it is no
root by history alone, because it may hold the text that was to go.

An artifact goes in three steps, those that were made from others first: its folder is renamed into `.trash/`, its row
leaves the registry, its files are deleted. Killed between any two of them, the catalog is whole: the next `collect`, or
`finish`, takes the rest of the way.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from storage import names, runs
from storage.artifact import TOMBSTONES, Artifact, committed
from storage.catalog.graph import Graph
from storage.catalog.holds import Holder, gate, read_holds
from storage.catalog.leftovers import STAGING, Leftover, find_leftovers, size_of
from storage.catalog.superseded import Superseded, all_superseded
from storage.failpoints import reached
from storage.files import fsync_path
from storage.forget.holders import Holders, find_holders
from storage.forget.leftovers import forgotten_copies, quoting_reports
from storage.forget.rows import READ
from storage.forget.settle import settle
from storage.lake import Lake
from storage.locks import try_lock

TRASH = ".trash"
ALWAYS = {"snapshot", "tombstones"}
"""Kinds that are the history of a source: small, and never made again from anything."""
Say = Callable[[int, int], None]
"""Told how many folders are deleted, and of how many."""


class InUse(RuntimeError):
    """A process reads the lake through SQL, and may open any file of it. The message names it."""


@dataclass(frozen=True)
class Keeping:
    """What is kept beside what names mean now: `versions` of each name, what the last `runs` used or made, readings.

    `staging_days`: unfinished work that nobody has touched for so long is abandoned.
    """

    versions: int = 1
    runs: int = 3
    readings: bool = True
    staging_days: float = 7.0


@dataclass(frozen=True)
class Plan:
    """What a collection would delete and why the rest stays. Each artifact is counted under the first reason it has.

    Two things stay though text of them was forgotten: what a name still means, and what was read from sources and has
    no successor yet.
    """

    graph: Graph
    delete: list[Artifact]
    kept: dict[str, set[Artifact]]
    leftovers: list[Leftover]
    still_named: dict[str, Superseded] = field(default_factory=dict)
    without_successor: list[Artifact] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """What would be free afterwards."""
        return self.graph.bytes(self.delete) + sum(one.bytes for one in self.leftovers)


def plan(lake: Lake, keeping: Keeping = Keeping()) -> Plan:
    """What `collect` would delete now. Nothing is changed, but that whole artifacts without a row get theirs, and that
    what holds forgotten text is set aside. Of a lake that nobody here can write it is the plan alone.
    """
    if not os.access(lake.root, os.W_OK):
        return _plan(lake, keeping, read_holds(lake.root), find_holders(lake))
    forgotten = settle(lake)
    with gate(lake.root, alone=True):
        return _plan(lake, keeping, read_holds(lake.root), forgotten)


def _plan(lake: Lake, keeping: Keeping, holders: list[Holder], forgotten: Holders) -> Plan:
    graph, superseded = Graph(lake), all_superseded(lake)
    gone = set(superseded)
    current = {name: meant for name in names.all_names(lake) if (meant := names.latest(lake, name)) is not None}
    earlier = [one for name in names.all_names(lake) for one in _earlier(lake, name, keeping.versions)]
    held = [one for holder in holders for one in (graph.nodes if holder.everything else holder.artifacts)]
    kept: dict[str, set[Artifact]] = {}
    seen: set[Artifact] = set()

    def keep(reason: str, roots: Iterable[Artifact], past: bool = False) -> None:
        wanted = [root for root in roots if not past or not graph.reach([root]) & gone]
        kept[reason] = graph.reach(wanted, without=gone) - seen
        seen.update(kept[reason])

    keep("names", current.values())
    keep("runs that go on", held)
    keep("snapshots", (one for one, node in graph.nodes.items() if node.kind in ALWAYS and one not in gone))
    if keeping.readings:
        keep("newest readings", _readings(graph, superseded))
    keep("earlier versions", earlier, past=True)
    keep(f"last {keeping.runs} runs", _of_runs(lake, graph, keeping.runs), past=True)
    last = max((one.at for one in superseded.values()), default=0.0)
    leftovers = find_leftovers(lake.root, time.time() - keeping.staging_days * 86_400, last)
    leftovers += [
        Leftover(path, size_of(path), "reports that may quote a forgotten text") for path in quoting_reports(lake)
    ]
    if not holders:  # a run that goes on may be reading one
        leftovers += [
            Leftover(path, size_of(path), "copies of remote files with a forgotten text")
            for path in forgotten_copies(lake)
        ]
    delete = graph.dependents_first([one for one in graph.nodes if one not in seen])
    still_named = {name: superseded[one] for name, one in current.items() if one in gone}
    without = [one for one in forgotten.read if one in seen and one not in gone]
    return Plan(graph, delete, kept, leftovers, still_named, without)


def _earlier(lake: Lake, name: str, versions: int) -> list[Artifact]:
    """What a name has meant before now, of its last entries."""
    return [one for _, one, _ in names.entries(lake, name)[:-1][::-1][: versions - 1] if one is not None]


def _readings(graph: Graph, superseded: dict[Artifact, Superseded]) -> list[Artifact]:
    """The newest reading of each snapshot by each stage, under whichever tombstones, that was not superseded."""
    newest: dict[tuple[str, tuple[Artifact, ...]], Artifact] = {}
    for one, node in graph.nodes.items():
        if node.kind in READ and one not in superseded:
            newest[one.stage, tuple(used for used in node.inputs if used.stage != TOMBSTONES)] = one
    return list(newest.values())


def _of_runs(lake: Lake, graph: Graph, count: int) -> list[Artifact]:
    """What the last runs used or made; a run that was killed left no list, but what was committed since it began."""
    if count == 0:
        return []
    last = runs.all_runs(lake)[-count:]
    listed = [graph.handle(*named.split("/")) for run in last for named in run["artifacts"]]
    began = min((run["started"] for run in last), default=float("inf"))
    return listed + [one for one, node in graph.nodes.items() if node.created >= began]


def collect(lake: Lake, keeping: Keeping = Keeping(), say: Say = lambda done, of: None) -> Plan:
    """Delete what `plan` says, looked at again; gives what was deleted. Runs may go on meanwhile.

    Raises: InUse while a process reads the lake through SQL.
    """
    finish(lake)
    forgotten = settle(lake)
    with gate(lake.root, alone=True):
        holders = read_holds(lake.root)
        if reader := next((one for one in holders if one.everything), None):
            raise InUse(f"Nothing was deleted: {reader} reads this lake, and may open any file of it. End it first.")
        found = _plan(lake, keeping, holders, forgotten)
        _throw_away(lake, found)
    finish(lake, say)
    return found


def _throw_away(lake: Lake, found: Plan) -> None:
    """Rename all that goes into the trash, and take its rows out of the registry. Called with the gate held alone."""
    trash = lake.root / TRASH
    trash.mkdir(exist_ok=True)
    for artifact in found.delete:
        os.rename(artifact.folder, trash / f"{artifact.stage}.{artifact.fingerprint}")
        reached("gc.renamed", artifact.stage)
    for number, leftover in enumerate(found.leftovers):
        _throw_leftover(leftover.path, trash / f".left-{os.getpid()}-{number}")
    for folder in {artifact.folder.parent for artifact in found.delete} | {trash}:
        fsync_path(folder)
    lake.registry.remove(*(artifact.fingerprint for artifact in found.delete))
    reached("gc.removed")


def _throw_leftover(path: Path, target: Path) -> None:
    """Rename a leftover into the trash, if nobody has begun to use it since."""
    if path.parent.name != STAGING:
        lock = None
    elif (lock := try_lock(path.with_name(path.name.split(".")[0] + ".lock"))) is None:
        return
    try:
        if path.exists():
            os.rename(path, target)
    finally:
        if lock is not None:
            os.close(lock)


def finish(lake: Lake, say: Say = lambda done, of: None) -> None:
    """Delete what lies in the trash, also of a collection that was killed. Nothing happens if there is none."""
    trash = lake.root / TRASH
    if not trash.exists():
        return
    with gate(lake.root, alone=True):
        thrown = {path.name.partition(".")[2] for path in trash.glob("[!.]*")}
        there = {one.fingerprint for one in committed(lake.root)} if thrown else set()
        if gone := (thrown - there) & lake.registry.fingerprints():
            lake.registry.remove(*gone)
    entries = sorted(trash.iterdir())
    for done, path in enumerate(entries):
        say(done, len(entries))
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)  # another collection may be at the same
        else:
            path.unlink(missing_ok=True)
        reached("gc.deleted")
    say(len(entries), len(entries))
