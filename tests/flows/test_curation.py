"""What a recipe says of personal data reaches the corpus, and every document that it empties has a row that says so."""

import io
import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from lxml import html
from rich.console import Console

from flows.cli.explain import print_told
from flows.grow import grow_corpus
from flows.recipe import Recipe, RecipeError, check_recipe, load_recipe
from storage.artifact import Artifact
from storage.lake import Lake
from storage.sql import connect
from storage.statements import check
from tasks.lineage.explain import explain
from tasks.report import curation
from tasks.report.collect import results_of
from tasks.report.page import write_report
from tasks.run import running

PAGES = [
    "The miller of the old weir answers every letter himself, so write to anna@stonemill.io before noon.",
    "mill@stonewheel.org",
    "A wheel turns in the river all day long and nobody has to push it, not even in a dry summer.",
]
RECIPE = """
name: mill
sources: [{name: pages, path: pages.jsonl, license: CC0-1.0}]
decide: {gopher: null, repetition: null, validation_share: 0}
"""


def recipe(folder: Path, *settings: str, pages: list[str] = PAGES, text: str = RECIPE) -> Recipe:
    """A recipe whose pages are these."""
    lines = [json.dumps({"id": str(number), "text": text}) for number, text in enumerate(pages)]
    (folder / "pages.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "mill.yaml").write_text(text, encoding="utf-8")
    return check_recipe(load_recipe(str(folder / "mill.yaml"), settings))


def grow(folder: Path, *settings: str) -> Artifact:
    with running(folder / "lake", "refresh", workers=0, quiet=True):
        return grow_corpus(recipe(folder, *settings))


def texts(corpus: Artifact) -> set[str]:
    return set(corpus.read(["text"])["text"].to_pylist())


def test_a_corpus_keeps_its_texts_whole_unless_the_recipe_says_otherwise(tmp_path):
    assert texts(grow(tmp_path)) == set(PAGES)


def test_redaction_puts_marks_into_the_corpus_and_not_into_the_documents(tmp_path):
    marked = grow(tmp_path, "mixture.redact=true")
    assert texts(marked) == {PAGES[0].replace("anna@stonemill.io", "<EMAIL>"), "<EMAIL>", PAGES[2]}
    own = grow(tmp_path, "mixture.redact={email: '[address]'}")
    assert texts(own) == {text.replace("<EMAIL>", "[address]") for text in texts(marked)}
    with connect(tmp_path / "lake") as connection:
        assert {text for (text,) in connection.execute("select text from extract").fetchall()} == set(PAGES)


def test_a_document_of_which_nothing_is_left_is_dropped_by_name(tmp_path):
    corpus = grow(tmp_path, "mixture.remove=[pii_spans]")
    assert texts(corpus) == {PAGES[0].replace("anna@stonemill.io", ""), PAGES[2]}
    with connect(tmp_path / "lake") as connection:
        rows = connection.execute("select text, kept, dropped_by, emptied from documents order by text").fetchall()
    assert rows == [
        (PAGES[2], True, None, False),
        (PAGES[0], True, None, False),
        (PAGES[1], False, "edits.emptied", True),
    ]


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        (
            "mixture.remove=[pii_span]",
            "no stage of this recipe writes spans called 'pii_span' (did you mean",
        ),
        ("mixture.remove=[language]", "no stage of this recipe writes spans called 'language'"),
        ("mixture.redact={emial: x}", "redact looks for no spans of this kind (did you mean 'email'?)"),
    ],
)
def test_spans_that_no_stage_finds_are_said_before_any_work(tmp_path, setting, sentence):
    with pytest.raises(RecipeError) as caught:
        recipe(tmp_path, setting)
    assert sentence in str(caught.value)


def test_redaction_without_the_stage_that_finds_what_to_redact_is_said(tmp_path):
    with pytest.raises(RecipeError, match=r"mixture\.redact: no stage of this recipe writes pii_spans"):
        recipe(tmp_path, "mixture.redact=true", "redact.kinds=[]")


