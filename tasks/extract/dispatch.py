"""From a file to its rows: which reader reads which format. A new format is a line in BY_FORMAT."""

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from tasks.executor import RecordDied
from tasks.extract.archive import Item, cut_points, read_archive
from tasks.extract.config import ExtractConfig
from tasks.extract.documents import DocumentRow, LossRow, extract_record
from tasks.extract.files.epub import read_epub
from tasks.extract.files.pdf import read_pdf
from tasks.extract.files.plain import read_text
from tasks.extract.files.whole import read_whole
from tasks.extract.formats import Format, format_of
from tasks.extract.reasons import LossReason
from tasks.extract.tables import read_table
from tasks.extract.warc.wacz import Inside, read_wacz
from tasks.rows import Guard, unguarded

Row = DocumentRow | LossRow
Piece = tuple[int, int]
"""The bytes of a file that one shard reads."""
Reader = Callable[[Path, Piece, ExtractConfig, Guard], Iterator[Row]]
"""Reads what begins in a piece of a file. What parses a record's bytes is called through the guard, with keys that no
other call for this piece has; where it raises RecordDied, the record is a loss, and the rest is read."""


def _records(path: Path, piece: Piece, config: ExtractConfig, guard: Guard) -> Iterator[Row]:
    for item in read_archive(path, *piece):
        yield _record(item.offset, item, config, guard)


def _wacz(path: Path, piece: Piece, config: ExtractConfig, guard: Guard) -> Iterator[Row]:
    keys = itertools.count()
    for row in read_wacz(path, config, guard):
        if isinstance(row, Inside):
            yield _record(next(keys), row.item, config, guard)._replace(space=row.space)
        else:
            yield row


def _record(key: int, item: Item, config: ExtractConfig, guard: Guard) -> Row:
    try:
        return guard(key, extract_record, item, config)
    except RecordDied as died:
        about = (item.space, item.offset, item.length, item.record_type, item.url)
        return LossRow(*about, died.death.reason, died.death.detail)


def _table(path: Path, piece: Piece, config: ExtractConfig, guard: Guard) -> Iterator[Row]:
    return read_table(path, config, guard)


def _text(path: Path, piece: Piece, config: ExtractConfig, guard: Guard) -> Iterator[Row]:
    return read_whole(path, config, guard, read_text, config.max_bytes)


def _pdf(path: Path, piece: Piece, config: ExtractConfig, guard: Guard) -> Iterator[Row]:
    return read_whole(path, config, guard, read_pdf, config.max_file_bytes)


def _epub(path: Path, piece: Piece, config: ExtractConfig, guard: Guard) -> Iterator[Row]:
    return read_whole(path, config, guard, read_epub, config.max_file_bytes)


BY_FORMAT: dict[Format, Reader] = {
    Format.ARCHIVE: _records,
    Format.WACZ: _wacz,
    Format.JSONL: _table,
    Format.CSV: _table,
    Format.PARQUET: _table,
    Format.TEXT: _text,
    Format.PDF: _pdf,
    Format.EPUB: _epub,
}
CUTS: dict[Format, Callable[[Path, int], list[Piece]]] = {Format.ARCHIVE: cut_points}
"""How a file of a format is cut into pieces of about so many bytes. Of the others a file is one piece."""


def pieces_of(path: Path, target_bytes: int) -> list[Piece]:
    """The pieces that a file is read in: by its bytes alone, and each at least once.

    Raises: OSError if the file can't be read.
    """
    size = os.path.getsize(path)
    form = format_of(path) if size else None
    return CUTS[form](path, target_bytes) if form is not None and form in CUTS else [(0, size)]


def read_file(path: Path, config: ExtractConfig, guard: Guard = unguarded, piece: Piece | None = None) -> Iterator[Row]:
    """Every row of a file, or of a piece of it, by `format_of`, in its order: each a document or a loss.

    An empty file is one loss, and so is one that no reader understands. Raises: OSError if the file can't be opened.
    """
    size = os.path.getsize(path)
    form = format_of(path)
    if size == 0:
        yield LossRow("file", 0, 0, None, None, LossReason.EMPTY_FILE.value, "the file has no bytes")
    elif form is None:
        detail = "neither its name nor its first bytes say what it is"
        yield LossRow("file", 0, size, None, None, LossReason.UNKNOWN_FORMAT.value, detail)
    else:
        yield from BY_FORMAT[form](path, piece or (0, size), config, guard)
