"""Artifacts of one origin, and rows that no tombstone names: a refresh asks for them of each snapshot."""

import os
import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from storage.artifact import Artifact, Identity, Input
from storage.commit import stage_artifact
from storage.files import Damaged
from storage.forget.named import named_ids
from storage.forget.tombstones import parse
from storage.lake import Lake
from storage.table import column, table
from tests.storage.small import make

PAGES = table(
    column("doc_id", pa.string(), "An id."),
    column("url", pa.string(), "An address."),
    column("source", pa.string(), "A source."),
    column("record_id", pa.string(), "An own id."),
)


def documents(lake: Lake, number: int, tombstones: Artifact | None = None) -> Artifact:
    """Four pages of one host, read from a snapshot of this number."""
    snapshot = make(lake, "ingest", kind="snapshot", number=number)
    given = [snapshot, tombstones] if tombstones else [snapshot]
    inputs = [Input(role=one.manifest.kind, stage=one.stage, fingerprint=one.fingerprint) for one in given]
    wanted = Identity(stage="extract", version=1, config={}, inputs=tuple(inputs))
    with stage_artifact(lake, wanted, "documents", lambda said: None) as staging:
        assert not isinstance(staging, Artifact)
        output = staging.output(0, "key", {"part": PAGES})
        rows = [
            {
                "doc_id": f"{number:016x}{page:016x}",
                "url": f"http://{number}.example/{page}",
                "source": "pages",
                "record_id": None,
            }
            for page in range(4)
        ]
        output.write(pa.RecordBatch.from_pylist(rows, schema=PAGES.schema))
        return staging.commit([output.finish()], {})


def looked_up(lake: Lake, one: Artifact) -> list[Artifact]:
    """The artifacts of its origin, each manifest of the lake looked at."""
    return sorted(
        (other for other in lake.artifacts(one.stage) if other.exists and other.origin == one.origin),
        key=lambda other: other.fingerprint,
    )


def test_forms_are_those_of_the_same_origin_whatever_is_made_and_deleted_meanwhile(tmp_path):
    lake = Lake(tmp_path)
    listed = [make(lake, "tombstones", kind="tombstones", number=number) for number in range(3)]
    origins = [documents(lake, number) for number in range(4)]
    for tombstones in listed:
        for number, origin in enumerate(origins):
            made = documents(lake, number, tombstones)
            assert made.origin == origin
            assert made in origin.forms() == looked_up(lake, origin)
    shutil.rmtree(origins[1].folder)
    assert len(origins[1].forms()) == 3
    assert origins[1].standing() in origins[1].forms()
    assert [len(one.forms()) for one in origins] == [4, 3, 4, 4]


def test_a_stage_in_which_nothing_is_new_is_not_listed_again(tmp_path, monkeypatch):
    lake = Lake(tmp_path)
    origins = [documents(lake, number) for number in range(3)]
    os.utime(tmp_path / "extract", (1_000_000_000, 1_000_000_000))
    assert origins[0].forms() == [origins[0]]

    def refuse(folder: Path) -> list[str]:
        raise AssertionError(f"{folder} is listed again")

    with monkeypatch.context() as patched:
        patched.setattr("storage.artifact.os.listdir", refuse)
        assert [one.forms() for one in origins] == [[one] for one in origins]
    new = documents(lake, 3)
    assert new.forms() == [new]


def test_rows_that_no_tombstone_names_are_looked_at_once(tmp_path):
    lake = Lake(tmp_path)
    one = documents(lake, 1)
    elsewhere, here = parse("2.example"), parse("http://1.example/3")
    assert named_ids(one, [elsewhere]) == []
    parts = [(path, path.read_bytes()) for path in one.paths()]
    for path, _ in parts:
        path.unlink()
    assert named_ids(one, [elsewhere]) == []
    with pytest.raises(Damaged, match="part"):
        named_ids(one, [elsewhere, here])
    for path, content in parts:
        path.write_bytes(content)
    assert named_ids(one, [elsewhere, here]) == [f"{1:016x}{3:016x}"]
    assert named_ids(one, [here]) == [f"{1:016x}{3:016x}"]  # what names some is asked again


@pytest.mark.parametrize("damaged", ["", "[1", "{}", "[0, []]", '[1, [["domain"]]]', "[1, 7]"])
def test_what_is_remembered_may_be_damaged_or_of_other_rules(damaged, tmp_path):
    lake = Lake(tmp_path)
    one = documents(lake, 1)
    assert named_ids(one, [parse("2.example")]) == []
    (remembered,) = (tmp_path / ".cache" / "unnamed").iterdir()
    remembered.write_text(damaged)
    assert named_ids(one, [parse("1.example")]) == [f"{1:016x}{page:016x}" for page in range(4)]
