"""What pages and servers state of rights: licences, directives, reservations; and what only looks like it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.extract.licenses import declared, of_address
from tasks.extract.rights import page_rights

BY = "https://creativecommons.org/licenses/by/4.0/"


def html(head: str = "", body: str = "<p>Text</p>") -> str:
    """A page."""
    return f"<!DOCTYPE html><html><head><title>x</title>{head}</head><body>{body}</body></html>"


@pytest.mark.parametrize(
    ("address", "name"),
    [
        (BY, "CC-BY-4.0"),
        ("http://creativecommons.org/licenses/by-nc-sa/3.0/de/deed.de", "CC-BY-NC-SA-3.0-DE"),
        ("//creativecommons.org/licenses/by-nd/2.5/deed.en", "CC-BY-ND-2.5"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("https://creativecommons.org/publicdomain/mark/1.0/", "CC-PDM-1.0"),
        ("http://creativecommons.org/licenses/publicdomain/", "CC-PDDC"),
        ("https://creativecommons.org/about/", None),
        ("https://www.gnu.org/licenses/fdl-1.3.html", "GFDL-1.3"),
        ("https://www.gnu.org/licenses/old-licenses/gpl-2.0.html", "GPL-2.0"),
        ("https://www.gnu.org/copyleft/lgpl.html", None),
        ("https://www.apache.org/licenses/LICENSE-2.0", "Apache-2.0"),
        ("https://opensource.org/licenses/BSD-3-Clause", "BSD-3-Clause"),
        ("https://opendatacommons.org/licenses/odbl/1-0/", "ODbL-1.0"),
        ("https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/", "OGL-UK-3.0"),
        ("https://example.org/", None),
    ],
)
def test_an_address_of_a_licence_has_its_spdx_name(address: str, name: str | None):
    assert of_address(address) == name


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("CC BY-SA 4.0", "CC-BY-SA-4.0"),
        ("This work is under CC-BY-NC-ND-3.0.", "CC-BY-NC-ND-3.0"),
        ("CC0", "CC0-1.0"),
        ("https://example.org/our-terms", "https://example.org/our-terms"),
        ("All rights reserved", None),
        ("© 2024 The Mill", None),
        ("CC BY", None),
        ("/terms", None),
    ],
)
def test_a_declaration_is_a_name_or_an_address(said: str, name: str | None):
    assert declared(said) == name


@pytest.mark.parametrize(
    "page",
    [
        html(f'<link rel="license" href="{BY}">'),
        html(f"<link href={BY} rel=license>"),
        html(body=f'<footer>Under <a rel="noopener license" href="{BY}">this</a></footer>'),
        html(body=f"<A HREF='{BY}' REL='License'>x</A>"),
        html(body=f'<span itemprop="license" content="{BY}">x</span>'),
        html(body=f'<a property="dct:license" href="{BY}">x</a>'),
        html('<meta name="DC.rights" content="CC BY 4.0">'),
        html(f'<meta name="dcterms.license" content="{BY}">'),
        html(f'<script type="application/ld+json">{{"@type": "Article", "license": "{BY}"}}</script>'),
        html(f'<script type="application/ld+json">[{{"@graph": [{{"license": {{"@id": "{BY}"}}}}]}}]</script>'),
        html(f'<!-- <link rel="license" href="http://opensource.org/licenses/MIT"> --><link rel=license href="{BY}">'),
    ],
)  # fmt: skip
def test_a_licence_that_a_page_declares_is_found(page: str):
    rights = page_rights(page)
    assert (rights.license, rights.license_from) == ("CC-BY-4.0", "page")


def test_a_bare_link_is_only_a_link():
    rights = page_rights(html(body=f'<img src="a.jpg"><a href="{BY}">photo: CC BY</a>'))
    assert (rights.license, rights.linked, rights.license_from) == (None, "CC-BY-4.0", "link")


NC = '<a rel="license" href="https://creativecommons.org/licenses/by-nc/2.0/">CC</a>'


@pytest.mark.parametrize(
    "part",
    [
        f"<figure><img src=a.jpg><figcaption>A photo, {NC}</figcaption></figure>",
        f"<blockquote>Somebody else's words, {NC}</blockquote>",
        f"<aside>Another article, {NC}</aside>",
        f'<div about="https://example.org/photo.jpg">{NC}</div>',
        NC.replace("<a", "<a about='https://example.org/photo.jpg'"),
        f'<div itemscope itemtype="https://schema.org/ImageObject">{NC}</div>',
    ],
)
def test_a_licence_of_a_part_or_of_another_work_is_only_a_link(part: str):
    alone, beside = page_rights(html(body=part)), page_rights(html(body=f"{part}<footer><a rel=license href={BY}>"))
    assert (alone.license, alone.linked) == (None, "CC-BY-NC-2.0")
    assert (beside.license, beside.license_from) == ("CC-BY-4.0", "page")


@pytest.mark.parametrize("part", ["figure", "aside", "blockquote"])
def test_a_licence_behind_a_part_is_the_pages(part: str):
    page = html(body=f'<div about=""><{part}>x</{part}><a rel="license" href="{BY}">x</a></div>')
    assert page_rights(page).license == "CC-BY-4.0"


@pytest.mark.parametrize(
    "page",
    [
        html(),
        html(body=f"<script>var link = '{NC}'</script>"),
        html(body=f"<textarea>{NC}</textarea>"),
        html(body="<p>The license was creativecommons.org in name alone.</p>"),
        html(f'<script type="application/ld+json">{{"@type": "ImageObject", "license": "{BY}"}}</script>'),
        html('<script type="application/ld+json">{"license": broken</script>'),
        html('<meta name="DC.rights" content="All rights reserved">'),
        html(body='<a class="license-plate" href="/cars">License plates</a>'),
    ],
)
def test_what_only_looks_like_a_licence_is_none(page: str):
    assert page_rights(page).license is None


@pytest.mark.parametrize(
    ("head", "headers", "directives"),
    [
        ('<meta name="robots" content="noindex, NoFollow">', b"", ["nofollow", "noindex"]),
        ("<META CONTENT='none' NAME=ROBOTS>", b"", ["none"]),
        ('<meta name="googlebot" content="noai,noimageai">', b"", ["googlebot:noai", "googlebot:noimageai"]),
        ('<meta name="robots" content="max-snippet: 20, nosnippet">', b"", ["max-snippet:20", "nosnippet"]),
        ("", b"HTTP/1.1 200 OK\r\nX-Robots-Tag: noai\r\nx-robots-tag: none\r\n\r\n", ["noai", "none"]),
        ("", b"X-Robots-Tag: ccbot: noindex, nofollow\r\n", ["ccbot:nofollow", "ccbot:noindex"]),
        ("", b"X-Robots-Tag: unavailable_after: 25 Jun 2010 15:00:00 PST\r\n", ["unavailable_after"]),
        ("", b"X-Robots-Tag: noarchive, otherbot: none\r\n", ["noarchive", "otherbot:none"]),
        ('<!-- <meta name="robots" content="noindex"> -->', b"", None),
        ('<meta name="description" content="robots: noindex">', b"", None),
        ('<meta name="robots" content="">', b"", None),
        ('<meta name="robots" content="noindex nofollow">', b"", ["nofollow", "noindex"]),
        ("", b"X-Robots-Tag: a-bot: noai\r\nX-Robots-Tag: unavailable_after: Wed, 25 Jun 2010 15:00:00 PST\r\n",
         ["a-bot:noai", "unavailable_after"]),
        ('<meta name="robots" content="unavailable_after: 25-Aug-2030 15:00:00 EST, noai">', b"",
         ["noai", "unavailable_after"]),
        ('<script>var a = "<meta name=robots content=noindex>"</script>', b"", ["noindex"]),
    ],
)  # fmt: skip
def test_directives_for_robots_are_told_with_whom_they_are_for(head: str, headers: bytes, directives: list[str] | None):
    assert page_rights(html(head), headers).robots == directives


def test_opt_outs_count_wherever_they_stand_and_nothing_else_of_the_body_does():
    metas = '<meta name="robots" content="noai"><META name="tdm-reservation" content="1">'
    rights = page_rights(html(body=f'{metas}<meta name="license" content="CC0">'))
    assert (rights.robots, rights.tdm_reservation, rights.license) == (["noai"], True, None)
    assert page_rights(html(body='<!-- <meta name="robots" content="noai"> -->&lt;meta name="robots"')).robots is None


@pytest.mark.parametrize(
    ("head", "headers", "reserved", "policy"),
    [
        ('<meta name="tdm-reservation" content="1">', b"", True, None),
        ('<meta name="tdm-reservation" content="0">', b"", False, None),
        ("", b"tdm-reservation: 1\r\ntdm-policy: https://example.org/policy.json\r\n", True, "https://example.org/policy.json"),
        ('<meta name="tdm-reservation" content="0">', b"TDM-Reservation: 1\r\n", True, None),
        ('<meta name="tdm-reservation" content="yes">', b"", None, None),
        ('<meta name="tdm-reservation" content="2">', b"TDM-Reservation: true\r\n", None, None),
        ("", b"tdm-reservation: 0, 1\r\n", True, None),
        ("", b"", None, None),
    ],
)  # fmt: skip
def test_a_reservation_of_text_mining_is_found(head: str, headers: bytes, reserved: bool | None, policy: str | None):
    rights = page_rights(html(head), headers)
    assert (rights.tdm_reservation, rights.tdm_policy) == (reserved, policy)


def test_what_is_no_page_is_told_by_its_headers_alone():
    rights = page_rights(None, b"X-Robots-Tag: noai\r\nTDM-Reservation: 1\r\n")
    assert (rights.robots, rights.tdm_reservation, rights.license) == (["noai"], True, None)


@given(st.text(alphabet="<>\"'= amtlinkrscoeh-!/:.\0\n", max_size=200), st.binary(max_size=80))
def test_any_page_is_taken(page: str, headers: bytes):
    page_rights(page, headers)


def test_a_page_of_a_megabyte_of_quotes_and_brackets_ends_soon():
    for piece in (
        "<a license ",
        '<meta "',
        "<meta name='x' ",
        '<script type="application/ld+json">',
        "<!--",
        '"license',
    ):
        page_rights(piece * (1_000_000 // len(piece)))
