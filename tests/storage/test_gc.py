"""What `gc` deletes and what it never does: named, reachable, in use, history of a source."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from storage import gc, names
from storage.artifact import Gone
from storage.catalog.holds import Hold
from storage.catalog.superseded import supersede
from storage.gc import Keeping
from storage.lake import Lake
from storage.locks import wait_lock
from tests.storage.small import make, ran, spine

ONLY_NAMED = Keeping(runs=0)


def left(lake: Lake) -> set[str]:
    """The folders that hold a manifest, by stage and fingerprint."""
    found = {f"{path.parts[-3]}/{path.parts[-2]}" for path in lake.root.glob("[!.]*/*/manifest.json")}
    assert found == {f"{one.stage}/{one.fingerprint}" for one in lake.artifacts()}
    assert lake.registry.fingerprints() == {one.partition("/")[2] for one in found}
    return found


def keys(*artifacts) -> set[str]:
    return {f"{one.stage}/{one.fingerprint}" for one in artifacts}


def test_what_a_name_means_stays_with_all_it_was_made_from_and_the_rest_goes(lake):
    store = Lake(lake)
    old, new = spine(store, 1), spine(store, 2)
    for one in (old, new):
        names.assign(store, "news/corpus", one["corpus"])
    planned = gc.plan(store, ONLY_NAMED)
    assert keys(*planned.delete) == keys(old["decisions"], old["corpus"])
    assert planned.delete == [old["corpus"], old["decisions"]]  # what was made from others goes before them
    assert len(left(store)) == 7  # a plan deletes nothing
    assert gc.collect(store, ONLY_NAMED).delete == planned.delete
    assert left(store) == keys(*new.values())
    with pytest.raises(Gone, match=f"{old['corpus'].fingerprint} holds no artifact"):
        old["corpus"].rows()
    assert not any((lake / gc.TRASH).iterdir())


def test_earlier_versions_of_a_name_stay_on_request(lake):
    store = Lake(lake)
    made = [spine(store, version) for version in range(4)]
    for one in made:
        names.assign(store, "news/corpus", one["corpus"])
    gc.collect(store, Keeping(runs=0, versions=2))
    assert left(store) == keys(*made[2].values(), *made[3].values())


def test_what_the_last_runs_used_or_made_stays(lake):
    store = Lake(lake)
    made = [spine(store, version) for version in range(3)]
    for number, one in enumerate(made):
        ran(store, f"run-{number}", list(one.values()))
    gc.collect(store, Keeping(runs=2))
    assert left(store) == keys(*made[1].values(), *made[2].values())


def test_snapshots_and_the_newest_reading_of_each_stay_though_nothing_uses_them(lake):
    store = Lake(lake)
    one = spine(store, 1)
    older, newer = (make(store, "extract", [one["snapshot"]], "documents", limit=limit) for limit in (1, 2))
    gc.collect(store, ONLY_NAMED)
    assert left(store) == keys(one["snapshot"], newer)
    assert older.fingerprint not in store.registry.fingerprints()
    gc.collect(store, Keeping(runs=0, readings=False))
    assert left(store) == keys(one["snapshot"])


def test_what_was_superseded_goes_though_a_kept_model_was_made_from_it(lake):
    store = Lake(lake)
    old = spine(store, 1)
    model = make(store, "pretrain", [old["corpus"]], "model")
    names.assign(store, "news/base", model)
    after = make(store, "forget", [old["documents"]], "documents")
    decisions = make(store, "decide", [old["documents"], old["scores"]], "decisions", tombstones=1)
    corpus = make(store, "compose", [decisions, after], "corpus")
    ran(store, "before", [*old.values(), model])
    ran(store, "after", [after, decisions, corpus])
    names.assign(store, "news/corpus", old["corpus"])
    names.assign(store, "news/corpus", corpus)
    supersede(store, old["documents"], after, "a page was forgotten")
    supersede(store, old["corpus"], corpus, "a page was forgotten")
    gc.collect(store, Keeping(versions=9, runs=9))
    expected = keys(old["snapshot"], old["scores"], model, after, decisions, corpus)
    assert left(store) == expected
    gc.collect(store, Keeping(versions=9, runs=9))  # the way from the successor to its snapshot is cut, and it stays
    assert left(store) == expected


def test_a_name_that_still_means_what_was_superseded_is_said(lake):
    store = Lake(lake)
    one = spine(store, 1)
    names.assign(store, "news/corpus", one["corpus"])
    supersede(store, one["corpus"], None, "a page was forgotten")
    planned = gc.plan(store, ONLY_NAMED)
    assert planned.delete == []
    assert planned.still_named["news/corpus"].artifact == one["corpus"]


HOLDER = """
    import sys, time
    from storage.catalog.holds import Hold
    from storage.lake import Lake
    from tests.storage.small import spine
    lake = Lake(sys.argv[1])
    lake.hold = Hold(lake.root, everything=sys.argv[2] == "everything")
    made = spine(lake, 1)
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(lake, what: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(HOLDER), str(lake), what]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.parametrize("found", [True, False])
def test_what_a_run_that_goes_on_found_or_made_stays_until_it_ends(lake, found):
    store = Lake(lake)
    if found:
        spine(store, 1)
    process = holder(lake, "what it finds")
    try:
        other = spine(store, 2)
        gc.collect(store, ONLY_NAMED)
        assert left(store) == keys(*spine(store, 1).values())
        assert other["corpus"].fingerprint not in store.registry.fingerprints()
    finally:
        process.kill()
        process.communicate()
    gc.collect(store, ONLY_NAMED)
    assert left(store) == keys(other["snapshot"], other["documents"])
    assert [path.name for path in (lake / ".holds").iterdir()] == ["gate.lock"]


