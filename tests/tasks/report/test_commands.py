"""The commands to try next are as they can be typed where the run was."""

import os
import sys
from pathlib import Path

import pytest

from storage import names
from storage.artifact import Artifact
from storage.lake import Lake
from tasks.report.flow import lake_option, name_of, program


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory whose virtual environment is not on the PATH."""
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "gristmill").write_text("#!/bin/sh\n")
    (tmp_path / ".venv" / "bin" / "gristmill").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv" / "bin" / "python"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_program_is_named_by_its_path_where_a_shell_does_not_find_it(here, monkeypatch):
    assert program() == ".venv/bin/gristmill"
    (here / "below").mkdir()
    monkeypatch.chdir(here / "below")
    assert program() == f"{here}/.venv/bin/gristmill"
    monkeypatch.setenv("PATH", f"{here}/.venv/bin{os.pathsep}/usr/bin")
    assert program() == "gristmill"


def test_a_lake_that_is_not_the_usual_one_is_named(here):
    assert lake_option(Lake("lake").root) == ""
    assert lake_option(Lake("other lake").root) == " --lake 'other lake'"
    assert lake_option(Path("/data/lake")) == " --lake /data/lake"


def test_a_model_is_called_by_what_it_is_named_now(here):
    lake = Lake(here / "lake")
    first, second = (Artifact(lake=str(lake.root), stage="finetune", fingerprint=letter * 64) for letter in "ab")
    assert name_of(lake, first) == "a" * 12
    names.assign(lake, "mill/tuned", first)
    assert name_of(lake, first) == "mill/tuned"
    names.assign(lake, "mill/tuned", second)
    assert (name_of(lake, first), name_of(lake, second)) == ("a" * 12, "mill/tuned")
