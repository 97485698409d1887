"""Our own extractor: what it reads of a page, how it writes it, and that no page breaks it."""

import random
from datetime import date
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.extract.config import ExtractConfig, Extractor
from tasks.extract.page import Page, extract_page
from tasks.extract.pages.cascade import PROFILES
from tasks.extract.pages.declared import day_of
from tasks.extract.pages.layout import read_layout
from tasks.extract.pages.render import render
from tasks.extract.payload import Refused
from tests.tasks.extract.crawls import SENTENCE, page

CONFIG = ExtractConfig()
PAGES = [page(number, 4 + number % 5).decode() for number in range(12)]


def whole(html: str, output: str = "text") -> str:
    """All blocks of a page, whatever the network thinks of them."""
    layout = read_layout(html, CONFIG)
    return render(layout, range(len(layout.blocks)), output)  # type: ignore[arg-type]


def article(inside: str, head: str = "") -> str:
    around = f"<p>{SENTENCE * 5}</p>"
    return f"<html><head>{head}</head><body><article>{around}{inside}{around}</article></body></html>"


# What is read.


@pytest.mark.parametrize("extractor", get_args(Extractor))
def test_every_extractor_reads_an_article_and_leaves_its_navigation(extractor: Extractor):
    links = "".join(f'<li><a href="/{n}">Department {n}</a></li>' for n in range(9))
    html = f"<html><body><nav><ul>{links}</ul></nav><article><h1>Mill</h1><p>{SENTENCE * 4}</p><p>{SENTENCE * 6}</p>"
    html += '</article><footer><p>© <a href="/imprint">Imprint</a></p></footer></body></html>'
    found = extract_page(html, None, ExtractConfig(extractor=extractor))
    assert SENTENCE.strip() in found.text
    assert "Department 3" not in found.text
    assert "Imprint" not in found.text
    assert found.extractor == extractor


@pytest.mark.parametrize("extractor", get_args(Extractor))
def test_the_same_text_whatever_came_before(extractor: Extractor):
    config = ExtractConfig(extractor=extractor)
    same = [html.replace(f"page {number}", "the page") for number, html in enumerate(PAGES)]
    first = [extract_page(html, None, config) for html in same]
    order = [*range(len(same)), *range(len(same))]
    random.Random(5).shuffle(order)
    assert [extract_page(same[number], None, config) for number in order] == [first[number] for number in order]


BLOCKS = st.sampled_from(["div", "p", "section", "blockquote", "h2", "td", "li"])
INLINES = st.sampled_from(["span", "b", "em", "a href='/x'", "code", "font"])


def elements(inside: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def wrapped(tag: str, parts: list[str]) -> str:
        return f"<{tag}>{' '.join(parts)}</{tag.split()[0]}>"

    return st.builds(wrapped, st.one_of(BLOCKS, INLINES), st.lists(inside, min_size=1, max_size=4))


TREES = st.recursive(st.integers(0, 9999).map(lambda number: f"w{number}"), elements, max_leaves=30)


@given(TREES)
def test_no_word_of_a_page_is_lost_or_moved(body: str):
    expected = [word for piece in body.split("<") for word in piece.split(">")[-1].split()]
    found = whole(f"<html><body>{body}</body></html>").replace("|", " ").split()
    assert [word for word in found if word != "-"] == expected


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>one<p>two", "one\ntwo"),
        ("<ul><li>one<li>two</ul>", "- one\n- two"),
        ("<dl><dt>one<dd>two</dl>", "one\ntwo"),
        ("<p>one<div>two</div>three", "one\ntwo\nthree"),
        ("<p>a <b>bold <p>new", "a bold\nnew"),
        ("one<br>two<br><br>three", "one\ntwo\nthree"),
        ("<table><tr><td>a<td>b<tr><td>c<td>d</table>", "a | b\nc | d"),
        ("<p>tight<b>ly</b> set , <i>so</i></p>", "tightly set , so"),
        ("a&nbsp;&nbsp;b &lt;c&gt; &amp;amp; &#8364;", "a b <c> &amp; €"),
        ("<!-- no --><p>yes<!-->maybe</p><script>no</script><style>no</style>", "yes maybe".replace(" ", "")),
        ("1 < 2 <3 </ no>4", "1 < 2 <3 4"),
        ("<p>a<noscript>no</noscript><svg><text>no</text></svg><select><option>no</select>b</p>", "ab"),
        ("<textarea>no</textarea><template><p>no</template>yes", "yes"),
        ("<p title='a > b' data-x=\"<p>\">yes</p>", "yes"),
        ("</div></p></td>yes</body></html>and", "yes\nand".replace("\n", "")),
        ("<P CLASS=x>Yes</P><DIV>and</DIV>", "Yes\nand"),
        ("soft\u00adly e\u0301", "softly \u00e9"),
    ],
)
def test_what_a_reader_sees(html: str, text: str):
    assert whole(f"<html><body>{html}") == text


