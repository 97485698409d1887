"""Parts that stand in many documents go from those that stay, and from nothing else; the corpus holds what is left."""

import hashlib
import random
from pathlib import Path

import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.artifact import Artifact
from tasks.compose import summary
from tasks.edits import EditsConfig
from tasks.parts.stage import PartsConfig
from tasks.run import running
from tasks.stage import StageFailed
from tests.tasks.repeats import corpora
from tests.tasks.repeats.corpora import Page, build, rules
from tests.tasks.test_compose import parts

WORDS = ["mill", "Stone", "grain", "water", "wheel", "flour", "sack", "river", "Bread", "oven", "wind", "naïve"]
ALL = {
    "repeated_lines": {"min_documents": 3, "min_domains": 2, "min_characters": 4},
    "repeated_paragraphs": {"min_documents": 2, "keep": "first"},
    "repeated_substrings": {"min_tokens": 6},
}


def pages(draw: random.Random, count: int) -> list[Page]:
    """Pages of our own: sentences, lines that come again, paragraphs of others, a few dropped or without a date."""
    shared = [" ".join(draw.choices(WORDS, k=draw.randint(1, 9))) for _ in range(12)]
    made, before = [], ["Of water\nand of wind", "grain"]
    for number in range(count):
        blocks = []
        for _ in range(draw.randint(1, 4)):
            lines = [
                draw.choice(shared) if draw.random() < 0.5 else " ".join(draw.choices(WORDS, k=draw.randint(1, 14)))
                for _ in range(draw.randint(1, 3))
            ]
            blocks.append(draw.choice(before) if draw.random() < 0.4 else "\n".join(lines))
            before.append(blocks[-1])
        text = draw.choice(["\n\n", "\n \n"]).join(blocks) + draw.choice(["", "\n", " ."])
        if draw.random() < 0.15:
            text = "DROP " + text
        host = draw.choice([None, "one.example.org", "www.two.example.org", "three.example.org"])
        made.append(Page(f"{draw.getrandbits(128):032x}", text, host, draw.choice([None, 0, 1, number])))
    return made


def digests(artifact: Artifact) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in artifact.folder.glob("*.parquet")}


