"""The promises of conftest: what skips, what REQUIRE_DATA turns into a failure, and whose Prefect the tests talk to."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SUITE = """
import pytest

def test_passes(): ...

def test_needs_data(test_data):
    assert (test_data / "here").exists()

def test_skips():
    pytest.skip("no such device")

@pytest.mark.xfail(reason="known", strict=True)
def test_expected():
    raise AssertionError
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A folder with our conftest and four tests: one passes, one needs data, one skips, one fails as expected."""
    folder = tmp_path / "suite"
    folder.mkdir()
    shutil.copy(Path(__file__).with_name("conftest.py"), folder / "conftest.py")
    (folder / "test_suite.py").write_text(SUITE)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    data: needs real data\n")
    return folder


def outcome(suite: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Runs the suite in a process of its own: (exit status, what it printed)."""
    inherited = {k: v for k, v in os.environ.items() if k not in ("GRISTMILL_TEST_DATA", "REQUIRE_DATA")}
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", *arguments],
        cwd=suite,
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return result.returncode, result.stdout


def test_without_data_a_test_that_needs_them_skips_and_says_why(suite: Path):
    status, printed = outcome(suite)
    assert status == 0
    assert "1 passed, 2 skipped, 1 xfailed" in printed
    assert "GRISTMILL_TEST_DATA is unset" in printed


def test_with_data_it_runs(suite: Path, tmp_path: Path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "here").touch()
    status, printed = outcome(suite, GRISTMILL_TEST_DATA=str(tmp_path / "data"))
    assert status == 0
    assert "2 passed, 1 skipped, 1 xfailed" in printed


def test_a_wrong_data_path_is_an_error_not_an_absence(suite: Path, tmp_path: Path):
    status, printed = outcome(suite, GRISTMILL_TEST_DATA=str(tmp_path / "nowhere"))
    assert status == 1
    assert "names no folder" in printed


def test_require_data_makes_every_skip_a_failure_but_no_expected_failure(suite: Path):
    status, printed = outcome(suite, REQUIRE_DATA="1")
    assert status == 1
    assert "1 passed, 1 xfailed" in printed
    assert "skipped" not in printed.splitlines()[-1]
    assert "REQUIRE_DATA=1 allows no skip, and this one skipped: " in printed
    assert "no such device" in printed


def test_require_data_refuses_a_module_that_skips_whole(suite: Path):
    (suite / "test_suite.py").write_text("import pytest\npytest.importorskip('no_such_module')\n")
    assert outcome(suite)[0] == 5
    status, printed = outcome(suite, REQUIRE_DATA="1")
    assert status != 0
    assert status != 5
    assert "allows no skip" in printed


def test_what_needs_data_can_be_left_out(suite: Path):
    status, printed = outcome(suite, "-m", "not data")
    assert status == 0
    assert "1 deselected" in printed


def test_the_users_prefect_and_lake_are_out_of_sight(suite: Path, tmp_path: Path):
    (suite / "test_suite.py").write_text(
        "import os\n"
        "from prefect.settings import get_current_settings\n"
        "def test_nothing_of_the_user():\n"
        "    settings = get_current_settings()\n"
        f"    assert str(settings.home) != {str(tmp_path)!r}\n"
        "    assert settings.api.url is None\n"
        "    assert settings.server.analytics_enabled is False\n"
        "    assert 'GRISTMILL_LAKE' not in os.environ\n"
    )
    status, printed = outcome(
        suite, PREFECT_HOME=str(tmp_path), PREFECT_API_URL="http://127.0.0.1:9/api", GRISTMILL_LAKE=str(tmp_path)
    )
    assert status == 0, printed


def test_a_flow_is_recorded_by_the_tests_own_server(prefect_harness: None):
    from prefect import flow
    from prefect.client.orchestration import get_client

    @flow(name="recorded-by-the-harness")
    def double(number: int) -> int:
        return 2 * number

    assert double(21) == 42
    with get_client(sync_client=True) as client:
        names = {recorded.name for recorded in client.read_flows()}
    assert "recorded-by-the-harness" in names
