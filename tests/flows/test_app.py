"""What the command line says of errors."""

import errno
import importlib

import httpx
import pytest
import typer.core
import typer.main
from typer.testing import CliRunner

from flows.cli.app import COMMANDS, EXPECTED, GROUPS, NO_ROOM, app, is_expected, lost_server, refused_by_system
from storage.lake import NotFound
from tests.acceptance.drive import gristmill


@pytest.fixture(scope="module")
def command_line() -> typer.core.TyperGroup:
    """The whole command line, as `main` puts it together."""
    for module in COMMANDS:
        importlib.import_module(f"flows.cli.{module}")
    made = typer.main.get_command(app)
    assert isinstance(made, typer.core.TyperGroup)
    return made


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


def test_every_command_has_one_heading_and_a_first_sentence_that_fits(
    command_line: typer.core.TyperGroup,
):
    listed = [name for names in GROUPS.values() for name in names]
    assert sorted(listed) == sorted(command_line.commands)
    said = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "80"}).stdout
    assert all(heading in said for heading in GROUPS)
    assert "..." not in said.partition("COMMAND [ARGS]...")[2]


def test_every_help_has_an_example_and_says_what_it_costs_and_never_does(
    command_line: typer.core.TyperGroup,
):
    for name, command in command_line.commands.items():
        paragraphs = (command.help or "").split("\n\n")
        examples = [one.removeprefix("\b\n") for one in paragraphs if one.startswith("\b\n")]
        assert any(f"gristmill {name}" in one for one in examples), name
        assert [one.partition(" ")[0] for one in paragraphs[-2:]] == ["Costs:", "Never:"], name


def test_options_of_one_name_are_the_same_everywhere(command_line: typer.core.TyperGroup):
    """`--lake` means one thing, and whatever prints rows can print them for a program."""
    options = {
        name: {flag: option for option in command.params for flag in option.opts}
        for name, command in command_line.commands.items()
    }
    for name, known in options.items():
        assert "--json" in known or "--format" not in known, name
    for flag in ("--lake", "--set", "--workers"):
        said = {getattr(known[flag], "help", None) for known in options.values() if flag in known}
        assert len(said) == 1, flag


def test_what_the_operating_system_refuses_is_a_sentence_and_an_unknown_error_is_a_bug(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="Not a directory") as caught:
        (tmp_path / "file" / "folder").mkdir()
    said = f"{tmp_path}/file/folder: Not a directory. What is to be a folder is none: name another place."
    assert refused_by_system(caught.value) == said
    full = OSError(errno.ENOSPC, "No space left on device", "part")
    assert refused_by_system(full) == f"part: No space left on device. {NO_ROOM}"
    assert refused_by_system(OSError(errno.EIO, "Input/output error")) is None
    assert refused_by_system(KeyError("a bug")) is None


def test_a_lake_where_none_can_be_is_refused_before_any_work(tmp_path):
    (tmp_path / "file").touch()
    done = gristmill("refresh", "sample", lake=tmp_path / "file")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        f"gristmill: Nothing can be written into a lake at {tmp_path}/file (Not a directory)."
    )
    assert len(done.stderr.splitlines()) == 1
