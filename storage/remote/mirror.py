"""Remote files as files of this machine: fetched once, resumed where a connection was cut, renamed when whole.

    <folder>/<hash of the URL>/<hash of the content>/<name>     a file as it was; a changed one lies beside it
    <folder>/<hash of the URL>/known.json                       the newest, with what the server said of it
    <folder>/<hash of the URL>/incoming, incoming.json          a part, and the version it is of
    <folder>/records/<hash of their places>/records.warc.gz     single records (`storage.remote.ranges`)

A cache, not a truth: what is deleted here is fetched again when it is needed.
"""

import contextlib
import hashlib
import os
import urllib.parse
from collections.abc import Callable
from pathlib import Path

from storage.files import Damaged, fsync_path, read_fields, read_json, sha256_file, write_json
from storage.hashes import HashCache
from storage.locks import locked
from storage.remote.patience import Interrupted, Patience
from storage.remote.places import RemoteFile, Version
from storage.remote.reading import Opened, opened
from storage.sources import SourceError

RECORDS, INCOMING = "records", "incoming"
PROGRESS_BYTES = 64 << 10
"""A try that brings this much is progress, and the count of tries begins anew."""

Say = Callable[[int, int | None], None]
"""Told the bytes of a file that are here, and its size where that is known."""


def mirror_folder(lake: Path) -> Path:
    """Where copies of remote files lie: `remote` in GRISTMILL_CACHE, which lakes share, or in the lake's own cache."""
    named = os.environ.get("GRISTMILL_CACHE")
    return Path(named).expanduser() / "remote" if named else lake / ".cache" / "remote"


def copies(folder: Path) -> list[Path]:
    """The whole files in a folder of copies, sorted: those of remote files, and archives of single records."""
    return sorted(path for path in folder.glob("*/*/*") if path.parent.parent.name != RECORDS or path.suffix == ".gz")


def unfinished(folder: Path) -> list[Path]:
    """The files in a folder of copies that are not whole yet, sorted."""
    return sorted([*folder.glob(f"*/{INCOMING}"), *folder.glob(f"{RECORDS}/*/{INCOMING}")])


class Mirror:
    """The copies of remote files in one folder. Several processes may use it: one at a time fetches a file."""

    def __init__(self, folder: Path, hashes: HashCache | None = None, patience: Patience = Patience()) -> None:  # noqa: B008
        self.folder, self.hashes, self.patience = folder, hashes, patience

    def fetch(self, file: RemoteFile, say: Say = lambda here, size: None) -> Path:
        """The local copy of a remote file as it is now; nothing is read if the server says that it has not changed.

        Raises: SourceError, with the URL, if it is not there, does not come after all patience, or can't be kept here.
        """
        place = self.folder / hashlib.sha256(file.url.encode()).hexdigest()[:32]
        with locked(place / "lock"):
            known, copy = self._known(place)
            if copy and (file.immutable or (file.version.told and file.version == known)):
                return copy
            try:
                fetched = self._whole(file, place, known if copy else None, say)
            except OSError as error:
                raise SourceError(f"{file.url} cannot be kept in {place} ({error.strerror}).") from error
            if fetched is not None:
                return self._keep(file, place, fetched)
            if copy is None:
                raise SourceError(f"{file.url}: the server says that it has not changed, and nobody had it.")
            return copy

    def _known(self, place: Path) -> tuple[Version, Path | None]:
        """What was said of the newest copy, and the copy if it is there as it was."""
        if not (place / "known.json").exists():
            return Version(), None
        try:
            about = read_fields(place / "known.json", "file", "size", "etag", "modified", "bytes")
        except Damaged:
            return Version(), None  # it is fetched anew
        copy = place / about["file"]
        there = copy.is_file() and copy.stat().st_size == about["size"]
        return Version(about["etag"], about["modified"], about["bytes"]), copy if there else None

    def _whole(self, file: RemoteFile, place: Path, known: Version | None, say: Say) -> Version | None:
        """Fill `incoming`; returns the version that it is of, or None if the file is the known one."""
        incoming, tried = place / INCOMING, 0
        while True:
            before = incoming.stat().st_size if incoming.exists() else 0
            part = self._part(place) if before else None
            start = before if part and part.condition else 0
            try:
                with opened(file.url, start, part, known) as found:
                    if found is None:
                        return None
                    self._receive(found, place, say)
                    return found.version
            except Interrupted as error:
                here = incoming.stat().st_size if incoming.exists() else 0
                tried = 1 if here - before >= PROGRESS_BYTES else tried + 1
                if not self.patience.wait(tried, error):
                    raise SourceError(_gave_up(file, here, tried, error)) from error

    def _part(self, place: Path) -> Version | None:
        path = place / "incoming.json"
        try:
            return Version(*read_json(path)) if path.exists() else None
        except Damaged:
            return None

    def _receive(self, found: Opened, place: Path, say: Say) -> None:
        """Append what comes; what is there already of another version, or behind the start, is cut off."""
        incoming = place / INCOMING
        if found.start == 0:
            incoming.unlink(missing_ok=True)
            write_json(place / "incoming.json", list(found.version))
        with open(incoming, "ab") as stream:
            stream.truncate(found.start)
            here = found.start
            for chunk in found.chunks:
                stream.write(chunk)
                stream.flush()
                here += len(chunk)
                say(here, found.version.bytes)
        if found.version.bytes is not None and here != found.version.bytes:
            raise Interrupted(f"it ended after {here:,} of {found.version.bytes:,} bytes")

    def _keep(self, file: RemoteFile, place: Path, version: Version) -> Path:
        """Put a whole file in its place, by its content: the same bytes under a new tag are the same file."""
        incoming = place / INCOMING
        sha256 = sha256_file(incoming)
        copy = place / sha256[:32] / safe_name(file)
        copy.parent.mkdir(exist_ok=True)
        size = incoming.stat().st_size
        if copy.is_file() and copy.stat().st_size == size:
            incoming.unlink()  # the copy that is there keeps its time, by which its hash is known
        else:
            fsync_path(incoming)
            os.replace(incoming, copy)
            fsync_path(copy.parent)
        if self.hashes:
            self.hashes.remember(copy, sha256)
        about = {**version._asdict(), "url": file.url, "file": f"{sha256[:32]}/{copy.name}", "size": size}
        write_json(place / "known.json", about)
        with contextlib.suppress(FileNotFoundError):
            (place / "incoming.json").unlink()
        return copy


def safe_name(file: RemoteFile) -> str:
    """The last part of a file's name, fit for any file system: readers look at its ending."""
    last = urllib.parse.unquote(file.name).replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join(sign if sign.isalnum() or sign in "-_." else "_" for sign in last).lstrip(".")
    return kept[-120:] or "file"


def _gave_up(file: RemoteFile, here: int, tried: int, error: Interrupted) -> str:
    asked = f", and asks to wait {error.wait:,.0f} s" if error.wait else ""
    kept = f" {here:,} bytes of it are here: run again to go on from there." if here else ""
    return f"{file.url} did not come: {error}{asked} (tried {tried} times without progress).{kept}"
