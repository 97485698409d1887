"""Spans are applied as the corpus is composed: the same bytes on any machine, sizes exact, nothing left unsaid."""

import os
import random
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pyarrow.compute as pc
import pytest

from storage.artifact import Artifact
from storage.lake import Lake
from tasks.compose import ComposeConfig, compose, summary
from tasks.edits import EditsConfig, resolve_edits
from tasks.run import running
from tasks.stage import StageFailed
from tests.tasks.compose_inputs import Page, put, write_pages
from tests.tasks.test_compose import parts

MARKS = {"email": "<EMAIL>", "ip": "<IP>"}
EDITS = EditsConfig(remove=("line_spans",), redact=MARKS)
CONFIG = ComposeConfig(remove=EDITS.remove, redact=MARKS, part_bytes=12_000)


def marked(page: Page, number: int) -> Page:
    """The page with spans in it, of which those of one column do not overlap; every tenth is emptied by them."""
    draw, n = random.Random(number), len(page.text)
    if number % 10 == 0:
        return replace(page, spans={"line_spans": [{"start": 0, "end": n, "kind": "line"}]})
    spans: dict[str, list[dict]] = {}
    for column, kinds in (("line_spans", ["line"]), ("pii_spans", ["email", "ip", "phone"])):
        cuts = sorted(draw.sample(range(n + 1), 2 * min(draw.randint(0, 4), n // 2)))
        pairs = zip(cuts[::2], cuts[1::2], strict=True)
        spans[column] = [{"start": start, "end": end, "kind": draw.choice(kinds)} for start, end in pairs]
    return replace(page, spans=spans)


PAGES = [marked(page, number) for number, page in enumerate(write_pages({"books": 60, "pages": 200}))]


def composed(page: Page) -> str:
    """The text without its removed stretches, marks in place of others: a sign that no page holds shows where."""
    signs = list(page.text)
    for span in page.spans.get("pii_spans", ()):
        if span["kind"] in MARKS:
            signs[span["start"] : span["end"]] = "\0" * (span["end"] - span["start"])
    for span in page.spans.get("line_spans", ()):
        signs[span["start"] : span["end"]] = "\1" * (span["end"] - span["start"])
    text, last = "", None
    for place, sign in enumerate(signs):
        if sign == "\0":
            (one,) = [s for s in page.spans["pii_spans"] if s["start"] <= place < s["end"]]
            text += "" if one is last else MARKS[one["kind"]]
            last = one
        elif sign != "\1":
            text += sign
    return text


def make(lake: Path, cuts: list[list[int]], workers: int = 0, config: ComposeConfig = CONFIG) -> Artifact:
    with running(lake, "compose", workers=workers, quiet=True):
        return compose(config, **put(lake, PAGES, cuts, len(cuts), EDITS))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return make(tmp_path_factory.mktemp("one") / "lake", [[0]])


def test_the_corpus_holds_the_composed_text_and_the_documents_the_extracted_one(corpus: Artifact) -> None:
    kept = {page.doc_id: page for page in PAGES if page.kept}
    rows = {row["doc_id"]: row for row in corpus.read().to_pylist()}
    assert rows.keys() == {doc_id for doc_id, page in kept.items() if composed(page)}
    for doc_id, row in rows.items():
        text = composed(kept[doc_id])
        assert (row["text"], row["text_bytes"]) == (text, len(text.encode()))
        assert row["redactions"] == text.count("<EMAIL>") + text.count("<IP>")
    (documents,) = corpus.inputs("documents")
    extracted = documents.read(["doc_id", "text"]).to_pylist()
    assert {row["doc_id"]: row["text"] for row in extracted} == {page.doc_id: page.text for page in PAGES}


def test_what_the_edits_came_to_is_in_the_mixture(corpus: Artifact) -> None:
    table = corpus.read()
    for row in summary(corpus):
        mine = table.filter(pc.equal(table["source"], row["component"]))
        emptied = [page for page in PAGES if page.source == row["component"] and page.kept and not composed(page)]
        assert row["emptied_documents"] == len(emptied) > 0
        assert row["redactions"] == pc.sum(mine["redactions"]).as_py() > 0
        assert row["removed_characters"] == pc.sum(mine["removed_characters"]).as_py() > 0


@pytest.mark.parametrize(("cuts", "workers"), [([[50], [1, 0], [100, 17]], 0), ([[40], [40], [40], [0]], 2)])
def test_any_cut_and_any_number_of_workers_give_the_same_bytes(
    tmp_path: Path, corpus: Artifact, cuts: list[list[int]], workers: int
) -> None:
    assert len(parts(corpus)) > 8
    assert parts(make(tmp_path / "lake", cuts, workers)) == parts(corpus)


def test_a_budget_is_counted_on_the_composed_text(tmp_path: Path) -> None:
    sizes = sorted(len(composed(page).encode()) for page in PAGES)
    whole = sum(len(composed(p).encode()) for p in PAGES if p.kept and p.split == "train")
    config = CONFIG.model_copy(update={"budget_bytes": whole // 2})
    rows = make(tmp_path / "lake", [[0]], config=config).read().filter(pc.field("split") == "train")
    assert whole // 2 - sizes[-1] <= pc.sum(rows["text_bytes"]).as_py() <= whole // 2


def test_what_the_decisions_did_not_look_at_is_not_applied(tmp_path: Path) -> None:
    with running(tmp_path / "lake", "compose", workers=0, quiet=True):
        bare = put(tmp_path / "lake", PAGES, [[0]], 0)
        edited = put(tmp_path / "lake", PAGES, [[0], []], 1, EDITS)
        for config, inputs in ((CONFIG, bare), (ComposeConfig(), edited)):
            with pytest.raises(StageFailed, match="decisions were not made on the edits"):
                compose(config, **inputs)


def test_a_corpus_without_edits_has_none_of_them_in_its_ancestry(tmp_path: Path) -> None:
    with running(tmp_path / "lake", "compose", workers=0, quiet=True):
        made = compose(ComposeConfig(), **put(tmp_path / "lake", PAGES, [[0]], 0))
    (decisions,) = made.inputs("decisions")
    assert {one.stage for one in decisions.inputs("annotations")} == {"language"}
    assert set(made.read(["removed_characters"])["removed_characters"].to_pylist()) == {0}


def test_edits_are_a_function_of_the_spans_that_they_read(tmp_path: Path) -> None:
    with running(tmp_path / "lake", "edits", workers=0, quiet=True):
        inputs = put(tmp_path / "lake", PAGES, [[0]], 0, EDITS)
        (annotation,) = [one for one in inputs["decisions"].inputs("annotations") if one.stage == "edits"]
        assert {one.stage for one in annotation.inputs()} == {"extract", "found"}
        with pytest.raises(StageFailed, match="no stage before it writes the column line_spans"):
            resolve_edits(EditsConfig(remove=("line_spans",)), documents=inputs["documents"][0])


SCRIPT = textwrap.dedent("""
    import sys
    from pathlib import Path
    from tests.tasks.test_edits import make
    if __name__ == "__main__":
        make(Path(sys.argv[1]), [[50], [50], [50], [0]])
""")


def test_killed_while_it_applies_edits_the_next_run_goes_on(tmp_path: Path, corpus: Artifact) -> None:
    lake = tmp_path / "lake"

    def run(**environment: str) -> int:
        command = [sys.executable, "-c", SCRIPT, str(lake)]
        return subprocess.run(command, env=os.environ | environment, capture_output=True, timeout=120).returncode

    assert run(GRISTMILL_KILL_AT="compose.spreading:3") == -signal.SIGKILL
    assert len(list(lake.glob("compose/.staging/*.work/spread-*/0*.arrow"))) == 2
    assert run() == 0
    (made,) = Lake(lake).artifacts("compose")
    assert parts(made) == parts(corpus)
