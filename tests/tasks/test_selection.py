"""Block lists, rights, dates and exclusion, from pages through decide to the corpus."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from flows.recipe import Recipe
from flows.session import extraction, without_excluded
from tasks.compose import compose
from tasks.decide.stage import decide
from tasks.extract.stage import extract
from tasks.ingest import ingest
from tasks.mixture import ComposeConfig
from tasks.quality.stage import measure_quality
from tasks.run import Run, running
from tasks.sign import SignConfig, sign
from tasks.urls.lists import BlockList, pin
from tasks.urls.stage import look_up_urls
from tests.tasks.extract.crawls import SENTENCE, gzip_each, record, response

BY = '<link rel="license" href="https://creativecommons.org/licenses/by/4.0/">'
BY_NC = '<a rel="license" href="https://creativecommons.org/licenses/by-nc/4.0/">x</a>'


def page(number: int, head: str = "", body: str = "") -> bytes:
    """A page of which no other is a copy."""
    text = "".join(f"<p>{SENTENCE}Sentence {number * 100 + at} of its own.</p>" for at in range(6))
    return (
        f"<html><head><title>{number}</title>{head}</head><body><article>{text}{body}</article></body></html>".encode()
    )


def crawl(folder: Path, pages: Sequence[tuple[str, bytes]], headers: dict[str, str] | None = None) -> Path:
    """A WARC of these (url, page), some with headers of their own."""
    folder.mkdir()
    plain = "Content-Type: text/html; charset=utf-8"
    parts = [
        record(response(body, f"{plain}\r\n{more}" if (more := (headers or {}).get(url)) else plain), url=url)
        for url, body in pages
    ]
    (folder / "a.warc.gz").write_bytes(gzip_each(parts))
    return folder


def recipe(sources: Sequence[dict[str, Any]], **sections: Any) -> Recipe:
    """A recipe of these sources without rules of quality."""
    sections.setdefault("decide", {})
    sections["decide"] = {"gopher": None, "repetition": None, "validation_share": 0.0} | sections["decide"]
    return Recipe.model_validate({"name": "test", "sources": sources, **sections})


class Outcome(NamedTuple):
    """What became of each document, (source, dropped_by) by its URL (or doc_id); the URLs of the corpus; the stages
    whose artifacts had to be made; the rows that were read, by URL.
    """

    decided: dict[str, tuple[str, str | None]]
    composed: list[str]
    made: list[str]
    rows: dict[str, dict[str, Any]]


def run_whole(lake: Path, plans: Sequence[Recipe], quality: bool = False) -> list[Outcome]:
    """Each recipe from its files to its corpus, one after the other in one run."""
    with running(lake, "test", workers=1, quiet=True) as run:
        return [_run_one(run, plan, quality) for plan in plans]


def _run_one(run: Run, plan: Recipe, quality: bool) -> Outcome:
    before = len(run.steps)
    documents = [
        extract(extraction(plan, source), snapshot=snapshot) for source in plan.sources for snapshot in ingest(source)
    ]
    annotations = [sign(SignConfig(), documents=one) for one in documents]
    if quality:
        annotations += [measure_quality(plan.quality, documents=one) for one in documents]
    if plan.urls.enabled:
        annotations += [look_up_urls(plan.urls, documents=one) for one in documents]
    decisions = decide(without_excluded(plan), documents=documents, annotations=annotations)
    corpus = compose(ComposeConfig(), decisions=decisions, documents=documents)
    rows = {row["doc_id"]: row for one in documents for row in one.read().to_pylist()}
    urls = {doc_id: row["url"] or doc_id for doc_id, row in rows.items()}
    return Outcome(
        {urls[row["doc_id"]]: (row["source"], row["dropped_by"]) for row in decisions.read().to_pylist()},
        sorted(urls[one] for one in corpus.read(["doc_id"]).column("doc_id").to_pylist()),
        [step.stage for step in run.steps[before:] if not step.reused],
        {urls[doc_id]: row for doc_id, row in rows.items()},
    )


def test_an_excluded_source_is_read_and_scored_and_never_composed(tmp_path: Path):
    open_crawl = crawl(tmp_path / "open", [("http://a.example/1", page(1))])
    closed = crawl(tmp_path / "closed", [("http://b.example/2", page(2)), ("http://b.example/3", page(1))])
    sources = [{"name": "open", "path": str(open_crawl)}, {"name": "closed", "path": str(closed), "excluded": True}]
    opened = [{**one, "excluded": False} for one in sources]
    kept_out, let_in = run_whole(tmp_path / "lake", [recipe(sources), recipe(opened)])
    assert kept_out.composed == ["http://a.example/1"]
    assert kept_out.decided["http://b.example/2"] == ("closed", "source.excluded")
    # a copy in the excluded source takes nothing away from its twin
    assert kept_out.decided["http://a.example/1"] == ("open", None)
    assert all(row["text"] for row in kept_out.rows.values())
    assert len(let_in.composed) == 2
    assert let_in.made == ["decide", "compose"]


def lists(folder: Path) -> list[dict[str, Any]]:
    """A block list of a domain, pinned as a recipe's are."""
    (folder / "domains").write_text("bad.example\n")
    return [pin(BlockList(name="bad", path=str(folder / "domains"))).model_dump() | {"path": str(folder / "domains")}]


