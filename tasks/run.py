"""The run that stages belong to: which lake, how many workers, what is said on the way, where the time went."""

import contextlib
import contextvars
import functools
import math
import os
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from storage import runs
from storage.artifact import TOMBSTONES, Artifact
from storage.catalog.holds import Hold
from storage.forget.settle import settle
from storage.forget.tombstones import entries
from storage.index import write_index
from storage.lake import Lake
from storage.sql import catalog_moved, refresh_catalog
from tasks.console import Console

CATALOG_SECONDS = 5.0
"""Between two builds of `catalog.duckdb` within a run, at least."""


@dataclass
class Step:
    """One stage of a run: what it gave, whether it was there already, and the seconds it took."""

    stage: str
    artifact: Artifact
    reused: bool
    seconds: float
    changed: list[str] = field(default_factory=list)


class SomethingNew(Exception):
    """A run that only looks has come to something that is not there yet: what it is."""


@dataclass
class Run:
    """What the stages of one run share."""

    lake: Lake
    workers: int | None = None
    cpu_seconds: float = 30.0
    console: Console = field(default_factory=Console)
    id: str = field(default_factory=lambda: time.strftime("%Y%m%dT%H%M%S-") + uuid.uuid4().hex[:6])
    started: float = field(default_factory=time.time)
    steps: list[Step] = field(default_factory=list)
    looks: bool = False
    known_tombstones: int = 0
    _published: float = field(default=-math.inf, init=False, repr=False)
    _waiting: bool = field(default=False, init=False, repr=False)

    def publish(self, *, now: bool = False) -> None:
        """Let `catalog.duckdb` show what was made: some seconds after the last time, or when the run ends (`now`).

        To build it takes a third of a second, a run of a hundred artifacts half a minute.
        """
        self._waiting = self._waiting or not now
        if self._waiting and (now or time.monotonic() - self._published >= CATALOG_SECONDS):
            refresh_catalog(self.lake)
            self._published, self._waiting = time.monotonic(), False

    @property
    def tombstone_came(self) -> bool:
        """Whether something was forgotten since this run began: what it read may have text that others have not."""
        return len(entries(self.lake)) > self.known_tombstones

    @property
    def only_reused(self) -> bool:
        """Whether everything that was asked for was there already."""
        return all(step.reused for step in self.steps)

    @contextlib.contextmanager
    def looking(self) -> Iterator[None]:
        """What goes on inside makes nothing, names nothing and says little: it is left at the first thing that is not
        there yet, and the run is then as if nothing had gone on.
        """
        self.looks = True
        try:
            yield
        except SomethingNew:
            self.steps.clear()
        finally:
            self.looks = False

    def before_writing(self, what: str) -> None:
        """Called before something is made or named. Raises: SomethingNew while this run only looks."""
        if self.looks:
            raise SomethingNew(what)

    def add(self, step: Step) -> None:
        """Remember a stage that gave its artifact, and say so."""
        self.lake.keep(step.artifact)
        self.steps.append(step)
        if self.looks:
            return
        state = "reused" if step.reused else f"made in {step.seconds:.1f} s"
        rows, source = step.artifact.manifest.rows, source_of(step.artifact)
        line = f"{step.stage:<15} {step.artifact.fingerprint[:12]}  {rows:>9,} rows  {state:<17} {source}"
        self.console.line(line.rstrip())

    def settle(self) -> None:
        """A tombstone was written while this run went on: mark what it made without it, and say so."""
        found = settle(self.lake).deleted
        for artifact in dict.fromkeys(step.artifact for step in self.steps):
            if artifact in found:
                self.console.line(f"{artifact} was made without a tombstone that was written meanwhile: run again.")

    def reuse(self, artifact: Artifact) -> None:
        """Remember an artifact that was there already."""
        self.add(Step(artifact.stage, artifact, True, 0.0))


def source_of(artifact: Artifact) -> str:
    """The name of the one source that an artifact was made from, or "" if it is of several."""
    while artifact.stage != "ingest":
        inputs = [one for one in artifact.inputs() if one.stage != TOMBSTONES]
        if len(inputs) != 1 or not inputs[0].exists:
            return ""
        artifact = inputs[0]
    return str(artifact.manifest.identity.config["source"])


_current: contextvars.ContextVar[Run | None] = contextvars.ContextVar("gristmill_run", default=None)


def current_run() -> Run:
    """The run around this call; outside of one, a quiet run on the default lake."""
    run = _current.get()
    return run if run is not None else Run(Lake.default(), console=Console(quiet=True))


@contextlib.contextmanager
def running(
    lake: Lake | str | Path,
    name: str,
    *,
    workers: int | None = None,
    cpu_seconds: float = 30.0,
    parameters: dict[str, Any] | None = None,
    quiet: bool = False,
) -> Iterator[Run]:
    """Everything inside belongs to one run, which the lake remembers with its outcome. Inside another run, that one
    goes on.

    `cpu_seconds` is what one record (or one batch of documents) may use before its worker is ended and the record tried
    again alone.
    """
    around = _current.get()
    if around is not None:
        yield around
        return
    run = Run(lake if isinstance(lake, Lake) else Lake(lake), workers, cpu_seconds, Console(quiet=quiet))
    if run.lake.registry.exists() and catalog_moved(run.lake):
        refresh_catalog(run.lake)
    run.lake.registry.check_host()
    with contextlib.ExitStack() as ending:  # all of it is done, though what comes before in it finds damage
        run.lake.hold = Hold(run.lake.root)
        ending.callback(_let_go, run.lake)
        run.known_tombstones = len(entries(run.lake))
        runs.start(run.lake, run.id, name, parameters or {}, code_revision())
        token = _current.set(run)
        state, message = "crashed", None
        try:
            yield run
            state = "completed"
        except Exception as error:
            state, message = "failed", str(error)
            raise
        except BaseException as signal:  # Ctrl-C, or what Prefect makes of a cancel
            state, message = "cancelled", f"stopped ({type(signal).__name__})"
            raise
        finally:
            _current.reset(token)
            made = [step.artifact for step in run.steps]
            seconds: dict[str, float] = {}
            for step in run.steps:
                seconds[step.stage] = seconds.get(step.stage, 0.0) + step.seconds
            ending.callback(write_index, run.lake)  # a client of `catalog.duckdb` sees that the run has ended
            ending.callback(runs.end, run.lake, run.id, state, message, made, seconds)
            run.publish(now=True)
            if run.tombstone_came:
                run.settle()


def _let_go(lake: Lake) -> None:
    if lake.hold is not None:
        lake.hold.release()
    lake.hold = None


@functools.cache
def code_revision() -> str:
    """The commit this code was checked out at, with `+` if it was changed since; "unknown" outside a checkout."""
    folder = Path(__file__).parent
    environment = os.environ | {"GIT_OPTIONAL_LOCKS": "0"}
    try:
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
        status = subprocess.run(
            ["git", "status", "--porcelain", "-uno"],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return head.stdout.strip() + ("+" if status.stdout.strip() else "")
