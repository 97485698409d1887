"""Block lists, rights, dates and exclusion, from pages through decide to the corpus."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flows.recipe import Recipe
from flows.session import extraction, without_excluded
from storage.artifact import Artifact
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


def run_whole(
    lake: Path, plan: Recipe, quality: bool = False
) -> tuple[dict[str, tuple[str, str | None]], list[str], Run, list[Artifact]]:
    """What became of each document, (source, dropped_by) by URL (or doc_id), the URLs of the corpus, the run, and the
    documents.
    """
    with running(lake, "test", workers=1, quiet=True) as run:
        documents, annotations = [], []
        for source in plan.sources:
            for snapshot in ingest(source):
                documents.append(extract(extraction(plan, source), snapshot=snapshot))
        for one in documents:
            annotations.append(sign(SignConfig(), documents=one))
            if quality:
                annotations.append(measure_quality(plan.quality, documents=one))
            if plan.urls.enabled:
                annotations.append(look_up_urls(plan.urls, documents=one))
        decisions = decide(without_excluded(plan), documents=documents, annotations=annotations)
        corpus = compose(ComposeConfig(), decisions=decisions, documents=documents)
    urls = {
        row["doc_id"]: row["url"] or row["doc_id"]
        for one in documents
        for row in one.read(["doc_id", "url"]).to_pylist()
    }
    decided = {urls[row["doc_id"]]: (row["source"], row["dropped_by"]) for row in decisions.read().to_pylist()}
    return decided, sorted(urls[one] for one in corpus.read(["doc_id"]).column("doc_id").to_pylist()), run, documents


def test_an_excluded_source_is_read_and_scored_and_never_composed(tmp_path: Path):
    open_crawl = crawl(tmp_path / "open", [("http://a.example/1", page(1))])
    closed = crawl(tmp_path / "closed", [("http://b.example/2", page(2)), ("http://b.example/3", page(1))])
    sources = [{"name": "open", "path": str(open_crawl)}, {"name": "closed", "path": str(closed), "excluded": True}]
    decided, composed, _, documents = run_whole(tmp_path / "lake", recipe(sources))
    assert composed == ["http://a.example/1"]
    assert decided["http://b.example/2"] == ("closed", "source.excluded")
    # a copy in the excluded source takes nothing away from its twin
    assert decided["http://a.example/1"] == ("open", None)
    assert all(text for one in documents for text in one.read(["text"]).column("text").to_pylist())
    _, composed, run, _ = run_whole(tmp_path / "lake", recipe([{**one, "excluded": False} for one in sources]))
    assert len(composed) == 2
    assert [step.stage for step in run.steps if not step.reused] == ["decide", "compose"]


def lists(folder: Path) -> list[dict[str, Any]]:
    """A block list of a domain, pinned as a recipe's are."""
    (folder / "domains").write_text("bad.example\n")
    return [pin(BlockList(name="bad", path=str(folder / "domains"))).model_dump() | {"path": str(folder / "domains")}]


PAGES = [("http://www.bad.example/1", page(1)), ("http://good.example/2", page(2)), ("http://bad.example/3", page(3))]


def test_a_block_list_drops_without_a_page_being_read_again(tmp_path: Path):
    source = [{"name": "web", "path": str(crawl(tmp_path / "web", PAGES))}]
    _, composed, _, _ = run_whole(tmp_path / "lake", recipe(source))
    assert len(composed) == 3
    blocked = recipe(source, urls={"block_lists": lists(tmp_path)}, decide={"urls": {}})
    decided, composed, run, _ = run_whole(tmp_path / "lake", blocked)
    assert composed == ["http://good.example/2"]
    assert decided["http://bad.example/3"] == ("web", "urls.blocked")
    assert [step.stage for step in run.steps if not step.reused] == ["urls", "decide", "compose"]
    other = recipe(source, urls={"block_lists": lists(tmp_path)}, decide={"urls": {"blocked": ["another"]}})
    _, composed, _, _ = run_whole(tmp_path / "lake", other)
    assert len(composed) == 3


def test_what_is_skipped_has_its_row_and_its_reason_and_no_text(tmp_path: Path):
    source = [{"name": "web", "path": str(crawl(tmp_path / "web", PAGES))}]
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "a.jsonl").write_text('{"url": "http://bad.example/row", "text": "A text."}\n')
    source.append({"name": "rows", "path": str(tmp_path / "rows")})
    for rules in ({"urls": {}}, {}):  # whether the recipe still drops by the list or not: there is no text
        skipping = recipe(
            source, urls={"block_lists": lists(tmp_path)}, extract={"skip_blocked": True}, decide=dict(rules)
        )
        decided, composed, _, documents = run_whole(tmp_path / "lake", skipping)
        assert composed == ["http://good.example/2"]
        assert {why for _, why in decided.values()} == {None, "urls.blocked"}
        rows = {row["url"]: row for one in documents for row in one.read().to_pylist()}
        assert len(rows) == 4
        for url, row in rows.items():
            assert (row["text"] is None, row["extractor"] == "skipped") == ("bad.example" in url,) * 2
    columns = rows["http://bad.example/3"]
    assert (columns["http_status"], columns["content_type"], columns["text_bytes"]) == (200, "text/html", 0)


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

    def composed(rights: dict[str, Any] | None, license: str | None = None) -> set[str]:
        source = {"name": "web", "path": str(web), "license": license}
        _, urls, _, documents = run_whole(tmp_path / str(license), recipe([source], decide={"rights": rights}))
        read.update({row["url"].rpartition("/")[2]: row for one in documents for row in one.read().to_pylist()})
        return {url.rpartition("/")[2] for url in urls}

    read: dict[str, dict[str, Any]] = {}
    everything = {url.rpartition("/")[2] for url, _ in pages}
    assert composed(None) == everything
    assert (read["by"]["license"], read["by"]["license_from"]) == ("CC-BY-4.0", "page")
    assert (read["linked"]["license"], read["linked"]["license_from"]) == ("CC-BY-3.0", "link")
    assert (read["plain"]["license"], read["plain"]["license_from"]) == (None, None)
    assert read["header"]["robots"] == ["noai", "noindex"]
    assert read["reserved"]["tdm_reservation"] is True
    assert composed({"tdm_reserved": True}) == everything - {"reserved"}
    assert composed({"directives": ["noai"]}) == everything - {"noai", "header"}
    assert composed({"denied_licenses": ["CC-BY-NC*"]}) == everything - {"nc"}
    assert composed({"allowed_licenses": ["CC-BY-[34].0"], "license_needed": True}) == {"by", "linked"}
    assert composed({"license_needed": True}, "CC0-1.0") == everything
    assert (read["linked"]["license"], read["linked"]["license_from"]) == ("CC0-1.0", "source")
    assert read["nc"]["license"] == "CC-BY-NC-4.0"


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

    def years(**dates: Any) -> list[str]:
        _, urls, _, _ = run_whole(tmp_path / "lake", recipe(sources, decide={"dates": dates}))
        return [url.rpartition("/")[2] for url in urls]

    assert years() == ["undated", "2009", "2019", "2024"]
    assert years(published_before="2023-01-01") == ["undated", "2009", "2019"]
    assert years(published_before="2019-06-01", published_needed=True) == ["2009"]
    assert years(published_from="2019-06-01", published_needed=True) == ["2019", "2024"]
    assert years(captured_before="2024-05-06") == ["2009", "2019", "2024"]
    assert years(captured_before="2024-05-07", captured_needed=True) == ["undated"]
