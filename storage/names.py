"""Names with history: `names/<name>/<n>.json`, appended to and never changed. The highest number is what the name means
now.
"""

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from storage.artifact import Artifact
from storage.files import canonical_json, read_json, write_once

if TYPE_CHECKING:
    from storage.lake import Lake

_VALID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*\Z")


def _folder(lake: "Lake", name: str) -> Path:
    return lake.root / "names" / name


def check_name(name: str) -> str:
    """The name itself, or ValueError with what a name may hold."""
    if not _VALID.match(name):
        raise ValueError(f"{name!r} is no name: letters, digits, dots, dashes and underscores, parts separated by '/'.")
    return name


def assign(lake: "Lake", name: str, artifact: Artifact) -> int:
    """Let `name` mean `artifact` from now on; returns the entry's number. Nothing is written if it does already."""
    folder = _folder(lake, check_name(name))
    folder.mkdir(parents=True, exist_ok=True)
    entry = {"stage": artifact.stage, "fingerprint": artifact.fingerprint, "assigned": time.time()}
    while True:
        past = history(lake, name)
        if past and past[-1][1] == artifact:
            return past[-1][0]
        number = (past[-1][0] if past else 0) + 1
        if write_once(folder / f"{number:06d}.json", canonical_json(entry) + "\n"):
            return number


def history(lake: "Lake", name: str) -> list[tuple[int, Artifact, float]]:
    """Everything a name has meant: (number, artifact, seconds since 1970), oldest first."""
    folder = _folder(lake, name)
    found = []
    for path in sorted(folder.glob("[0-9]*.json")) if _VALID.match(name) else []:
        entry = read_json(path)
        artifact = Artifact(lake=str(lake.root), stage=entry["stage"], fingerprint=entry["fingerprint"])
        found.append((int(path.stem), artifact, entry["assigned"]))
    return found


def latest(lake: "Lake", name: str) -> Artifact | None:
    """What a name means now, or None if nobody has given it."""
    past = history(lake, name)
    return past[-1][1] if past else None


def all_names(lake: "Lake") -> list[str]:
    """Every name of the lake, sorted."""
    root = lake.root / "names"
    return sorted({str(path.parent.relative_to(root)) for path in root.glob("**/[0-9]*.json")}) if root.exists() else []
