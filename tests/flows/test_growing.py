"""A corpus that grows: ten snapshots one by one are the same bytes as all files at once, and nothing is read twice."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.session import name_corpus
from storage import names
from storage.artifact import Artifact
from storage.lake import Lake
from tasks.change import measure_change
from tasks.run import running
from tests.flows.growing import PHASED, grow, grow_in, parts, write_files


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_files(tmp_path_factory.mktemp("files"), 10)


@pytest.fixture(scope="module")
def at_once(tmp_path_factory: pytest.TempPathFactory, files: list[Path]) -> Artifact:
    """The corpus of all files, read as one snapshot by two workers; those that are compared with it have none."""
    return grow_in(tmp_path_factory.mktemp("once"), [files], workers=2, recipe=PHASED)


def test_ten_snapshots_one_by_one_are_the_same_part_files_as_all_files_at_once(
    tmp_path: Path, files: list[Path], at_once: Artifact
):
    one_by_one = grow_in(tmp_path, [[path] for path in files], recipe=PHASED)
    assert len(one_by_one.inputs("documents")) == 10
    assert len(at_once.inputs("documents")) == 1
    for grown, whole in ((one_by_one, at_once), (one_by_one.input("decisions"), at_once.input("decisions"))):
        assert parts(grown) == parts(whole)
        assert all((grown.folder / name).read_bytes() == (whole.folder / name).read_bytes() for name, _ in parts(whole))
        # the list of inputs differs, and so the fingerprint; nothing else
        one, other = (json.loads((side.folder / "manifest.json").read_text()) for side in (grown, whole))
        assert one.pop("fingerprint") != other.pop("fingerprint")
        assert one["identity"].pop("inputs") != other["identity"].pop("inputs")
        assert one == other
    # a later snapshot has turned earlier decisions: its page was captured first, or stands for a near copy
    turned: set[str] = set()
    for _, earlier, _ in names.history(Lake(tmp_path / "lake"), "growing/corpus"):
        stood = {row["doc_id"] for row in earlier.input("decisions").read().to_pylist() if row["kept"]}
        dropped = [row for row in one_by_one.input("decisions").read().to_pylist() if row["doc_id"] in stood]
        turned |= {row["dropped_by"] for row in dropped if not row["kept"]}
    assert turned >= {"duplicates.exact", "duplicates.near"}


def test_the_ten_have_copies_near_copies_drops_edits_and_both_splits(files: list[Path], at_once: Artifact):
    """What the equality above is worth."""
    decided = at_once.input("decisions").read().to_pylist()
    assert {"duplicates.exact", "duplicates.near", "gopher.min_words"} <= {row["dropped_by"] for row in decided}
    assert {row["split"] for row in decided if row["kept"]} == {"train", "validation"}
    mixture = at_once.read(table="mixture").to_pylist()
    assert {row["phase"] for row in mixture} == {"early", "late"}
    assert all(sum(row[what] for row in mixture) > 0 for what in ("removed_characters", "redactions"))
    assert len(at_once.parts()) > 2
    assert {len(row["phase_copies"]) for row in at_once.read(["phase_copies"]).to_pylist()} == {2}
    kinds = {path.name.partition(".")[2] for path in files}
    assert kinds == {"jsonl", "parquet", "warc.gz"}
    assert at_once.input("documents").rows() == 12 * len(files)
    tables = {part.table: part.rows for part in at_once.input("decisions").manifest.parts}
    assert len(tables) > 1
    assert all(tables.values()), "what is repeated, and what goes of it"


@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(10)), cuts=st.sets(st.integers(1, 9), max_size=2))
def test_any_order_and_any_cut_into_snapshots_are_the_same_part_files(
    tmp_path_factory: pytest.TempPathFactory, files: list[Path], at_once: Artifact, order: list[int], cuts: set[int]
):
    edges = [0, *sorted(cuts), 10]
    groups = [[files[number] for number in order[a:b]] for a, b in pairwise(edges)]
    grown = grow_in(tmp_path_factory.mktemp("cut"), groups, recipe=PHASED)
    assert parts(grown) == parts(at_once)
    assert parts(grown.input("decisions")) == parts(at_once.input("decisions"))


def test_a_file_that_is_known_by_its_hash_is_no_news_under_another_name(tmp_path: Path, files: list[Path]):
    corpus = grow_in(tmp_path, [files[:2]])
    (tmp_path / "pages" / "copy.jsonl").write_bytes(files[0].read_bytes())
    (tmp_path / "pages" / files[1].name).rename(tmp_path / "pages" / "moved.jsonl")
    before = len(Lake(tmp_path / "lake").artifacts())
    again, run = grow(tmp_path, tmp_path / "lake")
    assert again == corpus
    assert all(step.reused for step in run.steps)
    assert len(Lake(tmp_path / "lake").artifacts()) == before


def test_a_changed_file_is_a_new_file_whose_old_pages_drop_as_copies(tmp_path: Path, files: list[Path]):
    """A page that comes again is a document like any other, with a row that names the one that stays for it."""
    grow_in(tmp_path, [files[:2]])
    with (tmp_path / "pages" / "0.jsonl").open("a") as stream:
        words = " ".join(f"word{number}" for number in range(60))
        stream.write(json.dumps({"text": f"A page of its own: {words}.", "url": "https://new.example/"}) + "\n")
    corpus, run = grow(tmp_path, tmp_path / "lake")
    read = [step.artifact.rows() for step in run.steps if step.stage == "extract" and not step.reused]
    assert read == [13]
    decisions = corpus.input("decisions").read().to_pylist()
    new = {row for row in run.lake.artifacts("extract")[-1].read(["doc_id"]).column("doc_id").to_pylist()}
    again = [row for row in decisions if row["doc_id"] in new]
    assert len(again) == 13
    assert sum(row["kept"] for row in again) <= 1 + sum(row["kept_as"] in new for row in decisions)
    assert all(row["kept_as"] for row in again if row["dropped_by"] == "duplicates.exact")
    assert len(names.history(run.lake, "growing/corpus")) == 2


def test_a_refresh_that_began_earlier_and_saw_fewer_files_does_not_take_the_name_back(
    tmp_path: Path, files: list[Path]
):
    lake = tmp_path / "lake"
    few = grow_in(tmp_path, [files[:1]])
    more = grow_in(tmp_path, [files[1:2]])
    with running(lake, "refresh", quiet=True) as run:
        names.assign(run.lake, "growing/corpus", few)
        names.assign(run.lake, "growing/corpus", more)  # by another process, while this run goes on
        assert name_corpus("growing/corpus", few) == more
    assert names.latest(Lake(lake), "growing/corpus") == more
    with running(lake, "refresh", quiet=True) as run:  # nobody named it since: a person goes back to fewer snapshots
        assert name_corpus("growing/corpus", few) == few
    assert names.latest(Lake(lake), "growing/corpus") == few


def test_what_changed_is_measured_in_bytes_in_and_out(tmp_path: Path, files: list[Path]):
    few, more = grow_in(tmp_path, [files[:1]]), grow_in(tmp_path, [files[1:2]])
    sizes = [
        {
            row["doc_id"]: row["text_bytes"] * row["copies"]
            for row in one.read(["doc_id", "text_bytes", "copies"]).to_pylist()
        }
        for one in (few, more)
    ]
    before, after = sizes
    change = measure_change(few, more)
    assert (change.documents_in, change.documents_out) == (len(after.keys() - before), len(before.keys() - after))
    moved = [after.get(doc_id, 0) - before.get(doc_id, 0) for doc_id in before.keys() | after]
    came, went = sum(size for size in moved if size > 0), -sum(size for size in moved if size < 0)
    assert (change.bytes_in, change.bytes_out) == (came, went)
    assert change.share == (came + went) / sum(before.values())
    assert measure_change(more, more).share == 0
    assert (measure_change(None, few).share, measure_change(None, few).bytes_in) == (1.0, sum(before.values()))
