"""The report of a real small run, and of a refresh alone: valid, self-contained, and equal to what SQL says."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest
from lxml import etree, html

from models.decoder import ModelConfig
from models.training import TrainingConfig
from storage.artifact import Artifact
from storage.lake import Lake, NotFound
from storage.sql import connect
from storage.statements import check
from tasks.compose import ComposeConfig, compose
from tasks.conversations import ConversationsConfig, read_conversations
from tasks.decide.rules import DecideConfig
from tasks.decide.stage import decide
from tasks.evaluate import EvaluateConfig, evaluate
from tasks.extract.config import ExtractConfig
from tasks.extract.stage import extract
from tasks.finetune import FinetuneConfig, finetune
from tasks.ingest import Source, ingest
from tasks.language import LanguageConfig, identify_language
from tasks.pack import PackConfig, pack
from tasks.pretrain import PretrainConfig, pretrain
from tasks.quality.stage import QualityConfig, measure_quality
from tasks.questions import QuestionsConfig, read_questions
from tasks.report import lineage
from tasks.report.collect import Results, results_of, results_of_run
from tasks.report.page import write_report
from tasks.report.summary import print_summary
from tasks.report.svg import size
from tasks.run import Run, running
from tasks.sign import SignConfig, sign
from tasks.tokenize import TokenizeConfig, tokenize
from tasks.train_tokenizer import TokenizerConfig, train_tokenizer
from tests.acceptance.world import write_world

RULES = {
    "language": {"min_probability": 0.3},
    "gopher": {"min_words": 150, "min_stop_words": 0},
    "repetition": None,
    "validation_share": 0.2,
}
HOSTILE = "<script>alert('mill')</script>"


@dataclass(frozen=True)
class Told:
    """A run that has ended, what it ended with, and its report."""

    lake: Path
    run: str
    results: Results
    path: Path

    @property
    def page(self) -> html.HtmlElement:
        """The report, parsed."""
        return html.document_fromstring(self.path.read_bytes())


def grow(folder: Path, rules: dict = RULES, mixture: ComposeConfig | None = None) -> Artifact:
    """A corpus of the pages of a small world."""
    source = Source(name="pages", path=str(folder / "pages"), license="CC0-1.0")
    documents = [extract(ExtractConfig(), snapshot=one) for one in ingest(source)]
    annotations = [identify_language(LanguageConfig(), documents=one) for one in documents]
    annotations += [measure_quality(QualityConfig(), documents=one) for one in documents]
    annotations += [sign(SignConfig(), documents=one) for one in documents]
    decisions = decide(DecideConfig.model_validate(rules), documents=documents, annotations=annotations)
    return compose(mixture or ComposeConfig(), decisions=decisions, documents=documents)


def learn(folder: Path, corpus: Artifact) -> Results:
    """A base model, a fine-tuned one, and what both score."""
    tokenizer = train_tokenizer(TokenizerConfig(vocabulary_size=400), corpus=corpus)
    tokens = tokenize(TokenizeConfig(), corpus=corpus, tokenizer=tokenizer)
    packing = pack(PackConfig(context_length=64), tokens=tokens)
    config = PretrainConfig(
        model=ModelConfig(depth=2, width=32, heads=2, key_value_heads=1, head_width=16, mlp_width=64),
        training=TrainingConfig(steps=30, tokens_per_step=512, threads=1),
        validations=3,
    )
    base = pretrain(config, packing=packing, tokens=tokens, tokenizer=tokenizer)
    talks = ingest(Source(name="talks", path=str(folder / "talks"), holds="conversations", license="CC0-1.0"))
    conversations = [read_conversations(ConversationsConfig(), snapshot=one) for one in talks]
    tuned = finetune(FinetuneConfig(steps=10, threads=1), model=base, conversations=conversations)
    quiz = ingest(Source(name="quiz", path=str(folder / "quiz"), holds="questions", license="CC0-1.0"))
    questions = [read_questions(QuestionsConfig(), snapshot=one) for one in quiz]
    wanted = EvaluateConfig(validation_bytes=8000, items=12, sample_tokens=8, threads=1)
    scored = [evaluate(wanted, model=one, corpus=corpus, questions=questions) for one in (base, tuned)]
    return results_of(corpus, base, tuned, scored)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The sources of a small world."""
    folder = tmp_path_factory.mktemp("world")
    write_world(folder, warcs=2)
    return folder


@pytest.fixture(scope="module")
def refreshed(folder) -> Told:
    """A run that only grows a corpus; its recipe's name is a script."""
    with running(folder / "lake", "refresh", workers=2, quiet=True) as run:
        results = results_of(grow(folder), None, None, [])
        path = write_report(run, HOSTILE, results)
    return Told(folder / "lake", run.id, results, path)


