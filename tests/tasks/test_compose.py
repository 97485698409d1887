"""Compose as a stage: the same bytes from any cut of the documents, in bounded reads, through kills."""

import hashlib
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from storage.artifact import MANIFEST, Artifact
from storage.lake import Lake
from tasks.compose import ComposeConfig, compose, summary
from tasks.run import running
from tasks.stage import StageFailed
from tests.tasks.compose_inputs import GROUP_ROWS, Page, put, write_pages

COUNTS = {"books": 60, "code": 90, "pages": 400}
CONFIG = ComposeConfig.model_validate(
    {"components": {"books": {"weight": 0.3, "max_epochs": 3}}, "budget_bytes": 250_000, "part_bytes": 12_000}
)
PAGES = write_pages(COUNTS)


def make(
    lake: Path, cuts: list[list[int]], workers: int = 0, shuffle: int = 0, config: ComposeConfig = CONFIG
) -> Artifact:
    inputs = put(lake, PAGES, cuts, shuffle)
    with running(lake, "compose", workers=workers, quiet=True):
        return compose(config, **inputs)


def parts(corpus: Artifact) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in corpus.folder.iterdir()
        if path.suffix == ".parquet"
    }


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return make(tmp_path_factory.mktemp("one") / "lake", [[0]])


def test_rows_are_the_kept_documents_with_their_text_and_language(corpus: Artifact) -> None:
    by_id = {page.doc_id: page for page in PAGES}
    rows = corpus.read().to_pylist()
    assert len({row["doc_id"] for row in rows}) == len(rows)
    for row in rows:
        page = by_id[row["doc_id"]]
        assert page.kept
        assert (row["text"], row["source"], row["language"], row["split"]) == (
            page.text,
            page.source,
            page.language,
            page.split,
        )
        assert (row["text_bytes"], row["license"]) == (len(page.text.encode()), "CC0-1.0")
        assert row["url"] == f"https://example.org/{page.doc_id}"


def test_train_stands_before_validation_and_no_part_holds_both(corpus: Artifact) -> None:
    splits = [set(pq.ParquetFile(path).read(["split"])["split"].to_pylist()) for path in corpus.paths()]
    assert all(len(one) == 1 for one in splits)
    flat = [one.pop() for one in splits]
    assert flat == sorted(flat)
    assert len(flat) > 8
    assert set(flat) == {"train", "validation"}


def test_what_the_mixture_came_to_is_a_table_that_agrees_with_the_rows(corpus: Artifact) -> None:
    table = corpus.read(["source", "split", "copies", "text_bytes"])
    train = table.filter(pc.equal(table["split"], "train"))
    total = 0
    for row in summary(corpus):
        mine = train.filter(pc.equal(train["source"], row["component"]))
        counted = pc.sum(pc.multiply(mine["copies"].cast("int64"), mine["text_bytes"])).as_py()
        assert (row["documents"], row["bytes"]) == (mine.num_rows, counted)
        assert row["share"] == pytest.approx(row["share_wanted"], abs=0.01)
        total += counted
    assert 245_000 < total <= 250_000
    assert [row["share_wanted"] for row in summary(corpus) if row["component"] == "books"] == [pytest.approx(0.3)]


CUTS = [
    ([[100, 100, 0]], 0),
    ([[50], [1, 0], [200, 17]], 0),
    ([[30], [30], [30], [30], [30], [30], [30], [30], [30], [0]], 1),
    ([[120, 80], [0, 0]], 3),
]


@pytest.mark.parametrize(("cuts", "workers"), CUTS)
def test_any_cut_into_snapshots_and_files_and_any_number_of_workers_give_the_same_bytes(
    tmp_path: Path, corpus: Artifact, cuts: list[list[int]], workers: int
) -> None:
    other = make(tmp_path / "lake", cuts, workers, shuffle=len(cuts))
    assert len(parts(corpus)) > 2 * 8
    assert parts(other) == parts(corpus)


def test_another_seed_is_another_order_of_the_same_documents(tmp_path: Path) -> None:
    first, second = (make(tmp_path / "lake", [[0]], config=ComposeConfig(seed=seed)) for seed in (0, 1))
    ids = [one.read(["doc_id"])["doc_id"].to_pylist() for one in (first, second)]
    assert ids[0] != ids[1]
    assert sorted(ids[0]) == sorted(ids[1]) == sorted(page.doc_id for page in PAGES if page.kept)


