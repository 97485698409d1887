"""SHA-256 of input files, remembered by path, size and modification time: a file known by its hash is not read twice.

A cache, not a truth: delete `.cache/hashes.sqlite` and every file is hashed again.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from storage.files import sha256_file


class ChangedMeanwhile(OSError):
    """A file was written while it was hashed."""


class HashCache:
    """Which file has which hash, and where a hash was last seen."""

    def __init__(self, root: Path) -> None:
        self.path = root / ".cache" / "hashes.sqlite"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._open() as connection:
            connection.execute(
                "create table if not exists files (path text primary key, bytes integer not null, "
                "changed integer not null, sha256 text not null)"
            )
            connection.execute("create index if not exists files_by_hash on files (sha256)")

    def _open(self) -> contextlib.closing[sqlite3.Connection]:
        return contextlib.closing(sqlite3.connect(self.path, timeout=60, isolation_level=None))

    def sha256(self, path: Path) -> tuple[str, int]:
        """(SHA-256, size in bytes) of a file; the file is read only if its size or time is new.

        Raises: ChangedMeanwhile; OSError if it can't be read.
        """
        path = path.resolve()
        about = path.stat()
        with self._open() as connection:
            known = connection.execute(
                "select sha256 from files where path = ? and bytes = ? and changed = ?",
                (str(path), about.st_size, about.st_mtime_ns),
            ).fetchone()
            if known:
                return known[0], about.st_size
            sha256 = sha256_file(path)
            after = path.stat()
            if (after.st_size, after.st_mtime_ns) != (about.st_size, about.st_mtime_ns):
                raise ChangedMeanwhile(f"{path} was written while it was hashed")
            connection.execute(
                "insert or replace into files values (?, ?, ?, ?)",
                (str(path), about.st_size, about.st_mtime_ns, sha256),
            )
        return sha256, about.st_size

    def remember(self, path: Path, sha256: str) -> None:
        """Take a hash as known that was counted while the file was made: the file itself is not read."""
        path = path.resolve()
        about = path.stat()
        with self._open() as connection:
            connection.execute(
                "insert or replace into files values (?, ?, ?, ?)",
                (str(path), about.st_size, about.st_mtime_ns, sha256),
            )

    def locate(self, sha256: str) -> tuple[Path, int, int] | None:
        """A file that has this hash and has not changed since it was hashed, with its size and time; or None."""
        return next(self.everywhere(sha256), None)

    def everywhere(self, sha256: str) -> Iterator[tuple[Path, int, int]]:
        """All such files, by their paths."""
        with self._open() as connection:
            rows = connection.execute(
                "select path, bytes, changed from files where sha256 = ? order by path", (sha256,)
            ).fetchall()
        for name, size, changed in rows:
            path = Path(name)
            if path.exists() and (path.stat().st_size, path.stat().st_mtime_ns) == (size, changed):
                yield path, size, changed
