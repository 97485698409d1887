"""Runs, as append-only files: `runs/<id>/started.json`, then `runs/<id>/ended.json`. A run without the second is going
on, or died.
"""

import os
import socket
import time
from typing import Any

from storage.artifact import Artifact
from storage.files import read_json, write_json
from storage.lake import RUNS, Lake


def start(lake: Lake, run: str, name: str, parameters: dict[str, Any], code: str) -> None:
    """Remember that a run began: which flow, with which parameters, of which code, in which process."""
    about = {"run": run, "flow": name, "parameters": parameters, "code": code, "started": time.time()}
    write_json(lake.root / RUNS / run / "started.json", about | {"host": socket.gethostname(), "process": os.getpid()})


def end(
    lake: Lake, run: str, state: str, message: str | None, artifacts: list[Artifact], seconds: dict[str, float]
) -> None:
    """Remember how a run ended (completed, failed, cancelled, crashed), what it used or made, and the seconds of each
    stage.
    """
    about = {"state": state, "message": message, "ended": time.time(), "seconds": seconds}
    about["artifacts"] = [f"{artifact.stage}/{artifact.fingerprint}" for artifact in artifacts]
    write_json(lake.root / RUNS / run / "ended.json", about)


def all_runs(lake: Lake) -> list[dict[str, Any]]:
    """Every run, oldest first: what began it, and how it ended (`state` is "running" or "dead" where nothing says)."""
    found = []
    for folder in sorted((lake.root / RUNS).glob("*")) if (lake.root / RUNS).exists() else []:
        if not (folder / "started.json").exists():
            continue
        about = {"state": None, "message": None, "ended": None, "artifacts": [], "seconds": {}} | read_json(
            folder / "started.json"
        )
        if (folder / "ended.json").exists():
            about |= read_json(folder / "ended.json")
        else:
            about["state"] = "running" if _alive(about) else "dead"
        found.append(about)
    return found


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
