"""Drives a real `gristmill up` from tests: starts it, talks to its API, and looks for its processes."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

REPOSITORY = Path(__file__).parents[2]


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody uses now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def wait_for(what: Callable[[], Any], seconds: float = 120) -> Any:
    """What `what()` gives once it is true; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (given := what()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
    return given


@dataclass
class Served:
    """A `gristmill up` that was started by a script with `&`, in which SIGINT is ignored."""

    lake: Path
    log: Path
    ports: list[int] = field(default_factory=lambda: free_ports(2))
    pid: int = 0

    def command(self) -> list[Any]:
        """What is started: with the toy deployments."""
        return [sys.executable, "-u", "-m", "tests.deployments.serve", self.lake, *self.ports]

    def start(self) -> None:
        self.log.unlink(missing_ok=True)
        script = f"{' '.join(map(str, self.command()))} > {self.log} 2>&1 & echo $!"
        given = subprocess.run(["bash", "-c", script], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=True)
        self.pid = int(given.stdout)
        wait_for(
            lambda: (self.log.exists() and "Press Run" in self.log.read_text()) or not psutil.pid_exists(self.pid), 120
        )
        assert "Press Run" in self.log.read_text(), self.log.read_text()

    def processes(self) -> list[psutil.Process]:
        """Every process that has this lake's Prefect home in its environment."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("PREFECT_HOME") == str(self.lake / ".prefect"):
                    found.append(process)
            except psutil.Error:
                continue
        return [one for one in found if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)
        wait_for(lambda: not psutil.pid_exists(self.pid))

    def api(self, method: str, path: str, **content: Any) -> Any:
        """What the API answers. 503 is SQLite's "busy" to one of two writers, which Prefect's own clients try again."""

        def answered() -> tuple[httpx.Response] | None:
            answer = httpx.request(method, f"http://127.0.0.1:{self.ports[0]}/api/{path}", timeout=30, **content)
            return None if answer.status_code == 503 else (answer,)

        (answer,) = wait_for(answered, 30)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def deployment(self, name: str) -> dict[str, Any]:
        return self.api("GET", f"deployments/name/{name}/{name}")

    def switch_on(self, deployment: dict[str, Any]) -> None:
        """Turn the switch of a deployment's schedule."""
        (schedule,) = deployment["schedules"]
        self.api("PATCH", f"deployments/{deployment['id']}/schedules/{schedule['id']}", json={"active": True})

    def run(self, name: str, **parameters: Any) -> str:
        """Press Run: the new run's id."""
        content = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        return self.api("POST", f"deployments/{self.deployment(name)['id']}/create_flow_run", json=content)["id"]

    def state(self, run: str) -> dict[str, Any]:
        return self.api("GET", f"flow_runs/{run}")["state"]

    def ended(self, run: str) -> dict[str, Any]:
        """The last state of a run, once it has one."""
        last = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
        return wait_for(lambda: state if (state := self.state(run))["type"] in last else None)

    def finished_shards(self) -> dict[str, tuple[int, int]]:
        """Inode and time of each shard of the slow stage that counts, committed or waiting for the commit."""
        parts = [*self.lake.glob("slow/.staging/*/part-*.parquet"), *self.lake.glob("slow/*/part-*.parquet")]
        return {path.name: ((about := path.stat()).st_ino, about.st_mtime_ns) for path in parts if path.exists()}

    def of_runs(self) -> list[psutil.Process]:
        """The processes of flow runs, shard workers included."""
        return [one for one in self.processes() if "PREFECT__FLOW_RUN_ID" in one.environ()]


class Shipped(Served):
    """`gristmill up`, the command itself, with the deployments that ship."""

    def command(self) -> list[Any]:
        """The command as a person types it."""
        port, reports_port = self.ports
        options = ["--lake", self.lake, "--port", port, "--reports-port", reports_port]
        return [sys.executable, "-u", "-m", "flows.cli", "up", *options]

    def artifacts(self, run: str) -> list[dict[str, Any]]:
        """What a run shows in Prefect: every artifact of its flow and of its tasks."""
        return self.api("POST", "artifacts/filter", json={"flow_runs": {"id": {"any_": [run]}}})
