"""Pages from packages: rendered, framed, written as WARC records."""

import dataclasses
import gzip
import io
from pathlib import Path

import lxml.html
import pytest
from hypothesis import given
from hypothesis import strategies as st
from warcio.archiveiterator import ArchiveIterator

from storage.warc import gzip_member
from tasks.sample.carriers import Carrier
from tasks.sample.markup import render_markdown, render_rst
from tasks.sample.pages import NEIGHBOURS, markdown_pages, rst_pages, shipped_pages
from tasks.sample.warcs import RENDERED, SHIPPED, TEMPLATED, Page, url_of, write_warc
from tests.tasks.sample.packages import make_carrier

CARRIER = Carrier("grist", "1.0", "wheel", "grist.whl", "0" * 64, 1, "2020-02-02", "CC0-1.0", ("pages",))


def text_of(html: str) -> str:
    return " ".join(lxml.html.fromstring(html).text_content().split())


def test_markdown_takes_in_included_programs_and_unfolds_tabs():
    source = """# The *mill* {#mill}

=== "Old"

    ```Python
    {!> ../../../docs_src/old.py!}
    ```

    !!! tip
        Grind slowly.

=== "New"

    Or not at all: {!unknown!}

Done.
"""
    page = render_markdown(source, lambda path: "turn(\n    stone)\n" if path == "../../../docs_src/old.py" else None)
    assert page.title == "The mill"
    body = lxml.html.fromstring(f"<div>{page.body}</div>")
    assert [code.text for code in body.iter("code")] == ["turn(\n    stone)\n"]
    assert [one.text_content() for one in body.iter("strong")] == ["Old", "New"]
    assert "Grind slowly." in body.find_class("admonition")[0].text_content()
    assert text_of(page.body).endswith("Or not at all: {!unknown!} Done.")


def test_restructured_text_of_sphinx_keeps_its_words():
    source = """
The mill
========

.. index:: mill

See :ref:`the wheel <wheel>`, :func:`~mill.grind` and :meth:`turn`.

.. toctree::
   :maxdepth: 1

   The stone <parts/stone>
   parts/wheel

.. seealso:: The sack

   It is full.

.. jupyter-execute::

    sage: 1 + 1
    2

.. only:: html

   Shown.

.. unknown-thing:: Lost

.. math::

   a^2 + b^2

Water & wheat.
"""
    page = render_rst(source)
    text = text_of(page.body)
    assert page.title == "The mill"
    for words in (
        "See the wheel, grind and turn.",
        "The stone wheel",
        "The sack It is full.",
        "sage: 1 + 1 2",
        "Shown.",
    ):
        assert words in text
    assert "a^2 + b^2" in text
    assert text.endswith("Water & wheat.")
    assert "html" not in text.lower()
    assert "Lost" not in text
    assert 'href="parts/stone.html"' in page.body


def test_rst_reads_no_file_of_the_machine(tmp_path: Path):
    (tmp_path / "secret.txt").write_text("the secret", encoding="utf-8")
    secret = tmp_path / "secret.txt"
    source = f".. include:: {secret}\n\n.. raw:: html\n   :file: {secret}\n\n.. csv-table::\n   :file: {secret}\n"
    assert "the secret" not in render_rst(source).body


def test_rendered_pages_have_a_frame_with_links_to_their_neighbours(tmp_path: Path):
    members = {f"docs/de/docs/kapitel/{number:02}.md": f"# Kapitel {number}\n\nText & Mehl." for number in range(20)}
    members |= {"docs/en/docs/index.md": "no heading", "docs/em/notes.md": "outside of the pages"}
    carrier = make_carrier(tmp_path, "grist", "sdist", members)
    pages = {page.path: page for page in markdown_pages(tmp_path / carrier.file, carrier)}
    assert sorted(pages) == sorted([f"de/kapitel/{number:02}.html" for number in range(20)] + ["en/index.html"])
    assert {(page.origin, page.status) for page in pages.values()} == {(RENDERED, None)}
    page = lxml.html.fromstring(pages["de/kapitel/10.html"].body)
    assert page.get("lang") == "de"
    assert page.findtext("head/title") == "Kapitel 10 | grist 1.0"
    links = [link.get("href") for link in page.iterfind(".//nav//a")]
    assert len(links) == NEIGHBOURS
    assert url_of(carrier, "de/kapitel/10.html") in links
    assert page.find(".//main").text_content().split() == ["Kapitel", "10", "Text", "&", "Mehl."]
    assert "CC0-1.0" in page.find(".//footer").text_content()
    assert lxml.html.fromstring(pages["en/index.html"].body).findtext("head/title") == "index | grist 1.0"


