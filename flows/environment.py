"""Prefect's settings, put into the environment before the first `import prefect`, which reads them once.

Without this a run of ours would go wherever the user's own Prefect profile points: to their Cloud workspace, say. So
whatever says *where* Prefect works is set aside, and everything it keeps lies inside the lake. A server of one's own
choice is named by `GRISTMILL_PREFECT_API_URL`.
"""

import json
import os
import re
import socket
import sys
import tomllib
import urllib.parse
from pathlib import Path

import psutil

from storage.lake import Lake

PREFECT_FOLDER = ".prefect"
"""Where Prefect's database, logs and locks lie, inside the lake."""
REPORTS_FOLDER = "reports"
"""Where HTML reports lie, inside the lake. `gristmill up` serves this folder."""
REPORTS_URL = "GRISTMILL_REPORTS_URL"
"""In the environment of a run that `gristmill up` started: the address of the reports folder."""
TEMPORARY_SERVER = "prefect.server.api.server:create_app"
"""What stands on the command line of a server that Prefect starts by itself for one run."""
OWN_SERVER = "GRISTMILL_PREFECT_API_URL"
"""Names a Prefect server to use in place of the lake's own."""

SETTINGS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    # The new UI asks other hosts for fonts and notes.
    "PREFECT_SERVER_UI_V2_ENABLED": "false",
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
    # A first start makes the database, and two busy cores need longer for it than Prefect's twenty seconds.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    # A schedule that a person switches on shows its runs this soon; Prefect's own minute looks as if nothing happened.
    "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "10",
    "PREFECT_WORKER_QUERY_SECONDS": "2",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    # Else a worker that finds `uv` starts our runs in an environment that uv makes for them.
    "PREFECT_RUNNER_AUTO_INSTALL_DEPENDENCIES": "false",
    "PREFECT_CLI_PROMPT": "false",
}


class PrefectElsewhere(RuntimeError):
    """A file in the folder of the call would send our runs to another Prefect server."""

    def __init__(self, path: Path, address: str) -> None:
        super().__init__(
            f"{path} sends Prefect's runs to {address}, and ours stay in the lake. Call gristmill from another folder, "
            f"take the address out of that file, or say that you want that server: {OWN_SERVER}={address}."
        )


class NoPlace(RuntimeError):
    """The lake cannot be made, or written into, where it is to lie."""

    def __init__(self, root: Path, error: OSError) -> None:
        why = error.strerror or error
        super().__init__(f"Nothing can be written into a lake at {root} ({why}). Name another: --lake FOLDER.")


def prepare(lake: str | Path | None = None) -> Path:
    """Set the environment for this process and its children; returns PREFECT_HOME, inside the lake (made if missing).

    Runs use, in this order: the server of `GRISTMILL_PREFECT_API_URL`; the one that `gristmill up` runs for this lake
    now; a temporary one, which Prefect starts by itself on the lake's database. In a run that a worker started, nothing
    is changed: its worker has set everything.

    Raises: NoPlace if the lake cannot be written; PrefectElsewhere if a file in this folder names a server, which
        Prefect would read; RuntimeError if prefect was imported already under another home.
    """
    root = Lake(lake).root if lake else Lake.default().root
    if "PREFECT__FLOW_RUN_ID" in os.environ:
        return Path(os.environ.get("PREFECT_HOME", root / PREFECT_FOLDER))
    home = root / PREFECT_FOLDER
    if "prefect" in sys.modules and os.environ.get("PREFECT_HOME") != str(home):
        raise RuntimeError(
            f"prefect was imported before its settings for the lake {root} were made. "
            "Call flows.environment.prepare first."
        )
    for name in list(os.environ):
        if name.startswith("PREFECT_") and not name.startswith("PREFECT_LOGGING_"):
            del os.environ[name]
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NoPlace(root, error) from error
    end_orphans(home)
    database = f"sqlite+aiosqlite:///{home}/prefect.db"
    os.environ |= SETTINGS | {"PREFECT_HOME": str(home), "GRISTMILL_LAKE": str(root)}
    os.environ["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = database
    if address := os.environ.get(OWN_SERVER) or running_server(root):
        os.environ["PREFECT_API_URL"] = address
    else:
        # No address at all: an empty one would be taken for a server's by the sender of events.
        _refuse_servers_in(Path.cwd())
    return home


def _refuse_servers_in(folder: Path) -> None:
    """Raise PrefectElsewhere if one of the files that Prefect reads in the folder it is called from names a server."""
    for name, keys in (("prefect.toml", ("api", "url")), ("pyproject.toml", ("tool", "prefect", "api", "url"))):
        try:
            found: object = tomllib.loads((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):  # absent, or not TOML: then Prefect finds nothing in it either
            continue
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        if found:
            raise PrefectElsewhere(folder / name, str(found))
    dotenv = folder / ".env"
    if dotenv.is_file():
        text = dotenv.read_text(encoding="utf-8", errors="replace")
        named = re.search(r"^\s*(?:export\s+)?PREFECT_API_URL\s*=\s*(\S+)", text, re.IGNORECASE | re.MULTILINE)
        if named:
            raise PrefectElsewhere(dotenv, named[1])


def end_orphans(home: Path) -> None:
    """End the temporary servers of this lake whose run was killed: nobody else would."""
    for process in psutil.process_iter():
        try:
            orphan = process.ppid() == 1 and TEMPORARY_SERVER in process.cmdline()
            if orphan and process.environ().get("PREFECT_HOME") == str(home):
                process.terminate()
        except psutil.Error:  # it has just ended, or is another user's
            continue


def running_server(lake: str | Path) -> str | None:
    """The API's address of the server that `gristmill up` runs for this lake, if it answers."""
    path = Path(lake) / PREFECT_FOLDER / "server.json"
    if not path.exists():
        return None
    address = json.loads(path.read_text(encoding="utf-8"))["api"]
    place = urllib.parse.urlsplit(address)
    try:
        socket.create_connection((place.hostname or "127.0.0.1", place.port or 80), timeout=1).close()
    except OSError:  # left by one that was killed
        return None
    return address


def report_address(path: str | Path) -> str | None:
    """The http address of a report in the lake's reports folder; None where nobody serves it."""
    served = os.environ.get(REPORTS_URL)
    return f"{served}/{urllib.parse.quote(Path(path).name)}" if served else None
