"""Stack Exchange's dumps: questions with their answers."""

from datetime import date
from pathlib import Path

from tests.tasks.extract.dumps.reading import read


def row(number: int, kind: int, body: str, **more: object) -> str:
    """A row as the dump writes it."""
    columns = {"Id": number, "PostTypeId": kind, "CreationDate": "2012-02-06T00:00:00.000", "Score": 0, "Body": body}
    columns |= {"ContentLicense": "CC BY-SA 3.0"} | more
    return "  <row " + " ".join(f'{name}="{escape(str(value))}"' for name, value in columns.items()) + " />\n"


def escape(text: str) -> str:
    """An attribute's value."""
    for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("\n", "&#xA;")):
        text = text.replace(sign, entity)
    return text


BODY = "<p>How do I grind?</p>\n<pre><code>grind(x)\n  turn(y)\n</code></pre>\n"
QUESTION = {"AcceptedAnswerId": 4, "Title": "Grinding & turning", "Tags": "<mill><stone>", "OwnerDisplayName": "Miller"}
ROWS = [
    row(1, 1, BODY, **QUESTION | {"Score": 12, "CreationDate": "2012-01-02T03:04:05.670"}),
    row(2, 2, "<p>With care.</p>", ParentId=1, Score=30, CreationDate="2013-05-06T00:00:00.000"),
    row(3, 2, "<ul><li>fast</li><li>slow</li></ul>", ParentId=1, Score=-1, ContentLicense="CC BY-SA 4.0"),
    row(4, 2, "<p>By water.</p>", ParentId=1, Score=2),
    row(5, 5, "<p>About mills</p>"),
    row(6, 2, "<p>Lost</p>", ParentId=99),
    row(7, 1, "<p>Alone?</p>", Title="Alone", Tags="|mill|wind|", ContentLicense="CC BY-SA 4.0"),
]
POSTS = '\ufeff<?xml version="1.0" encoding="utf-8"?>\n<posts>\n' + "".join(ROWS) + "</posts>\n"


def posts(folder: Path, content: str = POSTS) -> Path:
    """A dump's folder with its Posts.xml."""
    site = folder / "milling.stackexchange.com"
    site.mkdir()
    (site / "Posts.xml").write_text(content, encoding="utf-8")
    return site / "Posts.xml"


def test_a_question_and_its_answers_are_one_document(tmp_path: Path):
    documents, losses = read("stackexchange", posts(tmp_path), name="milling.stackexchange.com/Posts.xml")
    question, alone = documents
    assert question.text == (
        "Grinding & turning\n\nHow do I grind?\n\ngrind(x)\n  turn(y)\n\nAnswer:\n\nBy water.\n\n"
        "Answer:\n\nWith care.\n\nAnswer:\n\n- fast\n- slow"
    )
    assert question.url == "https://milling.stackexchange.com/questions/1"
    assert (question.votes, question.tags, question.author) == (12, ["mill", "stone"], "Miller")
    assert (question.published, question.license) == (date(2013, 5, 6), "CC-BY-SA-3.0 AND CC-BY-SA-4.0")
    assert (alone.title, alone.tags, alone.license) == ("Alone", ["mill", "wind"], "CC-BY-SA-4.0")
    assert [(row.reason, row.detail) for row in losses] == [
        ("metadata", "what stands before the first record"),
        ("joined", "question 1"),
        ("joined", "question 1"),
        ("joined", "question 1"),
        ("other record", "post of type 5"),
        ("bad row", "an answer to a question that is not here"),
    ]


def test_rows_that_are_no_xml_or_have_no_end_cost_themselves_alone(tmp_path: Path):
    broken = POSTS.replace('Score="-1"', 'Score="-1" Score="2"').replace(
        "</posts>", '  <row Id="8" PostTypeId="1" Body="x'
    )
    documents, losses = read("stackexchange", posts(tmp_path, broken))
    assert [row.record_id for row in documents] == ["1", "7"]
    assert "fast" not in (documents[0].text or "")
    assert [row.reason for row in losses][2] == "not parsed"
    assert losses[-1].reason == "truncated"


def test_other_files_of_a_dump_and_packed_ones_say_so(tmp_path: Path):
    for name, reason in (("Votes.xml", "other record"), ("site.7z", "unknown format"), ("Posts.xml", "unknown format")):
        path = tmp_path / name
        path.write_bytes(b"\x1f\x8b\x08 or not")
        documents, losses = read("stackexchange", path)
        assert (documents, [row.reason for row in losses]) == ([], [reason])
