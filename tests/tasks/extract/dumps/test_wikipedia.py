"""Wikipedia's dumps: articles become documents; the rest is told of; damage and bombs cost what they hit."""

import bz2
from datetime import date
from html import escape
from pathlib import Path

import pytest

from tests.tasks.extract.dumps.reading import read

HEAD = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="en">
  <siteinfo>
    <sitename>Wikipedia</sitename>
    <dbname>enwiki</dbname>
    <base>https://en.wikipedia.org/wiki/Main_Page</base>
    <namespaces><namespace key="0" case="first-letter" />
    <namespace key="1">Talk</namespace><namespace key="6">Bild</namespace></namespaces>
  </siteinfo>
"""


def page(number: int, title: str, text: str, namespace: int = 0, extra: str = "", model: str = "wikitext") -> str:
    """A page as the export writes it."""
    return f"""  <page>
    <title>{escape(title)}</title>
    <ns>{namespace}</ns>
    <id>{number}</id>
    {extra}
    <revision>
      <id>{number + 1000}</id>
      <timestamp>2023-04-0{number % 9 + 1}T10:00:00Z</timestamp>
      <contributor><username>Miller</username><id>7</id></contributor>
      <model>{model}</model>
      <format>text/x-wiki</format>
      <text bytes="{len(text.encode())}" xml:space="preserve">{escape(text)}</text>
      <sha1>x</sha1>
    </revision>
  </page>
"""


PAGES = [
    page(
        1,
        "Grist mill",
        "A '''grist mill''' grinds [[grain]] into [[flour|fine flour]].\n\n== Parts ==\nA stone & a wheel.",
    ),
    page(2, "Talk:Grist mill", "Is this so?", namespace=1),
    page(3, "Gristmill", "#REDIRECT [[Grist mill]]", extra='<redirect title="Grist mill" />'),
    page(4, "Style", ".a { color: red }", model="sanitized-css"),
    page(5, "Ärger & Mühle", "[[Bild:M.jpg|mini|x]]Eine Mühle < zwei Mühlen."),
    page(6, "Empty", ""),
]
DUMP = (HEAD + "".join(PAGES) + "</mediawiki>\n").encode()
REASONS = ["metadata", "namespace", "redirect", "media type", "empty body"]


def test_articles_become_documents_and_everything_else_says_why_not(tmp_path: Path):
    path = tmp_path / "enwiki-20230420-pages-articles.xml"
    path.write_bytes(DUMP)
    documents, losses = read("wikipedia", path)
    assert [(row.title, row.text) for row in documents] == [
        ("Grist mill", "A grist mill grinds grain into fine flour.\n\nParts\n\nA stone & a wheel."),
        ("Ärger & Mühle", "Eine Mühle < zwei Mühlen."),
    ]
    assert documents[0].url == "https://en.wikipedia.org/wiki/Grist_mill"
    assert documents[1].url == "https://en.wikipedia.org/wiki/%C3%84rger_%26_M%C3%BChle"
    assert (documents[0].published, documents[0].record_id, documents[0].extractor) == (
        date(2023, 4, 2),
        "1",
        "wikitext",
    )
    assert [row.reason for row in losses] == REASONS
    for row, source in zip(documents, (PAGES[0], PAGES[4]), strict=True):
        assert DUMP[row.offset : row.offset + row.length].strip().startswith(source.encode().strip())


@pytest.mark.parametrize("streams", [1, 4], ids=["one stream", "multistream"])
def test_a_packed_dump_gives_the_same_with_places_in_its_stream(tmp_path: Path, streams: int):
    path = tmp_path / "enwiki-pages-articles-multistream.xml.bz2"
    cut = len(DUMP) // streams + 1
    path.write_bytes(b"".join(bz2.compress(DUMP[at : at + cut]) for at in range(0, len(DUMP), cut)))
    (tmp_path / "plain.xml").write_bytes(DUMP)
    documents, losses = read("wikipedia", path, len(DUMP))
    plain, plain_losses = read("wikipedia", tmp_path / "plain.xml")
    assert [row._replace(space="file") for row in documents] == plain
    assert [row._replace(space="file") for row in losses] == plain_losses


def test_a_damaged_stream_costs_its_pages_and_reading_goes_on_at_the_next(tmp_path: Path):
    parts = [
        HEAD,
        *(page(number, f"Page {number}", f"Text of page {number}. " * 50) for number in range(1, 7)),
        "</mediawiki>",
    ]
    packed = [bytearray(bz2.compress(part.encode())) for part in parts]
    packed[3][len(packed[3]) // 2] ^= 0xFF
    path = tmp_path / "d.xml.bz2"
    path.write_bytes(b"".join(packed))
    size = sum(len(part.encode()) for number, part in enumerate(parts) if number != 3) + len(packed[3])
    documents, losses = read("wikipedia", path, size)
    assert [row.title for row in documents] == ["Page 1", "Page 2", "Page 4", "Page 5", "Page 6"]
    assert [row.reason for row in losses] == ["metadata", "damaged"]


def test_a_dump_that_is_cut_off_loses_its_last_page(tmp_path: Path):
    path = tmp_path / "d.xml"
    path.write_bytes(DUMP[: DUMP.index(b"Eine")])
    documents, losses = read("wikipedia", path)
    assert [row.title for row in documents] == ["Grist mill"]
    assert losses[-1].reason == "truncated"
    packed = bz2.compress(DUMP)
    path.write_bytes(packed[: len(packed) // 2])
    _, losses = read("wikipedia", path, 0)
    assert [row.reason for row in losses] == ["truncated"]


def test_entities_of_the_head_are_not_known_in_a_page(tmp_path: Path):
    bomb = '<!DOCTYPE m [<!ENTITY a "ha">' + "".join(
        f'<!ENTITY a{n} "{f"&a{n - 1};" if n else "&a;"}' * 10 + '">' for n in range(9)
    )
    text = bomb + "]>\n" + HEAD + page(1, "Bomb", "x").replace(">x<", ">&a8;<") + PAGES[4] + "</mediawiki>"
    path = tmp_path / "d.xml"
    path.write_text(text, encoding="utf-8")
    documents, losses = read("wikipedia", path)
    assert [row.title for row in documents] == ["Ärger & Mühle"]
    assert [row.reason for row in losses] == ["metadata", "not parsed"]


def test_a_page_beyond_the_limit_is_a_loss_and_is_not_held(tmp_path: Path):
    path = tmp_path / "d.xml.bz2"
    long = page(1, "Long", "x" * 30_000_000)
    whole = (HEAD + long + PAGES[4] + "</mediawiki>").encode()
    path.write_bytes(bz2.compress(whole))
    documents, losses = read("wikipedia", path, len(whole), max_bytes=100_000)
    assert [row.title for row in documents] == ["Ärger & Mühle"]
    assert [row.reason for row in losses] == ["metadata", "too large"]


def test_an_empty_file_is_a_loss(tmp_path: Path):
    (tmp_path / "d.xml").write_bytes(b"")
    assert [row.reason for row in read("wikipedia", tmp_path / "d.xml")[1]] == ["empty file"]
