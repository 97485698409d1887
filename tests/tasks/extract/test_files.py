"""Files that are one document: plain text, Markdown, pages, PDF and EPUB, compressed or not, and broken ones."""

import gzip
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from lxml import html

from tasks.extract.config import ExtractConfig
from tasks.extract.dispatch import read_file
from tasks.extract.documents import DocumentRow, LossRow
from tasks.extract.files.epub import block_text
from tests.tasks.extract.books import encrypted_pdf, epub, pdf, zip_of
from tests.tasks.extract.crawls import SENTENCE, page, write
from tests.tasks.extract.test_archive import lz4

CONFIG = ExtractConfig()


def read_one(path: Path, config: ExtractConfig = CONFIG) -> DocumentRow | LossRow:
    """The file's one row, whose place is checked to be the file."""
    (row,) = read_file(path, config)
    assert (row.space, row.offset, row.length) == ("file", 0, path.stat().st_size)
    return row


def read_document(path: Path) -> DocumentRow:
    row = read_one(path)
    assert isinstance(row, DocumentRow), row
    return row


PACKS: dict[str, Callable[[bytes], bytes]] = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress, ".lz4": lz4}


@pytest.mark.parametrize("suffix", PACKS)
@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html", "a.pdf", "a.epub"])
def test_a_file_gives_the_same_document_in_every_compression(tmp_path: Path, name: str, suffix: str):
    bodies = {
        "a.txt": SENTENCE.encode(),
        "a.md": f"# The Mill\n\n{SENTENCE}".encode(),
        "a.html": page(3),
        "a.pdf": pdf([[SENTENCE.strip()]]),
        "a.epub": epub({"one.xhtml": f"<p>{SENTENCE}</p>"}),
    }
    plain = read_document(write(tmp_path, bodies[name], name))
    packed = read_document(write(tmp_path, PACKS[suffix](bodies[name]), name + suffix))
    assert SENTENCE.strip() in plain.text
    assert packed._replace(length=0) == plain._replace(length=0)


def test_front_matter_of_markdown_becomes_columns_and_the_rest_is_the_text(tmp_path: Path):
    head = "---\ntitle: The  Mill\nauthor: [A. Miller, B. Baker]\ndate: 2024-05-06\nlicense: CC0-1.0\ntags: [x]\n---\n"
    row = read_document(write(tmp_path, (head + "\n# Another\n\nWords.\n").encode(), "a.md"))
    assert (row.title, row.author, row.published) == ("The Mill", "A. Miller, B. Baker", date(2024, 5, 6))
    assert (row.license, row.license_from, row.text) == ("CC0-1.0", "record", "\n# Another\n\nWords.\n")
    other = read_document(write(tmp_path, b"Words.\n\n# A heading #\n", "b.md"))
    assert (other.title, other.author, other.published) == ("A heading", None, None)


@pytest.mark.parametrize(
    "text",
    [
        "---\n\nA rule above, and words.\n\n---\n\nMore words.",
        "---\n- a list\n---\nWords.",
        "---\nkey: [never closed\n---\nWords.",
        "---\nkey: " + "[" * 5000 + "\n---\nWords.",
        "---\ndate: 2024-99-99\n---\nWords.",
        "---\nno end\nWords.",
        "---\n" + "x: y\n" * 20_000 + "---\nWords.",
    ],
)
def test_a_head_that_is_no_front_matter_is_text(tmp_path: Path, text: str):
    row = read_document(write(tmp_path, text.encode(), "a.md"))
    assert row.text == text
    assert row.published is None


def test_aliases_in_front_matter_that_unfold_without_end_cost_nothing(tmp_path: Path):
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{f'*a{n - 1},' * 9} x]\n" for n in range(1, 40))
    row = read_document(write(tmp_path, f"---\n{bomb}title: *a39\n---\nWords.".encode(), "a.md"))
    assert (row.text, row.title) == ("Words.", None)


def test_a_pdf_gives_the_text_of_its_pages_and_its_metadata(tmp_path: Path):
    lines = [[f"Line {line} of page {number}." for line in range(3)] for number in range(3)]
    row = read_document(write(tmp_path, pdf(lines), "a.pdf"))
    assert row.text == "\n\n".join("\n".join(page_lines) for page_lines in lines)
    assert (row.title, row.author, row.published) == ("The Mill", "A. Miller", date(2024, 5, 6))
    assert (row.content_type, row.extractor, row.truncated) == ("application/pdf", "pdf", None)


def test_a_pdf_or_epub_is_known_by_its_first_bytes(tmp_path: Path):
    assert read_document(write(tmp_path, pdf([["Words."]]), "paper")).text == "Words."
    book = epub({"a.xhtml": "<p>Words.</p>"})
    assert read_document(write(tmp_path, book, "book")).text == "Words."


