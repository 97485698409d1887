"""Project Gutenberg's files: the book without what stands around it."""

import io
import zipfile
from datetime import date
from pathlib import Path

import pytest

from tasks.extract.dumps.gutenberg import split_book
from tests.tasks.extract.dumps.reading import read

HEAD = """The Project Gutenberg eBook of The Miller's Day

This ebook is for the use of anyone anywhere.

Title: The Miller's Day
       and Night

Author: A. Miller

Release Date: May 7, 2008 [eBook #12345]
                Most recently updated: June 1, 2020

Language: English

"""
BOOK = "THE MILLER'S DAY\n\nCHAPTER I\n\nIt was a day of wind.\n\n*** \n\nThe wheel stood still."
START, END = (f"*** {word} OF THE PROJECT GUTENBERG EBOOK THE MILLER'S DAY ***" for word in ("START", "END"))
PRODUCED = "Produced by B. Reader and\nothers\n\n\n\n"
MODERN = f"{HEAD}{START}\n\n\n{PRODUCED}{BOOK}\n\n\n{END}\n\nUpdated editions will replace the previous one.\n"
OLD = "*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*"


@pytest.mark.parametrize(
    "text",
    [
        MODERN,
        MODERN.replace("\n", "\r\n"),
        MODERN.replace("*** START OF THE", "***START OF THIS")
        .replace("*** END OF THE", "End of the")
        .replace(" ***\n\n\n", "***\n\n\n"),
        MODERN.replace("THE MILLER'S DAY ***\n\n\nP", "THE\nMILLER'S DAY ***\n\n\nP"),
        f"{HEAD}{OLD}\n\n{BOOK}\n\nEnd of Project Gutenberg's The Miller's Day\n",
        BOOK,
    ],
    ids=["modern", "carriage returns", "older", "a title of two lines", "of 1993", "no marks"],
)
def test_the_book_is_what_stands_between_the_marks(tmp_path: Path, text: str):
    path = tmp_path / "pg12345.txt"
    path.write_text(text, encoding="utf-8", newline="")
    (document,), losses = read("gutenberg", path)
    assert document.text == BOOK + "\n"
    assert losses == []
    assert document.record_id == "12345"


def test_title_author_and_day_come_from_the_head(tmp_path: Path):
    path = tmp_path / "12345-0.txt"
    path.write_text("\ufeff" + MODERN, encoding="utf-8")
    (document,), _ = read("gutenberg", path)
    assert (document.title, document.author) == ("The Miller's Day and Night", "A. Miller")
    assert (document.published, document.url) == (date(2008, 5, 7), "https://www.gutenberg.org/ebooks/12345")
    assert (document.tags, document.license) == (["language: English"], None)
    path.write_text(
        MODERN.replace("This ebook is", "This is a *copyrighted* Project Gutenberg eBook. It is"), encoding="utf-8"
    )
    (document,), _ = read("gutenberg", path)
    assert document.license == "LicenseRef-copyrighted"


def test_a_zip_gives_its_texts_and_names_what_else_is_in_it(tmp_path: Path):
    path = tmp_path / "12345.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("12345-h/images/cover.jpg", b"\xff\xd8" * 100)
        archive.writestr("12345.txt", MODERN.encode("latin-1"))
        archive.writestr("bomb.txt", b"x" * 5_000_000)
    (document,), losses = read("gutenberg", path, max_bytes=100_000)
    assert document.text == BOOK + "\n"
    assert [row.reason for row in losses] == ["other record", "too large"]


def test_a_damaged_zip_is_a_loss(tmp_path: Path):
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", MODERN)
        archive.writestr("b.txt", MODERN)
    content = bytearray(whole.getvalue())
    content[60] ^= 0xFF
    (tmp_path / "a.zip").write_bytes(content)
    documents, losses = read("gutenberg", tmp_path / "a.zip")
    assert (len(documents), [row.reason for row in losses]) == (1, ["damaged"])
    (tmp_path / "b.zip").write_bytes(content[: len(content) // 2])
    documents, losses = read("gutenberg", tmp_path / "b.zip")
    assert (documents, len(losses)) == ([], 1)


def test_a_book_that_is_only_a_head_is_no_document():
    assert split_book(MODERN[: MODERN.index("Produced")])[1] == ""