def test_text_of_row_groups_in_which_nothing_was_kept_is_not_read(tmp_path: Path) -> None:
    pages = [replace(page, kept=number >= 3 * GROUP_ROWS) for number, page in enumerate(PAGES[: 5 * GROUP_ROWS])]
    inputs = put(tmp_path / "lake", pages, [[0]], shuffle=None)
    (path,) = inputs["documents"][0].paths()
    layout = pq.ParquetFile(path)
    text = layout.schema_arrow.get_field_index("text")
    with open(path, "r+b") as stream:
        for group in range(3):
            chunk = layout.metadata.row_group(group).column(text)
            stream.seek(min(filter(None, (chunk.dictionary_page_offset, chunk.data_page_offset))))
            stream.write(b"\xff" * chunk.total_compressed_size)
    with pytest.raises(OSError):  # noqa: PT011
        pq.ParquetFile(path).read_row_group(0, columns=["text"])
    with running(tmp_path / "lake", "compose", workers=0, quiet=True):
        made = compose(ComposeConfig(), **inputs)
    assert made.rows() == 2 * GROUP_ROWS


def test_one_document_is_a_corpus(tmp_path: Path) -> None:
    page = Page("0" * 31 + "1", "pages", "a mill", "en", True, "train")
    inputs = put(tmp_path / "lake", [page], [[0]])
    with running(tmp_path / "lake", "compose", workers=0, quiet=True):
        made = compose(ComposeConfig(), **inputs)
    assert [(row["doc_id"], row["text"], row["copies"]) for row in made.read().to_pylist()] == [
        (page.doc_id, "a mill", 1)
    ]


def test_nothing_kept_is_a_sentence(tmp_path: Path) -> None:
    inputs = put(tmp_path / "lake", write_pages({"pages": 5}, kept=0.0), [[0]])
    with (
        running(tmp_path / "lake", "compose", workers=0, quiet=True),
        pytest.raises(StageFailed, match="loosen the rules"),
    ):
        compose(ComposeConfig(), **inputs)
    assert not list(Path(tmp_path / "lake" / "compose").glob(f"*/{MANIFEST}"))


def test_documents_that_were_not_decided_on_together_are_a_sentence(tmp_path: Path) -> None:
    inputs = put(tmp_path / "lake", PAGES, [[100], [0]])
    with running(tmp_path / "lake", "compose", workers=0, quiet=True):
        for documents in (inputs["documents"][:1], [*inputs["documents"], inputs["documents"][0]]):
            with pytest.raises(StageFailed, match="exactly the documents that were decided on"):
                compose(ComposeConfig(), decisions=inputs["decisions"], documents=documents)


def test_the_plan_says_what_each_source_gives_and_which_runs_out(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    inputs = put(tmp_path / "lake", PAGES, [[0]])
    wishes = ComposeConfig.model_validate({"components": {"books": {"weight": 0.5}, "poems": {"weight": 0.1}}})
    with running(tmp_path / "lake", "compose", workers=0):
        compose(wishes, **inputs)
    said = capsys.readouterr().err
    assert "books:" in said
    assert said.count("runs out") == 1
    assert "1.00 epochs, runs out" in said
    assert "poems: no kept document" in said


def compose_with(tmp_path: Path, settings: dict) -> Artifact:
    inputs = put(tmp_path / "lake", PAGES, [[90], [40, 0]])
    with running(tmp_path / "lake", "compose", workers=0, quiet=True):
        return compose(ComposeConfig.model_validate(settings), **inputs)


def test_components_are_what_an_expression_tells_apart(tmp_path: Path) -> None:
    by = "language || case when source = 'books' then ' books' else '' end"
    made = compose_with(tmp_path, {"by": by, "components": {"en": {"weight": 0.6}, "de books": {"weight": 0}}})
    rows = made.read(["source", "language", "component", "split", "copies", "text_bytes"]).to_pylist()
    for row in rows:
        assert row["component"] == row["language"] + (" books" if row["source"] == "books" else "")
    assert {row["component"] for row in rows} == {"en", "de", "en books"}
    train = [row for row in rows if row["split"] == "train"]
    english = sum(row["text_bytes"] * row["copies"] for row in train if row["component"] == "en")
    assert english / sum(row["text_bytes"] * row["copies"] for row in train) == pytest.approx(0.6, abs=0.01)


def test_documents_are_repeated_as_an_expression_says(tmp_path: Path) -> None:
    made = compose_with(tmp_path, {"repeat": "case when language = 'de' then 2.5 else 1 end"})
    rows = [row for row in made.read(["language", "split", "copies"]).to_pylist() if row["split"] == "train"]
    german = [row["copies"] for row in rows if row["language"] == "de"]
    assert {row["copies"] for row in rows if row["language"] == "en"} == {1}
    assert set(german) == {2, 3}
    assert sum(german) / len(german) == pytest.approx(2.5, abs=0.1)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"repeat": "n_words"}, "mixture.repeat reads n_words, which no input"),
        ({"repeat": "-1"}, "null, negative or no number"),
        ({"repeat": "case when language = 'de' then 1 end"}, "null, negative or no number"),
        ({"repeat": "cast(language as integer)"}, "cannot be computed"),
        ({"repeat": "0"}, "mixture.repeat is 0 for every kept document"),
    ],
)
def test_an_expression_that_does_not_hold_is_a_sentence(tmp_path: Path, settings: dict, sentence: str) -> None:
    with pytest.raises(StageFailed, match=sentence):
        compose_with(tmp_path, settings)