PAGES = [("http://www.bad.example/1", page(1)), ("http://good.example/2", page(2)), ("http://bad.example/3", page(3))]


def test_a_block_list_drops_without_a_page_being_read_again(tmp_path: Path):
    source = [{"name": "web", "path": str(crawl(tmp_path / "web", PAGES))}]
    listed = {"block_lists": lists(tmp_path)}
    plans = [
        recipe(source),
        recipe(source, urls=listed, decide={"urls": {}}),
        recipe(source, urls=listed, decide={"urls": {"blocked": ["another"]}}),
    ]
    plain, blocked, other = run_whole(tmp_path / "lake", plans)
    assert len(plain.composed) == len(other.composed) == 3
    assert blocked.composed == ["http://good.example/2"]
    assert blocked.decided["http://bad.example/3"] == ("web", "urls.blocked")
    assert blocked.made == ["urls", "decide", "compose"]


def test_what_is_skipped_has_its_row_and_its_reason_and_no_text(tmp_path: Path):
    source = [{"name": "web", "path": str(crawl(tmp_path / "web", PAGES))}]
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "a.jsonl").write_text('{"url": "http://bad.example/row", "text": "A text."}\n')
    source.append({"name": "rows", "path": str(tmp_path / "rows")})
    listed = {"block_lists": lists(tmp_path)}
    # whether the recipe still drops by the list or not: there is no text
    plans = [recipe(source, urls=listed, extract={"skip_blocked": True}, decide=one) for one in ({"urls": {}}, {})]
    for outcome in run_whole(tmp_path / "lake", plans):
        assert outcome.composed == ["http://good.example/2"]
        assert {why for _, why in outcome.decided.values()} == {None, "urls.blocked"}
        assert len(outcome.rows) == 4
        for url, row in outcome.rows.items():
            assert (row["text"] is None, row["extractor"] == "skipped") == ("bad.example" in url,) * 2
        row = outcome.rows["http://bad.example/3"]
        assert (row["http_status"], row["content_type"], row["text_bytes"]) == (200, "text/html", 0)


