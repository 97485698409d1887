"""What names the encoding of a body, and what is believed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.extract.charset import decode_text, name_of

RUSSIAN = "Старая мельница у реки мелет рожь по понедельникам, а пшеницу во все остальные дни недели. " * 4
GERMAN = "Die Mühle am Fluß mahlt montags Roggen und an den übrigen Tagen Weizen für die Bäcker. " * 4
KOREAN = "강가의 방앗간은 월요일에는 호밀을 빻고 다른 날에는 밀을 빻는다. " * 6
JAPANESE = "川のそばの水車小屋は月曜日にライ麦をひき、ほかの日には小麦をひく。" * 6


def html(text: str, head: str = "") -> str:
    return f"<html><head>{head}<title>x</title></head><body><p>{text}</p></body></html>"


@pytest.mark.parametrize(
    ("text", "codec", "label", "name"),
    [
        (RUSSIAN, "cp1251", "windows-1251", "windows-1251"),
        (RUSSIAN, "koi8-r", "KOI8-R", "koi8-r"),
        (GERMAN, "latin-1", "ISO-8859-1", "windows-1252"),
        (GERMAN, "utf-8", "utf8", "utf-8"),
        (KOREAN, "euc_kr", "ks_c_5601-1987", "euc-kr"),
        (JAPANESE, "shift_jis", "x-sjis", "shift_jis"),
        (JAPANESE, "euc_jp", "EUC-JP", "euc-jp"),
        (JAPANESE, "utf-16-le", "utf-16", "utf-16le"),
    ],
)
def test_the_header_names_it(text: str, codec: str, label: str, name: str):
    page = html(text)
    for written in (label, f'"{label}"', f"'{label}'"):
        decoded = decode_text(page.encode(codec), f"text/html; charset={written}")
        assert (decoded.text, decoded.charset, decoded.charset_from, decoded.replaced) == (page, name, "header", 0)


@pytest.mark.parametrize(
    "meta",
    [
        '<meta charset="windows-1251">',
        "<META http-equiv='Content-Type' content='text/html; charset=windows-1251'>",
        "<meta charset = windows-1251 />",
    ],
)
def test_the_page_names_it(meta: str):
    page = html(RUSSIAN, meta)
    for header in (None, "text/html", "text/html; charset=", "text/html; charset=utf", "text/html; charset=none-such"):
        decoded = decode_text(page.encode("cp1251"), header)
        assert (decoded.text, decoded.charset, decoded.charset_from) == (page, "windows-1251", "meta")


def test_an_xml_declaration_names_it():
    page = '<?xml version="1.0" encoding="iso-8859-2"?>' + html("Zażółć gęślą jaźń, młyn nad rzeką.")
    decoded = decode_text(page.encode("iso-8859-2"))
    assert (decoded.text, decoded.charset, decoded.charset_from) == (page, "iso-8859-2", "meta")


def test_the_header_goes_before_the_page():
    page = html(RUSSIAN, '<meta charset="koi8-r">')
    assert decode_text(page.encode("cp1251"), "text/html; charset=windows-1251").text == page


@pytest.mark.parametrize(("codec", "name"), [("utf-8-sig", "utf-8"), ("utf-16", "utf-16le")])
def test_a_byte_order_mark_goes_before_any_label(codec: str, name: str):
    page = html(GERMAN, '<meta charset="iso-8859-1">')
    decoded = decode_text(page.encode(codec), "text/html; charset=iso-8859-1")
    assert (decoded.text, decoded.charset, decoded.charset_from) == (page, name, "bom")


@pytest.mark.parametrize("codec", ["utf-8", "cp1251", "koi8-r", "cp949", "shift_jis"])
def test_nothing_names_it(codec: str):
    text = {"cp949": KOREAN, "shift_jis": JAPANESE}.get(codec, RUSSIAN)
    decoded = decode_text(text.encode(codec), "text/plain; charset=made-up", html=False)
    assert decoded.charset_from == "detected"
    assert decoded.text == text or codec == "cp949"


def test_a_label_that_the_bytes_contradict_is_passed_over():
    page = html(GERMAN)
    assert decode_text(page.encode("latin-1"), "text/html; charset=utf-8").text == page
    assert decode_text(page.encode("utf-8"), "text/html; charset=iso-8859-1").text == page
    assert decode_text(html(GERMAN, '<meta charset="utf-8">').encode("latin-1")).charset_from == "detected"


def test_one_stray_byte_does_not_change_the_encoding_of_a_page():
    body = html(RUSSIAN).encode() + b"\xff"
    decoded = decode_text(body, "text/html; charset=utf-8")
    assert (decoded.charset, decoded.charset_from, decoded.replaced) == ("utf-8", "header", 1)


def test_a_meta_tag_in_plain_text_is_text():
    text = '<meta charset="koi8-r"> is how a page names its encoding'
    assert decode_text(text.encode(), "text/plain", html=False).charset_from == "detected"


@pytest.mark.parametrize("label", ["utf", "", "none", "utf-7", "utf8mb4", "x" * 50])
def test_labels_that_the_standard_does_not_know(label: str):
    assert name_of(label) is None


@given(
    st.binary(max_size=400), st.sampled_from([None, "text/html; charset=utf-16", "x; charset=gbk", "x; charset=big5"])
)
def test_any_bytes_give_text(body: bytes, header: str | None):
    decoded = decode_text(body, header)
    decoded.text.encode("utf-16", "surrogatepass")
    assert decoded.replaced == decoded.text.count("\N{REPLACEMENT CHARACTER}")
