"""What a file of a source holds: by its name, and by its first bytes."""

from enum import StrEnum
from pathlib import Path

from tasks.extract.warc.members import Data, Kind, decode, kind_of

HTML_SUFFIXES = frozenset({".html", ".htm", ".xhtml"})
MARKDOWN_SUFFIXES = frozenset({".md", ".markdown"})
TEXT_TYPES = {".md": "text/markdown", ".markdown": "text/markdown", ".rst": "text/x-rst", ".py": "text/x-python"}
_TEXTS = ".txt .text .rst .tex .org .adoc .log"
_CODE = """.py .pyi .c .h .cc .cpp .hpp .rs .go .java .kt .js .mjs .ts .tsx .jsx .rb .php .pl .lua .r .jl .scala
.swift .cs .sql .sh .el .hs .ml"""
_DATA = ".css .xml .yaml .yml .toml .ini .cfg .json"
TEXT_SUFFIXES = frozenset(f"{_TEXTS} {_CODE} {_DATA}".split()) | HTML_SUFFIXES | MARKDOWN_SUFFIXES
COMPRESSIONS = (".gz", ".zst", ".zstd", ".lz4")
"""May stand behind any other suffix but those of Parquet, which packs its own pages."""
ZIP_MAGIC = b"PK\x03\x04"
ARCHIVE_STARTS = (b"WARC/", b"filedesc:")


class Format(StrEnum):
    """What a file of a source holds."""

    ARCHIVE = "archive"
    """WARC, WET, WAT, ARC."""
    WACZ = "wacz"
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"
    TEXT = "text"
    """One document as it is: plain text, code, Markdown, or a page."""
    PDF = "pdf"
    EPUB = "epub"


_BY_SUFFIX = {
    **dict.fromkeys((".warc", ".wet", ".wat", ".arc"), Format.ARCHIVE),
    ".wacz": Format.WACZ,
    **dict.fromkeys((".jsonl", ".ndjson"), Format.JSONL),
    **dict.fromkeys((".csv", ".tsv", ".tab"), Format.CSV),
    **dict.fromkeys((".parquet", ".pq"), Format.PARQUET),
    ".pdf": Format.PDF,
    ".epub": Format.EPUB,
    **dict.fromkeys(TEXT_SUFFIXES, Format.TEXT),
}


def suffix_of(path: str | Path) -> str:
    """The suffix that tells what a file holds, lower case: the last that names no compression. "" if there is none."""
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    while suffixes and suffixes[-1] in (*COMPRESSIONS, ".open", ".bad"):
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def format_of(path: str | Path) -> Format | None:
    """What the file holds, by its name, and by its first bytes if the name says nothing. None if no reader understands
    it.

    Raises: OSError if it must be opened and can't be.
    """
    return _BY_SUFFIX.get(suffix_of(path)) or _by_first_bytes(path)


def _by_first_bytes(path: str | Path) -> Format | None:
    with open(path, "rb") as file:
        head = file.read(64)
    if head[:4] == b"PAR1":
        return Format.PARQUET
    if head.startswith(b"%PDF-"):
        return Format.PDF
    if head.startswith(ZIP_MAGIC):
        # An EPUB's first entry is its media type, stored, so that it stands here in clear.
        return Format.EPUB if b"mimetypeapplication/epub+zip" in head else None
    if kind_of(path) in (Kind.PLAIN, Kind.EMPTY):
        return Format.ARCHIVE if head.startswith(ARCHIVE_STARTS) else None
    # A compressed file without a telling name: an archive if its first bytes say so.
    first = next((event.data for event in decode(path) if isinstance(event, Data)), b"")
    return Format.ARCHIVE if first.startswith(ARCHIVE_STARTS) else None
