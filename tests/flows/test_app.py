"""What the command line says of errors."""

import importlib

import httpx
import pytest

from flows.cli.app import EXPECTED, is_expected, lost_server
from storage.lake import NotFound


def test_every_expected_error_is_there():
    for module, names in EXPECTED.items():
        for name in names:
            assert issubclass(getattr(importlib.import_module(module), name), Exception)


@pytest.mark.parametrize(("error", "expected"), [(NotFound("no name"), True), (KeyError("a bug"), False)])
def test_a_bug_is_no_expected_error(error, expected):
    assert is_expected(error) is expected
    assert lost_server(error) is None


def test_a_lost_server_is_named_with_what_to_do(monkeypatch):
    monkeypatch.setenv("GRISTMILL_PREFECT_API_URL", "http://127.0.0.1:9/api")
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    said = lost_server(httpx.ConnectError("refused"))
    assert said is not None
    assert said.startswith(
        "Prefect's server http://127.0.0.1:9/api has gone (ConnectError). What was finished is kept;"
    )
    assert said.endswith("run the same command again.")
