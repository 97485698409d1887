"""`gristmill up` as it runs: a real server and a real worker, driven through Prefect's API."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from flows.environment import running_server
from storage.lake import Lake
from tests.deployments.served import REPOSITORY, Served, free_ports, wait_for

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    up = Served(folder / "lake", folder / "log.txt")
    try:
        up.start()
        yield up
    finally:
        for process in up.processes():
            process.kill()


def test_it_prints_its_addresses_and_they_answer(served: Served):
    said = served.log.read_text()
    server, reports = (f"http://127.0.0.1:{port}" for port in served.ports)
    assert server in said
    assert reports in said
    assert running_server(served.lake) == f"{server}/api"
    assert "<html" in httpx.get(server, follow_redirects=True).text
    (served.lake / "reports" / "one.html").write_text("<p>a report")
    assert httpx.get(f"{reports}/one.html").text == "<p>a report"
    assert httpx.get(f"{reports}/../artifacts.sqlite").status_code == 404
    assert httpx.get(f"{reports}/one.html", headers={"Host": "elsewhere.example"}).status_code == 403


def test_telemetry_is_off_and_other_sites_may_not_call(served: Served):
    assert served.api("GET", "admin/settings")["server"]["analytics_enabled"] is False
    asked = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    answer = httpx.options(f"http://127.0.0.1:{served.ports[0]}/api/deployments/filter", headers=asked)
    assert "access-control-allow-origin" not in answer.headers


def test_the_form_has_a_description_for_each_parameter(served: Served):
    fields = served.deployment("slow")["parameter_openapi_schema"]["properties"]
    assert fields["shards"]["title"] == "Shards"
    assert fields["shards"]["description"] == "How many shards there are."
    assert fields["seconds"]["description"] == "Seconds that each takes."
    assert (fields["shards"]["type"], fields["shards"]["default"], fields["shards"]["minimum"]) == ("integer", 4, 1)


def test_a_run_started_through_the_api_completes_and_shows_its_stage(served: Served):
    run = served.run("slow", shards=3)
    assert served.ended(run)["type"] == "COMPLETED"
    (artifact,) = Lake(served.lake).artifacts("slow")
    assert artifact.rows() == 3
    tasks = served.api("POST", "task_runs/filter", json={"flow_runs": {"id": {"any_": [run]}}})
    assert [(one["name"].rsplit("-", 1)[0], one["state"]["type"]) for one in tasks] == [("slow", "COMPLETED")]
    shown = served.api("POST", "artifacts/filter", json={"flow_runs": {"id": {"any_": [run]}}})
    assert {one["type"] for one in shown} >= {"progress", "table"}
    wait_for(lambda: not served.of_runs())


def test_a_failed_run_names_the_stage_the_file_and_the_next_step(served: Served):
    state = served.ended(served.run("failing"))
    assert state["type"] == "FAILED"
    for part in ("StageFailed: slow: shard 2", "crawl-2.warc", "cut off at byte 4711", "run again"):
        assert part in state["message"]


def test_a_cancelled_run_leaves_no_process_and_run_again_it_goes_on(served: Served):
    before = served.finished_shards()
    run = served.run("slow", shards=30, seconds=0.4)
    wait_for(lambda: len(served.finished_shards()) >= len(before) + 3)
    assert len(served.of_runs()) >= 3  # the run and its two workers
    served.api("POST", f"flow_runs/{run}/set_state", json={"state": {"type": "CANCELLING"}})
    assert served.ended(run)["type"] == "CANCELLED"
    wait_for(lambda: not served.of_runs(), 10)
    kept = {name: about for name, about in served.finished_shards().items() if about not in before.values()}
    assert 3 <= len(kept) < 30

    assert served.ended(served.run("slow", shards=30, seconds=0.4))["type"] == "COMPLETED"
    after = served.finished_shards()
    assert {name: after[name] for name in kept} == kept


def test_a_schedule_is_off_until_it_is_switched_on_and_then_gives_scheduled_runs(served: Served):
    deployment = served.deployment("counting")
    (schedule,) = deployment["schedules"]
    assert schedule["schedule"]["cron"] == "*/5 * * * *"
    assert schedule["active"] is False

    def scheduled() -> list[dict[str, Any]]:
        wanted = {
            "flow_runs": {"deployment_id": {"any_": [deployment["id"]]}, "state": {"type": {"any_": ["SCHEDULED"]}}}
        }
        return served.api("POST", "flow_runs/filter", json=wanted)

    assert scheduled() == []
    served.switch_on(deployment)
    runs = wait_for(scheduled, 90)
    assert all(run["auto_scheduled"] for run in runs)


def test_a_second_one_for_the_lake_and_a_busy_port_get_a_sentence(served: Served, tmp_path: Path):
    def says(lake: Path, ports: list[int]) -> str:
        command = [sys.executable, "-m", "tests.deployments.serve", str(lake), *map(str, ports)]
        ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
        assert ended.returncode == 1
        return ended.stderr

    assert f"running for the lake {served.lake} already at http://127.0.0.1:{served.ports[0]}" in says(
        served.lake, free_ports(2)
    )
    assert f"Port {served.ports[0]} of 127.0.0.1 cannot be used" in says(tmp_path / "other", served.ports)


def test_killed_it_leaves_no_process_and_the_next_start_marks_the_run(served: Served):
    served.switch_on(served.deployment("counting"))
    run = served.run("slow", shards=40, seconds=0.5)
    wait_for(lambda: served.state(run)["type"] == "RUNNING" and len(served.of_runs()) >= 3)
    # Scheduled runs that nobody takes: the pool is paused. Then the machine is off for a while.
    served.api("PATCH", "work_pools/gristmill", json={"is_paused": True})
    ago = [(datetime.now(UTC) - timedelta(minutes=minutes)).isoformat() for minutes in (31, 1)]
    deployment = served.deployment("counting")["id"]
    served.api("POST", f"deployments/{deployment}/schedule", json={"start_time": ago[0], "end_time": ago[1]})
    served.signal(signal.SIGKILL)
    wait_for(lambda: not served.processes(), 10)

    served.start()
    wanted = {"flow_runs": {"deployment_id": {"any_": [deployment]}, "expected_start_time": {"before_": ago[1]}}}
    missed = [one["state"] for one in served.api("POST", "flow_runs/filter", json=wanted)]
    assert [one["type"] for one in missed].count("SCHEDULED") == 1
    assert {one["type"] for one in missed} == {"SCHEDULED", "CANCELLED"}
    assert "makes up for it" in next(one["message"] for one in missed if one["type"] == "CANCELLED")
    assert served.api("GET", "work_pools/gristmill")["is_paused"]
    served.api("PATCH", "work_pools/gristmill", json={"is_paused": False})
    wait_for(lambda: list((served.lake / "counted").glob("*")))

    state = served.state(run)
    assert state["type"] == "CRASHED"
    assert "its process is gone" in state["message"]
    assert "it goes on from the last finished shard" in state["message"]
    # What a person switched on in the UI stays on when the deployments are registered again.
    assert [one["active"] for one in served.deployment("counting")["schedules"]] == [True]


def test_stopped_by_ctrl_c_in_a_run_it_marks_the_run_and_leaves_no_process(served: Served):
    run = served.run("slow", shards=50, seconds=0.5)
    wait_for(lambda: served.state(run)["type"] == "RUNNING" and len(served.of_runs()) >= 3)
    served.signal(signal.SIGINT)
    assert served.processes() == []
    said = served.log.read_text()
    assert "was stopped; run again" in said
    assert said.endswith("Stopped: no process is left.\n")
    assert running_server(served.lake) is None
