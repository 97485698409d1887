"""What is damaged beside artifacts is found, and mended by what `verify` says; what is not the lake's is left alone."""

import os
import pickle
from pathlib import Path

import pyarrow as pa
import pytest

from storage import gc, names
from storage.artifact import Artifact, Gone, Identity
from storage.catalog.superseded import SUPERSEDED, all_superseded, supersede
from storage.catalog.usage import usage
from storage.catalog.verify import verify
from storage.commit import stage_artifact
from storage.files import Damaged, read_fields, read_json
from storage.forget import tombstones
from storage.forget.tombstones import bury, parse
from storage.gc import Keeping
from storage.lake import Lake
from storage.schemas.forget import TOMBSTONES_TABLE
from tests.storage.small import make, spine


def told(store: Lake) -> dict[str, str | None]:
    """Where each damage beside artifacts is, with what to do."""
    return {one.where: one.remedy for one in verify(store).damages if one.artifact is None}


def cut(path: Path) -> Path:
    os.truncate(path, path.stat().st_size // 2)
    return path


@pytest.mark.parametrize("content", [b"", b'{"a": 1', b"\xff\xfe{}", b"{} {}"])
def test_what_is_no_json_is_damaged_and_the_message_names_it(content, tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(Damaged, match=r"a\.json is damaged: .* `gristmill verify` says what to do") as error:
        read_json(path)
    again = pickle.loads(pickle.dumps(error.value))  # as it comes back from a worker
    assert (str(again), again.path) == (str(error.value), path)


@pytest.mark.parametrize("content", ["[]", "null", '"kind"', '{"kind": 1}'])
def test_json_that_says_something_else_is_damaged(content, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(Damaged, match=r"a\.json is damaged"):
        read_fields(path, "kind", "pattern")


def test_a_part_is_given_only_as_it_was_committed(lake):
    store = Lake(lake)
    made = make(store, "extract", kind="documents")
    (path,) = made.paths()
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(Damaged, match=f"it has {len(content) - 1:,} bytes, not {len(content):,}"):
        made.read()
    path.unlink()
    with pytest.raises(Damaged, match="it is missing"):
        list(made.batches())
    (made.folder / "manifest.json").unlink()
    with pytest.raises(Gone):
        made.paths()


def test_a_damaged_entry_says_what_the_name_means_once_it_is_deleted(lake):
    store = Lake(lake)
    one, two, three = (make(store, "compose", kind="corpus", number=number) for number in range(3))
    for artifact in (one, two, three):
        names.assign(store, "news/corpus", artifact)
    folder = lake / "names" / "news" / "corpus"
    newest = cut(folder / "000003.json")
    (remedy,) = told(store).values()
    assert remedy == f"delete it: the name then means {two}, until the next run gives it again"
    newest.unlink()
    assert told(store) == {}
    assert names.latest(store, "news/corpus") == two
    oldest = cut(folder / "000001.json")
    (remedy,) = told(store).values()
    assert remedy is not None
    assert names.NOTHING in remedy
    oldest.write_text(names.NOTHING)
    assert told(store) == {}
    assert names.latest(store, "news/corpus") == two
    oldest.unlink()
    assert list(told(store)) == ["names/news/corpus/000001.json"]
    only = cut(folder / "000002.json")
    oldest.write_text(names.NOTHING)
    assert told(store) == {
        "names/news/corpus/000002.json": "delete it: the name then means nothing, until the next run gives it again"
    }
    only.unlink()
    assert names.assign(store, "news/corpus", three) == 2


@pytest.mark.parametrize("name", ["1-copy.json", "000001-copy.json", "000001.json.bak", "notes.json", "0000010.json"])
def test_a_file_of_another_name_among_the_entries_is_no_entry(name, lake):
    store = Lake(lake)
    one = spine(store, 1)["corpus"]
    names.assign(store, "news/corpus", one)
    bury(store, parse("nowhere.example"))
    for folder in (lake / "names" / "news" / "corpus", lake / "tombstones"):
        (folder / name).write_text("?")
    assert verify(store).damages == []
    assert [entry.artifact for entry in names.entries(store, "news/corpus")] == [one]
    assert [entry.number for entry in tombstones.entries(store)] == [1]
    assert names.all_names(store) == ["news/corpus"]
    assert usage(store, Keeping()).names[0].name == "news/corpus"


def list_tombstones(store: Lake) -> Artifact:
    """What a run lists of the lake's tombstones before it reads under them."""
    rows = [{"kind": one.kind, "pattern": one.pattern} for one in tombstones.all_tombstones(store)]
    wanted = Identity(stage="tombstones", version=2, config={"tombstones": [list(row.values()) for row in rows]})
    with stage_artifact(store, wanted, "tombstones", lambda said: None) as staging:
        assert not isinstance(staging, Artifact)
        output = staging.output(0, "key", {"part": TOMBSTONES_TABLE})
        output.write(pa.RecordBatch.from_pylist(rows, schema=TOMBSTONES_TABLE.schema))
        return staging.commit([output.finish()], {})


def test_a_tombstone_that_is_lost_is_named_by_the_artifacts_that_were_read_under_it(lake):
    store = Lake(lake)
    spine(store, 1)
    for target in ("nowhere.example", "http://a.example/it's"):
        bury(store, parse(target))
    list_tombstones(store)
    assert verify(store).damages == []
    lost = cut(lake / "tombstones" / "000002.json")
    with pytest.raises(Damaged):
        gc.plan(store)
    found = told(store)
    assert set(found) == {"tombstones/000002.json", "tombstones"}
    assert "delete it" in str(found["tombstones/000002.json"])
    assert found["tombstones"] == """gristmill forget 'url:http://a.example/it'"'"'s' --yes"""
    lost.unlink()
    assert set(told(store)) == {"tombstones"}
    bury(store, parse("url:http://a.example/it's"))
    assert told(store) == {}


def test_what_was_superseded_stays_so_for_lineage_though_its_file_is_damaged(lake):
    store = Lake(lake)
    made = spine(store, 1)
    supersede(store, made["scores"], None, "a test says so")
    gc.collect(store, Keeping(runs=0))
    cut(lake / SUPERSEDED / f"{made['scores'].fingerprint}.json")
    with pytest.raises(Damaged):
        all_superseded(store)
    assert [one.where for one in verify(store).damages] == [f"{SUPERSEDED}/{made['scores'].fingerprint}.json"]


def test_settings_of_the_lake_that_cannot_be_read_are_named(lake):
    store = Lake(lake)
    spine(store, 1)
    (lake / "lake.json").write_text('{"id": "0123')
    with pytest.raises(Damaged, match=r"lake\.json"):
        store.artifacts()
    assert list(told(store)) == ["lake.json"]


def test_what_is_damaged_and_unregistered_stops_who_would_delete_what_it_was_made_from(lake):
    store = Lake(lake)
    made = spine(store, 1)
    names.assign(store, "news/corpus", made["corpus"])
    cut(made["decisions"].folder / "manifest.json")
    assert gc.plan(store, Keeping(runs=0)).delete == []  # its row is still there
    assert store.registry.rebuild() == (4, [made["decisions"]])
    with pytest.raises(Damaged, match="decide"):
        gc.plan(store, Keeping(runs=0))


@pytest.mark.parametrize("where", ["mystuff/a", "extract/copy", f"mystuff/{'A' * 32}", f"names/{'g' * 32}"])
def test_folders_that_no_run_made_are_neither_read_nor_deleted(where, lake):
    store = Lake(lake)
    made = spine(store, 1)
    names.assign(store, "news/corpus", made["corpus"])
    mine = lake / where / "manifest.json"
    mine.parent.mkdir(parents=True)
    mine.write_text("{}")
    found = verify(store)
    assert (found.damages, found.foreign, found.artifacts) == ([], [where], 5)
    assert len(made["documents"].forms()) == 1
    assert store.registry.rebuild() == (5, [])
    assert gc.collect(store, Keeping(runs=0)).delete == []
    assert usage(store, Keeping()).names[0].artifacts == 5
    assert mine.read_text() == "{}"


def test_a_folder_of_a_persons_own_makes_no_lake(tmp_path):
    (tmp_path / "mystuff" / "a").mkdir(parents=True)
    (tmp_path / "mystuff" / "a" / "manifest.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match="holds nothing that a run made"):
        Lake(tmp_path).check()