@pytest.fixture(scope="module")
def told(folder, refreshed) -> Told:
    """The whole way, in the same lake."""
    with running(folder / "lake", "data_to_model", workers=2, quiet=True) as run:
        results = learn(folder, grow(folder))
        path = write_report(run, "mill", results)
    return Told(folder / "lake", run.id, results, path)


def seen(page: html.HtmlElement, within: str) -> str:
    """The text of a section, without its SQL, spaces made one."""
    (section,) = page.xpath(f'//section[@id="{within}"]')
    parts = section.xpath('.//text()[not(ancestor::details[@class="sql"])]')
    return re.sub(r"\s+", " ", " ".join(parts))


def rows_of(page: html.HtmlElement, heading: str) -> list[list[str]]:
    """The cells of the table below a heading."""
    (table,) = page.xpath(f'//h3[normalize-space()="{heading}"]/following-sibling::div[1]//table')
    return [[" ".join(cell.text_content().split()) for cell in row] for row in table.xpath(".//tr[td]")]


def test_the_report_is_one_valid_page_that_loads_nothing(told, refreshed):
    for one in (told, refreshed):
        assert one.path == one.lake / "reports" / f"{one.run}.html"
        parser = etree.HTMLParser(recover=True)
        etree.fromstring(one.path.read_bytes(), parser)
        # libxml2 knows no element that came with HTML 5
        new = {"nav", "main", "section", "header", "footer", "details", "summary", "svg"}
        errors = [e for e in parser.error_log if not re.fullmatch(r"Tag \w+ invalid", e.message)]
        unknown = {e.message.split()[1] for e in parser.error_log} - new
        assert errors == []
        assert unknown <= {"desc", "rect", "text", "line", "path", "polyline", "circle", "g"}
        page, text = one.page, one.path.read_text()
        ids = page.xpath("//@id")
        assert len(ids) == len(set(ids))
        assert page.xpath("//@src | //link | //img | //iframe | //object | //base | //form") == []
        assert all(link[0] == "#" and link[1:] in ids for link in page.xpath("//@href"))
        assert not re.search(r"https?:", text.replace("http://www.w3.org/2000/svg", ""))
        assert not re.search(r"@import|url\(", text)
        assert "default-src 'none'" in page.xpath('//meta[@http-equiv="Content-Security-Policy"]/@content')[0]
        pictures = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
        assert pictures
        assert all(etree.fromstring(picture).get("role") == "img" for picture in pictures)
        assert all(
            page.xpath(f'//*[@id="{name}"]') for names in page.xpath("//@aria-labelledby") for name in names.split()
        )


def test_a_name_cannot_become_markup(refreshed):
    assert refreshed.page.xpath("//h1/text()") == [HOSTILE]
    assert len(refreshed.page.xpath("//script")) == 1


def test_every_query_beside_a_number_reads_and_can_be_asked_again(told):
    commands = told.page.xpath('//details[@class="sql"]/pre/text()')
    assert len(commands) > 20
    views = {at: connect(told.lake, at=at) for at in (None, told.results.decisions.fingerprint)}
    for command in commands:
        words = shlex.split(command)
        assert Path(words[0]).name == "gristmill"
        assert words[1:4] == ["sql", "--lake", str(told.lake)]
        at = words[words.index("--at") + 1] if "--at" in words else None
        assert (at is None) == (" documents" not in words[-1]), "only a query of `documents` depends on the corpus"
        assert views[at].execute(check(words[-1])).fetchall(), words[-1]


def test_the_queries_to_try_work(told):
    for command in told.page.xpath('//section[@id="further"]//pre/text()'):
        words = shlex.split(command, comments=True)
        if words[1] == "sql":
            connect(told.lake).execute(check(words[-1]))
        else:
            assert words[1] in ("up", "complete")


def test_documents_add_up_and_equal_what_sql_says(told):
    sql = connect(told.lake)
    text = seen(told.page, "documents")
    for reason, count in sql.sql("select reason, count(*) from extract_losses group by all").fetchall():
        assert re.search(rf"{reason}: {count:,} {reason}", text), reason
    ((read, documents, kept),) = sql.sql("""select (select count(*) from extract_losses) + count(*), count(*),
        count(*) filter (kept) from documents""").fetchall()
    assert 0 < kept < documents < read
    assert f"{read:,} in" in text
    assert f"{kept:,} records kept." in text
    dropped = dict(sql.sql("select dropped_by, count(*) from documents where not kept group by all").fetchall())
    assert {"gopher.min_words", "duplicates.exact"} <= set(dropped)
    rows = {row[0]: row for row in rows_of(told.page, "Rule by rule")}
    assert {rule: rows[rule][2] for rule in dropped} == {rule: f"{count:,}" for rule, count in dropped.items()}
    assert rows["gopher.min_words"][1] == "< 150"
    assert rows_of(told.page, "By language") == [
        [language, f"{all_:,}", f"{kept:,}", f"{kept / all_:.1%}", size(lost or 0), size(kept_bytes or 0), ""]
        for language, all_, kept, kept_bytes, lost in sql.sql("""select language, count(*), count(*) filter (kept),
            sum(text_bytes) filter (kept), sum(text_bytes) filter (not kept)
            from documents group by 1 order by 4 desc nulls last, 2 desc, 1""").fetchall()
    ]
    ((source, *numbers),) = rows_of(told.page, "By source")
    copies = dropped["duplicates.exact"] + dropped.get("duplicates.near", 0)
    assert source == "pages"
    assert numbers[:5] == [f"{n:,}" for n in (read, documents, documents - kept - copies, copies, kept)]


