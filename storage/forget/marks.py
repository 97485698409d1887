"""Marks: what is said of an artifact after its commit, as `marks/<fingerprint>/<mark>-<n>.json`, never changed.

An artifact never changes; that it holds forgotten text, or learned from it, is said beside it.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from storage.artifact import Artifact
from storage.files import Damaged, canonical_json, read_fields, write_once

if TYPE_CHECKING:
    from storage.lake import Lake

FOLDER = "marks"
Sort = Literal["holds", "learned"]
SAID: dict[str, str] = {
    "holds": "holds forgotten text: `gristmill gc` deletes it",
    "learned": "learned from text that was forgotten since",
}


@dataclass(frozen=True)
class Mark:
    """One mark: of which artifact, what (`SAID`), since when, and how many texts (documents, conversations, …) and
    steps of a model are meant.
    """

    artifact: Artifact
    mark: Sort
    number: int
    made: float
    texts: int = 0
    steps: int = 0

    def __str__(self) -> str:
        if not self.steps:
            return SAID[self.mark]
        steps = f"{self.steps:,} step{'s' if self.steps != 1 else ''}"
        return f"{SAID[self.mark]} ({steps} read {self.texts:,} such text{'s' if self.texts != 1 else ''})"


def put(lake: "Lake", artifact: Artifact, mark: Sort, texts: int = 0, steps: int = 0) -> None:
    """Mark an artifact; nothing is written where the newest mark of that sort says the same."""
    folder = lake.root / FOLDER / artifact.fingerprint
    folder.mkdir(parents=True, exist_ok=True)
    about = {"stage": artifact.stage, "fingerprint": artifact.fingerprint, "mark": mark}
    about |= {"documents": texts, "steps": steps}
    while True:
        past = [one for one in marks_of(lake, artifact) if one.mark == mark]
        if past and (past[-1].texts, past[-1].steps) == (texts, steps):
            return
        number = (past[-1].number if past else 0) + 1
        if write_once(folder / f"{mark}-{number:06d}.json", canonical_json(about | {"made": time.time()}) + "\n"):
            return


def marks_of(lake: "Lake", artifact: Artifact) -> list[Mark]:
    """The marks of one artifact, by sort, oldest first."""
    return [read_mark(lake, path) for path in files(lake, artifact.fingerprint)]


def all_marks(lake: "Lake") -> list[Mark]:
    """Every mark of the lake; those of artifacts that are gone stay."""
    return [read_mark(lake, path) for path in files(lake)]


def files(lake: "Lake", fingerprint: str = "*") -> list[Path]:
    """The files of the marks of one artifact, or of all, by artifact and sort, oldest first."""
    return sorted((lake.root / FOLDER).glob(f"{fingerprint}/[a-z]*-{'[0-9]' * 6}.json"))


def read_mark(lake: "Lake", path: Path) -> Mark:
    """The mark in a file. Raises: Damaged if it is none."""
    about = read_fields(path, "stage", "fingerprint", "mark", "made", "documents", "steps")
    if about["mark"] not in SAID:
        raise Damaged(path, f"{about['mark']!r} is no mark")
    artifact = Artifact(lake=str(lake.root), stage=about["stage"], fingerprint=about["fingerprint"])
    number = int(path.stem.rpartition("-")[2])
    return Mark(artifact, about["mark"], number, about["made"], about["documents"], about["steps"])
