"""Set-up on a machine that lacks something says what, in one line that names the package; cut short, it starts over."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with only what set-up reads."""
    (tmp_path / "checkout" / "deployments").mkdir(parents=True)
    for name in ("deployments/bootstrap.sh", "deployments/constraints.txt", "pyproject.toml", "Makefile"):
        shutil.copy(REPOSITORY / name, tmp_path / "checkout" / name)
    return tmp_path / "checkout"


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder that is the whole PATH: few commands needed, this Python as `python3`, a compiler that never runs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("bash", "dirname", "mkdir", "rm", "touch", "find", "grep", "tail", "uname"):
        (folder / name).symlink_to(shutil.which(name) or pytest.fail(f"no {name} on this machine"))
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    script(folder / "python3", f'exec {base} "$@"')
    script(folder / "g++", "exit 0")
    return folder


def script(path: Path, body: str) -> None:
    """Writes an executable shell script."""
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def set_up(checkout: Path, tools: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the script with nothing to install from, so that whatever passes the checks ends at pip."""
    bash = shutil.which("bash") or pytest.fail("no bash on this machine")
    nowhere = {"PATH": str(tools), "HOME": str(checkout), "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    return subprocess.run(
        [bash, str(checkout / "deployments/bootstrap.sh")],
        env=nowhere | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def refusal(result: subprocess.CompletedProcess[str]) -> str:
    """The one line that a refused set-up says."""
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    return result.stderr


def test_a_missing_compiler_names_its_package(checkout: Path, tools: Path):
    (tools / "g++").unlink()
    assert "apt-get install g++" in refusal(set_up(checkout, tools))
    assert not (checkout / ".venv").exists()


def test_a_python_that_is_not_there_is_named(checkout: Path, tools: Path):
    assert "no 'python9' here" in refusal(set_up(checkout, tools, PYTHON="python9"))


@pytest.mark.parametrize("version", ["3.10", "3.14"])
def test_a_python_of_another_version_is_refused(checkout: Path, tools: Path, version: str):
    script(tools / "python3", f"echo {version}")
    message = refusal(set_up(checkout, tools))
    assert f"is Python {version}" in message
    assert "3.11, 3.12 or 3.13" in message


def test_a_python_without_venv_names_its_package(checkout: Path, tools: Path, tmp_path: Path):
    (tmp_path / "shadow").mkdir()
    (tmp_path / "shadow" / "ensurepip.py").write_text("raise ImportError('as Debian ships it without python3-venv')\n")
    message = refusal(set_up(checkout, tools, PYTHONPATH=str(tmp_path / "shadow")))
    assert "apt-get install python3-venv" in message


def test_a_python_without_headers_names_its_package(checkout: Path, tools: Path, tmp_path: Path):
    (tmp_path / "shadow").mkdir()
    (tmp_path / "shadow" / "sitecustomize.py").write_text(
        "import sysconfig\nsysconfig.get_path = lambda *names, **options: '/nowhere'\n"
    )
    message = refusal(set_up(checkout, tools, PYTHONPATH=str(tmp_path / "shadow")))
    assert "apt-get install python3-dev" in message


@pytest.mark.skipif(
    not Path(sysconfig.get_path("include"), "Python.h").exists(), reason="Python's headers are not installed here."
)
def test_a_set_up_that_did_not_end_starts_over(checkout: Path, tools: Path):
    first = set_up(checkout, tools)
    assert first.returncode == 1, first.stdout
    assert "pip could not finish" in first.stderr
    assert not (checkout / ".venv/set-up-done").exists()
    (checkout / ".venv/half-a-package").touch()

    second = set_up(checkout, tools)
    assert "an earlier set-up did not end; starting over" in second.stdout
    assert not (checkout / ".venv/half-a-package").exists()
    assert (checkout / ".venv/set-up-unfinished").exists()


@pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine.")
def test_make_alone_explains_the_commands(checkout: Path):
    explained = subprocess.run(["make"], cwd=checkout, capture_output=True, text=True, check=True).stdout
    assert "make run" in explained
    assert "make test" in explained
    assert not (checkout / ".venv").exists()
