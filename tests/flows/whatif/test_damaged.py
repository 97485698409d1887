"""A damaged file of a lake is a sentence of whatever command needs it, and `verify` finds it and says what to do."""

import importlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli.app import COMMANDS, app, is_expected
from flows.cli.catalog_rows import repairs
from flows.grow import grow_corpus
from flows.session import session
from storage.catalog.superseded import supersede
from storage.catalog.verify import verify
from storage.files import Damaged
from storage.forget import marks
from storage.forget.tombstones import bury, parse
from storage.sources import claim
from tests.flows.whatif.conftest import Mill

for module in COMMANDS:
    importlib.import_module(f"flows.cli.{module}")

WORDS: dict[str, list[str]] = {
    "sql": ["select count(*) from documents"],
    "explain": ["https://mill.example/1"],
    "lineage": ["mill/corpus"],
    "whatif": ["RECIPE", "--set", "decide.gopher.min_words=80", "--workers", "1"],
    "mixture": ["RECIPE"],
    "artifacts": [],
    "gc": [],
    "du": [],
}


def cut(*pattern: str) -> Callable[[Mill], Path]:
    """Damage the first file of this name: keep a third of it."""

    def damage(mill: Mill) -> Path:
        path = sorted(mill.lake.root.glob("/".join(pattern)))[0]
        os.truncate(path, path.stat().st_size // 3)
        return path

    return damage


def drop(*pattern: str) -> Callable[[Mill], Path]:
    """Delete the first file of this name."""

    def damage(mill: Mill) -> Path:
        path = sorted(mill.lake.root.glob("/".join(pattern)))[0]
        path.unlink()
        return path

    return damage


DAMAGES = {
    "manifest": (cut("compose", "*", "manifest.json"), "sql explain lineage whatif mixture refresh"),
    "name": (cut("names", "mill", "corpus", "000001.json"), "sql gc du artifacts whatif refresh"),
    "run": (cut("runs", "*", "started.json"), "sql gc du refresh"),
    "ended run": (cut("runs", "*", "ended.json"), "sql gc du"),
    "sources": (cut("sources.json"), "refresh"),
    "part that is cut": (cut("extract", "*", "part-*.parquet"), "sql explain whatif mixture refresh"),
    "part that is missing": (drop("extract", "*", "part-*.parquet"), "sql explain whatif mixture refresh"),
    "provenance": (drop("compose", "*", "provenance.json"), "lineage"),
    "tombstone": (cut("tombstones", "000001.json"), "sql gc du refresh"),
    "mark": (cut("marks", "*", "learned-000001.json"), "sql artifacts gc"),
    "superseded": (cut("superseded", "*.json"), "gc du"),
}


def ask(mill: Mill, command: str) -> BaseException | None:
    """The error that ends a command, if one does."""
    if command == "refresh":
        other = mill.recipe.with_name("other.yaml")
        other.write_text(mill.recipe.read_text().replace("min_words: 60", "min_words: 90"))
        try:
            with session("refresh", str(other), [], str(mill.lake.root), 0) as (plan, _):
                grow_corpus(plan)
        except Exception as error:
            return error
        return None
    words = [str(mill.recipe) if word == "RECIPE" else word for word in WORDS[command]]
    return CliRunner().invoke(app, [command, *words, "--lake", str(mill.lake.root)]).exception


def with_all_kinds_of_files(mill: Mill) -> Mill:
    """The lake, with a tombstone, a mark and something that was superseded as well."""
    claim(mill.lake, "pages", "mill", str(mill.recipe.with_name("pages.jsonl")))
    bury(mill.lake, parse("nowhere.example"))
    (corpus,) = mill.lake.artifacts("compose")
    (decisions,) = mill.lake.artifacts("decide")
    marks.put(mill.lake, corpus, "learned", 1, 1)
    supersede(mill.lake, decisions, None, "a test says so")
    return mill


@pytest.fixture
def damaged(mill: Mill, request: pytest.FixtureRequest) -> tuple[Mill, Path]:
    """A lake with one damaged file, which the parameter names, and that file."""
    damage, _ = DAMAGES[request.param]
    return mill, damage(with_all_kinds_of_files(mill))


@pytest.mark.parametrize(
    ("damaged", "command"),
    [(name, command) for name, (_, commands) in DAMAGES.items() for command in commands.split()],
    indirect=["damaged"],
)
def test_a_command_that_needs_a_damaged_file_names_it_and_verify(damaged, command):
    mill, path = damaged
    error = ask(mill, command)
    assert isinstance(error, Damaged), repr(error)
    assert is_expected(error)
    assert str(path) in str(error)
    assert "`gristmill verify` says what to do" in str(error)


@pytest.mark.parametrize("damaged", DAMAGES, indirect=True)
def test_verify_finds_what_commands_stumble_over_and_says_what_to_do(damaged):
    mill, path = damaged
    found = verify(mill.lake).damages
    (damage,) = found
    assert damage.artifact is None or damage.artifact.folder == path.parent
    assert str(path).endswith(damage.where)
    told = repairs(mill.lake, found)
    assert len(told) == 1
    where = str(path.parent) if damage.artifact else damage.where
    assert where in told[0]
    assert "delete" in told[0]


@pytest.mark.parametrize(
    "damaged", ["name", "run", "ended run", "sources", "tombstone", "mark", "superseded"], indirect=True
)
def test_with_the_file_deleted_as_verify_says_nothing_is_damaged_and_the_lake_is_refreshed(damaged):
    mill, path = damaged
    if path.name == "started.json":
        path.with_name("ended.json").unlink()
    path.unlink()
    assert verify(mill.lake).damages == []
    assert ask(mill, "refresh") is None
    assert verify(mill.lake).damages == []


def test_the_index_is_made_again_without_what_is_damaged_and_says_so(mill):
    path = cut("compose", "*", "manifest.json")(mill)
    others = len(mill.lake.registry.rows()) - 1
    done = CliRunner().invoke(app, ["verify", "--rebuild", "--lake", str(mill.lake.root)])
    assert (done.exit_code, done.exception and type(done.exception)) == (1, SystemExit)
    said = done.stdout.splitlines()
    assert said[0] == (
        f"The registry was made again from {others} manifests. "
        f"Left out, for their manifests are damaged: compose/{path.parent.name[:12]}."
    )
    assert any(f"delete {path.parent}, then" in line for line in said)
    assert isinstance(ask(mill, "gc"), Damaged)  # it would delete what only this one leads to


def test_what_is_not_of_the_lake_is_named_and_left_alone(mill):
    mine = mill.lake.root / "mystuff" / "a"
    mine.mkdir(parents=True)
    (mine / "manifest.json").write_text("{}")
    for command in ("gc", "du", "sql", "artifacts"):
        assert ask(mill, command) is None, command
    done = CliRunner().invoke(app, ["verify", "--lake", str(mill.lake.root)])
    assert done.exit_code == 0
    assert "mystuff/a is not of this lake" in done.stdout
    assert "delete" not in done.stdout
    told = json.loads(CliRunner().invoke(app, ["verify", "--json", "--lake", str(mill.lake.root)]).stdout)
    assert (told["foreign"], told["damages"], told["repairs"]) == (["mystuff/a"], [], [])
    assert CliRunner().invoke(app, ["gc", "--yes", "--runs", "0", "--lake", str(mill.lake.root)]).exception is None
    assert (mine / "manifest.json").exists()
