"""Names with history: `names/<name>/<n>.json`, appended to and never changed. The highest number is what the name means
now; where it names no artifact, the name means nothing until it is given again.
"""

import contextlib
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from storage.artifact import Artifact
from storage.files import canonical_json, read_fields, write_once
from storage.locks import locked

if TYPE_CHECKING:
    from storage.lake import Lake

NUMBERED = f"{'[0-9]' * 6}.json"
"""How the file of an entry is called; whatever else lies there is none."""
NOTHING = canonical_json({"stage": None, "fingerprint": None, "assigned": 0})
"""What a file holds that lets its entry mean nothing."""
_VALID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*\Z")


class Entry(NamedTuple):
    """An entry of a name: its number, what it means (None: nothing), and since when (seconds since 1970)."""

    number: int
    artifact: Artifact | None
    assigned: float


def _folder(lake: "Lake", name: str) -> Path:
    return lake.root / "names" / name


def check_name(name: str) -> str:
    """The name itself, or ValueError with what a name may hold."""
    if not _VALID.match(name):
        raise ValueError(f"{name!r} is no name: letters, digits, dots, dashes and underscores, parts separated by '/'.")
    return name


@contextlib.contextmanager
def alone(lake: "Lake", name: str) -> Iterator[None]:
    """Nobody else who asks for this gives the name meanwhile: for what is looked at before a name is given."""
    with locked(lake.root / ".cache" / f"name-{check_name(name).replace('/', '-')}.lock"):
        yield


def assign(lake: "Lake", name: str, artifact: Artifact) -> int:
    """Let `name` mean `artifact` from now on; returns the entry's number. Nothing is written if it does already."""
    _folder(lake, check_name(name)).mkdir(parents=True, exist_ok=True)
    while True:
        past = entries(lake, name)
        if past and past[-1][1] == artifact:
            return past[-1][0]
        number = (past[-1][0] if past else 0) + 1
        if _append(lake, name, number, {"stage": artifact.stage, "fingerprint": artifact.fingerprint}):
            return number


def withdraw(lake: "Lake", name: str, artifact: Artifact) -> None:
    """Let `name` mean nothing from now on, if it means `artifact`, which has to go and has no successor."""
    while (past := entries(lake, name)) and past[-1][1] == artifact:
        if _append(lake, name, past[-1][0] + 1, {"stage": None, "fingerprint": None}):
            return


def _append(lake: "Lake", name: str, number: int, meant: dict[str, str | None]) -> bool:
    """Write an entry; False, and nothing is written, if another process has taken the number."""
    entry = canonical_json({**meant, "assigned": time.time()}) + "\n"
    return write_once(_folder(lake, name) / f"{number:06d}.json", entry)


def files(lake: "Lake", name: str) -> list[Path]:
    """The files of a name's entries, oldest first."""
    return sorted(_folder(lake, name).glob(NUMBERED)) if _VALID.match(name) else []


def read_entry(lake: "Lake", path: Path) -> Entry:
    """The entry in a file. Raises: Damaged if it is none."""
    about = read_fields(path, "stage", "fingerprint", "assigned")
    stage, fingerprint = about["stage"], about["fingerprint"]
    artifact = Artifact(lake=str(lake.root), stage=stage, fingerprint=fingerprint) if stage else None
    return Entry(int(path.stem), artifact, about["assigned"])


def entries(lake: "Lake", name: str) -> list[Entry]:
    """Every entry of a name, oldest first. Raises: Damaged if one cannot be read."""
    return [read_entry(lake, path) for path in files(lake, name)]


def history(lake: "Lake", name: str) -> list[tuple[int, Artifact, float]]:
    """Everything a name has meant: (number, artifact, seconds since 1970), oldest first."""
    return [(number, artifact, at) for number, artifact, at in entries(lake, name) if artifact is not None]


def latest(lake: "Lake", name: str) -> Artifact | None:
    """What a name means now, or None if it means nothing, or nobody has given it."""
    past = entries(lake, name)
    return past[-1][1] if past else None


def all_names(lake: "Lake") -> list[str]:
    """Every name of the lake, sorted."""
    root = lake.root / "names"
    return sorted({str(path.parent.relative_to(root)) for path in root.glob(f"**/{NUMBERED}")}) if root.exists() else []