def check(lake: Path, made: list[Page], sections: dict) -> tuple[Artifact, Artifact]:
    """Build a corpus and compare it with a slow account of it."""
    config = rules(**sections)
    with running(lake, "repeats", workers=0, quiet=True):
        decisions, corpus = build(lake, made, config)
    kept = corpora.staying(made)
    gone = {page.doc_id: set() for page in kept}
    expected = set()
    for kind, asked in (("repeated_lines", config.repeated_lines), ("repeated_paragraphs", config.repeated_paragraphs)):
        if asked:
            for doc_id, spans in corpora.lines_that_go(kept, asked, kind == "repeated_paragraphs").items():
                expected |= {(doc_id, kind, start, end) for start, end in spans}
                gone[doc_id] |= {place for start, end in spans for place in range(start, end)}
    removals = {tuple(row.values()) for row in decisions.read(table="removals").to_pylist()}
    assert {one for one in removals if one[1] != "repeated_substrings"} == expected
    if config.repeated_substrings:
        of_words = corpora.characters_that_go(kept, config.repeated_substrings)
        found = {page.doc_id: set() for page in kept}
        for doc_id, kind, start, end in removals:
            if kind == "repeated_substrings":
                found[doc_id] |= set(range(start, end))
        assert found == of_words
        for doc_id, characters in of_words.items():
            gone[doc_id] |= characters
    left = {page.doc_id: corpora.leave(page.text, gone[page.doc_id]) for page in kept}
    left = {doc_id: text for doc_id, text in left.items() if text.strip()}
    rows = {row["doc_id"]: row for row in corpus.read().to_pylist()}
    assert {doc_id: row["text"] for doc_id, row in rows.items()} == left
    assert all(row["text_bytes"] == len(left[doc_id].encode()) for doc_id, row in rows.items())
    assert all(row["removed_characters"] == len(gone[doc_id]) for doc_id, row in rows.items())
    decided = {row["doc_id"]: row for row in decisions.read().to_pylist()}
    assert {doc_id for doc_id, row in decided.items() if row["kept"]} == left.keys()
    for page in kept:
        if page.doc_id not in left:
            assert (decided[page.doc_id]["dropped_by"], decided[page.doc_id]["failed"]) == (
                "repeats.emptied",
                ["repeats.emptied"],
            )
    return decisions, corpus


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("asked", [*ALL, "all"])
def test_what_goes_and_what_is_left_equals_a_slow_account(tmp_path: Path, seed: int, asked: str) -> None:
    made = pages(random.Random(f"{seed} {asked}"), 30)
    decisions, corpus = check(tmp_path / "lake", made, ALL if asked == "all" else {asked: ALL[asked]})
    assert decisions.rows("removals") > 3
    (row,) = summary(corpus)
    assert row["removed_characters"] == pc.sum(corpus.read()["removed_characters"]).as_py() > 0


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Page], Artifact, Artifact]:
    made = pages(random.Random(7), 60)
    return made, *check(tmp_path_factory.mktemp("whole") / "lake", made, ALL)


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.sets(st.integers(1, 59), max_size=4), shuffle=st.integers(0, 1000))
def test_any_order_and_any_cut_into_snapshots_give_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, whole: tuple, cuts: set[int], shuffle: int
) -> None:
    made, decisions, corpus = whole
    lake = tmp_path_factory.mktemp("cut") / "lake"
    with running(lake, "repeats", workers=0, quiet=True):
        again, composed = build(lake, made, rules(**ALL), sorted(cuts), shuffle)
    assert digests(again) == digests(decisions)
    assert parts(composed) == parts(corpus)


def test_two_workers_give_the_same_bytes(tmp_path: Path, whole: tuple) -> None:
    made, decisions, corpus = whole
    with running(tmp_path / "lake", "repeats", workers=2, quiet=True):
        again, composed = build(tmp_path / "lake", made, rules(**ALL), [20, 40], 3)
    assert digests(again) == digests(decisions)
    assert parts(composed) == parts(corpus)


def test_every_word_that_goes_still_stands_in_a_document_seen_before(tmp_path: Path) -> None:
    made = pages(random.Random(11), 50)
    keep = {name: {**asked, "keep": "first"} for name, asked in ALL.items()}
    decisions, corpus = check(tmp_path / "lake", made, keep)
    left = {row["doc_id"]: set(row["text"].lower().split()) for row in corpus.read().to_pylist()}
    earlier: set[str] = set()
    for page in corpora.staying(made):
        assert set(page.text.lower().split()) - left.get(page.doc_id, set()) <= earlier | left.get(page.doc_id, set())
        earlier |= left.get(page.doc_id, set())
    assert decisions.rows("removals") > 3


def test_a_dropped_document_takes_nothing_from_others(tmp_path: Path) -> None:
    line = "the same line of many words that stands in three documents"
    made = [
        Page("1" * 32, f"DROP\n{line}\nfirst", day=0),
        Page("2" * 32, f"second\n{line}", day=1),
        Page("3" * 32, f"third\n{line}", day=2),
    ]
    sections = {"repeated_lines": {"min_documents": 2, "keep": "first"}}
    decisions, _ = check(tmp_path / "lake", made, sections)
    assert [row["doc_id"][0] for row in decisions.read(table="removals").to_pylist()] == ["3"]


