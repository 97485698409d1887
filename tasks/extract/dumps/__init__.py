"""Sources by name: dumps whose files are no archives of pages, each with a reader of its own.

Every record of a file is a document or a loss, and their places cover the file, or the stream that it decodes to,
without gap or overlap (`DocumentRow.space` says which). What parses bytes of a file is called through `guard`.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tasks.extract.config import ExtractConfig, Reader
from tasks.extract.documents import DocumentRow, LossRow
from tasks.extract.dumps.gutenberg import read_gutenberg
from tasks.extract.dumps.repository import nearest_licenses, read_repository
from tasks.extract.dumps.stackexchange import read_stackexchange
from tasks.extract.dumps.wikipedia import read_wikipedia

__all__ = ["DUMPS", "ReadFile", "nearest_licenses"]

ReadFile = Callable[[Path, str, ExtractConfig, Callable[..., Any], Path | None], Iterator[DocumentRow | LossRow]]
"""(path, name below the source's root, configuration, guard, the nearest licence file) to the rows of a file.

Raises: OSError if the file can't be opened.
"""

DUMPS: dict[Reader, ReadFile] = {
    "wikipedia": read_wikipedia,
    "stackexchange": read_stackexchange,
    "gutenberg": read_gutenberg,
    "repository": read_repository,
}
