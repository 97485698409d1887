"""Killed at any instant, a run leaves whole artifacts and nothing else; run again, it ends with the same bytes."""

import os
import random
import re
import signal
import time
from pathlib import Path

import pytest

from tests.acceptance.way import contents, finish, finished, start, unfinished
from tests.acceptance.world import write_world


@pytest.fixture(scope="module")
def calm(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """A recipe, and every byte of a run of it that nobody disturbed."""
    folder = tmp_path_factory.mktemp("calm")
    recipe = write_world(folder / "world", warcs=4)
    finish(folder / "lake", recipe)
    return recipe, contents(folder / "lake")


def goes_on(lake: Path, recipe: Path, expected: dict[str, str], part: str = "tuned") -> int:
    """Check what the kill left, run to the end, compare; gives how many finished files the second run found."""
    assert contents(lake).items() <= expected.items()
    before = finished(lake)
    finish(lake, recipe, part=part)
    made = contents(lake)
    assert made.items() <= expected.items()
    after = finished(lake)
    assert {place: after[place] for place in before} == before
    assert not list(lake.glob("*/.staging/*.work"))
    assert not list(lake.glob("*/.staging/*/part-*"))
    if part == "tuned":
        assert made == expected
    return len(before)


# Points in stages that run in the command's own process kill it; points of shards kill its workers.
POINTS = [
    "ingest.commit.renamed",
    "ingest.commit.registered",
    "extract.commit.prepared",
    "extract.commit.renamed",
    "decide.decided",
    "decide.shard.finished",
    "decide.commit.registered",
    "tokenize.commit.prepared",
    "pretrain.step:9",
    "pretrain.checkpoint:2",
    "pretrain.commit.prepared",
]


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_named_point_the_next_run_goes_on(tmp_path, calm, point):
    recipe, expected = calm
    part = "model" if point.startswith("pretrain") else "tokens" if point.startswith("tokenize") else "corpus"
    process = start(tmp_path / "lake", recipe, part=part, GRISTMILL_KILL_AT=point)
    output, _ = process.communicate(timeout=280)
    assert process.returncode == -signal.SIGKILL, output
    found = goes_on(tmp_path / "lake", recipe, expected, part)
    assert found > 0


@pytest.mark.parametrize(
    ("point", "workers", "left"),
    [
        ("extract.shard.written", 2, 0),
        # one worker of the four shards: killed with its second, replaced, killed again with the fourth
        ("extract.shard.finished:2", 1, 4),
        ("tokenize.shard.renaming", 2, 0),
    ],
)
def test_workers_killed_at_a_named_point_leave_whole_shards(tmp_path, calm, point, workers, left):
    """Every worker is killed there, so the shard's second attempt dies as well, and the run says so."""
    recipe, expected = calm
    part = "tokens" if point.startswith("tokenize") else "corpus"
    process = start(tmp_path / "lake", recipe, workers, part, GRISTMILL_KILL_AT=point)
    output, _ = process.communicate(timeout=280)
    assert process.returncode == 1, output
    stage = point.partition(".")[0]
    said = rf"StageFailed: {stage}: shard \d.* was tried twice, and each time its worker died: .*killed by SIGKILL"
    assert re.search(said, output), output
    assert sum(place[0] == stage and "/part-" in f"/{place[2]}" for place in finished(tmp_path / "lake")) == left
    goes_on(tmp_path / "lake", recipe, expected, part)


def kill_after(lake: Path, recipe: Path, workers: int, made: int, seconds: float) -> bool:
    """Start a run, wait until it has made so many files, then so many seconds, and kill it; False if it was done."""

    def files() -> set[str]:
        return {os.path.join(folder, name) for folder, _, names in os.walk(lake) for name in names}

    before, seen = files(), set()
    process = start(lake, recipe, workers)
    while len(seen) < made and process.poll() is None:
        seen |= files() - before
        time.sleep(0.05)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    output, _ = process.communicate(timeout=60)
    assert process.returncode in (0, -signal.SIGKILL), output
    return process.returncode != 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_at_twenty_random_instants_the_next_run_goes_on(tmp_path, calm):
    """One lake, killed again and again until it is done: each run goes on where the last one was.

    An instant is drawn as a number of files that the run has made, and a moment after them: so the kills are spread
    over the stages, however long this machine takes to import and to work.
    """
    recipe, expected = calm
    draw = random.Random(7)
    lake, kills, interrupted = tmp_path / "lake", 0, []
    while kills < 20:
        before, left = finished(lake), unfinished(lake)
        killed = kill_after(lake, recipe, 1 + kills % 2, draw.randint(2, 12), draw.uniform(0, 0.3))
        after = finished(lake)
        assert {place: after.get(place) for place in before} == before
        if not killed:  # it was done before the kill: begin anew
            assert contents(lake) == expected
            lake = tmp_path / f"lake-{kills}"
            continue
        kills += 1
        assert contents(lake).items() <= expected.items()
        interrupted += [stage for stage, things in unfinished(lake).items() if things - left.get(stage, set())]
    goes_on(lake, recipe, expected)
    # a good part of the kills met a stage at work, which left something new unfinished, and not always the same stage
    assert len(interrupted) >= 8, interrupted
    assert len(set(interrupted)) >= 4, interrupted
