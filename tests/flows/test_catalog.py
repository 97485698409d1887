"""The commands that look after the catalog, as a person types them."""

import json
import shutil

from storage import names, runs
from storage.lake import Lake
from tests.acceptance.drive import gristmill
from tests.storage.small import spine


def test_gc_lists_first_and_deletes_only_when_told(lake):
    store = Lake(lake)
    old, new = spine(store, 1), spine(store, 2)
    names.assign(store, "news/corpus", new["corpus"])
    listed = gristmill("gc", lake=lake)
    assert listed.returncode == 0, listed.stderr
    assert "Nothing was deleted" in listed.stdout
    assert "left over" not in listed.stdout
    assert [line.split()[:2] for line in listed.stdout.splitlines() if line.startswith(("compose", "decide"))] == [
        ["compose", "1"],
        ["decide", "1"],
    ]
    assert old["corpus"].folder.exists()
    deleted = gristmill("gc", "--delete", lake=lake)
    assert deleted.returncode == 0, deleted.stderr
    assert "Deleted: " in deleted.stdout
    assert not old["corpus"].folder.exists()
    assert sorted(map(str, store.artifacts())) == sorted(str(one) for one in new.values())
    (lake / "compose" / ".staging" / f"{new['corpus'].fingerprint}.lock").touch()  # of a run that was killed
    assert "Nothing to delete" in gristmill("gc", lake=lake).stdout


def test_verify_names_the_damage_and_what_makes_it_again_and_rebuilds_the_registry(lake):
    store = Lake(lake)
    made = spine(store, 1)
    runs.start(store, "run-1", "refresh", {"recipe": "mill.yaml", "settings": ["decide.a=1"]}, "unknown")
    runs.end(store, "run-1", "completed", None, list(made.values()), {})
    whole = gristmill("verify", lake=lake)
    assert (whole.returncode, whole.stdout.splitlines()[-1]) == (0, "Nothing is damaged.")
    part = made["corpus"].folder / made["corpus"].manifest.parts[0].name
    part.write_bytes(bytes(part.stat().st_size))
    assert gristmill("verify", "--quick", lake=lake).returncode == 0
    damaged = gristmill("verify", lake=lake)
    assert damaged.returncode == 1
    assert f"{made['corpus']}: delete {made['corpus'].folder}, then" in damaged.stdout
    assert "gristmill refresh mill.yaml --set decide.a=1" in damaged.stdout
    store.registry.remove(made["scores"].fingerprint)
    shutil.rmtree(made["corpus"].folder)
    assert "gristmill verify --rebuild" in gristmill("verify", lake=lake).stdout
    rebuilt = gristmill("verify", "--rebuild", lake=lake)
    assert (rebuilt.returncode, rebuilt.stdout.splitlines()[0]) == (
        0,
        "The registry was made again from 4 manifests.",
    ), rebuilt.stdout


def test_du_has_the_bytes_by_stage_and_by_name(lake):
    store = Lake(lake)
    made = spine(store, 1)
    names.assign(store, "news/corpus", made["corpus"])
    rows = json.loads(gristmill("du", "--format", "json", lake=lake).stdout)
    sizes = {one.stage: one.manifest.bytes for one in made.values()}
    assert {row["stage"]: row["bytes"] for row in rows if row["by"] == "stage"} == sizes
    assert [row["exclusive"] for row in rows if row["by"] == "name"] == [sum(sizes.values())]
    assert "would free 0 B" in gristmill("du", lake=lake).stdout