def test_boilerplate_lines_are_named(tmp_path: Path) -> None:
    hosts = ["a.example.org", "www.a.example.org", "b.example.org:80", None]
    made = [
        Page(f"{number:032x}", f"Share  this page\nabout {number}\nSHARE this page\n{'x' * number}", host, number)
        for number, host in enumerate(hosts)
    ]
    with running(tmp_path / "lake", "repeats", workers=0, quiet=True):
        decisions, corpus = build(tmp_path / "lake", made, rules(repeated_lines={"min_documents": 4, "min_domains": 3}))
    (named,) = decisions.read(table="boilerplate").to_pylist()
    assert made[int(named["doc_id"], 16)].text[named["start"] : named["end"]] == "Share  this page\n"
    counts = {name: named[name] for name in ("kind", "documents", "domains", "occurrences")}
    assert counts == {"kind": "repeated_lines", "documents": 4, "domains": 3, "occurrences": 8}
    assert sorted(corpus.read()["text"].to_pylist()) == [f"about {number}\n{'x' * number}" for number in range(4)]


def test_a_threshold_turned_scores_nothing_again(tmp_path: Path) -> None:
    made = pages(random.Random(3), 20)
    with running(tmp_path / "lake", "repeats", workers=0, quiet=True):
        build(tmp_path / "lake", made, rules(**ALL))
    with running(tmp_path / "lake", "repeats", workers=0, quiet=True) as run:
        build(tmp_path / "lake", made, rules(**{**ALL, "repeated_substrings": {"min_tokens": 7}}))
    assert {step.stage: step.reused for step in run.steps} == {
        "sign": True,
        "parts": True,
        "decide": False,
        "compose": False,
    }


def test_removals_join_the_edits_of_the_mixture(tmp_path: Path) -> None:
    line = "this line is the same in all of these pages"
    texts = [f"call 555-{number} now\n{line} and {number}\n{line}\nkeep {number}" for number in range(3)]
    made = []
    for number, text in enumerate(texts):
        at = text.index("555")
        again = text.index(f"\n{line}\n") + 6
        spans = (
            ("pii_spans", at, at + 5, "phone"),
            ("pii_spans", again, again + 4, "phone"),  # within what is a repeated line
            ("cut_spans", 0, 2, "x"),
        )
        made.append(Page(f"{number:032x}", text, day=number, spans=spans))
    edits = EditsConfig(remove=("cut_spans",), redact={"phone": "<PHONE>"})
    with running(tmp_path / "lake", "repeats", workers=0, quiet=True):
        decisions, corpus = build(tmp_path / "lake", made, rules(repeated_lines={"min_documents": 3}), edits=edits)
    rows = corpus.read().to_pylist()
    assert {row["doc_id"]: row["text"] for row in rows} == {
        page.doc_id: f"ll <PHONE> now\n{line} and {number}\nkeep {number}" for number, page in enumerate(made)
    }
    assert {row["redactions"] for row in rows} == {1}
    assert {row["text_bytes"] for row in rows} == set(decisions.read(table="edited")["composed_bytes"].to_pylist())


def test_recipes_that_do_not_ask_have_no_such_tables(tmp_path: Path) -> None:
    made = pages(random.Random(5), 10)
    with running(tmp_path / "lake", "repeats", workers=0, quiet=True):
        decisions, corpus = build(tmp_path / "lake", made, rules())
    assert {part.table for part in decisions.manifest.parts} == {"part"}
    kept = {page.doc_id: page.text for page in corpora.staying(made)}
    assert {row["doc_id"]: row["text"] for row in corpus.read().to_pylist()} == kept


@pytest.mark.parametrize(
    ("sections", "parts", "said"),
    [
        ({"repeated_lines": {}}, PartsConfig(paragraphs=True), "needs the column lines, which no stage"),
        ({"repeated_substrings": {"min_tokens": 5}}, PartsConfig(substrings=6), "set parts.substrings to 5"),
    ],
)
def test_what_was_not_noted_cannot_be_found(tmp_path: Path, sections: dict, parts: PartsConfig, said: str) -> None:
    made = pages(random.Random(5), 5)
    with running(tmp_path / "lake", "repeats", workers=0, quiet=True), pytest.raises(StageFailed, match=said):
        build(tmp_path / "lake", made, rules(**sections), parts=parts)
