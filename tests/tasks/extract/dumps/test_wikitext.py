"""Wikitext as a reader would read it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.extract.dumps.wikitext import wikitext_to_text


@pytest.mark.parametrize(
    ("wikitext", "text"),
    [
        ("'''Bold''' and ''italic''", "Bold and italic"),
        ("A [[mill]] in [[Water power|water]]s", "A mill in waters"),
        ("[[File:Mill.jpg|thumb|A [[mill]]]]Text", "Text"),
        ("Text[[Category:Mills]][[de:Mühle]]", "Text"),
        ("[[:Category:Mills|Mills]] here", "Mills here"),
        ("[[Star Trek: First Contact]] is a film", "Star Trek: First Contact is a film"),
        ("[[Avatar: The Way of Water|Avatar 2]] too", "Avatar 2 too"),
        ("See [https://example.org the page] and https://example.org/x", "See the page and https://example.org/x"),
        ("Fact.<ref name=a>Book, p. 7</ref> More.<ref name=a />", "Fact. More."),
        ("Seen {{convert|5|km|mi}} away{{citation needed|date=May 2020}}", "Seen 5 km away"),
        ("{{Infobox\n| name = Mill\n| image = x\n}}\nThe mill.", "The mill."),
        ("a<!-- hidden -->b", "ab"),
        ("* one\n* two\n** inner\n# first", "- one\n- two\n- inner\n- first"),
        ("x &amp; y&nbsp;&lt; z", "x & y < z"),
        ("__NOTOC__\nText", "Text"),
        ("E <math>E = mc^2</math> f", "E E = mc^2 f"),
        ("<nowiki>[[not a link]]</nowiki>", "[[not a link]]"),
        ("== Empty ==\n\n== Full ==\nText", "Full\n\nText"),
        ("== A ==\n=== B ===\nText\n== C ==\n", "A\n\nB\n\nText"),
        ("<gallery>\nFile:a.jpg|A\n</gallery>Text", "Text"),
        ('<syntaxhighlight lang="c">\nint x;\n  int y;\n</syntaxhighlight>', "int x;\n  int y;"),
        (
            "{|\n! Part !! Weight\n|-\n| Stone || 7\n|-\n| [[Wheel]] || 9<ref>x</ref>\n|}",
            "Part | Weight\nStone | 7\nWheel | 9",
        ),
        ("; Term\n: Meaning", "Term\nMeaning"),
        ("Unclosed [[link and {{template", "Unclosed [[link and {{template"),
    ],
)
def test_markup_gives_way_to_what_it_shows(wikitext: str, text: str):
    assert wikitext_to_text(wikitext) == text


def test_files_are_known_by_the_names_that_the_wiki_gives_them():
    names = frozenset({"datei", "kategorie"})
    assert wikitext_to_text("[[Datei:Rad.jpg|mini|Ein [[Rad]]]]Text[[Kategorie:Rad]]", files=names) == "Text"


def test_tables_can_be_left_out():
    assert wikitext_to_text("Before\n{|\n| a || b\n|}\nAfter", include_tables=False) == "Before\n\nAfter"


@given(st.text(alphabet="ab [{|}]=*#:;'<>/&\n-!", max_size=120))
def test_any_text_is_taken(wikitext: str):
    text = wikitext_to_text(wikitext)
    assert "\0" not in text
    assert text == text.strip("\n")


@given(st.lists(st.from_regex(r"[A-Za-z]{1,8}(?: [A-Za-z]{1,8}){0,5}\.", fullmatch=True), min_size=1, max_size=6))
def test_plain_prose_stays_as_it_is(paragraphs: list[str]):
    text = "\n\n".join(paragraphs)
    assert wikitext_to_text(text) == text
