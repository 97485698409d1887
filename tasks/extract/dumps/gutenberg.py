"""Project Gutenberg's books: plain text files (`pg1342.txt`, `1342-0.txt`) and zips that hold one or more of them.

- Place: a plain file is one document of all its bytes. In a zip each entry reaches from its own header to the next
  one's (the first from the file's start, the last to its end), so that they cover the file.
- What stands before `*** START OF` and after `*** END OF` is Project Gutenberg's and not the book's: it is cut away,
  with the lines on who produced it. Of a text without these marks all is kept.
- Title, author, release date and language come from the lines before the mark. `published` is the day of the release:
  the book itself is older, and is not dated there.
- The licence is the recipe's: most books are in the public domain in the USA, and those that are not say so at their
  head, which `license` then repeats (`LicenseRef-copyrighted`).
"""

import re
import zipfile
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime
from pathlib import Path

from tasks.extract.charset import decode_text
from tasks.extract.config import ExtractConfig
from tasks.extract.documents import DocumentRow, LossRow
from tasks.extract.dumps.streams import Guard, Place, Row, document, guarded, loss
from tasks.extract.dumps.zips import Entry, Zip, entries_of
from tasks.extract.page import clean_text
from tasks.extract.payload import Refused, looks_binary
from tasks.extract.reasons import LossReason

COPYRIGHTED = "LicenseRef-copyrighted"
HEAD_CHARACTERS, TAIL_CHARACTERS = 40_000, 60_000
TEXTS = (".txt", ".text")
_START = re.compile(
    r"^\s*\*\*\*? ?START OF (?:THE|THIS) PROJECT GUTENBERG EBOOK[^\n]*\n(?:[^\n]*\*\*\*[ \t]*\n)?", re.I | re.M
)
_OLD_START = re.compile(
    r"^\s*\*(?:END\*?\s?THE SMALL PRINT|\s*\*\s*START OF THE PROJECT GUTENBERG)[^\n]*\n", re.I | re.M
)
_END = re.compile(
    r"^\s*(?:\*\*\*? ?END OF (?:THE|THIS) PROJECT GUTENBERG EBOOK|End of (?:the )?Project Gutenberg)", re.I | re.M
)
_FIELD = re.compile(
    r"^(Title|Author|Release Date|Posting Date|Language|Translator|Editor|Illustrator):[ \t]*(.+(?:\n[ \t]{2,}\S.*)*)",
    re.M,
)
_PRODUCED = re.compile(
    r"\A\s*(?:(?:Produced|E-?text prepared|This e-?(?:book|text) was (?:produced|prepared)|Transcribed) (?:by|from)\b"
    r"[^\n]*(?:\n[^\n]+)*\n\s*\n)+",
    re.I,
)
_RIGHTS = re.compile(r"this is a \*?copyrighted\*? project gutenberg", re.I)
_ETEXT = re.compile(r"(?:\[(?:EBook|Etext|eBook) ?#|\Apg|\A)(\d{1,6})", re.I)
_MONTHS = ("%B %d, %Y", "%B, %Y", "%B %Y", "%Y-%m-%d", "%d %B %Y")


def read_gutenberg(
    path: Path, name: str, config: ExtractConfig, guard: Guard, beside: Path | None = None
) -> Iterator[Row]:
    """The book of a file, or the books of a zip. Raises: OSError if it can't be opened."""
    size = path.stat().st_size
    whole = Place("file", 0, size)
    if not size:
        yield loss(whole, LossReason.EMPTY_FILE, "the file has no bytes")
    elif zipfile.is_zipfile(path):
        with closing(Zip(path, config)) as opened:
            found = entries_of(opened, whole, guard)
            if isinstance(found, LossRow):
                yield found
                return
            for entry in found:
                if not entry.name.lower().endswith(TEXTS):
                    yield loss(entry.place, LossReason.OTHER_RECORD, "an entry that is no .txt")
                else:
                    yield guarded(guard, entry.place, _read_zipped, opened, entry, config)
    elif path.suffix.lower() not in TEXTS:
        yield loss(whole, LossReason.OTHER_RECORD, "neither a .txt nor a .zip")
    elif size > config.max_bytes:
        yield loss(whole, LossReason.TOO_LARGE, f"{size} bytes")
    else:
        yield guarded(guard, whole, _read_plain, path, whole, name, config)


def _read_plain(path: Path, place: Place, name: str, config: ExtractConfig) -> Row:
    return _read_book(path.read_bytes(), place, name, config)


def _read_zipped(opened: Zip, entry: Entry, config: ExtractConfig) -> Row:
    try:
        return _read_book(opened.read(entry, config.max_bytes), entry.place, entry.name, config)
    except Refused as refused:
        return loss(entry.place, refused.reason, refused.detail)


def _read_book(body: bytes, place: Place, name: str, config: ExtractConfig) -> Row:
    decoded = decode_text(body, None, False)
    if looks_binary(body) and not decoded.charset.startswith("utf-16"):
        return loss(place, LossReason.BAD_ENCODING, "binary")
    if decoded.replaced > config.max_replaced_share * len(decoded.text):
        return loss(place, LossReason.BAD_ENCODING, f"{decoded.replaced} characters are not {decoded.charset}")
    text = clean_text(decoded.text).replace("\r\n", "\n")
    head, book = split_book(text)
    if not book.strip():
        return loss(place, LossReason.NO_TEXT)
    return _described(
        head,
        name,
        document(
            place,
            book,
            content_type="text/plain",
            charset=decoded.charset,
            charset_from=decoded.charset_from,
            extractor="gutenberg",
        ),
    )


def split_book(text: str) -> tuple[str, str]:
    """Project Gutenberg's head, and the book between the marks without the empty lines around it."""
    start = _START.search(text, 0, HEAD_CHARACTERS) or _OLD_START.search(text, 0, HEAD_CHARACTERS)
    begin = start.end() if start else 0
    tail = max(begin, len(text) - TAIL_CHARACTERS)
    end = _END.search(text, tail)
    book = text[begin : end.start() if end else len(text)]
    if start:
        book = _PRODUCED.sub("", book, count=1)
    return text[:begin], book.strip("\n").rstrip() + "\n" if book.strip() else ""


def _described(head: str, name: str, row: DocumentRow) -> DocumentRow:
    fields = {key.lower(): " ".join(value.split()) for key, value in reversed(_FIELD.findall(head))}
    released = fields.get("release date") or fields.get("posting date") or ""
    number = _ETEXT.search(head) if "[" in head else None
    number = number or _ETEXT.match(Path(name).name)
    language = fields.get("language")
    return row._replace(
        title=fields.get("title"),
        author=fields.get("author"),
        published=_day(released.split("[")[0].strip().rstrip(",")),
        record_id=number.group(1) if number else None,
        url=f"https://www.gutenberg.org/ebooks/{number.group(1)}" if number else None,
        tags=[f"language: {language}"] if language else None,
        license=COPYRIGHTED if _RIGHTS.search(head) else None,
    )


def _day(said: str) -> date | None:
    for form in _MONTHS:
        try:
            return datetime.strptime(said, form).date()
        except ValueError:
            continue
    return None
