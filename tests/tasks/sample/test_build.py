"""The sample's folder is there whole or not at all, and is built once."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from flows import sample as flow
from storage.files import read_json
from tasks.console import Console
from tasks.executor import ShardExecutor, ShardFailed
from tasks.sample import build as builder
from tasks.sample.build import Counts, Part, SampleError, build, is_built, sample_sources, version
from tasks.sample.carriers import CARRIERS, Carrier, SampleUnavailable
from tasks.sample.fetch import Fetched
from tasks.sample.hgweb import NoAnswer
from tests.tasks.sample.packages import make_carrier

ROOT = Path(__file__).resolve().parents[3]
QUIET = Console(quiet=True)


def write_pages(archive: Path, folder: Path) -> Counts:
    (folder / "pages").mkdir(exist_ok=True)
    (folder / "pages/a.warc.gz").write_bytes(archive.read_bytes()[:10])
    return {"pages/a.warc.gz": 3}


def write_questions(archive: Path, folder: Path) -> Counts:
    (folder / "questions").mkdir(exist_ok=True)
    (folder / "questions/a.parquet").write_text("rows")
    return {"questions/a.parquet": 2}


def fail(archive: Path, folder: Path) -> Counts:
    write_pages(archive, folder)
    raise ValueError("a page that cannot be read")


def no_answer(archive: Path, folder: Path) -> Counts:
    raise NoAnswer("It said nothing.")


@pytest.fixture
def carrier(tmp_path: Path) -> Carrier:
    return make_carrier(tmp_path / "files", "grist", "wheel", {"a.html": "a"})


@pytest.fixture
def files(tmp_path: Path, carrier: Carrier) -> dict[Carrier, Path]:
    return {carrier: tmp_path / "files" / carrier.file}


def offer(monkeypatch: pytest.MonkeyPatch, **parts: Part) -> None:
    """Let the sample be made of these parts."""
    monkeypatch.setattr(builder, "PARTS", parts)


def make(files: dict[Carrier, Path], folder: Path, **missing: str) -> Path:
    left_out = {one: missing[one.name] for one in CARRIERS if one.name in missing}
    return build(files, folder, ShardExecutor(workers=0), QUIET, left_out)


def test_a_sample_says_what_it_is_made_of(tmp_path, carrier, files, monkeypatch):
    offer(monkeypatch, pages=Part(carrier, 1.0, write_pages), more=Part(None, 2.0, write_questions))
    folder = make(files, tmp_path / "cache/sample", mercurial="mercurial==7.2.4 is left out: no route.")
    manifest = read_json(folder / "sample.json")
    assert manifest["version"] == version([carrier])
    assert manifest["carriers"] == [
        {"pin": "grist==1.0", "file": carrier.file, "sha256": carrier.sha256, "license": "CC0-1.0"}
    ]
    assert manifest["missing"] == {"mercurial==7.2.4": "mercurial==7.2.4 is left out: no route."}
    assert {path: about["records"] for path, about in manifest["files"].items()} == {
        "pages/a.warc.gz": 3,
        "questions/a.parquet": 2,
    }
    assert [(one.name, one.path, one.holds) for one in sample_sources(folder)] == [
        ("pages", str(folder / "pages"), "documents"),
        ("questions", str(folder / "questions"), "questions"),
    ]
    assert [path.name for path in folder.parent.iterdir()] == ["sample"]


def test_a_sample_that_is_there_is_not_built_again(tmp_path, carrier, files, monkeypatch):
    offer(monkeypatch, pages=Part(carrier, 1.0, write_pages))
    folder = make(files, tmp_path / "sample")
    offer(monkeypatch, pages=Part(carrier, 1.0, fail))
    assert make(files, folder) == folder


def test_a_part_that_fails_leaves_no_sample(tmp_path, carrier, files, monkeypatch):
    offer(monkeypatch, pages=Part(carrier, 1.0, fail))
    with pytest.raises(ShardFailed, match=r"sample.*pages.*cannot be read"):
        make(files, tmp_path / "cache/sample")
    assert list((tmp_path / "cache").iterdir()) == []


def test_pages_that_a_program_will_not_make_are_left_out_with_a_sentence(tmp_path, carrier, files, monkeypatch):
    offer(monkeypatch, pages=Part(carrier, 1.0, write_pages), mercurial=Part(carrier, 1.0, no_answer))
    folder = make(files, tmp_path / "sample")
    assert read_json(folder / "sample.json")["missing"] == {"mercurial": "It said nothing."}
    assert (folder / "pages/a.warc.gz").exists()


def test_parts_whose_carrier_is_not_there_are_not_made(tmp_path, carrier, files, monkeypatch):
    offer(monkeypatch, pages=Part(carrier, 1.0, write_pages), other=Part(CARRIERS[0], 1.0, fail))
    assert list(read_json(make(files, tmp_path / "sample") / "sample.json")["files"]) == ["pages/a.warc.gz"]


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path, carrier, files, monkeypatch):
    offer(monkeypatch, pages=Part(carrier, 1.0, write_pages))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("years of work")
    with pytest.raises(SampleError, match="is no sample and not empty"):
        make(files, tmp_path / "mine")
    folder = make(files, tmp_path / "sample")
    monkeypatch.setattr(builder, "BUILDER_VERSION", 0)
    with pytest.raises(SampleError, match=r"holds version .* and this would be"):
        make(files, folder)
    assert (tmp_path / "mine/thesis.txt").read_text() == "years of work"
    (tmp_path / "empty").mkdir()
    assert is_built(make(files, tmp_path / "empty"), files)


def test_a_folder_without_a_sample_is_said():
    with pytest.raises(SampleError, match="holds no sample"):
        sample_sources(ROOT)


KILLED = """
    import sys, time
    from pathlib import Path
    from tasks.console import Console
    from tasks.executor import ShardExecutor
    from tasks.sample import build
    from tests.tasks.sample.test_build import write_pages

    def slow(archive, folder):
        write_pages(Path(sys.executable), folder)
        time.sleep(60)

    build.PARTS = {"pages": build.Part(None, 1.0, slow)}
    build.build({}, Path(sys.argv[1]), ShardExecutor(workers=0), Console(quiet=True))