def test_each_phase_has_copies_of_its_own(tmp_path: Path) -> None:
    phases = [
        {"name": "main", "share": 0.8},
        {"name": "last", "share": 0.2, "weights": {"books": 1, "code": 0, "pages": 0}},
    ]
    made = compose_with(tmp_path, {"phases": phases, "budget_bytes": 200_000, "max_epochs": 2})
    rows = made.read(["source", "split", "copies", "phase_copies", "text_bytes"]).to_pylist()
    assert all(sum(row["phase_copies"]) == row["copies"] for row in rows)
    last = [row for row in rows if row["phase_copies"][1]]
    assert {row["source"] for row in last} == {"books"}
    planned = [row for row in summary(made) if row["phase"] == "last" and row["component"] == "books"]
    assert sum(row["phase_copies"][1] * row["text_bytes"] for row in last) == planned[0]["bytes"]
    assert planned[0]["bytes"] == pytest.approx(40_000, rel=0.03)


def test_a_corpus_opens_with_load_dataset(tmp_path: Path, corpus: Artifact) -> None:
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset(
        "parquet", data_files=str(corpus.folder / "part-*.parquet"), split="train", cache_dir=str(tmp_path)
    )
    rows = corpus.read().to_pylist()
    assert loaded.num_rows == len(rows)
    for name in ("doc_id", "text", "source", "component", "phase_copies"):
        assert loaded[name][:] == [row[name] for row in rows]


SCRIPT = textwrap.dedent("""
    import sys
    from pathlib import Path
    from tests.tasks.test_compose import make
    if __name__ == "__main__":
        make(Path(sys.argv[1]), [[90, 90], [90, 90], [0]], workers=int(sys.argv[2]))
""")


POINTS = [("compose.spreading:3", 0), ("compose.spread:4", 0), ("compose.spread:9", 2)]


@pytest.mark.parametrize(("point", "workers"), POINTS)
def test_killed_while_spreading_or_gathering_the_next_run_goes_on(
    tmp_path: Path, corpus: Artifact, point: str, workers: int
) -> None:
    lake = tmp_path / "lake"

    def run(**environment: str) -> int:
        command = [sys.executable, "-c", SCRIPT, str(lake), str(workers)]
        return subprocess.run(command, env=os.environ | environment, capture_output=True, timeout=120).returncode

    # A worker that dies is replaced, and its shard tried again: the run may even end well.
    assert run(GRISTMILL_KILL_AT=point) in ((0, 1) if workers else (-signal.SIGKILL,))
    if workers == 0:
        assert Lake(lake).artifacts("compose") == []
    files = [*lake.glob("compose/.staging/*/part-*.parquet"), *lake.glob("compose/.staging/*.work/spread-*/*.arrow")]
    before = {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}
    if point == "compose.spreading:3":
        assert len(before) == 1 + 2  # where everything goes, and two of five files
    elif workers == 0:
        assert sum(name.startswith("part-") for name in before) == 3
    assert run() == 0
    (made,) = Lake(lake).artifacts("compose")
    assert parts(made) == parts(corpus)
    after = {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in made.folder.iterdir()}
    if workers == 0:  # finished shards are untouched
        assert {name: after[name] for name in before if name.endswith(".parquet")}.items() <= before.items()
    assert not list(lake.glob("compose/.staging/*.work"))