# How it is written.


def test_code_keeps_its_lines_and_indentation():
    code = "def grind(rye):\n    if rye:\n        return rye / 2\n\n    return None"
    html = article(f"<pre><code>{code.replace('rye /', '<span>rye</span> /')}</code></pre>")
    assert f"\n{code}\n" in whole(html)
    assert f"\n```\n{code}\n```\n" in whole(html, "markdown")
    assert code in extract_page(html).text
    assert code in extract_page(html, None, ExtractConfig(output="markdown")).text


def test_tables_and_lists_keep_their_lines():
    rows = "".join(f"<tr><td>Grain {n}</td><td>{n} sacks</td></tr>" for n in range(5))
    items = "<li>Rye</li><li>Wheat<ul><li>Winter</li></ul></li>"
    html = article(f"<table>{rows}</table><ul>{items}</ul><ol>{items}</ol>")
    text = extract_page(html).text
    assert "\n".join(f"Grain {n} | {n} sacks" for n in range(5)) in text
    assert "- Rye\n- Wheat\n- Winter" in text
    assert "- Rye\n- Wheat\n    - Winter\n" in whole(html, "markdown")
    assert "1. Rye\n1. Wheat\n    - Winter\n" in whole(html, "markdown")
    assert "Grain 3" not in extract_page(html, None, ExtractConfig(include_tables=False)).text


def test_markdown_has_headings_emphasis_code_and_quotes():
    html = "<h2>On <em>rye</em></h2><p>A <b>bold <i>and</i> <code>x</code></b> word.</p>"
    html += "<blockquote><p>So.</p></blockquote>"
    assert whole(html, "markdown") == "## On *rye*\n\nA **bold *and* `x`** word.\n\n> So."
    assert whole(html) == "On rye\nA bold and x word.\nSo."


@pytest.mark.parametrize(
    ("formula", "tex"),
    [
        (
            "<math><mi>x</mi><annotation encoding='application/x-tex'>x^2 &lt; y</annotation></math>",
            "x^2 < y",
        ),
        ("<math alttext='\\frac{a}{b}'><mfrac><mi>a</mi><mi>b</mi></mfrac></math>", "\\frac{a}{b}"),
        ("<script type='math/tex'>a_1 + b</script>", "a_1 + b"),
        (
            "<span class='katex-mathml'><math><annotation encoding='application/x-tex'>c</annotation></math></span>"
            "<span class='katex-html' aria-hidden='true'>c c</span>",
            "c",
        ),
    ],
)
def test_formulas_are_their_tex(formula: str, tex: str):
    assert whole(f"<p>where {formula} holds</p>") == f"where ${tex}$ holds"


def test_a_formula_without_tex_is_its_text():
    assert whole("<p>where <math><mi>x</mi><mo>=</mo><mn>2</mn></math> holds</p>") == "where x=2 holds"


# What a page declares.

LD = (
    '<script type="application/ld+json">{"@graph": [{"@type": "NewsArticle", "datePublished": "%s", "author": %s}]}'
    "</script>"
)


