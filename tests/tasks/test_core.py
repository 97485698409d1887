"""The contract of stages, on real workers: kills, worker counts, counts that add up."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from storage.artifact import Artifact
from storage.lake import Lake
from storage.sources import Place, locate
from storage.sql import connect
from tasks.decide.rules import DecideConfig
from tasks.decide.stage import decide
from tasks.extract.config import ExtractConfig
from tasks.extract.stage import extract
from tasks.ingest import Source, ingest
from tasks.run import running
from tasks.stage import StageFailed
from tests.tasks.toy import LinesConfig, annotate, lines

RULES = DecideConfig.model_validate(
    {
        "gopher": None,
        "repetition": None,
        "c4": None,
        "fineweb": None,
        "language": {"allowed": ["en"], "min_probability": 0.2},
        "rules": {"short": "n_shingles < 4"},
    }
)


def write_source(folder: Path, files: int = 8, vicious: bool = False) -> int:
    """Text files of unequal size with duplicates, losses and empty lines in them; returns the number of lines."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(5)
    words = [
        "mill",
        "stone",
        "grain",
        "water",
        "wheel",
        "flour",
        "sack",
        "river",
        "miller",
        "bread",
        "oven",
        "harvest",
        "field",
        "wind",
        "sail",
        "barn",
    ]
    total = 0
    for number in range(files):
        lines = [" ".join(draw.choices(words, k=draw.randint(3, 40))) for _ in range(10 + 37 * number)]
        lines += ["!not a document", "the same sentence stands in every one of these files as it is", ""]
        if vicious and number == 2:
            lines.insert(5, "CRASH here")
            lines.insert(20, "LOOP here")
        (folder / f"{number}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        total += len(lines)
    return total


def build(lake: Path, source: Path, workers: int) -> Artifact:
    """Three stages from a folder to decisions."""
    with running(lake, "core", workers=workers, cpu_seconds=2, quiet=True):
        documents, annotations = annotate(str(source))
        return decide(RULES, documents=documents, annotations=annotations)


def contents(lake: Path) -> dict[str, str]:
    """SHA-256 of every file of every committed artifact but its provenance."""
    found = {}
    for artifact in Lake(lake).artifacts():
        for path in sorted(artifact.folder.rglob("*")):
            if path.is_file() and path.name != "provenance.json":
                found[str(path.relative_to(lake))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def test_one_worker_and_four_give_the_same_bytes(tmp_path):
    write_source(tmp_path / "source")
    build(tmp_path / "one", tmp_path / "source", workers=1)
    build(tmp_path / "four", tmp_path / "source", workers=4)
    assert len(contents(tmp_path / "one")) > 8 * 3
    assert contents(tmp_path / "one") == contents(tmp_path / "four")


def test_every_record_is_a_document_or_a_loss_and_the_bytes_are_covered(tmp_path):
    total = write_source(tmp_path / "source", vicious=True)
    decisions = build(tmp_path / "lake", tmp_path / "source", workers=2)
    sql = connect(tmp_path / "lake")
    assert sql.sql("select (select count(*) from lines) + (select count(*) from losses)").fetchone() == (total,)
    assert dict(sql.sql("select reason, count(*) from losses group by all").fetchall()) == {
        "marked": 8,
        "crash": 1,
        "timeout": 1,
    }
    for name, size in ((path.name, path.stat().st_size) for path in (tmp_path / "source").iterdir()):
        ranges = sql.execute(
            """select "offset", length from lines where file = $1
            union all select "offset", length from losses where file = $1 order by 1""",
            [name],
        ).fetchall()
        assert ranges[0][0] == 0
        assert [start + length for start, length in ranges] == [*(start for start, _ in ranges[1:]), size]
    reasons = dict(sql.sql("select coalesce(dropped_by, 'kept'), count(*) from documents group by all").fetchall())
    assert sum(reasons.values()) == decisions.rows() == sql.sql("select count(*) from lines").fetchone()[0]
    assert reasons["duplicates.exact"] == 7
    assert set(reasons) >= {"kept", "language.allowed", "rules.short", "duplicates.exact"}


SCRIPT = textwrap.dedent("""
    import sys
    from pathlib import Path
    from tests.tasks.test_core import build
    if __name__ == "__main__":
        build(Path(sys.argv[1]), Path(sys.argv[2]), workers=2)
""")


def start(lake: Path, source: Path, **environment: str) -> subprocess.Popen:
    command = [sys.executable, "-c", SCRIPT, str(lake), str(source)]
    return subprocess.Popen(command, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def untouchable(lake: Path) -> dict[Path, tuple[int, int]]:
    """Inode and time of each part of every shard that counts: committed, or finished and waiting for its commit."""
    parts = [
        path
        for path in lake.glob("*/*/part-*.parquet")
        if not path.parent.parent.name.startswith(".") and path.parent.name != ".staging"
    ]
    for record in lake.glob("*/.staging/*.work/shard-*.json"):
        parts.append(record.parent.with_suffix("") / f"part-{record.stem.split('-')[1]}.parquet")
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in parts if path.exists()}


def check_goes_on(lake: Path, source: Path, expected: dict[str, str]) -> int:
    """A run after a kill ends with the same bytes and touches nothing that was finished; returns how much that was."""
    assert contents(lake).items() <= expected.items()  # whole artifacts and nothing else
    finished = {
        (path.parts[len(lake.parts)], path.parts[-2], path.name): about for path, about in untouchable(lake).items()
    }
    again = start(lake, source)
    assert again.wait(timeout=120) == 0, again.stderr.read().decode() if again.stderr else ""
    assert contents(lake) == expected
    after = {
        (path.parts[len(lake.parts)], path.parts[-2], path.name): about for path, about in untouchable(lake).items()
    }
    assert {key: after[key] for key in finished} == finished
    assert not list(lake.glob("*/.staging/*.work"))
    return len(finished)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp("undisturbed")
    write_source(folder / "source")
    build(folder / "lake", folder / "source", workers=2)
    return folder / "source", contents(folder / "lake")


# The shards of lines are made in workers; everything else here, ingest's shard and decide's too, in the run's process.
POINTS = [
    "commit.prepared:2",
    "commit.renamed:2",
    "commit.registered:3",
    "decide.decided",
    "shard.written",
    "lines.shard.written",
    "commit.prepared:5",
]


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_named_point_the_next_run_goes_on(tmp_path, undisturbed, point):
    source, expected = undisturbed
    killed = start(tmp_path / "lake", source, GRISTMILL_KILL_AT=point)
    code = killed.wait(timeout=120)
    said = killed.stderr.read().decode() if killed.stderr else ""
    if point == "lines.shard.written":
        assert code == 1, said
        assert "was tried twice, and each time its worker died" in said
        assert "killed by SIGKILL" in said
    else:
        assert code == -signal.SIGKILL, said
    check_goes_on(tmp_path / "lake", source, expected)


@pytest.mark.slow
def test_killed_at_random_instants_the_next_run_goes_on(tmp_path, undisturbed):
    source, expected = undisturbed
    begun = time.monotonic()
    assert start(tmp_path / "calm", source).wait(timeout=120) == 0
    seconds = time.monotonic() - begun
    draw = random.Random(11)
    killed = kept = 0
    for attempt in range(8):  # twenty of the whole way: tests/acceptance/test_kills.py
        lake = tmp_path / f"lake-{attempt}"
        process = start(lake, source)
        time.sleep(draw.uniform(0.2, seconds))
        process.send_signal(signal.SIGKILL)
        killed += process.wait(timeout=60) == -signal.SIGKILL
        kept += check_goes_on(lake, source, expected)
    assert killed >= 4
    assert kept > 0


def test_a_second_run_reuses_everything_and_a_changed_threshold_is_named(tmp_path, capsys):
    source = tmp_path / "source"
    write_source(source, files=2)
    build(tmp_path / "lake", source, workers=1)
    with running(tmp_path / "lake", "again", workers=1) as run:
        documents, annotations = annotate(str(source))
        decide(RULES, documents=documents, annotations=annotations)
        assert all(step.reused for step in run.steps)
        changed = RULES.model_copy(update={"rules": {"short": "n_shingles < 9"}})
        decide(changed, documents=documents, annotations=annotations)
    assert [(step.stage, step.reused, step.changed) for step in run.steps[-1:]] == [
        ("decide", False, ["rules.short: n_shingles < 4 → n_shingles < 9"])
    ]
    assert "differs from" in capsys.readouterr().err


def test_new_files_make_a_new_snapshot_and_no_old_file_is_read(tmp_path):
    source = tmp_path / "source"
    write_source(source, files=3)
    build(tmp_path / "lake", source, workers=1)

    # a time of the last reading so far back that any reading moves it
    os.utime(source / "0.txt", ns=(1_000_000_000, (source / "0.txt").stat().st_mtime_ns))
    untouched = (source / "0.txt").stat().st_atime_ns
    (source / "new.txt").write_text("a line that was never read before stands here now\n")
    with running(tmp_path / "lake", "again", workers=1, quiet=True) as run:
        annotate(str(source))
    assert [(step.stage, step.reused) for step in run.steps[:4]] == [
        ("ingest", True),
        ("ingest", False),
        ("lines", True),
        ("lines", False),
    ]
    assert run.steps[3].artifact.rows() == 1
    assert (source / "0.txt").stat().st_atime_ns == untouched


def test_a_file_that_changes_while_it_is_read_stops_the_stage(tmp_path, monkeypatch):
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.jsonl").write_text('{"url": "http://mill.example/", "text": "Grain becomes flour."}\n')

    def locate_then_write(lake: Lake, snapshot: Artifact) -> list[tuple[dict[str, Any], Place]]:
        found = locate(lake, snapshot)
        with open(source / "a.jsonl", "a") as stream:
            stream.write('{"text": "Flour becomes bread."}\n')
        return found

    monkeypatch.setattr("tasks.extract.stage.locate", locate_then_write)
    with running(tmp_path / "lake", "core", workers=1, quiet=True):
        (snapshot,) = ingest(Source(name="toy", path=str(source)))
        with pytest.raises(StageFailed, match=r"a\.jsonl was changed while it was read\. Run again"):
            extract(ExtractConfig(), snapshot=snapshot)
    assert [one.stage for one in Lake(tmp_path / "lake").artifacts()] == ["ingest"]


def test_a_second_source_is_no_changed_form_of_the_first(tmp_path, capsys):
    write_source(tmp_path / "one", files=2)
    write_source(tmp_path / "two", files=1)
    with running(tmp_path / "lake", "core", workers=1) as run:
        for name in ("one", "two"):
            (snapshot,) = ingest(Source(name=name, path=str(tmp_path / name)))
            lines(LinesConfig(), snapshot=snapshot)
    assert [step.changed for step in run.steps] == [[], [], [], []]
    said = capsys.readouterr().err
    assert "differs from" not in said
    assert [line.split()[-1] for line in said.splitlines() if line.startswith("lines ")] == ["one", "two"]