def test_an_epub_gives_its_chapters_in_the_order_of_its_spine(tmp_path: Path):
    chapters = {
        "b%20b.xhtml": "<h1>Two</h1><p>A <em>second</em>\n chapter.</p>",
        "a.xhtml": "<h1>One</h1><p>First<br/>lines.</p><ul><li>a</li><li>b</li></ul><pre>x = 1\n  y</pre><p>Past.</p>",
    }
    more = {"OEBPS/b b.xhtml": zip_entry(chapters["b%20b.xhtml"])}
    row = read_document(write(tmp_path, epub(chapters, ["a.xhtml", "b%20b.xhtml"], more), "a.epub"))
    assert row.text == "One\n\nFirst\nlines.\n\na\nb\n\nx = 1\n  y\n\nPast.\n\nTwo\n\nA second chapter."
    assert (row.title, row.author, row.published) == ("The Mill", "A. Miller, B. Baker", date(2024, 5, 6))
    assert (row.license, row.license_from, row.extractor) == ("CC0-1.0", "record", "epub")


def zip_entry(body: str) -> str:
    return f"<html><body>{body}</body></html>"


WORDS = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=8)
BLOCK = st.sampled_from(["p", "div", "li", "h2", "td", "blockquote"])


@given(st.lists(st.tuples(BLOCK, st.lists(WORDS, min_size=1, max_size=5)), min_size=1, max_size=8))
def test_every_word_of_a_chapter_is_kept_in_order_and_blocks_do_not_run_together(blocks: list[tuple[str, list[str]]]):
    body = "".join(f"<{tag}>{' '.join(words)}</{tag}>" for tag, words in blocks)
    root = html.fragment_fromstring(body, create_parent="section")
    text = block_text(root)
    # libxml2 drops a table cell's tag outside of a table, and with it the end of the block
    cells = any(tag == "td" for tag, _ in blocks)
    assert ("".join(text.split()) if cells else text.split()) == (
        "".join(root.text_content().split()) if cells else [word for _, words in blocks for word in words]
    )


BROKEN: dict[str, tuple[str, bytes, str]] = {
    "an encrypted PDF": ("a.pdf", encrypted_pdf(), "encrypted"),
    "no PDF at all": ("a.pdf", b"PDF? No.", "not parsed"),
    "a PDF header alone": ("a.pdf", b"%PDF-1.7\n", "not parsed"),
    "a PDF cut in two": ("a.pdf", pdf([[SENTENCE]])[:200], "not parsed"),
    "a PDF without pages": ("a.pdf", pdf([]), "not parsed"),
    "a PDF of empty pages": ("a.pdf", pdf([[], []]), "no text"),
    "a PDF that says it has a million pages": ("a.pdf", pdf([["x"]], count=1_000_000), "too many pages"),
    "no zip": ("a.epub", b"no zip" * 50, "damaged"),
    "a zip cut in two": ("a.epub", epub({"a.xhtml": "<p>x</p>"})[:400], "damaged"),
    "a zip that is no book": ("a.epub", zip_of({"a.txt": "x"}), "not parsed"),
    "a container that names nothing": ("a.epub", zip_of({"META-INF/container.xml": "<container/>"}), "not parsed"),
    "a package that is not there": ("a.epub", zip_of({"META-INF/container.xml": "nonsense"}), "not parsed"),
    "a book without chapters": ("a.epub", epub({}), "no text"),
    "an encrypted chapter": (
        "a.epub",
        epub(
            {"a.xhtml": "<p>x</p>"},
            more={"META-INF/encryption.xml": '<e><CipherReference URI="OEBPS/a.xhtml"/></e>'},
        ),
        "encrypted",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_file_is_one_loss_with_its_reason(tmp_path: Path, what: str):
    name, body, reason = BROKEN[what]
    row = read_one(write(tmp_path, body, name))
    assert isinstance(row, LossRow), row
    assert row.reason == reason


@given(st.integers(0, 2**32), st.sampled_from(["pdf", "epub"]))
def test_whatever_is_done_to_a_file_it_is_one_row(tmp_path_factory: pytest.TempPathFactory, seed: int, kind: str):
    import random

    numbers = random.Random(seed)
    body = bytearray(pdf([[SENTENCE], ["two"]]) if kind == "pdf" else epub({"a.xhtml": f"<p>{SENTENCE}</p>"}))
    for _ in range(numbers.randrange(1, 8)):
        place = numbers.randrange(len(body))
        body[place : place + numbers.randrange(1, 9)] = numbers.randbytes(numbers.randrange(9))
    read_one(write(tmp_path_factory.mktemp("any"), bytes(body) or b"x", f"a.{kind}"))


def test_compressed_files_that_are_damaged_or_cut_off_are_losses(tmp_path: Path):
    packed = gzip.compress(SENTENCE.encode() * 100)
    cut = read_one(write(tmp_path, packed[:-20], "a.txt.gz"))
    assert isinstance(cut, LossRow)
    assert cut.reason == "truncated"
    bad = read_one(write(tmp_path, packed[:-8] + bytes(8), "b.txt.gz"))
    assert isinstance(bad, LossRow)
    assert bad.reason == "damaged"