def test_nothing_is_deleted_while_a_process_reads_through_sql_and_the_process_is_named(lake):
    store = Lake(lake)
    process = holder(lake, "everything")
    try:
        with pytest.raises(gc.InUse, match=f"process {process.pid} on"):
            gc.collect(store, ONLY_NAMED)
    finally:
        process.communicate("")
    assert len(left(store)) == 5
    gc.collect(store, ONLY_NAMED)
    assert len(left(store)) == 2


def test_a_held_artifact_is_found_again_and_a_collected_one_is_not(lake):
    store = Lake(lake)
    one = spine(store, 1)
    gc.collect(store, ONLY_NAMED)
    store.hold = Hold(store.root)
    assert store.keep(one["documents"])
    assert not store.keep(one["corpus"])
    store.hold.release()


def test_work_that_ended_leaves_nothing_over_and_not_even_its_lock(lake):
    store = Lake(lake)
    made = spine(store, 1)
    spine(store, 1)  # found again
    assert [path for one in made.values() for path in (lake / one.stage / ".staging").iterdir()] == []
    assert gc.plan(store).leftovers == []


def test_abandoned_staging_goes_after_its_days_and_what_is_at_work_stays(lake):
    store = Lake(lake)
    one = spine(store, 1)
    folder = lake / "compose" / ".staging"
    for name in ("aaaa", "bbbb"):
        (folder / name).mkdir()
        (folder / name / "part-00000.parquet").write_bytes(b"half")
        (folder / f"{name}.work").mkdir()
    old = (folder / "aaaa" / "part-00000.parquet", folder / "aaaa", folder / "aaaa.work", folder / "aaaa.lock")
    old[-1].touch()
    for path in old:
        os.utime(path, (1, 1))
    names.assign(store, "news/corpus", one["corpus"])
    with open(wait_lock(folder / "aaaa.lock")):
        assert "aaaa" not in {left.path.name for left in gc.plan(store).leftovers}
    os.utime(folder / "aaaa.lock", (1, 1))
    assert {"aaaa", "aaaa.work", "aaaa.lock"} <= {left.path.name for left in gc.plan(store).leftovers}
    gc.collect(store)
    assert sorted(path.name for path in folder.iterdir()) == ["bbbb", "bbbb.lock", "bbbb.work"]
    gc.collect(store, Keeping(staging_days=0))
    assert list(folder.glob("[!.]*")) == []


@pytest.mark.parametrize("point", ["gc.renamed", "gc.renamed:2", "gc.removed", "gc.deleted"])
def test_killed_at_any_point_the_next_collection_takes_the_rest_of_the_way(lake, point):
    store = Lake(lake)
    old, new = spine(store, 1), spine(store, 2)
    names.assign(store, "news/corpus", new["corpus"])
    script = "import sys; from storage.gc import *; collect(Lake(sys.argv[1]), Keeping(runs=0))"
    killed = subprocess.run(
        [sys.executable, "-c", script, str(lake)], env=os.environ | {"GRISTMILL_KILL_AT": point}, capture_output=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert set(new.values()) <= set(store.artifacts())
    remade = make(store, "decide", [old["documents"], old["scores"]], "decisions", limit=1)
    names.assign(store, "news/decisions", remade)
    gc.collect(store, ONLY_NAMED)
    assert left(store) == keys(*new.values(), remade)
    assert list((lake / gc.TRASH).iterdir()) == []
