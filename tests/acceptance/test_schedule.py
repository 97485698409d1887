"""New files in a source become a new corpus version on a schedule: the real flows on a real server and worker."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deployments.deploy import TRAIN_ON_CHANGE
from storage import names
from storage.artifact import Artifact
from storage.lake import Lake
from tests.acceptance.world import RECIPE, need_times_of_reading, never_read, write_warc, write_world
from tests.deployments.served import Shipped, wait_for

pytestmark = pytest.mark.slow


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Shipped]:
    real = Shipped(tmp_path / "lake", tmp_path / "log.txt")
    try:
        real.start()
        yield real
    finally:
        for process in real.processes():
            process.kill()


def corpora(lake: Path) -> list[Artifact]:
    """Every version of the corpus, oldest first."""
    return [artifact for _, artifact, _ in names.history(Lake(lake), "mill/corpus")]


def runs_of(up: Shipped, name: str) -> list[dict[str, Any]]:
    """The runs of a deployment, the first to be made first."""
    asked = {"flow_runs": {"deployment_id": {"any_": [up.deployment(name)["id"]]}}, "sort": "START_TIME_ASC"}
    return up.api("POST", "flow_runs/filter", json=asked)


def tasks_of(up: Shipped, run: str) -> int:
    return up.api("POST", "task_runs/count", json={"flow_runs": {"id": {"any_": [run]}}})


def logs_of(up: Shipped, run: str) -> list[str]:
    """What the page of a run shows under Logs."""
    asked = {"logs": {"flow_run_id": {"any_": [run]}}, "sort": "TIMESTAMP_ASC"}
    return [one["message"] for one in up.api("POST", "logs/filter", json=asked)]


def switch(up: Shipped, recipe: Path, *, on: bool) -> None:
    """Turn the schedule of refresh on or off, with a run every fifteen seconds, for this recipe."""
    deployment = up.deployment("refresh")
    up.api("PATCH", f"deployments/{deployment['id']}", json={"parameters": {"recipe": str(recipe)}})
    (schedule,) = deployment["schedules"]
    often = {"schedule": {"interval": 15, "timezone": "UTC"}, "active": on}
    up.api("PATCH", f"deployments/{deployment['id']}/schedules/{schedule['id']}", json=often)


@pytest.mark.timeout(900)
def test_a_schedule_fires_a_refresh_follows_and_training_is_asked_for_when_enough_has_changed(
    up: Shipped, tmp_path: Path
):
    """One server and worker for all of it: new files become a new corpus version on a schedule, and no old file is
    read; a small change trains nothing, a large one trains on that corpus; a refresh without news makes nothing."""
    recipe = write_world(tmp_path / "world", warcs=2, recipe=f"{RECIPE}refresh: {{train_share: 0.3}}\n")
    pages = tmp_path / "world" / "pages"
    first = up.run("refresh", recipe=str(recipe))
    assert up.ended(first)["type"] == "COMPLETED", up.state(first)
    assert len(corpora(up.lake)) == 1
    assert tasks_of(up, first) > 5

    (automation,) = up.api("POST", "automations/filter", json={})
    assert (automation["name"], automation["enabled"]) == (TRAIN_ON_CHANGE, False)
    up.api("PATCH", f"automations/{automation['id']}", json={"enabled": True})
    old = sorted(pages.iterdir())
    opened = {path: never_read(path) for path in old}
    write_warc(pages / "small.warc.gz", 900, 3)
    switch(up, recipe, on=True)
    wait_for(lambda: len(corpora(up.lake)) > 1, 240)

    times = {path: path.stat().st_atime_ns for path in old}
    lake = Lake(up.lake)
    # the questions are read too: documents are compared with them
    snapshots = [one for one in lake.artifacts("ingest") if one.manifest.identity.config["source"] == "pages"]
    assert [one.rows() for one in snapshots] == [2, 1]
    assert snapshots[1].read(["path"]).column("path").to_pylist() == ["small.warc.gz"]
    assert [one.rows() for one in lake.artifacts("extract")][1] == 3
    assert corpora(up.lake)[-1].inputs("documents") == lake.artifacts("extract")
    assert any(
        run["auto_scheduled"] and run["state_type"] in ("RUNNING", "COMPLETED") for run in runs_of(up, "refresh")
    )

    write_warc(pages / "large.warc.gz", 1300, 40)
    wait_for(lambda: runs_of(up, "pretrain"), 240)
    switch(up, recipe, on=False)
    (training,) = runs_of(up, "pretrain")
    asked = corpora(up.lake)
    assert [one.inputs("documents") for one in asked] == [lake.artifacts("extract")[:count] for count in (1, 2, 3)]
    assert training["parameters"]["corpus"] == asked[2].fingerprint
    assert training["parameters"]["recipe"] == str(recipe)
    assert up.ended(training["id"])["type"] == "COMPLETED", up.state(training["id"])
    (model,) = lake.artifacts("pretrain")
    assert model.input("tokens").input("corpus") == asked[2]

    made = len(lake.artifacts())
    both = [up.run("refresh", recipe=str(recipe)) for _ in range(2)]
    assert [up.ended(run)["type"] for run in both] == ["COMPLETED"] * 2
    assert [tasks_of(up, run) for run in both] == [0, 0]
    said = f"Nothing new: mill/corpus stays {corpora(up.lake)[-1]}."
    for run in both:
        wait_for(lambda run=run: said in logs_of(up, run), 30)
    assert len(lake.artifacts()) == made
    assert len(corpora(up.lake)) == 3
    one, other = sorted((up.api("GET", f"flow_runs/{run}") for run in both), key=lambda run: run["start_time"])
    assert one["end_time"] <= other["start_time"], "two refreshes went on at the same time"
    assert len(runs_of(up, "pretrain")) == 1
    need_times_of_reading(tmp_path / "world")
    assert times == opened