def test_the_folders_of_a_manual_give_path_and_language(tmp_path: Path):
    members = {"doc/source/index.rst": "One\n===\n", "doc.ptbr/source/index.rst": "Um\n==\n", "doc/other.rst": "no"}
    carrier = make_carrier(tmp_path, "grist", "sdist", members)
    pages = rst_pages(tmp_path / carrier.file, carrier, r"doc(?:\.(\w+))?/source/(.+)\.rst$")
    found = {page.path: lxml.html.fromstring(page.body).get("lang") for page in pages}
    assert found == {"index.html": "en", "ptbr/index.html": "pt-BR"}


def test_shipped_pages_are_as_they_are(tmp_path: Path):
    members = {"docs/a.html": b"<p>\xff</p>", "docs/a.css": "p {}", "templates/b.html": "no"}
    carrier = make_carrier(tmp_path, "grist", "sdist", members)
    assert shipped_pages(tmp_path / carrier.file, "docs/") == [Page("a.html", b"<p>\xff</p>", SHIPPED)]


PAGES = [
    Page("a.html", b"<p>a</p>", SHIPPED),
    Page("b.html", "<p>ä</p>".encode(), RENDERED, "text/html; charset=utf-8"),
    Page("c", b"<p>c</p>", TEMPLATED, "text/html", "200 OK"),
    Page("nowhere", b"none", TEMPLATED, "text/html", "404 Not Found"),
]


def test_warcio_reads_what_is_written(tmp_path: Path):
    path = tmp_path / "pages.warc.gz"
    assert write_warc(path, CARRIER, PAGES) == 1 + 2 + 4
    with open(path, "rb") as stream:
        records = [
            (record.rec_type, record.rec_headers, record.http_headers, record.content_stream().read())
            for record in ArchiveIterator(stream, check_digests="raise")
        ]
    assert [kind for kind, *_ in records] == ["warcinfo", "resource", "resource", *["request", "response"] * 2]
    assert len({headers["WARC-Record-ID"] for _, headers, *_ in records}) == 7
    assert {headers["Gristmill-Carrier"] for _, headers, *_ in records} == {"grist==1.0"}
    assert {headers["Gristmill-License"] for _, headers, *_ in records} == {"CC0-1.0"}
    assert {headers["WARC-Date"] for _, headers, *_ in records} == {"2020-02-02T00:00:00Z"}
    pages = [one for one in records if one[0] in ("resource", "response")]
    assert [body for *_, body in pages] == [page.body for page in PAGES]
    assert [headers["WARC-Target-URI"] for _, headers, *_ in pages] == [url_of(CARRIER, page.path) for page in PAGES]
    assert [headers["Gristmill-Origin"] for _, headers, *_ in pages] == [page.origin for page in PAGES]
    assert [answer.get_statuscode() for _, _, answer, _ in pages if answer] == ["200", "404"]


def test_the_same_pages_give_the_same_bytes_and_other_pages_other_ids(tmp_path: Path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_warc(tmp_path / name / "p.warc.gz", CARRIER, PAGES)
    assert (tmp_path / "one/p.warc.gz").read_bytes() == (tmp_path / "two/p.warc.gz").read_bytes()
    newer = dataclasses.replace(CARRIER, version="2.0")
    write_warc(tmp_path / "p.warc.gz", newer, PAGES)

    def ids(path: Path) -> set[str]:
        with open(path, "rb") as stream:
            return {record.rec_headers["WARC-Record-ID"] for record in ArchiveIterator(stream)}

    assert ids(tmp_path / "p.warc.gz").isdisjoint(ids(tmp_path / "one/p.warc.gz"))


@given(st.binary(max_size=2000))
def test_a_gzip_member_is_what_gzip_reads(data: bytes):
    assert gzip.decompress(gzip_member(data)) == data
    with gzip.GzipFile(fileobj=io.BytesIO(gzip_member(data) + gzip_member(data))) as stream:
        assert stream.read() == data * 2


@pytest.mark.parametrize("wrong", ["a.html\r\nX: 1"])
def test_a_path_with_a_line_end_writes_no_header_of_its_own(tmp_path: Path, wrong: str):
    with pytest.raises(ValueError, match="line end"):
        write_warc(tmp_path / "p.warc.gz", CARRIER, [Page(wrong, b"", SHIPPED)])
