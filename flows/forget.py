"""Forget: what is named has no text any more, in what is there and in what is read later."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from storage import names
from storage.artifact import MAIN_TABLE, Artifact
from storage.failpoints import reached
from storage.forget.holders import Holders, find_holders, uncovered
from storage.forget.leftovers import files_read
from storage.forget.named import named_ids
from storage.forget.rows import READ
from storage.forget.settle import settle
from storage.forget.tombstones import Tombstone, all_tombstones, bury
from storage.hashes import HashCache
from storage.lake import Lake
from tasks.compose import compose
from tasks.conversations import read_conversations
from tasks.decide.rules import DecideConfig
from tasks.decide.stage import decide, decided, files_of
from tasks.examples import read_examples
from tasks.extract.stage import extract
from tasks.questions import read_questions
from tasks.run import Run, running
from tasks.stage import Stage, StageFailed


@dataclass
class Change:
    """What a corpus that has a name comes to: the documents that go out of it, those that stand in for them, and those
    that stay with other parts taken out (what they shared with a forgotten one is theirs alone now).
    """

    name: str
    corpus: Artifact
    out: list[str] = field(default_factory=list)
    promoted: list[str] = field(default_factory=list)
    other_parts: list[str] = field(default_factory=list)


@dataclass
class Plan:
    """What would change: everything that holds or has learned the text, and the named corpora.

    `named`, `rows`: by kind (documents, conversations, …) the ids that are named, and how many rows the lake has.
    `copies`: conversations that say the same as a named one, and stay. `files`: those that the named rows were read
    from, where they lie on this machine, with the number of these rows.
    """

    holders: Holders
    named: dict[str, list[str]]
    rows: dict[str, int]
    changes: list[Change]
    copies: list[str]
    files: dict[Path, int]

    @property
    def everything(self) -> list[str]:
        """The kinds of which every row is named."""
        return [kind for kind, ids in self.named.items() if len(ids) == self.rows[kind] > 1]


def plan_forgetting(lake: Lake, tombstones: Sequence[Tombstone]) -> Plan:
    """What these tombstones, beside those that the lake has, would change. Nothing is written."""
    wanted = tuple(sorted({*all_tombstones(lake), *tombstones}))
    holders = find_holders(lake, wanted)
    named: dict[str, list[str]] = {}
    rows: dict[str, int] = {}
    for kind in READ:
        read = lake.artifacts(kind=kind)
        named[kind] = sorted({one for artifact in read for one in named_ids(artifact, tombstones)})
        rows[kind] = sum(one.rows() for one in {one.origin.fingerprint: one for one in read}.values())
    changes = [change_of(name, one, holders) for name, one in named_corpora(lake, holders)]
    ids = {one for of in named.values() for one in of}
    return Plan(holders, named, rows, changes, _copies(lake, named["conversations"]), _files(lake, ids))


def _copies(lake: Lake, named: Sequence[str]) -> list[str]:
    """Conversations that say, but for white space, what one of these says, and are not among them."""
    hashes: dict[str, str] = {}
    for one in lake.artifacts(kind="conversations") if named else ():
        table = one.read(["conversation_id", "content_hash"])
        hashes |= dict(zip(*(column.to_pylist() for column in table.columns), strict=True))
    said = {hashes[one] for one in named}
    return sorted(one for one, content_hash in hashes.items() if content_hash in said and one not in set(named))


def _files(lake: Lake, ids: set[str]) -> dict[Path, int]:
    """The files of this machine that these rows were read from, with how many of them."""
    hashes = HashCache(lake.root)
    of_file = {sha256: len(rows & ids) for sha256, rows in files_read(lake, ids).items()} if ids else {}
    return dict(
        sorted((place, rows) for sha256, rows in of_file.items() if rows for place, *_ in hashes.everywhere(sha256))
    )


def named_corpora(lake: Lake, holders: Holders) -> list[tuple[str, Artifact]]:
    """The names that mean a corpus which holds forgotten text."""
    latest = [(name, names.latest(lake, name)) for name in names.all_names(lake)]
    return [(name, one) for name, one in latest if one in holders.texts and one.manifest.kind == "corpus"]


def change_of(name: str, corpus: Artifact, holders: Holders) -> Change:
    """What goes out of a corpus, what comes in and what is cut otherwise: its decisions are made again without what is
    forgotten.
    """
    decisions = corpus.input("decisions")
    config = DecideConfig.model_validate(decisions.manifest.identity.config)
    files = files_of(decisions.inputs("documents"), decisions.inputs("annotations"))
    after = decided(files, config, sorted(holders.ids))
    table = decisions.read(["doc_id", "kept"])
    kept, stays = (
        set(one.filter(one.column("kept")).column("doc_id").to_pylist()) for one in (table, after[MAIN_TABLE])
    )
    cut: list[set[tuple]] = [set(), set()]
    if "removals" in after:
        for number, one in enumerate((decisions.read(table="removals"), after["removals"])):
            cut[number] = {tuple(row.values()) for row in one.to_pylist()}
    other_parts = {row[0] for row in cut[0] ^ cut[1]} & kept & stays
    return Change(name, corpus, sorted(kept - stays), sorted(stays - kept), sorted(other_parts))


def forget(lake: Lake, tombstones: Sequence[Tombstone], *, workers: int | None = None) -> Holders:
    """Write the tombstones, make what stands for the documents, conversations, … that hold forgotten text, decide and
    compose again, move the names on, and mark what held the text or learned from it. Gives what was found.

    Killed at any instant and called again, it ends the same: each step is done only where it is not done yet.
    """
    parameters = {"tombstones": [str(one) for one in tombstones]}
    with running(lake, "forget", workers=workers, parameters=parameters) as run:
        if run.lake.hold:
            run.lake.hold.add_everything()  # what is read here holds forgotten text: `gc` would delete it meanwhile
        for one in tombstones:
            bury(lake, one)
        reached("forget.buried")
        made = dict[Artifact, Artifact | None]()
        while not _moved_on(run, made):
            pass
        reached("forget.named")
        return settle(lake, {old: new for old, new in made.items() if new is not None and new != old})


def _moved_on(run: Run, made: dict[Artifact, Artifact | None]) -> bool:
    """Make what stands for all that holds forgotten text, and move the names on; False where another run, begun before
    the tombstone, gave one of them meanwhile.
    """
    holders, moved_on = find_holders(run.lake), True
    for read in holders.read:
        remade(read, run, made)
    for name, corpus in named_corpora(run.lake, holders):
        if successor := remade(corpus, run, made):
            with names.alone(run.lake, name):
                if names.latest(run.lake, name) == corpus:
                    names.assign(run.lake, name, successor)
                else:
                    moved_on = False
    return moved_on


REMADE: dict[str, Stage] = {
    stage.name: stage for stage in (extract, read_conversations, read_questions, read_examples, decide, compose)
}


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
