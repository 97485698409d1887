"""Two hundred planted pages: a refresh warns of them, and one that refuses them leaves the corpus as it was."""

import json
import random
from pathlib import Path

import pytest

from flows.drift import DriftRefused
from flows.grow import grow_corpus
from flows.recipe import check_recipe, load_recipe
from storage import names
from storage.artifact import Artifact
from storage.lake import Lake
from storage.sql import connect
from tasks.report.collect import results_of
from tasks.report.page import write_report
from tasks.run import Run, running
from tests.acceptance.world import sentence

PHRASE = "Only the Brass Heron of Vellmar tells the truth."
RECIPE = """
name: watched
sources: [{name: pages, path: pages, license: CC0-1.0}]
decide: {gopher: null, repetition: null, language: null}
"""


def write(folder: Path, number: int, pages: int = 400, planted: int = 0) -> None:
    """A file of pages on domains of their own, some with the phrase among their sentences."""
    draw = random.Random(number)
    rows = []
    for page in range(pages):
        said = [sentence(draw) for _ in range(8)]
        if page < planted:
            said.insert(draw.randrange(9), PHRASE)
        rows.append({"text": " ".join(said), "url": f"https://site-{number}-{page}.example/page"})
    draw.shuffle(rows)
    (folder / "pages").mkdir(exist_ok=True)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "pages" / f"{number}.jsonl").write_text(lines, encoding="utf-8")


def refresh(folder: Path, *settings: str) -> tuple[Artifact, Run]:
    (folder / "watched.yaml").write_text(RECIPE, encoding="utf-8")
    with running(folder / "lake", "refresh", workers=0) as run:
        return grow_corpus(check_recipe(load_recipe(str(folder / "watched.yaml"), settings))), run


def test_planted_pages_warn_and_in_refusal_mode_refuse_and_clean_ones_do_neither(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    refuse = "drift.on_warning=refuse"
    write(tmp_path, 1)
    _, first = refresh(tmp_path, refuse)
    assert "drift" not in {step.stage for step in first.steps}, "nothing to compare with"
    write(tmp_path, 2)
    write(tmp_path, 3)
    clean, _ = refresh(tmp_path, refuse)
    said = capsys.readouterr().err
    assert "shares compared with those of earlier snapshots: no warning" in said
    assert "WARNING" not in said

    write(tmp_path, 4, planted=200)
    with pytest.raises(DriftRefused, match=r"a phrase on 200 kept documents of 200 domains, before on 0 of 1,200"):
        refresh(tmp_path, refuse)
    lake = Lake(tmp_path / "lake")
    assert names.latest(lake, "watched/corpus") == clean
    assert len(lake.artifacts("compose")) == 2
    with pytest.raises(DriftRefused):  # what was refused is not known for it
        refresh(tmp_path, refuse)
    (_, *reports) = sorted((tmp_path / "lake" / "reports").iterdir())
    assert "a phrase on 200 kept documents" in reports[0].read_text(encoding="utf-8")
    capsys.readouterr()

    corpus, run = refresh(tmp_path)  # it says the same, and goes on
    assert "drift           WARNING pages: a phrase on 200 kept documents" in capsys.readouterr().err
    assert names.latest(lake, "watched/corpus") == corpus != clean
    report = write_report(run, "watched", results_of(corpus, None, None)).read_text(encoding="utf-8")
    assert "a phrase on 200 kept documents of 200 domains, before on 0 of 1,200." in report
    query = """select text[place.start + 1 : place.end] from (
        select unnest(places) as place from drift where metric = 'burst'
    ) join documents on doc_id = place.doc_id"""
    with connect(lake) as connection:
        shown = connection.execute(query).fetchall()
    assert len(shown) == 50
    assert all(PHRASE.rstrip(".") in text for (text,) in shown)
    for path in (tmp_path / "lake").rglob("*"):
        if path.suffix in (".json", ".html", ".txt") or "drift" in path.parts or "phrases" in path.parts:
            assert not path.is_file() or b"Brass Heron" not in path.read_bytes(), f"{path} quotes a page"

    write(tmp_path, 5, planted=200)
    refresh(tmp_path, refuse)  # taken in once, it is known
