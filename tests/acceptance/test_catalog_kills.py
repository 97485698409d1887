"""Killed at fifty random instants of commits, collections and refreshes, the catalog is valid each time."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from storage import gc, names
from storage.catalog.verify import verify
from storage.lake import Lake
from tests.acceptance.way import ROOT, contents, finish, start
from tests.acceptance.world import write_world
from tests.storage.small import spine

ONLY_NAMED = gc.Keeping(runs=0, staging_days=0)


def test_killed_at_44_instants_of_commits_and_collections_the_catalog_is_valid_and_nothing_acknowledged_is_lost(lake):
    command = [sys.executable, "-m", "tests.acceptance.killed", str(lake), "44", "5"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    rounds = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["signals"] for one in rounds] == [[signal.SIGKILL] * 2] * 22, done.stderr
    assert [one["damages"] for one in rounds] == [[]] * 22
    acknowledged = 0
    for one in rounds:
        acknowledged += len(one["acknowledged"])
        assert one["history"] == list(range(1, len(one["history"]) + 1))
        assert len(one["history"]) >= acknowledged
    # the kills met work: something was left half done at least now and then
    assert acknowledged >= 5
    assert sum(one["staging"] or one["unregistered"] > 0 or one["trash"] > 0 for one in rounds) >= 5, rounds
    store = Lake(lake)
    last = spine(store, 10_000)
    names.assign(store, "news/corpus", last["corpus"])
    gc.collect(store, ONLY_NAMED)
    found = verify(store)
    assert (found.damages, found.in_trash, found.artifacts) == ([], 0, 5)
    assert sorted(map(str, store.artifacts())) == sorted(map(str, last.values()))
    assert [one.read(["n"]).column("n").to_pylist() for one in last.values()] == [list(range(10))] * 5
    assert not [path for path in lake.glob("*/.staging/*") if path.suffix != ".lock"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_at_six_instants_of_a_refresh_while_gc_collects_the_corpus_is_the_same(tmp_path):
    """The real stages in a process that is killed; collections go on beside it, and delete nothing that it uses."""
    recipe = write_world(tmp_path / "world", warcs=2)
    finish(tmp_path / "calm", recipe, part="corpus")
    calm, lake, draw = Lake(tmp_path / "calm"), tmp_path / "lake", random.Random(3)
    kills = 0
    while kills < 6:
        process = start(lake, recipe, 1 + kills % 2, "corpus")
        wanted = draw.randint(1, 7)
        while process.poll() is None and _committed(lake) < wanted:
            if lake.exists():
                gc.collect(Lake(lake), gc.Keeping(runs=0))
            time.sleep(0.05)
        time.sleep(draw.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        output, _ = process.communicate(timeout=60)
        assert process.returncode in (0, -signal.SIGKILL), output
        assert verify(Lake(lake)).damages == []
        if process.returncode == 0:  # it was done before the kill: begin anew
            lake = tmp_path / f"lake-{kills}"
        else:
            kills += 1
    finish(lake, recipe, part="corpus")
    store = Lake(lake)
    for one in (calm, store):
        gc.collect(one, ONLY_NAMED)
    assert contents(lake) == contents(calm.root)
    assert names.latest(store, "mill/corpus") is not None
    found = verify(store)
    assert (found.damages, found.artifacts) == ([], len(calm.artifacts()))


def _committed(lake: Path) -> int:
    return len(list(lake.glob("[!.]*/*/manifest.json")))
