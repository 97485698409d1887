"""The commands that look after the catalog, as a person types them."""

from storage import names
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
    assert "Nothing to delete" in gristmill("gc", lake=lake).stdout
