"""Artifacts that were set aside for good, because a successor stands for them or their text must go.

`superseded/<fingerprint>.json`, written once. `gc` keeps such an artifact for no lineage and no history: only while a
name means it now, or a process that goes on uses it.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from storage.artifact import Artifact
from storage.files import read_fields, write_json
from storage.lake import Lake

SUPERSEDED = "superseded"


@dataclass(frozen=True)
class Superseded:
    """An artifact that was set aside, what stands for it now (if anything does), why, and since when."""

    artifact: Artifact
    successor: Artifact | None
    why: str
    at: float


def supersede(lake: Lake, artifact: Artifact, successor: Artifact | None, why: str) -> None:
    """Set an artifact aside. Nothing happens if it was already.

    Whoever does this moves the names on first. What was made from it, and holds its text too, is set aside by a call of
    its own. `why` is a sentence without any document's text.
    """
    path = lake.root / SUPERSEDED / f"{artifact.fingerprint}.json"
    if path.exists():
        return
    about = {"stage": artifact.stage, "fingerprint": artifact.fingerprint, "why": why, "at": time.time()}
    if successor is not None:
        about["successor"] = {"stage": successor.stage, "fingerprint": successor.fingerprint}
    write_json(path, about)


def all_superseded(lake: Lake) -> dict[Artifact, Superseded]:
    """Every artifact that was set aside. Raises: Damaged if what says so of one cannot be read."""
    return {one.artifact: one for one in (read_superseded(lake, path) for path in files(lake))}


def successor_of(artifact: Artifact) -> Artifact | None:
    """What stands for an artifact that was set aside, if anything does. Raises: Damaged as `all_superseded` does."""
    lake = Lake(artifact.lake)
    path = lake.root / SUPERSEDED / f"{artifact.fingerprint}.json"
    return read_superseded(lake, path).successor if path.exists() else None


def files(lake: Lake) -> list[Path]:
    """The files that say so, each called by the fingerprint of its artifact."""
    return sorted((lake.root / SUPERSEDED).glob(f"{'[0-9a-f]' * 32}.json"))


def read_superseded(lake: Lake, path: Path) -> Superseded:
    """What one of these files says. Raises: Damaged if it says nothing of the kind."""
    about = read_fields(path, "stage", "fingerprint", "why", "at")
    artifact = Artifact(lake=str(lake.root), stage=about["stage"], fingerprint=about["fingerprint"])
    after = about.get("successor")
    successor = after and Artifact(lake=str(lake.root), stage=after["stage"], fingerprint=after["fingerprint"])
    return Superseded(artifact, successor, about["why"], about["at"])
