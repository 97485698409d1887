"""A lake: the folder that holds every artifact, name, run and mark, and what is asked of it."""

import difflib
import json
import os
import shutil
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from storage.artifact import MANIFEST, Artifact, Identity, committed, flatten
from storage.catalog.holds import Hold
from storage.registry import Registry

DEFAULT_LAKE = "lake"
RUNS = "runs"
INPUT = "input "
"""How the name of a `Difference` in the inputs begins."""


class NotFound(KeyError):
    """A name or fingerprint that means nothing in this lake, or more than one thing."""

    def __str__(self) -> str:
        return str(self.args[0])


class NoLake(FileNotFoundError):
    """The folder is not there, or nothing in it was made by a run."""


@dataclass(frozen=True)
class Difference:
    """One field in which a wanted artifact differs from an existing one."""

    field: str
    old: object
    new: object

    def __str__(self) -> str:
        return f"{self.field}: {_short(self.old)} → {_short(self.new)}"


def _short(value: object) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


class Lake:
    """The artifacts below one folder. The files are the truth; the registry is an index made again from them."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).expanduser().resolve()
        self.registry = Registry(self.root)
        self.hold: Hold | None = None
        """What the run that this lake was opened for uses, and `gc` therefore leaves."""

    @classmethod
    def default(cls) -> "Lake":
        """The lake of `GRISTMILL_LAKE`, or `./lake`."""
        return cls(os.environ.get("GRISTMILL_LAKE", DEFAULT_LAKE))

    def check(self) -> "Lake":
        """The lake, for someone who only looks. Raises NoLake if there is none, so that a misspelt path makes none."""
        if any(committed(self.root)) or any(
            any(self.root.glob(made)) for made in (self.registry.path.name, f"{RUNS}/*")
        ):
            return self
        what = "holds nothing that a run made" if self.root.is_dir() else "does not exist"
        raise NoLake(f"There is no lake at {self.root}: the folder {what}. `gristmill run sample` makes one.")

    def find(self, identity: Identity) -> Artifact | None:
        """The committed artifact with this identity, or None. One that the registry has lost is adopted."""
        artifact = Artifact(lake=str(self.root), stage=identity.stage, fingerprint=identity.fingerprint)
        if not self.keep(artifact):
            return None
        if not self.registry.has(artifact.fingerprint):
            self.registry.add(artifact)
        return artifact

    def keep(self, artifact: Artifact) -> bool:
        """Whether an artifact is there; if so, `gc` leaves it until the run around ends."""
        return self.hold.add(artifact) if self.hold else (artifact.folder / MANIFEST).exists()

    def get(self, name: str) -> Artifact:
        """The artifact called `name`: a name with history (`sample/corpus`, or `sample/corpus@3` for its third entry),
        a fingerprint, or the start of one (with or without `stage/`).

        Raises NotFound with what is near if there is none, or more than one.
        """
        from storage.names import all_names, history, latest

        named = latest(self, name)
        if named is not None:
            if not self.keep(named):
                raise NotFound(
                    f"{name} means {named}, which is not there any more: gristmill gc, or a hand, deleted it."
                )
            return named
        if past := history(self, name):
            raise NotFound(
                f"{name} means nothing now: what it meant, {past[-1][1]}, holds text that was forgotten since. "
                "The next run gives the name again."
            )
        base, at, number = name.rpartition("@")
        if at and (past := history(self, base)):
            entries = {str(entry): artifact for entry, artifact, _ in past}
            if number not in entries:
                raise NotFound(
                    f"The name {base!r} has no entry {number or 'without a number'}: it has "
                    f"{past[0][0]} to {past[-1][0]}, as in {base}@{past[-1][0]}."
                )
            if not self.keep(entries[number]):
                raise NotFound(f"{name} was {entries[number]}, which is not there any more: gristmill gc deleted it.")
            return entries[number]
        stage, _, prefix = name.rpartition("/")
        found = (
            [a for a in self.registry.artifacts(stage or None) if a.fingerprint.startswith(prefix)] if prefix else []
        )
        if len(found) == 1:
            self.keep(found[0])
            return found[0]
        if found:
            raise NotFound(
                f"{name!r} is the start of {len(found)} artifacts: {', '.join(map(str, found[:5]))}. Write more of it."
            )
        near = difflib.get_close_matches(base if at else name, all_names(self), n=1)
        meant = f" Did you mean {near[0]!r}?" if near else ""
        raise NotFound(
            f"The lake {self.root} has no artifact or name {name!r}.{meant} `gristmill artifacts` lists what there is."
        )

    def artifacts(self, stage: str | None = None, kind: str | None = None) -> list[Artifact]:
        """Committed artifacts, oldest first."""
        return self.registry.artifacts(stage, kind)

    def adopt(self, stage: str | None = None) -> None:
        """Register what of a stage, or of all, lies there whole but unregistered: a run was killed between the two.

        Raises: Damaged if the manifest of one is. Nobody may then tell what it was made from, and `gc` would delete it.
        """
        known = self.registry.fingerprints(stage)
        for artifact in sorted(committed(self.root, stage), key=lambda one: (one.stage, one.fingerprint)):
            if artifact.fingerprint not in known:
                self.registry.add(artifact)

    def discard(self, artifact: Artifact) -> None:
        """Delete an artifact that nothing was made from. Raises ValueError if something was."""
        if self.registry.is_used(artifact.fingerprint):
            raise ValueError(f"{artifact} is an input of other artifacts.")
        shutil.rmtree(artifact.folder)
        self.registry.remove(artifact.fingerprint)

    def differences(
        self, identity: Identity, apart: Collection[Artifact] = ()
    ) -> tuple[Artifact, list[Difference]] | None:
        """The nearest existing artifact of the same stage and every field in which `identity` differs from it.

        Nearest: the fewest differing fields, then the newest; those in `apart` that differ in their inputs alone are
        passed over. None if the stage has made nothing else yet.
        """
        best: tuple[Artifact, list[Difference]] | None = None
        settings = _settings(identity.version, identity.config)
        inputs = _inputs([one.model_dump() for one in identity.inputs])
        known: dict[tuple[int, str], list[Difference]] = {}  # thousands of snapshots are read under one configuration
        for fingerprint, stage, version, _, config, made_from, *_ in reversed(self.registry.rows(identity.stage)):
            if fingerprint == identity.fingerprint:
                continue  # it was there, and was deleted
            if (version, config) not in known:
                known[version, config] = _compare(_settings(version, json.loads(config)), settings)
            found = known[version, config]
            if best is not None and len(found) >= len(best[1]):
                continue
            found = found + _compare(_inputs(json.loads(made_from)), inputs)
            artifact = Artifact(lake=str(self.root), stage=stage, fingerprint=fingerprint)
            if artifact in apart and all(one.field.startswith(INPUT) for one in found):
                continue
            if best is None or len(found) < len(best[1]):
                best = (artifact, found)
        return best


def compare(old: Identity, new: Identity) -> list[Difference]:
    """Every field in which `new` differs from `old`: version, configuration, inputs."""

    def fields(identity: Identity) -> dict[str, object]:
        return _settings(identity.version, identity.config) | _inputs([one.model_dump() for one in identity.inputs])

    return _compare(fields(old), fields(new))


def _compare(before: dict[str, object], after: dict[str, object]) -> list[Difference]:
    keys: Iterable[str] = dict.fromkeys([*before, *after])
    return [Difference(key, before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)]


def _settings(version: int, config: dict[str, object]) -> dict[str, object]:
    return {"version": version, **flatten(config)}


def _inputs(inputs: list[dict[str, str]]) -> dict[str, object]:
    fields: dict[str, object] = {}
    seen: dict[str, int] = {}
    for one in inputs:
        position = seen[one["role"]] = seen.get(one["role"], -1) + 1
        fields[f"{INPUT}{one['role']}[{position}]"] = f"{one['stage']}/{one['fingerprint'][:12]}"
    return fields
