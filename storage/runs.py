"""Runs, as append-only files: `runs/<id>/started.json`, then `runs/<id>/ended.json`. A run without the second is going
on, or died.
"""

import os
import socket
import time
from pathlib import Path
from typing import Any

from storage.artifact import Artifact
from storage.files import Damaged, read_fields, write_json
from storage.lake import RUNS, Lake

STARTED, ENDED = "started.json", "ended.json"
FIELDS = {
    STARTED: ("run", "flow", "parameters", "code", "started", "host", "process"),
    ENDED: ("state", "message", "ended", "artifacts"),
}
"""What each file of a run says."""


def start(lake: Lake, run: str, name: str, parameters: dict[str, Any], code: str) -> None:
    """Remember that a run began: which flow, with which parameters, of which code, in which process."""
    about = {"run": run, "flow": name, "parameters": parameters, "code": code, "started": time.time()}
    write_json(lake.root / RUNS / run / STARTED, about | {"host": socket.gethostname(), "process": os.getpid()})


def end(
    lake: Lake, run: str, state: str, message: str | None, artifacts: list[Artifact], seconds: dict[str, float]
) -> None:
    """Remember how a run ended (completed, failed, cancelled, crashed), what it used or made, and the seconds of each
    stage.
    """
    about = {"state": state, "message": message, "ended": time.time(), "seconds": seconds}
    about["artifacts"] = [f"{artifact.stage}/{artifact.fingerprint}" for artifact in artifacts]
    write_json(lake.root / RUNS / run / ENDED, about)


def all_runs(lake: Lake, whole: bool = False) -> list[dict[str, Any]]:
    """Every run, oldest first: what began it, and how it ended (`state` is "running" or "dead" where nothing says).

    Raises: Damaged if a file of one is; with `whole`, such a run is left out.
    """
    found = []
    for folder in sorted((lake.root / RUNS).glob("*")) if (lake.root / RUNS).exists() else []:
        try:
            if (folder / STARTED).exists():
                found.append(_read(folder))
        except Damaged:
            if not whole:
                raise
    return found


def _read(folder: Path) -> dict[str, Any]:
    about = {"state": None, "message": None, "ended": None, "artifacts": [], "seconds": {}} | read_run_file(
        folder / STARTED
    )
    if (folder / ENDED).exists():
        return about | read_run_file(folder / ENDED)
    return about | {"state": "running" if _alive(about) else "dead"}


def read_run_file(path: Path) -> dict[str, Any]:
    """One file of a run. Raises: Damaged if it does not say what it should."""
    return read_fields(path, *FIELDS.get(path.name, ()))


def _alive(about: dict[str, Any]) -> bool:
    if about["host"] != socket.gethostname():
        return True  # another host's process cannot be asked
    try:
        os.kill(about["process"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
