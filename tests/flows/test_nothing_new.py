"""A refresh without news ends at once and says so; one with news, of any kind, does not."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flows.change import ask_for_training
from flows.grow import grow_corpus, unchanged
from flows.recipe import check_recipe, load_recipe
from storage import names
from storage.artifact import Artifact
from tasks.run import Run, running
from tests.flows.growing import add, grow, grow_in, write_files

REPOSITORY = Path(__file__).parents[2]
FEW = "decide.gopher.min_words=40"


@pytest.fixture
def grown(tmp_path: Path) -> Artifact:
    """The corpus of one file of two."""
    files = write_files(tmp_path / "files", 2)
    return grow_in(tmp_path, [files[:1]])


def look(folder: Path, *settings: str) -> tuple[Artifact | None, Run]:
    plan = check_recipe(load_recipe(str(folder / "growing.yaml"), settings))
    with running(folder / "lake", "refresh", workers=0) as run:
        return unchanged(plan, {"recipe": "growing", "settings": settings}), run


def made(lake: Path) -> dict[Path, int]:
    """Every file of artifacts and names, with the time of its last change."""
    folders = [one for one in lake.iterdir() if one.is_dir() and one.name[0] != "." and one.name != "runs"]
    return {path: path.stat().st_mtime_ns for folder in folders for path in folder.rglob("*") if path.is_file()}


def test_the_command_says_that_nothing_is_new_and_makes_nothing_and_needs_no_server(tmp_path: Path, grown: Artifact):
    lake = tmp_path / "lake"
    before = made(lake)
    command = [sys.executable, "-X", "importtime", "-m", "flows.cli", "refresh", str(tmp_path / "growing.yaml")]
    around = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "GRISTMILL_"))}
    ended = subprocess.run(
        [*command, "--lake", str(lake)], cwd=REPOSITORY, env=around, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    lines = ended.stderr.splitlines()
    said = [line for line in lines if not line.startswith("import time:")]
    assert said == [f"Nothing new: growing/corpus stays {grown}."]
    assert ended.stdout == f"{grown}\n"
    assert made(lake) == before
    imported = {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}
    assert "flows.grow" in imported
    assert not {"prefect", "torch", "tasks.sign_kernels", "tasks.extract.dispatch"} & imported
    assert not (lake / ".prefect" / "prefect.db").exists(), "a server was started"


@pytest.mark.parametrize("news", ["a file", "a threshold"])
def test_a_look_leaves_what_is_new_to_the_refresh(tmp_path: Path, grown: Artifact, news: str):
    if news == "a file":
        add([tmp_path / "files" / "1.jsonl"], tmp_path / "pages")
    before = made(tmp_path / "lake")
    found, run = look(tmp_path, *([FEW] if news == "a threshold" else []))
    assert found is None
    assert (run.steps, run.looks) == ([], False)
    assert made(tmp_path / "lake") == before
    if news == "a file":
        assert grow(tmp_path, tmp_path / "lake")[0] != grown


def test_a_corpus_that_is_there_but_not_the_newest_is_named_again(tmp_path: Path, grown: Artifact, capsys):
    add([tmp_path / "files" / "1.jsonl"], tmp_path / "pages")
    newer, _ = grow(tmp_path, tmp_path / "lake")
    with running(tmp_path / "lake", "test") as run:
        names.assign(run.lake, "growing/corpus", grown)
    assert look(tmp_path)[0] is None
    capsys.readouterr()
    assert grow(tmp_path, tmp_path / "lake", quiet=False)[0] == newer
    assert f"Nothing new: growing/corpus is again {newer}." in capsys.readouterr().err


def test_training_that_nobody_could_be_asked_for_is_said_once_and_asked_for_later(
    tmp_path: Path, grown: Artifact, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    add([tmp_path / "files" / "1.jsonl"], tmp_path / "pages")
    plan = check_recipe(load_recipe(str(tmp_path / "growing.yaml")))
    with running(tmp_path / "lake", "refresh", workers=0):
        corpus = grow_corpus(plan)
        ask_for_training(plan, corpus, {})
    assert "so nobody is asked" in capsys.readouterr().err
    with running(tmp_path / "lake", "refresh", workers=0):
        ask_for_training(plan, grow_corpus(plan), {})  # as in a flow
    assert look(tmp_path)[0] == corpus
    assert "nobody is asked" not in capsys.readouterr().err
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    assert look(tmp_path)[0] is None, "there is a server now, and training was never asked for"
    with running(tmp_path / "lake", "test") as run:
        names.assign(run.lake, "growing/training-asked", corpus)
    assert look(tmp_path)[0] == corpus


def test_where_the_corpus_that_training_was_asked_for_with_is_gone_all_text_is_new(
    tmp_path: Path, grown: Artifact, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    add([tmp_path / "files" / "1.jsonl"], tmp_path / "pages")
    plan = check_recipe(load_recipe(str(tmp_path / "growing.yaml")))
    with running(tmp_path / "lake", "refresh", workers=0, quiet=True) as run:
        names.assign(run.lake, "growing/training-asked", grown)
        shutil.rmtree(grown.folder)  # as verify says where it is damaged
        change = ask_for_training(plan, grow_corpus(plan), {})
    assert change is not None
    assert (change.bytes_before, change.share) == (0, 1.0)
