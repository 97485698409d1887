"""Starts the server, the worker and the reports, registers the deployments, waits, and ends all of it in order."""

import contextlib
import fcntl
import json
import os
import shlex
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from flows.environment import REPORTS_FOLDER, REPORTS_URL, prepare
from flows.serve.processes import LAUNCHER, Child, ServeFailed, end
from flows.serve.reports import HOST, serving
from storage.lake import Lake

POOL = "gristmill"
"""The work pool whose worker runs the deployments."""
PORT = 4200
START_SECONDS = 180
RUN_GRACE_SECONDS = 10
"""What a run gets to end its workers and to tell the server, before it is killed."""
REGISTER = (sys.executable, "-m", "deployments.deploy")

Say = Callable[[str], None]


class _Stop(BaseException):
    """A signal asked for the end."""


def up(
    lake: str | Path | None = None,
    port: int = PORT,
    reports_port: int | None = None,
    runs: int = 2,
    register: Sequence[str] = REGISTER,
    say: Say = print,
) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP, then end every process that was started; returns when none is left.

    Arguments: `reports_port` is `port` + 1 if it is not given; `runs` is how many flow runs go on side by side (each
    with workers for all cores); `register` is the command that registers the deployments with the running server.
    Raises: ServeFailed with a sentence: a port in use, a second `gristmill up` on the lake, a server that ended.
    """
    home = prepare(lake)
    root = Lake(home.parent).root
    reports_port = port + 1 if reports_port is None else reports_port
    with _alone(home), contextlib.ExitStack() as stack:
        _check_port(port, "--port")
        _check_port(reports_port, "--reports-port")
        stack.enter_context(_stopped_by_signals())
        try:
            reports = stack.enter_context(serving(root / REPORTS_FOLDER, reports_port))
            _serve(root, home, port, reports, runs, register, say)
        except _Stop:
            say("Stopped: no process is left.")


def _serve(root: Path, home: Path, port: int, reports: str, limit: int, register: Sequence[str], say: Say) -> None:
    address = f"http://{HOST}:{port}"
    environment = _server_environment(address, reports)
    children: list[Child] = []
    worker: Child | None = None
    try:
        say(f"Starting Prefect's server on {address} (its database: {home / 'prefect.db'}) …")
        python = (sys.executable, "-m", "prefect")
        server = Child("server", [*python, "server", "start", "--host", HOST, "--port", str(port)], home / "server.log")
        children.append(server)
        from flows.serve import pool, runs  # their import takes seconds: the server starts meanwhile

        _wait_until_healthy(server, f"{address}/api/health")
        with runs.connect() as client:
            for run in runs.settle_left_over(client, Lake(root)):
                say(f"The run {run.name} was still marked {run.state_name}: marked as crashed, its process is gone.")
            missed = runs.skip_missed(client)
            if missed:
                say(f"{missed} scheduled runs were missed; the newest of each schedule makes up for them.")
            command = shlex.join([*LAUNCHER, sys.executable, "-m", "prefect.engine"])
            pool.make(client, POOL, command, Path.cwd(), environment)
        worker_command = [
            *python,
            "worker",
            "start",
            "--pool",
            POOL,
            "--type",
            "process",
            "--name",
            socket.gethostname(),
        ]
        worker_command += ["--limit", str(limit), "--install-policy", "never"]
        worker = Child("worker", worker_command, home / "worker.log", environment)
        children.append(worker)
        _register([*register, "--pool", POOL], home / "deployments.log")
        (home / "server.json").write_text(json.dumps({"api": f"{address}/api", "reports": reports}), encoding="utf-8")
        say(f"Prefect's UI:  {address}\nReports:       {reports}\nLogs:          {home}")
        say("Press Run on a deployment there; refresh has a schedule to switch on. Ctrl-C ends everything.")
        while True:
            for child in children:
                child.check()
            time.sleep(0.5)
    finally:
        _ignore_signals()
        (home / "server.json").unlink(missing_ok=True)
        if worker is not None:
            _stop_runs(worker, say)
        for child in reversed(children):
            child.stop(grace=RUN_GRACE_SECONDS)


def _stop_runs(worker: Child, say: Say) -> None:
    """End the runs, then the worker, and say in Prefect why. The server may be dead by now."""
    import httpx
    from prefect.exceptions import PrefectHTTPStatusError

    from flows.serve import runs

    try:
        with runs.connect() as client:
            going = [run for run in runs.in_flight(client) if run.deployment_id]
            others = len(runs.in_flight(client)) - len(going)
            end(worker.descendants(recursive=False), RUN_GRACE_SECONDS)  # a run ends its own workers
            worker.stop(RUN_GRACE_SECONDS)
            for run in runs.settle(client, going, "Gristmill was stopped while this run was going on."):
                say(f"The run {run.name} was stopped; run again, it goes on from its last finished shard.")
            if others:
                say(f"{others} runs from a command line lose their server. Run them again if they say so.")
    except (httpx.HTTPError, PrefectHTTPStatusError) as error:
        say(f"The server does not answer ({error}): runs that were going on are marked at the next start.")


def _server_environment(address: str, reports: str) -> dict[str, str]:
    """Set what this process and all its children share; returns what runs get on top."""
    os.environ |= {
        "PREFECT_API_URL": f"{address}/api",
        # By default any web page that a browser shows may call the API, which starts commands.
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"{address},{address.replace(HOST, 'localhost')}",
        REPORTS_URL: reports,
    }
    return {name: os.environ[name] for name in (REPORTS_URL, "GRISTMILL_LAKE")}


def _register(command: list[str], log: Path) -> None:
    registrar = Child("registration of the deployments", command, log)
    while registrar.process.poll() is None:
        time.sleep(0.1)
    if registrar.process.returncode:
        registrar.check()


def _wait_until_healthy(server: Child, address: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        server.check()
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.2)
    raise ServeFailed(f"The server did not answer within {START_SECONDS} s. The end of {server.log}:\n{server.tail()}")


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Hold the lake's lock, which the kernel lets go when its holder dies."""
    with (home / "up.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            known = home / "server.json"
            place = f" at {json.loads(known.read_text())['api'].removesuffix('/api')}" if known.exists() else ""
            raise ServeFailed(
                f"gristmill up is running for the lake {home.parent} already{place}. Use that one, or stop it first."
            ) from None
        yield


def _check_port(port: int, option: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ServeFailed(
                f"Port {port} of {HOST} cannot be used ({error.strerror}). "
                f"Stop what uses it, or choose another with {option}."
            ) from None


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP raise _Stop, even where a script's `&` had SIGINT ignored. (nohup is respected.)"""

    def stop(number: int, frame: object) -> None:
        raise _Stop

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore_signals() -> None:
    """From here on the end is under way, and takes at most half a minute: a second Ctrl-C must not cut it short."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
