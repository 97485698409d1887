"""New files in a source become a new corpus version on a schedule: the real flows on a real server and worker."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage import names
from storage.artifact import Artifact
from storage.lake import Lake
from tests.acceptance.world import need_times_of_reading, never_read, write_warc, write_world
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


@pytest.mark.timeout(600)
def test_a_new_file_becomes_a_new_corpus_version_on_a_schedule_and_no_old_file_is_read(up: Shipped, tmp_path: Path):
    recipe = write_world(tmp_path / "world", warcs=2)
    first = up.run("refresh", recipe=str(recipe))
    assert up.ended(first)["type"] == "COMPLETED", up.state(first)
    assert len(corpora(up.lake)) == 1

    deployment = up.deployment("refresh")
    up.api("PATCH", f"deployments/{deployment['id']}", json={"parameters": {"recipe": str(recipe)}})
    (schedule,) = deployment["schedules"]
    every_minute = {"schedule": {"cron": "* * * * *", "timezone": "UTC"}, "active": True}
    up.api("PATCH", f"deployments/{deployment['id']}/schedules/{schedule['id']}", json=every_minute)

    old = sorted((tmp_path / "world" / "pages").iterdir())
    opened = {path: never_read(path) for path in old}
    write_warc(tmp_path / "world" / "pages" / "new.warc.gz", 900, 9)
    wait_for(lambda: len(corpora(up.lake)) > 1, 240)

    times = {path: path.stat().st_atime_ns for path in old}
    lake = Lake(up.lake)
    # the questions are read too: documents are compared with them
    snapshots = [one for one in lake.artifacts("ingest") if one.manifest.identity.config["source"] == "pages"]
    assert [one.rows() for one in snapshots] == [2, 1]
    assert snapshots[1].read(["path"]).column("path").to_pylist() == ["new.warc.gz"]
    assert [one.rows() for one in lake.artifacts("extract")][1] == 9
    assert len(lake.artifacts("extract")) == 2
    assert corpora(up.lake)[-1].inputs("documents") == lake.artifacts("extract")
    runs = up.api("POST", "flow_runs/filter", json={"flow_runs": {"deployment_id": {"any_": [deployment["id"]]}}})
    assert any(run["auto_scheduled"] and run["state_type"] in ("RUNNING", "COMPLETED") for run in runs)
    need_times_of_reading(tmp_path / "world")
    assert times == opened