def test_histograms_hold_every_document_that_has_the_score(told):
    sql = connect(told.lake)
    pictures = told.page.xpath('//section[@id="scores"]//*[local-name()="svg"]')
    names = [picture.xpath('./*[local-name()="title"]/text()')[0].removeprefix("Documents by ") for picture in pictures]
    assert names[0] == "n_words"
    for name, picture in zip(names, pictures, strict=True):
        bars = picture.xpath('.//*[local-name()="rect"]/*[local-name()="title"]/text()')
        counted = sum(int(bar.split(": ")[1].split()[0].replace(",", "")) for bar in bars)
        assert counted == sql.sql(f"select count({name}) from documents").fetchone()[0], name


def test_corpus_tokens_and_licences_equal_what_sql_says(told):
    sql, results = connect(told.lake), told.results
    ((documents, tokens, size_, held),) = sql.sql(f"""select count(*), sum(length), sum(bytes),
        sum(length) filter (split = 'validation') from tokenize
        where fingerprint = '{results.tokens.fingerprint}'""").fetchall()
    read = sql.sql("select sum(length) from training_rows").fetchone()[0]
    first, total = rows_of(told.page, "Tokens")
    assert first[1:4] == [f"{documents:,}", f"{tokens:,}", f"{size_ / tokens:.2f}"]
    assert first[4] == f"{held:,}"
    assert first[6] == total[6] == f"{read:,}"
    ledger = {(row[0], row[1], row[3]): (row[4], row[6]) for row in rows_of(told.page, "Licence ledger")}
    assert ledger == {
        ("CC0-1.0", "source", "corpus"): (f"{results.corpus.rows():,}", f"{tokens:,}"),
        ("CC0-1.0", "–", "conversations"): (f"{sum(one.rows() for one in results.talks):,}", "–"),
        ("CC0-1.0", "–", "questions"): (f"{sum(one.rows() for one in results.questions):,}", "–"),
    }


def test_the_queries_of_the_page_on_rights_can_be_asked(told):
    page = (Path(__file__).parents[3] / "docs" / "rights.md").read_text(encoding="utf-8")
    queries = re.findall(r"```sql\n(.*?)```", page, re.DOTALL) + re.findall(r"in SQL: `([^`]*)`", page)
    assert len(queries) == 2
    sql = connect(told.lake)
    ledger, cut_off = (sql.sql(query).fetchall() for query in queries)
    ((tokens,),) = sql.sql("select sum(length) from tokens").fetchall()
    assert [(row[:3], row[4]) for row in ledger] == [(("CC0-1.0", "source", told.results.corpus.rows()), tokens)]
    assert [row[0] for row in cut_off] == ["pages"]


def test_the_knowledge_cut_off_is_the_newest_date_of_what_is_kept(told):
    ((kept, captured),) = (
        connect(told.lake).sql("select count(*), max(capture_date)::date from documents where kept").fetchall()
    )
    (row,) = rows_of(told.page, "Knowledge cut-off")
    assert row == ["pages", f"{kept:,}", "0", "–", str(captured or "–"), f"{0 if captured else kept:,}"]


