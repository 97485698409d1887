"""A commit is one atomic step, whoever else is at work and wherever it is killed."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pyarrow as pa
import pytest

from storage import names
from storage.artifact import Artifact, Identity, Input
from storage.commit import Staging, stage_artifact
from storage.lake import Lake
from storage.registry import SecondHost
from storage.sql import connect
from storage.table import column, table

NUMBERS = table(column("n", pa.int64(), "A number."))


def identity(**config) -> Identity:
    return Identity(stage="numbers", version=1, config=config)


def make(lake: Lake, wanted: Identity, shards: int = 2) -> Artifact:
    with stage_artifact(lake, wanted, "numbers", print) as staging:
        if isinstance(staging, Artifact):
            return staging
        done = staging.finished({shard: f"key-{shard}" for shard in range(shards)})
        for shard in range(shards):
            if shard not in done:
                output = staging.output(shard, f"key-{shard}", {"part": NUMBERS})
                output.write(
                    pa.RecordBatch.from_pydict({"n": list(range(10 * shard, 10 * shard + 10))}, schema=NUMBERS.schema)
                )
                done[shard] = output.finish()
        return staging.commit([done[shard] for shard in range(shards)], {})


def test_a_committed_artifact_is_found_by_its_identity_and_says_what_it_is(lake):
    made = make(Lake(lake), identity(a=1))
    assert Lake(lake).find(identity(a=1)) == made
    assert Lake(lake).find(identity(a=2)) is None
    assert made.read().column("n").to_pylist() == list(range(20))
    assert [part.rows for part in made.manifest.parts] == [10, 10]
    assert not (lake / "numbers" / ".staging" / made.fingerprint).exists()


def test_the_fingerprint_depends_on_every_field_and_on_nothing_else():
    base = Identity(
        stage="s", version=1, config={"a": 1, "b": 2}, inputs=(Input(role="r", stage="t", fingerprint="f"),)
    )
    assert base.fingerprint == Identity(stage="s", version=1, config={"b": 2, "a": 1}, inputs=base.inputs).fingerprint
    others = [
        base.model_copy(update=change)
        for change in (
            {"stage": "x"},
            {"version": 2},
            {"config": {"a": 1}},
            {"inputs": ()},
            {"inputs": (Input(role="q", stage="t", fingerprint="f"),)},
        )
    ]
    assert len({base.fingerprint, *(other.fingerprint for other in others)}) == 6


def test_the_nearest_artifact_and_the_field_that_differs_are_named(lake):
    store = Lake(lake)
    make(store, identity(limits={"low": 1, "high": 9}))
    nearer = make(store, identity(limits={"low": 2, "high": 7}))
    found = store.differences(identity(limits={"low": 2, "high": 8}))
    assert found is not None
    assert found[0] == nearer
    assert [str(one) for one in found[1]] == ["limits.high: 7 → 8"]


POINTS = [
    "shard.written",
    "shard.renaming",
    "shard.finished",
    "shard.finished:2",
    "commit.prepared",
    "commit.renamed",
    "commit.registered",
]


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point_the_next_run_goes_on_and_the_bytes_are_the_same(tmp_path, point):
    undisturbed = make(Lake(tmp_path / "calm"), identity(a=1))
    script = textwrap.dedent("""
        import sys
        from storage.lake import Lake
        from tests.storage.test_commit import identity, make
        print(make(Lake(sys.argv[1]), identity(a=1)).fingerprint)
    """)
    command = [sys.executable, "-c", script, str(tmp_path / "lake")]
    killed = subprocess.run(command, env=os.environ | {"GRISTMILL_KILL_AT": point}, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    store = Lake(tmp_path / "lake")
    whole = point in ("commit.renamed", "commit.registered")
    assert (store.find(identity(a=1)) is not None) == whole
    staging = Staging(store, identity(a=1), "numbers")
    kept = {
        path.name: (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in staging.folder.glob("part-*")
        if _counts(staging, path)
    }
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    made = store.find(identity(a=1))
    assert made is not None
    assert _files(made) == _files(undisturbed)
    assert {
        name: ((made.folder / name).stat().st_ino, (made.folder / name).stat().st_mtime_ns) for name in kept
    } == kept
    assert len(kept) == {"shard.finished": 1, "shard.finished:2": 2, "commit.prepared": 2}.get(point, 0)
    assert [artifact.fingerprint for artifact in store.artifacts()] == [made.fingerprint]
    assert sorted(path.name for path in made.folder.iterdir()) == [
        "manifest.json",
        "part-00000.parquet",
        "part-00001.parquet",
        "provenance.json",
    ]


def _counts(staging: Staging, part: Path) -> bool:
    return (staging.work / f"shard-{part.stem.split('-')[1]}.json").exists()


def _files(artifact: Artifact) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in artifact.folder.iterdir() if path.name != "provenance.json"}


@pytest.mark.parametrize("damage", ["", "[", "{}"])
def test_a_finished_shard_that_was_damaged_since_is_made_again(damage, lake):
    store = Lake(lake)
    with stage_artifact(store, identity(a=1), "numbers", print) as staging:
        assert isinstance(staging, Staging)
        output = staging.output(0, "key-0", {"part": NUMBERS})
        output.write(pa.RecordBatch.from_pydict({"n": [1]}, schema=NUMBERS.schema))
        output.finish()
        assert set(staging.finished({0: "key-0"})) == {0}
        assert staging.finished({0: "another key"}) == {}
        (staging.work / "shard-00000.json").write_text(damage)
        assert staging.finished({0: "key-0"}) == {}
    made = make(store, identity(a=1))
    assert made.rows() == 20


def test_two_processes_that_want_the_same_artifact_make_it_once(lake):
    script = textwrap.dedent("""
        import sys
        from storage.lake import Lake
        from tests.storage.test_commit import identity, make
        print(make(Lake(sys.argv[1]), identity(a=1), shards=30).fingerprint)
    """)
    both = [
        subprocess.Popen([sys.executable, "-c", script, str(lake)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    results = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], results
    assert len(Lake(lake).artifacts()) == 1


def test_the_registry_is_made_again_from_the_manifests(lake):
    store = Lake(lake)
    made = [make(store, identity(a=number)) for number in range(3)]
    store.registry.path.unlink()
    assert Lake(lake).artifacts() == made  # in the order of their commits
    assert Lake(lake).registry.rebuild() == (3, [])
    assert Lake(lake).artifacts() == made


def test_an_artifact_that_the_registry_has_lost_is_adopted_on_look_up(lake):
    store = Lake(lake)
    made = make(store, identity(a=1))
    with sqlite3.connect(store.registry.path) as connection:
        connection.execute("delete from artifacts")
    assert store.artifacts() == []
    assert store.find(identity(a=1)) == made
    assert store.artifacts() == [made]


def test_a_second_host_is_refused_with_a_sentence(lake, monkeypatch):
    make(Lake(lake), identity(a=1))
    monkeypatch.setenv("GRISTMILL_HOST", "elsewhere")
    with pytest.raises(SecondHost, match="serves one host"):
        make(Lake(lake), identity(a=2))


def test_a_name_remembers_everything_it_meant(lake):
    store = Lake(lake)
    first, second = make(store, identity(a=1)), make(store, identity(a=2))
    assert [names.assign(store, "news/corpus", one) for one in (first, first, second, first)] == [1, 1, 2, 3]
    assert names.latest(store, "news/corpus") == first
    assert [artifact for _, artifact, _ in names.history(store, "news/corpus")] == [first, second, first]
    assert store.get("news/corpus") == first
    assert store.get(second.fingerprint[:8]) == second
    with pytest.raises(KeyError, match="no artifact or name"):
        store.get("nothing")
    with pytest.raises(ValueError, match="is no name"):
        names.assign(store, "../up", first)


def test_a_name_that_is_withdrawn_means_nothing_until_it_is_given_again_and_remembers(lake):
    store = Lake(lake)
    first, second = make(store, identity(a=1)), make(store, identity(a=2))
    names.assign(store, "news/scores", first)
    names.withdraw(store, "news/scores", second)  # another has the name meanwhile
    assert names.latest(store, "news/scores") == first
    for _ in range(2):
        names.withdraw(store, "news/scores", first)
    assert names.latest(store, "news/scores") is None
    with pytest.raises(KeyError, match=r"means nothing now.* holds text that was forgotten"):
        store.get("news/scores")
    assert store.get("news/scores@1") == first
    assert connect(store).sql("select number, artifact from names order by number").fetchall() == [
        (1, f"numbers/{first.fingerprint}"),
        (2, None),
    ]
    assert names.assign(store, "news/scores", first) == 3
    assert [(number, one) for number, one, _ in names.history(store, "news/scores")] == [(1, first), (3, first)]
    assert store.get("news/scores") == first
