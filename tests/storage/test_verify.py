"""`verify` finds every kind of damage, and nothing where there is none."""

import os
import shutil
import sqlite3

import pytest

from storage import gc, names, runs
from storage.catalog.damage import REGISTRY
from storage.catalog.databases import DamagedRegistry
from storage.catalog.superseded import supersede
from storage.catalog.usage import usage
from storage.catalog.verify import verify
from storage.gc import Keeping
from storage.lake import Lake
from tests.storage.small import make, ran, spine


def part(artifact):
    return artifact.folder / artifact.manifest.parts[0].name


def flip(lake, one):
    path = part(one["scores"])
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(lake, one):
    os.truncate(part(one["scores"]), 10)


def drop_part(lake, one):
    part(one["scores"]).unlink()


def other_identity(lake, one):
    path = one["decisions"].folder / "manifest.json"
    path.write_text(path.read_text().replace('"limit": 1', '"limit": 2'))


def break_manifest(lake, one):
    (one["decisions"].folder / "manifest.json").write_text("{")


def drop_provenance(lake, one):
    (one["decisions"].folder / "provenance.json").unlink()


def drop_folder(lake, one):
    shutil.rmtree(one["scores"].folder)


def drop_inputs_and_row(lake, one):
    shutil.rmtree(one["scores"].folder)
    lake.registry.remove(one["scores"].fingerprint)


def change_row(lake, one):
    with sqlite3.connect(lake.registry.path) as connection:
        connection.execute("update artifacts set rows = 11 where stage = 'compose'")


def drop_name_entry(lake, one):
    (lake.root / "names" / "news" / "corpus" / "000001.json").unlink()


def drop_named(lake, one):
    shutil.rmtree(one["corpus"].folder)
    lake.registry.remove(one["corpus"].fingerprint)


def break_run(lake, one):
    (lake.root / "runs" / "run-1" / "ended.json").write_text("[")


DAMAGES = [
    (flip, {("language", "part-00000.parquet")}),
    (truncate, {("language", "part-00000.parquet")}),
    (drop_part, {("language", "part-00000.parquet")}),
    (other_identity, {("decide", "manifest.json")}),
    (break_manifest, {("decide", "manifest.json")}),
    (drop_provenance, {("decide", "provenance.json")}),
    (drop_folder, {("language", "registry"), ("decide", "lineage")}),
    (drop_inputs_and_row, {("decide", "lineage")}),
    (change_row, {("compose", "registry")}),
    (drop_name_entry, {(None, "names/news/corpus/000001.json")}),
    (drop_named, {(None, "names/news/corpus")}),
    (break_run, {(None, "runs/run-1/ended.json")}),
]


@pytest.fixture
def world(lake):
    store = Lake(lake)
    one = spine(store, 1)
    for artifact in (one["decisions"], one["corpus"]):
        names.assign(store, "news/corpus", artifact)
    ran(store, "run-1", list(one.values()))
    runs.start(store, "run-2", "killed", {}, "unknown")
    return store, one


@pytest.mark.parametrize(("damage", "expected"), DAMAGES, ids=lambda value: getattr(value, "__name__", None))
def test_damage_is_found_where_it_is_and_nowhere_else(world, damage, expected):
    store, one = world
    assert verify(store).damages == []
    damage(store, one)
    found = {(damaged.artifact and damaged.artifact.stage, damaged.where) for damaged in verify(store).damages}
    assert found == expected
    quick = {(damaged.artifact and damaged.artifact.stage, damaged.where) for damaged in verify(store, True).damages}
    assert quick == (set() if damage is flip else expected)


def test_what_kills_and_collections_leave_is_no_damage(world):
    store, one = world
    (store.root / "compose" / ".staging" / "half").mkdir()
    store.registry.remove(one["corpus"].fingerprint)  # killed between the rename and the row
    other = make(store, "decide", [one["documents"]], "decisions", limit=9)
    (store.root / gc.TRASH).mkdir()
    os.rename(other.folder, store.root / gc.TRASH / f"decide.{other.fingerprint}")
    found = verify(store)
    assert (found.damages, found.artifacts, found.in_trash) == ([], 5, 1)
    supersede(store, one["documents"], None, "a page was forgotten")
    gc.collect(store, Keeping(runs=0))
    found = verify(store)
    assert (found.damages, found.artifacts, found.in_trash) == ([], 4, 0)


def test_a_registry_that_is_no_database_is_named_and_made_again(world):
    store, one = world
    rows = store.registry.rows()
    store.registry.path.write_bytes(bytes(range(256)) * 16)
    with pytest.raises(DamagedRegistry, match=r"gristmill verify --rebuild"):
        store.artifacts()
    (damage,) = verify(store).damages
    assert (damage.artifact, damage.where) == (None, REGISTRY)
    assert store.registry.rebuild() == (len(one), [])
    assert store.registry.rows() == rows
    assert verify(store).damages == []


def test_bytes_are_counted_by_stage_and_name_once_for_what_is_shared(world):
    store, one = world
    other = make(store, "compose", [one["decisions"]], "corpus", rows=1000, weight=1)
    names.assign(store, "other/corpus", other)
    make(store, "compose", [one["decisions"]], "corpus", rows=5, weight=2)
    sizes = {artifact: artifact.manifest.bytes for artifact in store.artifacts()}
    used = usage(store, Keeping(runs=0))
    by_stage = {row.stage: (row.artifacts, row.bytes) for row in used.stages}
    assert by_stage["compose"] == (3, sum(size for artifact, size in sizes.items() if artifact.stage == "compose"))
    assert sum(row.bytes for row in used.stages) == sum(sizes.values())
    by_name = {row.name: row for row in used.names}
    assert by_name["other/corpus"].exclusive == sizes[other]
    assert by_name["other/corpus"].artifacts == 5
    freed = sum(row.freed for row in used.stages)
    assert freed == sizes[store.artifacts()[-1]]
    assert used.freed >= freed
    assert used.beside["registry.sqlite"] > 0