@pytest.mark.parametrize(
    ("head", "author", "published"),
    [
        ('<meta name="author" content="Ada Miller">', "Ada Miller", None),
        ('<meta property="article:published_time" content="2024-05-03T23:10:00+02:00">', None, date(2024, 5, 3)),
        (LD % ("2023-01-02", '[{"name": "Ada"}, {"name": "Bo"}]'), "Ada; Bo", date(2023, 1, 2)),
        (LD % ("2023-01-02", '{"@type": "Person", "name": "Ada &amp; Bo"}'), "Ada & Bo", date(2023, 1, 2)),
        ('<meta name="DC.date" content="20190807">', None, date(2019, 8, 7)),
        ('<meta name="date" content="1975-01-01"><meta name="author" content="https://x.org/ada">', None, None),
        ('<script type="application/ld+json">{"@type": [broken</script>', None, None),
        ("", None, None),
    ],
)
def test_author_and_day(head: str, author: str | None, published: date | None):
    found = extract_page(article("", head))
    assert (found.author, found.published) == (author, published)


def test_the_day_may_stand_in_a_time_element_or_the_address():
    times = '<time datetime="2020-02-02">x</time><time class="published" datetime="2021-03-04T10:00">y</time>'
    assert extract_page(article(f"<p>{times}</p>")).published == date(2021, 3, 4)
    assert extract_page(article(""), "https://example.org/2022/11/30/mill").published == date(2022, 11, 30)
    assert extract_page(article(""), "https://example.org/2022/13/30/mill").published is None


@given(st.text("0123456789-/.:TZ a年", max_size=40))
def test_any_text_is_a_day_or_none(text: str):
    day = day_of(text)
    assert day is None or 1990 <= day.year <= 2099


def test_a_title_is_read_without_its_references():
    assert extract_page(article("", "<title>M&amp;M</title>")).title == "M&M"


# No page breaks it.

_NAMES = "p div a b li ul table tr td pre code math annotation script style title head body html svg br img meta h1"
_TAGS = _NAMES.split()
PIECES = st.one_of(
    st.sampled_from([f"<{tag}>" for tag in _TAGS] + [f"</{tag}>" for tag in _TAGS]),
    st.sampled_from(
        ["<", ">", "<!--", "-->", "&", "&#0;", "&#xd800;", "&nbsp;", "</", "<a href=", "<p class='", "<x-y z>"]
    ),
    st.sampled_from(
        ["<script type='application/ld+json'>", "{", '{"@type":"Article","author":[1,null]}', "\0", "\ud800"]
    ),
    st.text(max_size=12),
    st.just(SENTENCE),
)
PROFILE = st.sampled_from(sorted(PROFILES))


@given(st.lists(PIECES, max_size=40).map("".join), PROFILE, st.sampled_from(["text", "markdown"]))
def test_any_input_gives_clean_text_or_a_reason(html: str, profile: Extractor, output: str):
    config = ExtractConfig(extractor=profile, output=output)  # type: ignore[arg-type]

    def read() -> Page | str:
        try:
            return extract_page(html, None, config)
        except Refused as refused:
            return refused.reason.value

    found = read()
    assert read() == found
    if isinstance(found, Page):
        for text in (found.text, found.title or "", found.author or ""):
            assert "\0" not in text
            text.encode("utf-8")
        assert found.text.strip()


@pytest.mark.parametrize(
    "piece", ["<title>", "<math>", "<!--", "<p class='", "<script type=math/tex>", "<b>", "&nbsp;", "<br>", "</p>"]
)
def test_a_hundred_thousand_of_one_piece_are_a_text_or_a_reason(piece: str):
    html = f"<html><body><p>{SENTENCE * 9}</p>" + piece * 100_000
    if piece in ("<math>", "<b>"):
        with pytest.raises(Refused, match="deep"):
            extract_page(html)
    else:
        assert SENTENCE.strip() in extract_page(html).text
