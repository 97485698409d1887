"""What a file of a source holds: by its name, and by its first bytes."""

from enum import StrEnum
from pathlib import Path

from tasks.extract.warc.members import Data, Kind, decode, kind_of

HTML_SUFFIXES = frozenset({".html", ".htm", ".xhtml"})
TEXT_TYPES = {".md": "text/markdown", ".markdown": "text/markdown", ".rst": "text/x-rst", ".py": "text/x-python"}
_TEXTS = ".txt .text .md .markdown .rst .tex .org .adoc .log"
_CODE = """.py .pyi .c .h .cc .cpp .hpp .rs .go .java .kt .js .mjs .ts .tsx .jsx .rb .php .pl .lua .r .jl .scala
.swift .cs .sql .sh .el .hs .ml"""
_DATA = ".css .xml .yaml .yml .toml .ini .cfg .json"
TEXT_SUFFIXES = frozenset(f"{_TEXTS} {_CODE} {_DATA}".split()) | HTML_SUFFIXES


class Format(StrEnum):
    """What a file of a source holds."""

    ARCHIVE = "archive"
    JSONL = "jsonl"
    PARQUET = "parquet"
    TEXT = "text"


def format_of(path: str | Path) -> Format | None:
    """What the file holds, by its name, and by its first bytes if the name says nothing. None if no reader understands
    it.

    Raises: OSError if it must be opened and can't be.
    """
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    while suffixes and suffixes[-1] in (".gz", ".zst", ".zstd", ".lz4", ".open", ".bad"):
        suffixes.pop()
    suffix = suffixes[-1] if suffixes else ""
    if suffix in (".warc", ".wet", ".wat", ".arc"):
        return Format.ARCHIVE
    if suffix in (".jsonl", ".ndjson"):
        return Format.JSONL
    if suffix in (".parquet", ".pq"):
        return Format.PARQUET
    kind = kind_of(path)
    if suffix in TEXT_SUFFIXES and kind in (Kind.PLAIN, Kind.EMPTY):
        return Format.TEXT
    with open(path, "rb") as file:
        head = file.read(5)
    if head == b"WARC/":
        return Format.ARCHIVE
    if head[:4] == b"PAR1":
        return Format.PARQUET
    # A compressed file without a telling name: an archive if its first bytes say so.
    first = (
        next((event.data for event in decode(path) if isinstance(event, Data)), b"")
        if kind not in (Kind.PLAIN, Kind.EMPTY)
        else b""
    )
    return Format.ARCHIVE if first.startswith(b"WARC/") else None
