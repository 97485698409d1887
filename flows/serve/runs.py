"""Prefect's record of runs, brought in line with the truth: a run whose process is gone is not running.

Prefect knows of a run what its process reported. One that was killed, or whose server was, reports nothing more, and
would stay "Running" for ever. Imported after `flows.environment.prepare`.
"""

from collections.abc import Iterable
from datetime import UTC
from typing import Any
from uuid import UUID

import psutil
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import Cancelled, Crashed
from prefect.types._datetime import DateTime

from storage import runs as lake_runs
from storage.lake import Lake

IN_FLIGHT = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]
PAGE = 200
GOES_ON = "Run it again (or press Retry): it goes on from the last finished shard."


def connect() -> SyncPrefectClient:
    """A client of the server that the environment names. Use it as a context manager."""
    return get_client(sync_client=True)


def in_flight(client: SyncPrefectClient) -> list[FlowRun]:
    """The runs that Prefect takes for running, starting or being cancelled, whoever started them."""
    return _all(client, FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=IN_FLIGHT))))


def settle(client: SyncPrefectClient, runs: Iterable[FlowRun], why: str) -> list[FlowRun]:
    """Mark runs whose processes are gone: Cancelled if that was asked for, else Crashed; returns them."""
    settled = []
    for run in runs:
        asked = run.state is not None and run.state.is_cancelling()
        state: Any = Cancelled(message=f"Cancelled. {GOES_ON}") if asked else Crashed(message=f"{why} {GOES_ON}")
        client.set_flow_run_state(run.id, state, force=True)
        settled.append(run)
    return settled


def settle_left_over(client: SyncPrefectClient, lake: Lake) -> list[FlowRun]:
    """At a start: mark what an earlier stop, crash or kill left in flight; returns those runs.

    A worker's run ended with its worker, and what is left of one (where the kernel does not see to it) is ended here. A
    run from a command line may be going on: such runs are left alone while the lake knows of a live one.
    """
    alive = any(run["state"] == "running" for run in lake_runs.all_runs(lake))
    left = [run for run in in_flight(client) if run.deployment_id or not alive]
    for run in left:
        _end_process(run)
    return settle(client, left, "Gristmill stopped while this run was going on, and its process is gone.")


def skip_missed(client: SyncPrefectClient) -> int:
    """At a start: of the scheduled runs that a deployment missed, keep the newest; returns how many were cancelled.

    A refresh reads all that is new, so one makes up for any number that did not happen.
    """
    late = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
        expected_start_time=FlowRunFilterExpectedStartTime(before_=DateTime.now(UTC)),
    )
    seen: set[UUID] = set()
    missed = 0
    for run in _all(client, late):  # newest first
        if not run.auto_scheduled or run.deployment_id is None:
            continue
        if run.deployment_id in seen:
            message = "Missed: Gristmill was not up at that time. The newest run of this schedule makes up for it."
            client.set_flow_run_state(run.id, Cancelled(message=message), force=True)
            missed += 1
        seen.add(run.deployment_id)
    return missed


def _all(client: SyncPrefectClient, wanted: FlowRunFilter) -> list[FlowRun]:
    found: list[FlowRun] = []
    while True:
        page = client.read_flow_runs(
            flow_run_filter=wanted, sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=PAGE, offset=len(found)
        )
        found += page
        if len(page) < PAGE:
            return found


def _end_process(run: FlowRun) -> None:
    """End the process of a run if it is still there and is this run's: an id may belong to another by now."""
    try:
        process = psutil.Process(int(run.infrastructure_pid or ""))
        if process.environ().get("PREFECT__FLOW_RUN_ID") == str(run.id):
            for below in [*process.children(recursive=True), process]:
                below.kill()
            process.wait(10)
    except (ValueError, psutil.Error):
        return
