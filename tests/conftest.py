"""What every test may use: the real data, an empty lake, a Prefect server of its own. The user's own is hidden."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Prefect reads its settings at its first import, which a test module may do while it is collected: so they are set
# here, at once, and the user's own profile, server, key and lake are taken out of sight.
_PREFECT_HOME = tempfile.mkdtemp(prefix="gristmill-prefect-")
for _name in [name for name in os.environ if name.startswith("PREFECT_") or name == "GRISTMILL_LAKE"]:
    del os.environ[_name]
os.environ |= {
    "PREFECT_HOME": _PREFECT_HOME,
    "GRISTMILL_PREPARED": "1",  # flows leave these settings as they are
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_SERVER_UI_V2_ENABLED": "false",
    "PREFECT_WORKER_QUERY_SECONDS": "2",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
}

# No deadline: two shared cores make any one example slow at times. No database: a run depends on the code alone.
settings.register_profile("gristmill", deadline=None, database=None)
settings.register_profile("ci", deadline=None, database=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "gristmill")


def require_data() -> bool:
    """Whether this run promises that nothing is missing (REQUIRE_DATA=1): then every skip is a failure."""
    return os.environ.get("REQUIRE_DATA") == "1"


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real data, from GRISTMILL_TEST_DATA. Without it the test skips; with REQUIRE_DATA=1 it fails."""
    named = os.environ.get("GRISTMILL_TEST_DATA")
    if named and Path(named).is_dir():
        return Path(named)
    reason = f"GRISTMILL_TEST_DATA names no folder ({named})" if named else "no real data: GRISTMILL_TEST_DATA is unset"
    if named or require_data():
        # A wrong path is a mistake, not an absence: skipping would hide it.
        pytest.fail(f"{reason}.", pytrace=False)
    pytest.skip(f"{reason}.")


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """The path of a lake that does not exist yet, in a folder of the test's own."""
    return tmp_path / "lake"


@pytest.fixture(scope="session")
def prefect_harness() -> Iterator[None]:
    """A Prefect server on a temporary database, for all tests that ask. Its start takes seconds: units use `.fn()`."""
    from prefect.testing.utilities import prefect_test_harness

    # Two minutes: on two busy cores the server's first start outlasts Prefect's default of thirty seconds.
    with prefect_test_harness(server_startup_timeout=120):
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what uses `test_data`, so that `-m "not data"` leaves it out."""
    for item in items:
        if "test_data" in getattr(item, "fixturenames", ()):
            item.add_marker("data")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """With REQUIRE_DATA=1 a test that skips fails. An expected failure reports itself as skipped too: it stays one."""
    report = yield
    if require_data() and report.skipped and not hasattr(report, "wasxfail"):
        _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector):
    """The same for a module that skips as a whole (importorskip)."""
    report = yield
    if require_data() and report.skipped:
        _refuse_skip(report)
    return report


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"REQUIRE_DATA=1 allows no skip, and this one skipped: {reason}"


def pytest_unconfigure() -> None:
    """Removes the temporary PREFECT_HOME."""
    shutil.rmtree(_PREFECT_HOME, ignore_errors=True)
