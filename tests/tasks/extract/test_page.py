"""The main text of a page: the same for the same page, whatever was read before, and never at any price."""

import random
import socket
import time

import pytest
import trafilatura

from tasks.extract.config import ExtractConfig
from tasks.extract.page import clean_text, extract_page
from tasks.extract.payload import Refused
from tasks.extract.reasons import LossReason
from tests.tasks.extract.crawls import SENTENCE, page

PAGES = [page(number, 4 + number % 9).decode() for number in range(40)]
# Trafilatura's own deduplication would drop what stands on many pages: these share all their sentences but the number.
SAME = [html.replace(f"page {number}", "the page") for number, html in enumerate(PAGES)]


def refusal(html: str, **limits: int) -> Refused:
    with pytest.raises(Refused) as refused:
        extract_page(html, None, ExtractConfig(**limits))
    return refused.value


def test_the_text_and_title_of_a_page():
    found = extract_page(PAGES[3], "http://example.org/3")
    assert found.title == "Page 3"
    assert found.text.splitlines() == [f"{SENTENCE}This is sentence {index} of page 3." for index in range(7)]


def test_the_same_as_trafilatura_on_the_page_as_text():
    for html in PAGES:
        options = {"fast": True, "include_comments": False, "deduplicate": False}
        config = ExtractConfig(extractor="trafilatura-fast")
        assert extract_page(html, None, config).text == trafilatura.extract(html, **options)


def test_the_same_page_twice_and_in_any_order_gives_the_same_text():
    first = [extract_page(html) for html in SAME]
    order = list(range(len(SAME))) * 3
    random.Random(3).shuffle(order)
    for number in order:
        assert extract_page(SAME[number]) == first[number]


def test_tables_are_kept_unless_they_are_not_wanted():
    rows = "".join(f"<tr><td>Grain {n}</td><td>{n} sacks</td></tr>" for n in range(5))
    html = PAGES[0].replace("</article>", f"<table>{rows}</table></article>")
    assert "Grain 3 | 3 sacks" in extract_page(html).text
    assert "Grain 3" not in extract_page(html, None, ExtractConfig(include_tables=False)).text


def test_comments_are_left_out():
    html = PAGES[0].replace("</article>", '</article><div id="comments"><p>I was here first, says a reader.</p></div>')
    assert "reader" not in extract_page(html).text


@pytest.mark.parametrize(
    ("html", "title"),
    [
        ("<html><head><title> Two \n words </title></head>", "Two words"),
        ("<html><body><svg><title>Icon</title></svg>", "Icon"),
        ("<html><body><h1>Only a <b>heading</b></h1>", "Only a heading"),
        ("<html><head><title></title></head><body><h1>Heading</h1>", "Heading"),
        ("<html><body>", None),
    ],
)
def test_titles(html: str, title: str | None):
    assert extract_page(f"{html}<article><p>{SENTENCE * 5}</p></article></body></html>").title == title


def test_a_million_nested_elements():
    started = time.process_time()
    assert (
        refusal("<html><body>" + "<div>" * 1_000_000 + "deep" + "</div>" * 1_000_000).reason
        is LossReason.TOO_MANY_NODES
    )
    assert refusal("<html><body>" + "<div>" * 400_000 + "deep").reason is LossReason.TOO_DEEP
    assert refusal("<div>" * 400_000 + "deep").reason is LossReason.TOO_DEEP
    assert time.process_time() - started < 10


@pytest.mark.parametrize("tag", ["div", "b", "table", "ul", "font", "blockquote"])
def test_deep_pages_are_refused_and_shallow_ones_read(tag: str):
    deep = f"<{tag}>" * 300
    assert refusal(f"<html><body>{deep}<p>{SENTENCE * 9}</p></body></html>").reason is LossReason.TOO_DEEP
    shallow = "<div>" * 100
    assert SENTENCE.strip() in extract_page(f"<html><body>{shallow}<p>{SENTENCE * 9}</p></body></html>").text


def test_a_huge_page_is_refused_by_its_size_and_by_its_nodes():
    assert refusal("<p>" + "word " * 1000 + "</p>", max_bytes=4000).reason is LossReason.TOO_LARGE
    many = "<html><body>" + "<p>word</p>" * 5000 + "</body></html>"
    assert refusal(many, max_nodes=1000).reason is LossReason.TOO_MANY_NODES
    assert refusal(many, max_nodes=6000).detail == "more than 6000 nodes"
    assert extract_page(many, None, ExtractConfig(max_nodes=20_000)).text


@pytest.mark.parametrize(
    "html", ["", "   \n", "<!-- -->", "<html></html>", "<html><body><script>x=1</script></body></html>", "\0\0"]
)
def test_pages_without_text(html: str):
    assert refusal(html).reason in (LossReason.NO_TEXT, LossReason.EMPTY_BODY)


@pytest.mark.parametrize("html", [f"<p>{SENTENCE * 9}</p>", f"<div><p>{SENTENCE * 9}</p></div>", SENTENCE * 9])
def test_a_fragment_is_a_page(html: str):
    assert SENTENCE.strip() in extract_page(html).text


@pytest.mark.parametrize(
    "html",
    [
        "<" * 5000,
        "<html><body>" + "&#xD800;&#0;&#x110000;" * 99 + SENTENCE * 9,
        "<?xml version='1.0' encoding='utf-16'?>" + PAGES[0],
        "\ufeff" + PAGES[0],
        PAGES[0].replace("<p>", "<p \ud800>"),
        PAGES[0].replace("<p>", "<p\x00\x0b>"),
        "]]>" + PAGES[0] + "<![CDATA[" + SENTENCE,
        "<html lang='" + "x" * 10_000 + "'>" + PAGES[0],
    ],
)
def test_odd_pages_give_text_or_a_reason(html: str):
    try:
        text = extract_page(html).text
    except Refused as refused:
        text = refused.reason.value
    assert text.encode()


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    html = PAGES[0].replace("<head>", '<head><base href="http://example.org/"><link rel="canonical" href="/x">')
    assert extract_page(html.replace("</p>", '<img src="/a.png"><a href="/b">b</a></p>'), "http://example.org/a").text


@pytest.mark.parametrize(
    ("text", "clean"),
    [("a\0b", "ab"), ("é\0", "é"), ("x\ud800y", "x\ufffdy"), ("\ud83d\ude00", "😀"), ("日本", "日本")],
)
def test_text_is_made_fit_for_utf8(text: str, clean: str):
    assert clean_text(text) == clean
