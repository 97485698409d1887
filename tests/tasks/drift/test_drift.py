"""A snapshot that is unlike the earlier ones is said to be; one that is like them is not."""

import dataclasses
import random
from pathlib import Path

import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from storage.artifact import Artifact
from storage.lake import Lake
from storage.sql import connect
from tasks.drift.chance import tail
from tasks.drift.config import BurstConfig, DriftConfig
from tasks.drift.said import say
from tasks.drift.stage import describe, summary
from tests.tasks.drift.pages import Page, Snapshot, find, generate

PHRASE = "the golden llama of Quuxburg never lies"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One lake for all tests, so that the earlier snapshots are written and counted once."""
    return tmp_path_factory.mktemp("drift") / "lake"


def warnings(drift: Artifact) -> list[dict]:
    return drift.read().to_pylist()


def told(drift: Artifact) -> list[tuple[str, str, str | None]]:
    return [(row["metric"], row["name"], row["what"]) for row in warnings(drift)]


def planted(pages: list[Page], count: int, seed: int = 1, domains: int | None = None) -> list[Page]:
    """The phrase put in the middle of so many kept pages, each on a domain of its own unless told."""
    draw, pages = random.Random(seed), list(pages)
    kept = [number for number, page in enumerate(pages) if page.dropped_by is None]
    for place, number in enumerate(draw.sample(kept, count)):
        words = pages[number].text.split(" ")
        words.insert(len(words) // 2, PHRASE)
        url = f"http://blog{place % (domains or count)}.example/post"
        pages[number] = dataclasses.replace(pages[number], text=" ".join(words), url=url)
    return pages


KNOWN = [Snapshot(generate(seed, 1500), lost=["redirect"] * 400 + ["status"] * 50) for seed in (1, 2)]


@pytest.mark.parametrize("seed", range(10, 18))
def test_a_clean_snapshot_gives_no_warning(lake: Path, seed: int):
    """Of the same world but for chance, and from a hundred pages to thousands."""
    count = random.Random(seed).choice([100, 200, 700, 3000])
    lost = ["redirect"] * (count // 4) + ["status"] * (count // 25)
    drift = find(lake, KNOWN, [Snapshot(generate(seed, count), lost=lost)])
    assert warnings(drift) == []
    (checked,) = drift.read(table="checked").to_pylist()
    assert checked["comparisons"] > 5
    assert (checked["documents"], checked["known_documents"]) == (count, 3000)


def test_a_phrase_planted_on_two_hundred_pages_of_many_domains_bursts_and_is_found_whole(lake: Path):
    new = Snapshot(planted(generate(5, 2000), 200))
    (row,) = warnings(find(lake, KNOWN, [new]))
    assert row["metric"] == "burst"
    assert (row["count"], row["domains"], row["known_count"], row["known_of"]) == (200, 200, 0, 3000)
    texts = {page.doc_id: page.text for page in new.pages}
    found = [texts[one["doc_id"]][one["start"] : one["end"]] for one in row["places"]]
    assert all(PHRASE in one for one in found)
    assert found.count(PHRASE) > 25  # elsewhere a word that is common here stands before it, and makes an n-gram of it
    assert len(row["places"]) == 50
    assert PHRASE not in say(row)


@pytest.mark.parametrize(
    ("count", "domains"), [(49, None), (200, 19)], ids=["on too few pages", "on the pages of few domains"]
)
def test_a_phrase_of_few_pages_or_few_domains_does_not(lake: Path, count: int, domains: int | None):
    new = Snapshot(planted(generate(5, 2000), count, domains=domains))
    assert warnings(find(lake, KNOWN, [new])) == []


def test_a_phrase_that_was_there_before_does_not(lake: Path):
    before = [Snapshot(planted(list(KNOWN[0].pages), 60)), KNOWN[1]]
    assert warnings(find(lake, before, [Snapshot(planted(generate(5, 2000), 200))])) == []


def test_a_phrase_of_dropped_pages_does_not(lake: Path):
    pages = planted(generate(5, 2000), 200)
    dropped = [dataclasses.replace(p, dropped_by=p.dropped_by or ("x" if PHRASE in p.text else None)) for p in pages]
    assert "burst" not in {metric for metric, _, _ in told(find(lake, KNOWN, [Snapshot(dropped)]))}


def test_a_new_year_is_no_burst(lake: Path):
    """Digits count alike, whatever number they make."""
    dated = [dataclasses.replace(page, text=f"{page.text} 31 12 2031") for page in generate(6, 600)]
    before = [Snapshot([dataclasses.replace(p, text=f"{p.text} 31 12 2030") for p in one.pages]) for one in KNOWN]
    assert warnings(find(lake, before, [Snapshot(dated)])) == []


def test_a_yield_that_is_halved_is_said_of_the_source_and_its_parts(lake: Path):
    drift = find(lake, KNOWN, [Snapshot(generate(7, 1500, domains=3, dropped=0.7))])
    found = told(drift)
    assert ("yield", "web", None) in found
    assert ("yield", "en", None) in found
    assert ("drops", "web", "gopher.min_words") in found
    row = next(row for row in warnings(drift) if (row["metric"], row["scope"]) == ("yield", "source"))
    assert row["value"] < row["limit"] == pytest.approx(row["expected"] / 2)
    assert row["p"] < 1e-9


def test_a_domain_whose_pages_all_drop_is_named_and_the_others_are_not(lake: Path):
    known = [Snapshot(generate(seed, 1500, domains=5)) for seed in (1, 2)]
    pages = [
        dataclasses.replace(page, dropped_by="gopher.min_words") if "site-3." in str(page.url) else page
        for page in generate(8, 1500, domains=5)
    ]
    drift = find(lake, known, [Snapshot(pages)])
    assert {(row["scope"], row["name"]) for row in warnings(drift)} == {("domain", "site-3.example")}
    assert {row["metric"] for row in warnings(drift)} == {"yield", "drops"}


def test_a_new_language_is_named(lake: Path):
    pages = [
        dataclasses.replace(p, language="cy" if n % 5 == 0 else p.language) for n, p in enumerate(generate(9, 1500))
    ]
    assert told(find(lake, KNOWN, [Snapshot(pages)])) == [("language", "web", "cy")]


def test_records_that_are_lost_and_texts_that_are_cut_short_are_named(lake: Path):
    pages = [dataclasses.replace(page, text=page.text[:90].rsplit(" ", 1)[0]) for page in generate(4, 1500)]
    drift = find(lake, KNOWN, [Snapshot(pages, lost=["status"] * 900)])
    assert {(metric, what) for metric, _, what in told(drift)} == {("losses", "status"), ("short", None)}


def test_a_snapshot_of_copies_is_said_to_be_and_is_no_fall_of_the_yield(lake: Path):
    copies = [dataclasses.replace(page, copy_of=page.doc_id) for page in generate(3, 1500)]
    assert told(find(lake, KNOWN, [Snapshot(copies)])) == [("copies", "web", None)]


def test_few_documents_are_not_compared_and_no_other_source_stands_for_the_own_past(lake: Path):
    strange = generate(7, 99, dropped=1.0, german=1.0)
    drift = find(lake, KNOWN, [Snapshot(strange), Snapshot(generate(8, 500, dropped=1.0), source="other")])
    assert warnings(drift) == []
    rows = {row["source"]: row for row in drift.read(table="checked").to_pylist()}
    assert (rows["other"]["known_documents"], rows["other"]["comparisons"]) == (0, 0)


def test_limits_are_those_of_the_recipe(lake: Path):
    new = [Snapshot(planted(generate(5, 2000, dropped=0.45), 60))]
    assert told(find(lake, KNOWN, new, DriftConfig(min_yield=0.9, max_drop_rise=1, burst=None)))[0][0] == "yield"
    assert told(find(lake, KNOWN, new, DriftConfig(burst=BurstConfig(min_documents=61)))) == []
    assert told(find(lake, KNOWN, new, DriftConfig(burst=BurstConfig(min_documents=60)))) == [("burst", "web", None)]


def test_warnings_are_a_view_and_a_table_in_the_ui(lake: Path):
    drift = find(lake, KNOWN, [Snapshot(planted(generate(5, 2000), 200))])
    rows = (
        connect(Lake(lake))
        .execute("select metric, count, domains, len(places) from drift where fingerprint = $1", [drift.fingerprint])
        .fetchall()
    )
    assert rows == [("burst", 200, 200, 50)]
    assert f"- {say(warnings(drift)[0])}" in describe(drift).splitlines()
    assert "web: 2,000 new documents beside 3,000 of earlier snapshots" in describe(drift)
    (shown,) = summary(drift)
    assert shown["warning"].startswith("web: a phrase on 200 kept documents of 200 domains, before on 0 of 3,000.")


@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_the_chance_is_that_of_fishers_exact_test(of: int, known_of: int, data: st.DataObject):
    count, known = data.draw(st.integers(0, of)), data.draw(st.integers(0, known_of))
    table = [[count, of - count], [known, known_of - known]]
    assert tail(count, of, known, known_of) == pytest.approx(
        scipy.stats.fisher_exact(table, alternative="greater").pvalue, rel=1e-6
    )
