"""Two hundred planted pages: a refresh warns of them, and one that refuses them leaves the corpus as it was."""

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from flows.drift import SHOWN, DriftRefused
from flows.grow import grow_corpus
from flows.recipe import check_recipe, load_recipe
from storage import names
from storage.artifact import Artifact
from storage.lake import Lake
from storage.sql import connect
from tasks.ingest import ingest
from tasks.report.collect import results_of
from tasks.report.page import write_report
from tasks.run import Run, running
from tests.acceptance.world import german, sentence

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


def refresh(
    folder: Path, *settings: str, recipe: str = RECIPE, snapshots: Sequence[Artifact] = ()
) -> tuple[Artifact, Run]:
    (folder / "watched.yaml").write_text(recipe, encoding="utf-8")
    plan = check_recipe(load_recipe(str(folder / "watched.yaml"), settings))
    with running(folder / "lake", "refresh", workers=0) as run:
        return grow_corpus(plan, [one.fingerprint for one in snapshots]), run


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


SITES, OF_SITE = [f"site-{number}.example" for number in range(6)], 120
FRENCH = [
    "La meunière porte le grain au moulin chaque matin avant le lever du soleil",
    "Son frère vend trois sacs de farine sur la place du village",
    "Le boulanger répare la vieille roue derrière la grange",
    "Les voisins attendent le vent pour moudre leur orge",
]
WATCHED = f"""
name: watched
sources: [{{name: pages, path: pages, license: CC0-1.0}}]
decide: {{gopher: {{min_words: 20, min_stop_words: 0}}, repetition: null, language: null}}
redact: {{kinds: []}}
drift: {{min_documents: {OF_SITE - 20}}}
"""
Change = Callable[[str, str, random.Random], str]


def write_sites(folder: Path, number: int, change: Change = lambda site, text, draw: text) -> None:
    """A file of pages of six sites, every fourth of them in German, each as `change(site, text, draw)` makes it."""
    draw, rows = random.Random(number), []
    for page in range(OF_SITE * len(SITES)):
        site, say = SITES[page % len(SITES)], german if page // len(SITES) % 4 == 3 else sentence
        text = change(site, " ".join(say(draw) for _ in range(5)), draw)
        rows.append(json.dumps({"text": text, "url": f"https://{site}/{number}/{page}"}))
    (folder / "pages").mkdir(exist_ok=True)
    (folder / "pages" / f"{number}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")


def short(text: str) -> str:
    """A page that says nothing, in the language of this one."""
    return "Der Müller ist heute nicht in der Mühle." if " das " in text else "The miller is not at the mill today."


def half_short(site: str, text: str, draw: random.Random) -> str:
    return short(text) if draw.random() < 0.7 else text


def one_site_short(site: str, text: str, draw: random.Random) -> str:
    return short(text) if site == SITES[3] else text


def german_short(site: str, text: str, draw: random.Random) -> str:
    return short(text) if " das " in text and draw.random() < 0.7 else text


def some_french(site: str, text: str, draw: random.Random) -> str:
    return ". ".join(draw.choices(FRENCH, k=4)) + "." if draw.random() < 0.2 else text


FAILS = (("yield", None), ("drops", "gopher.min_words"))


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Artifact]]:
    """A lake with a corpus of files that are alike: the third was taken in where any warning would have refused it."""
    folder = tmp_path_factory.mktemp("watched")
    write_sites(folder, 1)
    write_sites(folder, 2)
    refresh(folder, recipe=WATCHED)
    write_sites(folder, 3)
    _, run = refresh(folder, "drift.on_warning=refuse", recipe=WATCHED)
    (drift,) = (step.artifact for step in run.steps if step.stage == "drift")
    (checked,) = drift.read(table="checked").to_pylist()
    assert (checked["warnings"], checked["documents"]) == (0, OF_SITE * len(SITES))
    assert checked["comparisons"] >= 1 + len(SITES) + 2
    return folder, run.lake.artifacts("ingest")


@pytest.mark.parametrize(
    ("number", "change", "expected"),
    [
        (
            4,
            half_short,
            {("short", "source", "pages", None)}
            | {(metric, "source", "pages", what) for metric, what in FAILS}
            | {(metric, "domain", site, what) for metric, what in FAILS for site in SITES}
            | {(metric, "language", language, what) for metric, what in FAILS for language in ("en", "de")},
        ),
        (5, one_site_short, {(metric, "domain", SITES[3], what) for metric, what in FAILS}),
        (6, german_short, {(metric, "language", "de", what) for metric, what in FAILS}),
        (7, some_french, {("language", "source", "pages", "fr")}),
    ],
    ids=["a yield that is halved", "a site that fails", "a language whose pages drop", "a new language"],
)
def test_a_source_that_misbehaves_is_refused_or_said_by_source_site_and_language(
    watched: tuple[Path, list[Artifact]],
    number: int,
    change: Change,
    expected: set[tuple[str, str, str, str | None]],
    capsys: pytest.CaptureFixture[str],
):
    """Through all stages, each case against the same snapshots."""
    folder, known = watched
    write_sites(folder, number, change)
    with running(folder / "lake", "test", quiet=True) as run:
        *_, new = ingest(check_recipe(load_recipe(str(folder / "watched.yaml"))).sources[0])
    chosen, before = [*known, new], names.latest(run.lake, "watched/corpus")
    with pytest.raises(DriftRefused, match="is refused: what is new is unlike the earlier snapshots"):
        refresh(folder, "drift.on_warning=refuse", recipe=WATCHED, snapshots=chosen)
    assert names.latest(run.lake, "watched/corpus") == before
    capsys.readouterr()
    corpus, run = refresh(folder, recipe=WATCHED, snapshots=chosen)
    (drift,) = (step.artifact for step in run.steps if step.stage == "drift")
    rows = drift.read().to_pylist()
    scopes = [row["scope"] for row in rows]
    assert scopes == sorted(scopes, key=["source", "language", "domain"].index), "what is said first says most"
    assert {(row["metric"], row["scope"], row["name"], row["what"]) for row in rows} == expected
    assert names.latest(run.lake, "watched/corpus") == corpus != before
    assert capsys.readouterr().err.count("drift           WARNING pages") == min(len(expected), SHOWN)
