"""Entries of a zip with their places, for dumps that are one, read by `tasks.extract.files.zips` within its limits."""

import os
import zipfile
from pathlib import Path
from typing import BinaryIO, NamedTuple

from tasks.executor import RecordDied
from tasks.extract.config import ExtractConfig
from tasks.extract.documents import LossRow
from tasks.extract.dumps.streams import Guard, Place, loss
from tasks.extract.files.zips import open_zip, unpack
from tasks.extract.payload import Refused
from tasks.extract.reasons import LossReason


class Entry(NamedTuple):
    """An entry, and its place: from its header (the first: from 0) to the next one's (the last: to the end)."""

    about: zipfile.ZipInfo
    place: Place

    @property
    def name(self) -> str:
        """Its name in the zip."""
        return self.about.filename


class Zip:
    """A zip whose entries are read one after the other; its directory is parsed once.

    A forked child opens the file for itself: it would move the place in its parent's.
    """

    def __init__(self, path: Path, config: ExtractConfig) -> None:
        self._path, self._config = path, config
        self._file: BinaryIO | None = None
        self._archive: zipfile.ZipFile | None = None
        self._process = 0

    def entries(self) -> list[Entry]:
        """The entries in the order of their bytes, folders too. Raises: Refused, also where they share bytes."""
        size = self._path.stat().st_size
        found = sorted(self._opened().infolist(), key=lambda one: one.header_offset)
        if not found:
            raise Refused(LossReason.DAMAGED, "zip: no entries")
        offsets = [one.header_offset for one in found]
        if len(set(offsets)) < len(found) or not 0 <= offsets[0] <= offsets[-1] < size:
            raise Refused(LossReason.DAMAGED, "zip: entries that share their bytes")
        starts = [0, *offsets[1:], size]
        return [
            Entry(one, Place("file", starts[number], starts[number + 1] - starts[number]))
            for number, one in enumerate(found)
        ]

    def read(self, entry: Entry, max_bytes: int) -> bytes:
        """An entry's bytes. Raises: Refused: encrypted, damaged, too large, whatever the zip says of their number."""
        return b"".join(unpack(self._opened(), entry.about, max_bytes, self._config))

    def close(self) -> None:
        """Close the file, if it is open."""
        if self._file is not None:
            self._file.close()
        self._file = self._archive = None

    def _opened(self) -> zipfile.ZipFile:
        if self._archive is None or self._process != os.getpid():
            self._process = os.getpid()
            self._file = self._path.open("rb")
            self._archive = open_zip(self._file, self._config)
        return self._archive


def entries_of(opened: Zip, whole: Place, guard: Guard) -> list[Entry] | LossRow:
    """The entries, or the loss that the whole file is."""
    try:
        return guard(-1, opened.entries)
    except Refused as refused:
        return loss(whole, refused.reason, refused.detail)
    except RecordDied as died:
        return loss(whole, died.death.reason, died.death.detail)
