"""Reads a file as a reader does, and checks what holds of every reader: its rows cover the file."""

from pathlib import Path
from typing import Any

from tasks.extract.config import ExtractConfig, Reader
from tasks.extract.documents import DocumentRow, LossRow
from tasks.extract.dumps import DUMPS
from tasks.rows import unguarded


def read(
    reader: Reader, path: Path, size: int | None = None, name: str | None = None, **config: Any
) -> tuple[list[DocumentRow], list[LossRow]]:
    """Documents and losses of a file, which cover `size` bytes (None: the file's own)."""
    settings = ExtractConfig.model_validate({"reader": reader, **config})
    rows = list(DUMPS[reader](path, name or path.name, settings, unguarded, None))
    end = 0
    for row in rows:
        assert (row.offset, row.space) == (end, rows[0].space)
        end += row.length
    assert end == (path.stat().st_size if size is None else size)
    return [row for row in rows if isinstance(row, DocumentRow)], [row for row in rows if isinstance(row, LossRow)]
