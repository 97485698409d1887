"""The commands that look after the catalog, as a person types them."""

import json
import shutil

from flows.cli.catalog_rows import repairs
from storage import names, runs
from storage.catalog.verify import verify
from storage.lake import Lake
from storage.sql import connect
from tests.acceptance.drive import gristmill
from tests.flows.growing import grow, parts, write_files
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


def test_verify_names_the_damage_and_what_makes_it_again_and_rebuilds_the_registry(tmp_path, lake):
    store, recipe = Lake(lake), tmp_path / "mill.yaml"
    recipe.touch()
    made = spine(store, 1)
    runs.start(store, "run-1", "refresh", {"recipe": str(recipe), "settings": ["decide.a=1"]}, "unknown")
    runs.end(store, "run-1", "completed", None, list(made.values()), {})
    whole = gristmill("verify", lake=lake)
    assert (whole.returncode, whole.stdout.splitlines()[-1]) == (0, "Nothing is damaged.")
    part = made["corpus"].folder / made["corpus"].manifest.parts[0].name
    part.write_bytes(bytes(part.stat().st_size))
    assert gristmill("verify", "--quick", lake=lake).returncode == 0
    damaged = gristmill("verify", lake=lake)
    assert damaged.returncode == 1
    assert f"{made['corpus']}: delete {made['corpus'].folder}, then" in damaged.stdout
    assert f"gristmill refresh {recipe} --set decide.a=1" in damaged.stdout
    store.registry.remove(made["scores"].fingerprint)
    shutil.rmtree(made["corpus"].folder)
    assert "gristmill verify --rebuild" in gristmill("verify", lake=lake).stdout
    rebuilt = gristmill("verify", "--rebuild", lake=lake)
    assert (rebuilt.returncode, rebuilt.stdout.splitlines()[0]) == (
        0,
        "The registry was made again from 4 manifests.",
    ), rebuilt.stdout


def test_what_is_made_again_by_a_recipe_that_is_gone_is_told_by_one_that_is_there(tmp_path, lake):
    store, there, gone = Lake(lake), tmp_path / "mill.yaml", tmp_path / "mill-2.yaml"
    made = spine(store, 1)
    for path in (there, gone):
        path.touch()
        runs.start(store, path.stem, "refresh", {"recipe": str(path)}, "unknown")
        runs.end(store, path.stem, "completed", None, list(made.values()), {})
    made["corpus"].paths()[0].unlink()

    def told() -> str:
        (said,) = repairs(store, verify(store).damages)
        return said.partition(", then ")[2]

    assert told() == f"gristmill refresh {gone} --lake {lake}."  # the newest
    gone.unlink()
    assert told() == f"gristmill refresh {there} --lake {lake}."
    there.unlink()
    assert "gristmill refresh" not in told()
    assert f"its recipe {gone} is not there" in told()
    runs.start(store, "preset", "data_to_model", {"recipe": "sample"}, "unknown")
    runs.end(store, "preset", "completed", None, list(made.values()), {})
    assert told() == f"gristmill run sample --lake {lake}."


def test_a_run_that_cannot_be_read_hides_no_other_from_verify(tmp_path, lake):
    store, recipe = Lake(lake), tmp_path / "mill.yaml"
    recipe.touch()
    made = spine(store, 1)
    for run in ("run-1", "run-2"):
        runs.start(store, run, "refresh", {"recipe": str(recipe)}, "unknown")
        runs.end(store, run, "completed", None, list(made.values()), {})
    (lake / "runs" / "run-2" / "ended.json").write_text("[")
    made["corpus"].paths()[0].unlink()
    told = repairs(store, verify(store).damages)
    assert told[0].endswith(f"then gristmill refresh {recipe} --lake {lake}.")
    assert told[1].startswith("runs/run-2/ended.json: delete it")


def test_du_has_the_bytes_by_stage_and_by_name(lake):
    store = Lake(lake)
    made = spine(store, 1)
    names.assign(store, "news/corpus", made["corpus"])
    rows = json.loads(gristmill("du", "--format", "json", lake=lake).stdout)
    sizes = {one.stage: one.manifest.bytes for one in made.values()}
    assert {row["stage"]: row["bytes"] for row in rows if row["by"] == "stage"} == sizes
    assert [row["exclusive"] for row in rows if row["by"] == "name"] == [sum(sizes.values())]
    assert "would free 0 B" in gristmill("du", lake=lake).stdout


def test_what_verify_tells_to_delete_is_made_again_with_the_same_bytes(tmp_path, lake):
    write_files(tmp_path / "pages", 1)
    corpus, _ = grow(tmp_path, lake)
    store = Lake(lake)
    before = {one: parts(one) for one in store.artifacts()}
    damaged = [corpus, *store.artifacts("sign")]
    for one in damaged:
        path = one.paths()[0]
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    damages = verify(store).damages
    assert {one.artifact for one in damages} == set(damaged)
    told = repairs(store, damages)
    for one in damaged:
        assert any(line.startswith(f"{one}: delete {one.folder}, then ") for line in told)
        shutil.rmtree(one.folder)
    assert connect(store).sql("select count(*), count(n_words) from documents").fetchone() == (12, 12)
    gone = repairs(store, verify(store).damages)
    assert gone[0].startswith("What is not there is made again: ")
    assert not any("delete" in line for line in gone)
    grow(tmp_path, lake)
    assert verify(store).damages == []
    assert {one: parts(one) for one in store.artifacts()} == before
