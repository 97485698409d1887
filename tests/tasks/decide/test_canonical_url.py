"""The canonical form of URLs."""

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tasks.decide.duplicates.canonical_url import canonical_url, canonical_urls

SAME = {
    "example.org/mill": [
        "https://example.org/mill",
        "http://example.org/mill/",
        "HTTP://WWW.Example.ORG:80/mill",
        "https://user:secret@example.org:443/mill#wheel",
        "https://example.org./river/../mill",
        "https://example.org/./mill?utm_source=letter&fbclid=1",
        "//example.org/%6Dill?",
        "https://example.org/mill;jsessionid=9F?PHPSESSID=7",
        " https://example.org/mill ",
        "https://user@river@example.org/mill",
        "https://ex%61mple.org/mill",
        "https://www.www.example.org:0/;jsession%69d=1/../mill",
    ],
    "example.org": ["https://example.org", "http://example.org/", "https://example.org/?gclid=2"],
    "example.org?b=1&b=0&c=%2F": ["https://example.org/?c=%2f&b=1&b=0", "https://example.org?b=1&b=0&utm_term=x&c=%2F"],
    "example.org/M%C3%BChle": ["https://example.org/M\u00fchle", "https://example.org/M%c3%bchle"],
    "xn--mhle-0ra.example": ["https://m\u00fchle.example", "https://xn--mhle-0ra.example/"],
    "example.org:8080/a": ["http://example.org:8080/a", "https://example.org:08080/a/"],
    "example.org#!/grain": ["https://example.org/#!/grain"],
    "[2001:db8::1]/a": ["http://[2001:DB8::1]:80/a"],
    "ftp://example.org/a": ["ftp://example.org/a", "FTP://example.org/a/"],
    "urn:uuid:1": ["urn:uuid:1"],
    "mill/wheel": ["mill/wheel"],
}


@pytest.mark.parametrize("form", SAME)
def test_addresses_of_one_page_have_one_form(form: str) -> None:
    assert {canonical_url(url) for url in SAME[form]} == {form}


def test_addresses_of_other_pages_have_other_forms() -> None:
    urls = [
        "https://example.org/mill",
        "https://example.org/Mill",
        "https://example.org/mill/index.html",
        "https://example.org//mill",
        "https://m.example.org/mill",
        "https://example.org/mill?page=2",
        "https://example.org/mill?page=3",
        "https://example.org/mill?v=a&v=b",
        "https://example.org/mill?v=b&v=a",
        "https://example.org/mill#!2",
        "https://example.org/a%2Fb",
        "https://example.org/a/b",
        "https://example.org:8080/mill",
        "ftp://example.org/mill",
    ]
    assert len({canonical_url(url) for url in urls}) == len(urls)


PIECES = st.sampled_from(
    [
        *"abZ09/?#&=.%:@;~+-_ ",
        "//",
        "/../",
        "/./",
        "www.",
        "http://",
        "https://",
        "utm_x=1",
        "%7E",
        "%2f",
        "%34",
        "%2e",
        ";jsession%69d=",
        "\u00fc",
        "\u3002",
        "\uff0f",
        "[::1]",
    ]
)
URLS = st.builds(
    lambda scheme, host, rest: scheme + host + "".join(rest),
    st.sampled_from(["http://", "https://", "HTTPS://", "//", "ftp://", ""]),
    st.sampled_from(["example.org", "www.example.org", "Example.org:80", "a.b.example", "\u00fc.example", "www.", ""]),
    st.lists(PIECES, max_size=8),
)


@given(st.lists(st.none() | URLS, max_size=8))
def test_many_at_once_have_the_forms_of_each_alone(urls: list[str | None]) -> None:
    expected = [None if url is None else canonical_url(url) for url in urls]
    assert canonical_urls(pa.array(urls, pa.string())).to_pylist() == expected


@given(URLS)
@example("http://example.org@@")
@example("http://www.www.example.org")
@example("http://example.org :80")
@example("http://example.org:0")
@example("http://%2e/a")
@example("http://\u00fc..%41")
@example("http://\u00fc\u3002")
@example("http://exa\uff0fmple.org")
@example("http://example.org/%%3411")
@example("http://example.org/;jsession%69d=1")
def test_a_form_is_the_form_of_itself(url: str) -> None:
    form = canonical_url(url)
    if url.lower().startswith(("http://", "https://")) and not form.lower().startswith(("http:", "https:")):
        assert canonical_url(f"https://{form}") == form