def test_lists_and_models_lie_below_the_folder_of_the_recipe_wherever_it_is_run(tmp_path, monkeypatch):
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "en.txt").write_text("wheel\n", encoding="utf-8")
    (tmp_path / "bad.txt").write_text("wheel\n", encoding="utf-8")
    (tmp_path / "stop.yaml").write_text("en: [the]\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path.parent)
    found = recipe(
        tmp_path,
        "word_lists=[{name: own, path: lists}]",
        "quality.bad_words={path: bad.txt}",
        "quality.stop_words_by_language=stop.yaml",
    )
    assert [file.path for file in found.word_lists.lists[0].files] == [str(tmp_path / "lists" / "en.txt")]
    assert found.quality.bad_words.path == str(tmp_path / "bad.txt")
    assert found.quality.stop_words_by_language == {"en": ("the",)}
    with pytest.raises(RecipeError, match=r"classify\.models\.own: .*own\.bin") as caught:
        recipe(tmp_path, f"classify.models=[{{name: own, path: own.bin, sha256: {'a' * 64}}}]")
    assert str(tmp_path / "own.bin") in str(caught.value)


QUIZ = {
    "question": "A wheel turns in the river all day long. What does the miller have to do for it in a dry summer?",
    "choices": ["nothing at all, for nobody has to push it", "push it"],
    "answer": 0,
}
SHORT = {"question": "Do oats float?", "choices": ["yes", "no"], "answer": 1}
LONG = "How many sacks does the miller of the upper weir fill if he fills seven before noon and five after it?"


def test_text_of_an_evaluation_set_is_found_by_item_and_dropped_or_cut_out(tmp_path):
    pages = [
        *PAGES,
        f"Somebody wrote: {LONG} Nobody knew.",
        f"{QUIZ['question']} {QUIZ['choices'][0]}",
        "A third page.",
    ]
    (tmp_path / "quiz.jsonl").write_text(json.dumps(QUIZ) + "\n" + json.dumps(SHORT) + "\n", encoding="utf-8")
    (tmp_path / "sums.jsonl").write_text(json.dumps({"question": LONG}) + "\n", encoding="utf-8")
    sets = [
        {"name": "quiz", "path": "quiz.jsonl", "holds": "questions"},
        {"name": "sums", "path": "sums.jsonl", "holds": "benchmarks", "fields": {"text": "question"}},
    ]
    named = RECIPE.replace("license: CC0-1.0}]", f"license: CC0-1.0}}, {json.dumps(sets)[1:]}")

    def grown(*settings: str) -> Artifact:
        with running(tmp_path / "lake", "refresh", workers=0, quiet=True):
            return grow_corpus(recipe(tmp_path, *settings, pages=pages, text=named))

    assert texts(grown()) == set(pages)
    assert texts(grown("decide.decontamination.max_items=0")) == {*PAGES, "A third page."}
    assert f"Somebody wrote: {LONG[-1]} Nobody knew." in texts(grown("mixture.remove=[contamination_spans]"))
    with connect(tmp_path / "lake") as connection:
        found = connection.execute(CONTAMINATED).fetchall()
        decisions = grown().input("decisions")
        (annotation,) = [one for one in decisions.inputs("annotations") if one.stage == "contamination"]
        report = connection.execute(curation.contamination([annotation.fingerprint])).fetchall()
    assert report == [("quiz", 2, 1, 1, 0, 1, 1.0, 1, 0), ("sums", 1, 1, 0, 0, 1, 1.0, 1, 1)]
    assert found == [
        ("quiz", 1, f"{QUIZ['question']} {QUIZ['choices'][0]}"),
        ("sums", 1, LONG[:-1]),
    ]


def test_a_benchmark_that_comes_later_is_looked_for_without_scoring_anything_else_anew(tmp_path):
    (tmp_path / "quiz.jsonl").write_text(json.dumps(QUIZ) + "\n", encoding="utf-8")
    (tmp_path / "sums.jsonl").write_text(json.dumps({"question": LONG}) + "\n", encoding="utf-8")
    quiz = {"name": "quiz", "path": "quiz.jsonl", "holds": "questions"}
    sums = {"name": "sums", "path": "sums.jsonl", "holds": "benchmarks", "fields": {"text": "question"}}
    made = []
    for sets in ([quiz], [quiz, sums]):
        named = RECIPE.replace("license: CC0-1.0}]", f"license: CC0-1.0}}, {json.dumps(sets)[1:]}")
        with running(tmp_path / "lake", "refresh", workers=0, quiet=True) as run:
            grow_corpus(recipe(tmp_path, "mixture.redact=true", text=named))
        made.append([step.stage for step in run.steps if not step.reused])
    assert {"language", "quality", "sign", "redact", "edits"} < set(made[0])
    assert made[1] == ["ingest", "extract", "contamination", "decide", "compose"]


def test_explain_names_the_item_and_how_its_text_is_looked_up_and_shows_none(tmp_path):
    planted = f"Somebody wrote to anna@stonemill.io: {LONG} Nobody knew, and {LONG}"
    (tmp_path / "sums.jsonl").write_text(json.dumps({"question": LONG}) + "\n", encoding="utf-8")
    sums = {"name": "sums", "path": "sums.jsonl", "holds": "benchmarks", "fields": {"text": "question"}}
    named = RECIPE.replace("license: CC0-1.0}]", f"license: CC0-1.0}}, {json.dumps(sums)}]")
    with running(tmp_path / "lake", "refresh", workers=0, quiet=True):
        grow_corpus(recipe(tmp_path, pages=[planted], text=named))
    said = io.StringIO()
    with connect(tmp_path / "lake") as connection:
        ((document, item, start),) = connection.execute(
            "select doc_id, contaminated_by[1].item, contaminated_by[1].start from documents"
        ).fetchall()
        told = explain(Lake(tmp_path / "lake"), document)
        print_told(Console(file=said, width=80), told, everything=False)
        (query,) = re.findall(r'gristmill sql "(from extract.*)"', said.getvalue())
        assert connection.execute(check(query)).fetchall() == [(LONG,)]
    lines = said.getvalue().splitlines()
    places = [line for line in lines if f"benchmark sums  item {item}" in line]
    assert len(places) == 2
    assert f"{start}:{start + len(LONG) - 1}  " in places[0]
    assert any(re.search(r"pii_spans +18:35  kind email", line) for line in lines)
    assert "sacks" not in said.getvalue()
    assert "anna@" not in said.getvalue()


def test_the_report_of_a_refresh_tells_what_was_found_and_what_the_corpus_does_with_it(tmp_path):
    (tmp_path / "quiz.jsonl").write_text(json.dumps(QUIZ) + "\n" + json.dumps(SHORT) + "\n", encoding="utf-8")
    quiz = {"name": "quiz", "path": "quiz.jsonl", "holds": "questions"}
    named = RECIPE.replace("license: CC0-1.0}]", f"license: CC0-1.0}}, {json.dumps(quiz)}]")
    pages = [*PAGES, f"{QUIZ['question']} {QUIZ['choices'][0]}"]
    settings = ("mixture.redact=true", "decide.decontamination.max_items=0")
    with running(tmp_path / "lake", "refresh", workers=0, quiet=True) as run:
        corpus = grow_corpus(recipe(tmp_path, *settings, pages=pages, text=named))
        report = write_report(run, "mill", results_of(corpus, None, None))
    page = html.document_fromstring(report.read_bytes())

    def rows(heading: str) -> list[list[str]]:
        (table,) = page.xpath(f'//h3[normalize-space()="{heading}"]/following-sibling::div[1]//table')
        return [[" ".join(cell.text_content().split()) for cell in row] for row in table.xpath(".//tr[td]")]

    assert rows("Personal data and secrets") == [["email", "2", "2", "2"]]
    assert rows("Evaluation sets") == [["quiz", "2", "1", "0", "1", "1", "100.0%", "1", "0"]]
    found = len("anna@stonemill.io") + len("mill@stonewheel.org")
    assert rows("What composition changes") == [["<EMAIL>", "2", "2", str(found)]]
    assert rows("By extractor")[0][:3] == ["none: text and rows as they are", "4", "0"]
    assert "stonemill" not in report.read_text(encoding="utf-8")


def test_no_text_stands_anywhere_but_in_documents_and_corpus(tmp_path):
    marks = ("quasimodo", "zwurbelgrumpf", "xylophones")
    item = "How many xylophones does the miller of the upper weir fill if he fills seven before noon and five after it?"
    pages = [f"Write to quasimodo@stonemill.io, zwurbelgrumpf, before noon. {item} Nobody in the village ever knew."]
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "en.txt").write_text("zwurbelgrumpf\n", encoding="utf-8")
    (tmp_path / "sums.jsonl").write_text(json.dumps({"question": item}) + "\n", encoding="utf-8")
    sums = {"name": "sums", "path": "sums.jsonl", "holds": "benchmarks", "fields": {"text": "question"}}
    named = RECIPE.replace("license: CC0-1.0}]", f"license: CC0-1.0}}, {json.dumps(sums)}]")
    lists = "word_lists={lists: [{name: own, path: lists}], spans: true}"
    with running(tmp_path / "lake", "refresh", workers=0, quiet=True) as run:
        corpus = grow_corpus(recipe(tmp_path, "mixture.redact=true", lists, pages=pages, text=named))
        write_report(run, "mill", results_of(corpus, None, None))
    with connect(tmp_path / "lake") as connection:
        counts = connection.execute("select n_pii_spans, n_listed_words, n_contaminated_items from documents")
        assert counts.fetchall() == [(1, 1, 1)]
    holding = set()
    for path in (path for path in (tmp_path / "lake").rglob("*") if path.is_file()):
        said = str(pq.read_table(path).to_pylist()) if path.suffix == ".parquet" else path.read_bytes().decode("latin1")
        if any(mark in said for mark in marks):
            holding.add(path.relative_to(tmp_path / "lake").parts[0])
    assert holding == {"extract", "compose"}


CONTAMINATED = """
select one.benchmark, one.share, text[one.start + 1 : one.end]
from (select text, unnest(contaminated_by) as one from documents where n_contaminated_items > 0) order by 1
"""


def test_an_unknown_benchmark_is_said_before_any_work(tmp_path):
    with pytest.raises(RecipeError, match=r"contamination\.benchmarks: 'gsm' is no source of questions or benchmarks"):
        recipe(tmp_path, "contamination.benchmarks=[gsm]")
