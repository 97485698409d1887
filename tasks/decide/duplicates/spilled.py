"""Evidence of many documents: in memory where it fits, else in a file without a name. The values are the same.

What duplicates are found by can be more than a machine holds: ten million documents have a gigabyte of bucket keys, and
as many in signatures of those that share one. Each of these, and shingles, may take up `Memory.limit` bytes; more is
written to a file that is gone with the process, even one that is killed, and is read a band or some rows at a time.

Embeddings are compared as a whole and lie in memory whatever their size, and so do the buckets that are found once for
several decisions (a curve of what-ifs).
"""

import mmap
import os
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np

VARIABLE = "GRISTMILL_DECIDE_MEMORY"
DEFAULT = "1GB"
"""Keys of nine million documents, in 14 bands."""
_UNITS = {"": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}


def memory_limit() -> int:
    """What the environment allows each kind of evidence to take up in memory, in bytes.

    Raises: ValueError, a sentence, where the variable says no size.
    """
    said = os.environ.get(VARIABLE) or DEFAULT
    match = re.fullmatch(r"(\d+) ?([KMG]B)?", said.strip().upper())
    if match is None:
        raise ValueError(f"{VARIABLE} is {said!r}: say a size such as 512MB or 4GB.")
    return int(match.group(1)) * _UNITS[match.group(2) or ""]


@dataclass(frozen=True)
class Memory:
    """How many bytes one kind of evidence may hold, and in which folder more of it lies (None: the usual one)."""

    limit: int = field(default_factory=memory_limit)
    folder: Path | None = None

    def holds(self, size: int) -> bool:
        """Whether so many bytes may lie in memory."""
        return size <= self.limit

    def file(self) -> IO[bytes]:
        """A new file without a name."""
        return tempfile.TemporaryFile(dir=self.folder, prefix="gristmill-decide-")


class Values:
    """Numbers that come one array after another, `size` bytes of them as far as one knows, then read at any place."""

    def __init__(self, kind: type, size: int, memory: Memory) -> None:
        self._kind, self._filled = kind, 0
        self._file = None if memory.holds(size) else memory.file()
        self._values = np.empty(0 if self._file else size // np.dtype(kind).itemsize, dtype=kind)

    def add(self, values: np.ndarray) -> None:
        """Add numbers to the end."""
        if self._file is None:
            stop = self._filled + len(values)
            if stop > len(self._values):
                larger = np.empty(max(stop, 2 * len(self._values)), dtype=self._kind)
                larger[: self._filled] = self._values[: self._filled]
                self._values = larger
            self._values[self._filled : stop] = values
            self._filled = stop
        else:
            self._file.write(np.ascontiguousarray(values, dtype=self._kind).data)

    def read(self) -> np.ndarray:
        """All of them, (n,) of their kind; of a file only what is looked at is in memory, until `release`."""
        if self._file is None:
            return self._values[: self._filled]
        with self._file as file:
            if not file.tell():
                return np.empty(0, dtype=self._kind)
            file.flush()
            return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), dtype=self._kind)


def release(values: np.ndarray) -> None:
    """Let go of the memory of numbers that lie in a file, which stay readable; of others, nothing."""
    base = values.base
    while isinstance(base, np.ndarray):
        base = base.base
    mapping = base.obj if isinstance(base, memoryview) else base
    if isinstance(mapping, mmap.mmap):
        mapping.madvise(mmap.MADV_DONTNEED)


@dataclass(frozen=True)
class Rows:
    """Rows of numbers, of which row i lies at `place[i]` of `table` (m, width) uint64."""

    table: np.ndarray
    place: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """These rows, (len, width) uint64."""
        found = self.table[self.place[rows]]
        release(self.table)
        return found
