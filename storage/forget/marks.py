"""Marks: what is said of an artifact after its commit, as `marks/<fingerprint>/<mark>-<n>.json`, never changed.

An artifact never changes; that it holds forgotten text, or learned from it, is said beside it.
"""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from storage.artifact import Artifact
from storage.files import canonical_json, read_json, write_once

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
        read = f" ({self.steps:,} steps read {self.texts:,} such texts)" if self.steps else ""
        return SAID[self.mark] + read


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
    return _read(lake, artifact.fingerprint)


def all_marks(lake: "Lake") -> list[Mark]:
    """Every mark of the lake; those of artifacts that are gone stay."""
    return _read(lake, "*")


def _read(lake: "Lake", folder: str) -> list[Mark]:
    found = []
    for path in sorted((lake.root / FOLDER).glob(f"{folder}/[a-z]*-[0-9]*.json")):
        about = read_json(path)
        artifact = Artifact(lake=str(lake.root), stage=about["stage"], fingerprint=about["fingerprint"])
        number = int(path.stem.rpartition("-")[2])
        found.append(Mark(artifact, about["mark"], number, about["made"], about["documents"], about["steps"]))
    return found
