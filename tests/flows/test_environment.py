"""Prefect works inside the lake, whatever the user's own settings say. Each case in a process of its own."""

import json
import os
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from flows.environment import (
    REPORTS_URL,
    PrefectElsewhere,
    _refuse_servers_in,
    end_orphans,
    report_address,
    running_server,
)

REPOSITORY = Path(__file__).parents[2]
ASK = textwrap.dedent("""
    import json, os, sys
    from flows.environment import prepare
    home = prepare(sys.argv[1])
    from prefect.settings import get_current_settings
    now = get_current_settings()
    print(json.dumps({
        "returned": str(home), "home": str(now.home), "url": now.api.url, "key": now.api.key and "a key",
        "analytics": now.server.analytics_enabled, "promotions": now.server.ui.show_promotional_content,
        "database": now.server.database.connection_url.get_secret_value(), "level": now.logging.level,
        "temporary": now.server.ephemeral.enabled, "uv": now.runner.auto_install_dependencies,
    }))
""")


def settings(folder: Path, **environment: str) -> dict[str, object]:
    """What Prefect takes for its settings after `prepare`, in a process whose user has a Cloud profile."""
    home = folder / "home"
    (home / ".prefect").mkdir(parents=True, exist_ok=True)
    (home / ".prefect" / "profiles.toml").write_text(
        'active = "cloud"\n[profiles.cloud]\nPREFECT_API_URL = "https://cloud.example/api"\n'
        'PREFECT_API_KEY = "secret"\n'
    )
    around = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "GRISTMILL_"))}
    around |= {"HOME": str(home), "PYTHONPATH": str(REPOSITORY)} | environment
    command = [sys.executable, "-c", ASK, str(folder / "lake")]
    answer = subprocess.run(command, cwd=home, env=around, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def test_a_users_profile_server_and_key_are_out_of_sight(tmp_path: Path):
    theirs = {
        "PREFECT_API_URL": "https://shell.example/api",
        "PREFECT_API_KEY": "secret",
        "PREFECT_PROFILE": "cloud",
        "PREFECT_HOME": str(tmp_path / "home" / ".prefect"),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": "postgresql+asyncpg://team.example/prefect",
        "PREFECT_LOGGING_LEVEL": "WARNING",
    }
    found = settings(tmp_path, **theirs)
    inside = str(tmp_path / "lake" / ".prefect")
    assert found["home"] == found["returned"] == inside
    assert found["database"] == f"sqlite+aiosqlite:///{inside}/prefect.db"
    assert not found["url"]
    assert not found["key"]
    assert found["temporary"] is True
    assert (found["analytics"], found["promotions"], found["uv"]) == (False, False, False)
    assert found["level"] == "WARNING"  # says nothing of where Prefect works


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("prefect.toml", '[api]\nurl = "https://file.example/api"\n'),
        ("pyproject.toml", '[tool.prefect.api]\nurl = "https://file.example/api"\n'),
        (".env", "OTHER=1\nexport PREFECT_API_URL=https://file.example/api\n"),
    ],
)
def test_a_file_that_would_send_runs_elsewhere_is_refused(
    name: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "theirs"\n')
    (tmp_path / ".env").write_text("PREFECT_LOGGING_LEVEL=INFO\n")
    _refuse_servers_in(tmp_path)
    (tmp_path / name).write_text(text)
    with pytest.raises(PrefectElsewhere, match=rf"{name} sends Prefect's runs to https://file.example/api"):
        _refuse_servers_in(tmp_path)


def test_a_server_of_ones_own_choice_is_used(tmp_path: Path):
    assert settings(tmp_path, GRISTMILL_PREFECT_API_URL="http://team.example/api")["url"] == "http://team.example/api"


def test_the_server_that_is_up_for_the_lake_is_used_and_a_dead_one_is_not(tmp_path: Path):
    noted = tmp_path / "lake" / ".prefect" / "server.json"
    noted.parent.mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/api"
        noted.write_text(json.dumps({"api": address}))
        assert running_server(tmp_path / "lake") == address
        assert settings(tmp_path)["url"] == address
    assert running_server(tmp_path / "lake") is None
    assert not settings(tmp_path)["url"]


def test_a_run_that_a_worker_started_keeps_its_workers_settings(tmp_path: Path):
    given = {"PREFECT_API_URL": "http://127.0.0.1:1/api", "PREFECT_HOME": str(tmp_path / "workers")}
    found = settings(tmp_path, PREFECT__FLOW_RUN_ID="00000000-0000-0000-0000-000000000001", **given)
    assert (found["url"], found["home"]) == (given["PREFECT_API_URL"], given["PREFECT_HOME"])


def test_settings_that_come_too_late_are_an_error(tmp_path: Path):
    script = "import prefect, flows.environment, sys; flows.environment.prepare(sys.argv[1])"
    command = [sys.executable, "-c", script, str(tmp_path / "lake")]
    answer = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert "prefect was imported before its settings" in answer.stderr
    assert not (tmp_path / "lake" / ".prefect").exists()


def test_a_report_has_an_address_where_it_is_served(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(REPORTS_URL, raising=False)
    assert report_address("lake/reports/run one.html") is None
    monkeypatch.setenv(REPORTS_URL, "http://127.0.0.1:4201")
    assert report_address("lake/reports/run one.html") == "http://127.0.0.1:4201/run%20one.html"


DRAW = textwrap.dedent("""
    import json, os, socket, sys
    del os.environ["GRISTMILL_PREPARED"]
    os.environ["GRISTMILL_LAKE"] = sys.argv[1]
    import flows.orchestrate
    from prefect.server.api.server import SubprocessASGIServer
    ports = [SubprocessASGIServer().find_available_port() for _ in range(200)]
    print(json.dumps(ports), flush=True)
    sys.stdin.read()
    for port in ports:  # as uvicorn does
        with socket.create_server(("127.0.0.1", port)) as server:
            socket.create_connection(server.getsockname()).close()
""")


def test_no_two_runs_draw_the_same_port_for_their_temporary_servers(tmp_path: Path):
    around = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    commands = [[sys.executable, "-c", DRAW, str(tmp_path / name)] for name in ("one", "other")]
    drawing = [
        subprocess.Popen(command, cwd=REPOSITORY, env=around, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for command in commands
    ]
    drawn: list[int] = []
    for process in drawing:
        assert process.stdout
        drawn += json.loads(process.stdout.readline())
    for port in drawn[:20]:
        with pytest.raises(OSError, match="in use"), socket.socket() as stranger:
            stranger.bind(("127.0.0.1", port))
    for process in drawing:
        process.communicate("", timeout=60)
    assert len(set(drawn)) == 400
    assert [process.returncode for process in drawing] == [0, 0]


def test_a_temporary_server_whose_run_was_killed_is_ended_by_the_next(tmp_path: Path):
    """A stand-in with the server's command line and home, whose parent, a shell, has ended."""
    home = tmp_path / "lake" / ".prefect"
    waits = f"{sys.executable} -c 'import time; time.sleep(60)' prefect.server.api.server:create_app"
    stand_in = f"{waits} > /dev/null 2>&1 & echo $!"
    around = {"PREFECT_HOME": str(home), "PATH": os.environ["PATH"]}
    given = subprocess.run(["bash", "-c", stand_in], env=around, capture_output=True, text=True, timeout=20)
    pid = int(given.stdout)
    deadline = time.monotonic() + 20
    while psutil.Process(pid).ppid() != 1:
        assert time.monotonic() < deadline
    end_orphans(tmp_path / "other" / ".prefect")
    assert psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    end_orphans(home)
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.05)