def test_what_models_score_equals_what_sql_says(told):
    sql, results = connect(told.lake), told.results
    fingerprints = [one.fingerprint for one in results.evaluations]

    def value(task: str, metric: str, fingerprint: str, column: str = "value", source: str | None = "all") -> float:
        where = "task = $1 and metric = $2 and fingerprint = $3 and source is not distinct from $4"
        found = sql.execute(f"select {column} from evaluations where {where}", [task, metric, fingerprint, source])
        return found.fetchone()[0]

    (table,) = told.page.xpath('//section[@id="evaluation"]//table[.//th[normalize-space()="unigram of tokens"]]')
    rows = [[" ".join(cell.text_content().split()) for cell in row] for row in table.xpath(".//tbody/tr")]
    base, tuned = (value("validation", "bits_per_byte", one) for one in fingerprints)
    beside = [
        value("validation", metric, fingerprints[0]) for metric in ("unigram", "byte_unigram", "xz_each", "xz_whole")
    ]
    assert rows[0][0] == "all"
    assert rows[0][2].startswith(f"{base:.3f}")
    assert rows[0][3:] == [f"{number:.3f}" for number in (tuned, *beside)]
    asked = {(row[0], row[1]): row for row in rows_of(told.page, "Questions with a known answer")}
    assert {task for task, _ in asked} == {"sums", "more"}
    for (task, chosen), row in asked.items():
        metric = "accuracy_per_byte" if "byte" in chosen else "accuracy"
        chance = value(task, metric, fingerprints[0], "baseline", None)
        assert row[2:4] == ["12", f"{chance:.1%}"]
        for cell, one in zip(row[4:], fingerprints, strict=True):
            share, error = (value(task, metric, one, column, None) for column in ("value", "standard_error"))
            assert cell == f"{share:.1%} ± {error:.1%}"
    held = sql.sql("select loss from finetune_held_out order by step").fetchall()
    assert f"{held[0][0]:.3f} before, {held[-1][0]:.3f} after" in seen(told.page, "training")
    said = sql.sql("select text from evaluate_samples").fetchall()
    words = seen(told.page, "evaluation")
    assert said
    assert all(" ".join(text.split()) in words for (text,) in said)


def test_a_refresh_has_no_section_of_models(refreshed):
    assert refreshed.results.base is None
    sections = refreshed.page.xpath("//section/@id")
    assert sections == ["documents", "scores", "corpus", "time", "lineage", "further"]


def test_what_a_run_ended_with_is_found_again_in_the_lake(told, refreshed):
    assert results_of_run(Lake(told.lake), told.run) == told.results
    assert results_of_run(Lake(told.lake), refreshed.run) == refreshed.results
    with pytest.raises(NotFound, match="no run 'nowhere'"):
        results_of_run(Lake(told.lake), "nowhere")


def test_lineage_shows_each_artifact_once_with_all_it_was_made_from(told):
    ends = [*told.results.evaluations]
    expected: set[str] = set()
    waiting = list(ends)
    while waiting:
        one = waiting.pop()
        expected.add(one.fingerprint)
        waiting += one.inputs()
    whole: list[str] = []

    def walk(node: lineage.Node) -> None:
        if not node.several and not node.again:
            whole.append(node.fingerprint)
        for inner in node.inputs:
            walk(inner)

    for root in lineage.tree(ends, told.run):
        walk(root)
    assert sorted(whole) == sorted(expected)
    shown = set(told.page.xpath('//section[@id="lineage"]//span[@class="id"]/@title'))
    assert shown == expected


def test_the_closing_table_is_plain_and_equals_what_sql_says(told, capsys):
    print_summary(told.lake, told.path)
    said = capsys.readouterr().out
    sql = connect(told.lake)
    assert "\x1b" not in said
    assert said.isascii() or set(re.findall(r"[^\x00-\x7f]", said)) <= {"±"}
    for rule, count in sql.sql("select dropped_by, count(*) from documents where not kept group by all").fetchall():
        assert f"{rule.partition('.')[2]} {count:,}" in said
    kept, tokens = sql.sql("""select (select count(*) from documents where kept),
        (select sum(length) from tokenize)""").fetchone()
    assert re.search(rf"\| kept +\| +\| +{kept} \|", said)
    assert f"{tokens:,}" in said
    bits = sql.sql("""select value from evaluations where task = 'validation' and source = 'all'
        and metric in ('bits_per_byte', 'unigram', 'xz_each', 'xz_whole')""").fetchall()
    assert len(bits) == 8
    assert all(f"{number:.3f}" in said for (number,) in bits)
    assert f"Report: {told.path}" in said
    assert len(re.findall(r"^  \S*gristmill .*#", said, re.MULTILINE)) == 3
    assert f"gristmill complete --lake {told.lake} {told.results.tuned.fingerprint[:12]}" in said


def test_a_run_that_made_nothing_says_so(told, folder, capsys):
    with running(told.lake, "refresh", workers=1, quiet=True) as run:
        path = write_report(run, "mill", results_of(grow(folder), None, None, []))
    print_summary(told.lake, path)
    said = capsys.readouterr().out
    assert "Every artifact was there already" in said
    assert "Where the time went" not in said
    assert "every artifact reused" in html.document_fromstring(path.read_bytes()).text_content()


def test_a_run_without_any_result_has_a_report_too(tmp_path):
    with running(tmp_path / "lake", "nothing", quiet=True) as run:
        path = write_report(run, "empty", Results())
    assert isinstance(run, Run)
    assert html.document_fromstring(path.read_bytes()).xpath("//section/@id") == ["lineage", "further"]