def test_rights_are_columns_and_a_recipe_chooses_by_them(tmp_path: Path):
    pages = [
        ("http://a.example/by", page(1, BY)),
        ("http://a.example/nc", page(2, body=BY_NC)),
        ("http://a.example/noai", page(3, '<meta name="robots" content="noai">')),
        ("http://a.example/header", page(4)),
        ("http://a.example/reserved", page(5, '<meta name="tdm-reservation" content="1">')),
        ("http://a.example/linked", page(6, body='<a href="https://creativecommons.org/licenses/by/3.0/">x</a>')),
        ("http://a.example/plain", page(7)),
    ]
    web = crawl(tmp_path / "web", pages, {"http://a.example/header": "X-Robots-Tag: noindex\r\nX-Robots-Tag: noai"})

    everything = {url.rpartition("/")[2] for url, _ in pages}
    chosen: list[tuple[dict[str, Any] | None, set[str]]] = [
        (None, everything),
        ({"tdm_reserved": True}, everything - {"reserved"}),
        ({"directives": ["noai"]}, everything - {"noai", "header"}),
        ({"denied_licenses": ["CC-BY-NC*"]}, everything - {"nc"}),
        ({"allowed_licenses": ["CC-BY-[34].0"], "license_needed": True}, {"by", "linked"}),
    ]
    source = {"name": "web", "path": str(web)}
    plans = [recipe([source], decide={"rights": rights}) for rights, _ in chosen]
    licensed = recipe([{**source, "license": "CC0-1.0"}], decide={"rights": {"license_needed": True}})
    *outcomes, of_source = run_whole(tmp_path / "lake", [*plans, licensed])
    for outcome, (rights, stay) in zip(outcomes, chosen, strict=True):
        assert {url.rpartition("/")[2] for url in outcome.composed} == stay, rights

    def read(outcome: Outcome, name: str, *columns: str) -> list[Any]:
        return [outcome.rows[f"http://a.example/{name}"][column] for column in columns]

    assert read(outcomes[0], "by", "license", "license_from") == ["CC-BY-4.0", "page"]
    assert read(outcomes[0], "linked", "license", "license_from") == ["CC-BY-3.0", "link"]
    assert read(outcomes[0], "plain", "license", "license_from") == [None, None]
    assert read(outcomes[0], "header", "robots") == [["noai", "noindex"]]
    assert read(outcomes[0], "reserved", "tdm_reservation") == [True]
    assert len(of_source.composed) == len(everything)
    assert read(of_source, "linked", "license", "license_from") == ["CC0-1.0", "source"]
    assert read(of_source, "nc", "license", "license_from") == ["CC-BY-NC-4.0", "page"]


def test_dates_choose_what_a_corpus_knows(tmp_path: Path):
    wiki = tmp_path / "wiki"
    wiki.mkdir()
    revision = "<timestamp>{}T00:00:00Z</timestamp><model>wikitext</model><text>{}</text>"
    pages = "".join(
        f"<page><title>{year}</title><ns>0</ns><id>{year}</id><revision>"
        f"{revision.format(f'{year}-06-01', f'A page of the year {year}. ' * 9)}</revision></page>\n"
        for year in (2009, 2019, 2024)
    )
    base = "<base>https://en.wikipedia.org/wiki/Main_Page</base>"
    (wiki / "a.xml").write_text(f"<mediawiki><siteinfo>{base}</siteinfo>{pages}</mediawiki>")
    web = crawl(tmp_path / "web", [("http://a.example/undated", page(1))])
    sources = [{"name": "wiki", "path": str(wiki), "reader": "wikipedia"}, {"name": "web", "path": str(web)}]

    chosen: list[tuple[dict[str, Any], list[str]]] = [
        ({}, ["undated", "2009", "2019", "2024"]),
        ({"published_before": "2023-01-01"}, ["undated", "2009", "2019"]),
        ({"published_before": "2019-06-01", "published_needed": True}, ["2009"]),
        ({"published_from": "2019-06-01", "published_needed": True}, ["2019", "2024"]),
        ({"captured_before": "2024-05-06"}, ["2009", "2019", "2024"]),
        ({"captured_before": "2024-05-07", "captured_needed": True}, ["undated"]),
    ]
    outcomes = run_whole(tmp_path / "lake", [recipe(sources, decide={"dates": dates}) for dates, _ in chosen])
    for outcome, (dates, stay) in zip(outcomes, chosen, strict=True):
        assert [url.rpartition("/")[2] for url in outcome.composed] == stay, dates
