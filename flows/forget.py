"""Forget: what is named has no text any more, in what is there and in what is read later."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from storage import names
from storage.artifact import Artifact
from storage.failpoints import reached
from storage.forget.holders import Holders, find_holders, named_ids, uncovered
from storage.forget.settle import settle
from storage.forget.tombstones import Tombstone, all_tombstones, bury
from storage.lake import Lake
from tasks.compose import compose
from tasks.decide.decisions import decide_documents
from tasks.decide.rules import DecideConfig
from tasks.decide.stage import decide
from tasks.extract.stage import extract
from tasks.run import Run, running
from tasks.stage import Stage, StageFailed


@dataclass
class Change:
    """What a corpus that has a name comes to: the documents that go out of it, and those that stand in for them."""

    name: str
    corpus: Artifact
    out: list[str] = field(default_factory=list)
    promoted: list[str] = field(default_factory=list)


@dataclass
class Plan:
    """What would change: everything that holds or has learned the text, the documents in all, and the named corpora."""

    holders: Holders
    named: list[str]
    documents: int
    changes: list[Change]


def plan_forgetting(lake: Lake, tombstones: Sequence[Tombstone]) -> Plan:
    """What these tombstones, beside those that the lake has, would change. Nothing is written."""
    wanted = tuple(sorted({*all_tombstones(lake), *tombstones}))
    holders = find_holders(lake, wanted)
    read = lake.artifacts(kind="documents")
    named = sorted({doc_id for one in read for doc_id in named_ids(one, tombstones)})
    documents = sum(one.rows() for one in {one.origin.fingerprint: one for one in read}.values())
    changes = [change_of(name, one, holders) for name, one in named_corpora(lake, holders)]
    return Plan(holders, named, documents, changes)


def named_corpora(lake: Lake, holders: Holders) -> list[tuple[str, Artifact]]:
    """The names that mean a corpus which holds forgotten text."""
    latest = [(name, names.latest(lake, name)) for name in names.all_names(lake)]
    return [(name, one) for name, one in latest if one in holders.texts and one.manifest.kind == "corpus"]


def change_of(name: str, corpus: Artifact, holders: Holders) -> Change:
    """What goes out of a corpus and what comes in: its decisions are made again without the forgotten documents."""
    decisions = corpus.input("decisions")
    before = decisions.read(["doc_id", "kept"])
    kept = set(before.filter(before.column("kept")).column("doc_id").to_pylist())
    annotations: dict[str, list[str]] = {}
    for one in decisions.inputs("annotations"):
        annotations.setdefault(one.stage, []).extend(map(str, one.paths()))
    files = [str(path) for one in decisions.inputs("documents") for path in one.paths()]
    config = DecideConfig.model_validate(decisions.manifest.identity.config)
    after = decide_documents(files, annotations, config, tombstones=sorted(holders.doc_ids))
    stays = set(after.filter(after.column("kept")).column("doc_id").to_pylist())
    return Change(name, corpus, sorted(kept - stays), sorted(stays - kept))


def forget(lake: Lake, tombstones: Sequence[Tombstone], *, workers: int | None = None) -> Holders:
    """Write the tombstones, make what stands for the forgotten documents, decide and compose again, move the names on,
    and mark what held the text or learned from it. Gives what was found.

    Killed at any instant and called again, it ends the same: each step is done only where it is not done yet.
    """
    parameters = {"tombstones": [str(one) for one in tombstones]}
    with running(lake, "forget", workers=workers, parameters=parameters) as run:
        for one in tombstones:
            bury(lake, one)
        reached("forget.buried")
        holders, made = find_holders(lake), dict[Artifact, Artifact | None]()
        for documents in holders.documents:
            remade(documents, run, made)
        for name, corpus in named_corpora(lake, holders):
            if successor := remade(corpus, run, made):
                names.assign(lake, name, successor)
        reached("forget.named")
        return settle(lake, {old: new for old, new in made.items() if new is not None and new != old})


REMADE: dict[str, Stage] = {stage.name: stage for stage in (extract, decide, compose)}


def remade(artifact: Artifact, run: Run, made: dict[Artifact, Artifact | None]) -> Artifact | None:
    """The artifact made again from what is there of its inputs now; itself where no input changed.

    None where an older version of its stage made it, or nothing is left to make it from: a refresh does that.
    """
    stage = REMADE.get(artifact.stage)
    if stage is None or not artifact.exists or (stage.forgets and not uncovered(artifact, all_tombstones(run.lake))):
        return artifact
    if artifact not in made:
        inputs: dict[str, list[Artifact]] = {}
        for given in artifact.manifest.identity.inputs:
            one = remade(
                Artifact(lake=artifact.lake, stage=given.stage, fingerprint=given.fingerprint).standing(), run, made
            )
            if one is None:
                made[artifact] = None
                return None
            inputs.setdefault(given.role, []).append(one)
        made[artifact] = _again(stage, artifact, inputs, run)
    return made[artifact]


def _again(stage: Stage, artifact: Artifact, inputs: dict[str, list[Artifact]], run: Run) -> Artifact | None:
    said = f"{artifact} was made by another version of {stage.name}: refresh its recipe to have a successor"
    if artifact.manifest.identity.version != stage.version:
        run.console.line(said)
        return None
    try:
        config = stage.config.model_validate(artifact.manifest.identity.config)
    except ValidationError:
        run.console.line(said)
        return None
    if stage.forgets:
        inputs.pop("tombstones", None)  # it asks for those that hold now
    try:
        return stage(config, **inputs)
    except StageFailed as error:
        run.console.line(f"{artifact} has no successor: {error}")
        return None