"""


def test_a_killed_build_leaves_no_sample_and_the_next_one_clears_up(tmp_path, carrier, files, monkeypatch):
    folder = tmp_path / "cache/sample"
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(KILLED), str(folder)], cwd=ROOT)
    end = time.monotonic() + 30
    while not (half := list(folder.parent.glob(".build-*/pages"))) and time.monotonic() < end:
        time.sleep(0.05)
    assert half, "the build did not begin"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not folder.exists()
    offer(monkeypatch, pages=Part(carrier, 1.0, write_pages))
    make(files, folder)
    assert [path.name for path in folder.parent.iterdir()] == ["sample"]


def test_the_version_follows_what_decides_the_bytes(monkeypatch):
    whole = version(CARRIERS)
    assert version(list(reversed(CARRIERS))) == whole
    assert version(CARRIERS[1:]) != whole
    monkeypatch.setattr(builder, "BUILDER_VERSION", 0)
    assert version(CARRIERS) != whole


def test_the_flow_goes_on_without_a_carrier_and_stops_where_too_little_is_left(tmp_path, monkeypatch):
    monkeypatch.setenv("GRISTMILL_CACHE", str(tmp_path))
    monkeypatch.delenv("GRISTMILL_SAMPLE", raising=False)
    offer(monkeypatch, pages=Part(None, 1.0, lambda archive, folder: write_pages(Path(__file__), folder)))
    gone = {"mercurial"}

    def fetched(carriers, cache, console) -> Fetched:
        there = {carrier: Path() for carrier in carriers if carrier.name not in gone}
        return Fetched(there, {one: f"{one.pin} is left out: no route." for one in carriers if one not in there})

    monkeypatch.setattr(flow, "fetch", fetched)
    monkeypatch.setattr(flow, "shared_executor", lambda workers: ShardExecutor(workers=0))
    folder = flow.prepare_sample(console=QUIET)
    assert folder.name == f"sample-{version([one for one in CARRIERS if one.name != 'mercurial'])}"
    assert "mercurial==7.2.4" in read_json(folder / "sample.json")["missing"]
    gone.add("shakespeare")
    with pytest.raises(SampleUnavailable, match=r"it would have no books.*shakespeare==0\.6 is left out: no route\."):
        flow.prepare_sample(console=QUIET)


def test_what_is_built_is_given_without_a_look_at_the_carriers(tmp_path, monkeypatch):
    monkeypatch.setenv("GRISTMILL_SAMPLE", str(tmp_path / "sample"))
    offer(monkeypatch, pages=Part(None, 1.0, lambda archive, folder: write_pages(Path(__file__), folder)))
    made = make(dict.fromkeys(CARRIERS, Path()), tmp_path / "sample")

    def never(*arguments) -> Fetched:
        raise AssertionError("the sample is there, and something was fetched")

    monkeypatch.setattr(flow, "fetch", never)
    assert flow.prepare_sample(console=QUIET) == made
