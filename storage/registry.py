"""The index of a lake's artifacts: SQLite on one host. The manifests are the truth; this is made again from them."""

import contextlib
import os
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from storage.artifact import MANIFEST, PROVENANCE, Artifact, read_manifest
from storage.files import canonical_json, read_json

_SCHEMA = """
create table if not exists artifacts (
    fingerprint text primary key, stage text not null, version integer not null, kind text not null,
    config text not null, inputs text not null, rows integer not null, bytes integer not null,
    created real not null, sequence integer not null
);
create index if not exists artifacts_by_stage on artifacts (stage, sequence);
create table if not exists host (name text primary key);
"""


class SecondHost(RuntimeError):
    """Two hosts wrote into one SQLite registry, which locks files that network file systems do not lock reliably."""


class Registry:
    """Rows about artifacts, in order of their commits. Every method opens, does one thing and closes: safe across
    processes.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / "registry.sqlite"

    @contextlib.contextmanager
    def _connection(self, write: bool = False) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(self._open()) as connection:
            if not connection.execute("select 1 from sqlite_master where name = 'host'").fetchone():
                self._make(connection)
            if not write:
                yield connection
                return
            connection.execute("begin immediate")
            try:
                self._check_host(connection)
                yield connection
                connection.execute("commit")
            except BaseException:
                connection.execute("rollback")
                raise

    def _open(self) -> sqlite3.Connection:
        if self.path.exists() and not os.access(self.root, os.W_OK):  # nobody writes here, so nothing need be locked
            return sqlite3.connect(f"{self.path.as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None)
        self.root.mkdir(parents=True, exist_ok=True)
        return sqlite3.connect(self.path, timeout=60, isolation_level=None)

    def _make(self, connection: sqlite3.Connection) -> None:
        """Make the tables, and fill them from the manifests that are there: the registry may have been deleted."""
        connection.execute("pragma journal_mode = wal")
        connection.execute("begin immediate")
        for statement in _SCHEMA.split(";"):
            connection.execute(statement)
        found = [manifest.parent for manifest in self.root.glob(f"*/*/{MANIFEST}") if manifest.parts[-3][0] != "."]
        for folder in sorted(found, key=lambda folder: (_created(folder), folder.name)):
            _insert(connection, folder)
        connection.execute("commit")

    def _check_host(self, connection: sqlite3.Connection) -> None:
        here = os.environ.get("GRISTMILL_HOST") or socket.gethostname()
        row = connection.execute("select name from host").fetchone()
        if row is None:
            connection.execute("insert into host values (?)", (here,))
        elif row[0] != here:
            raise SecondHost(
                f"The lake {self.root} is written by the host {row[0]!r}, and this is {here!r}: a SQLite registry "
                f"serves one host. If the lake has moved here for good, delete {self.path.name} in it: it is made "
                "again from the manifests."
            )

    def check_host(self) -> None:
        """Raises: SecondHost if another host writes into this lake; from now on this one does, if none did."""
        with self._connection(write=True):
            pass

    def add(self, artifact: Artifact) -> None:
        """Put a committed artifact into the index; nothing happens if it is there."""
        with self._connection(write=True) as connection:
            _insert(connection, artifact.folder)

    def has(self, fingerprint: str) -> bool:
        """Whether the index lists this artifact."""
        with self._connection() as connection:
            return (
                connection.execute("select 1 from artifacts where fingerprint = ?", (fingerprint,)).fetchone()
                is not None
            )

    def is_used(self, fingerprint: str) -> bool:
        """Whether any artifact was made from this one."""
        with self._connection() as connection:
            found = connection.execute("select 1 from artifacts where inputs like ? limit 1", (f'%"{fingerprint}"%',))
            return found.fetchone() is not None

    def remove(self, *fingerprints: str) -> None:
        """Take artifacts out of the index, all at once; nothing happens to those that are not there."""
        with self._connection(write=True) as connection:
            connection.executemany("delete from artifacts where fingerprint = ?", [(one,) for one in fingerprints])

    def fingerprints(self, stage: str | None = None) -> set[str]:
        """The fingerprints that the index lists, of one stage or of all."""
        where, wanted = ("where stage = ?", (stage,)) if stage else ("", ())
        with self._connection() as connection:
            return {row[0] for row in connection.execute(f"select fingerprint from artifacts {where}", wanted)}

    def artifacts(self, stage: str | None = None, kind: str | None = None) -> list[Artifact]:
        """The artifacts of a stage or kind (or all) that still lie on the disk, in order of their commits."""
        query, wanted = "select stage, fingerprint from artifacts where true", []
        for name, value in (("stage", stage), ("kind", kind)):
            if value is not None:
                query += f" and {name} = ?"
                wanted.append(value)
        with self._connection() as connection:
            rows = connection.execute(f"{query} order by sequence", wanted).fetchall()
        found = [Artifact(lake=str(self.root), stage=one, fingerprint=fingerprint) for one, fingerprint in rows]
        return [artifact for artifact in found if (artifact.folder / MANIFEST).exists()]

    def rows(self) -> list[tuple]:
        """Every row: (fingerprint, stage, version, kind, config, inputs, rows, bytes, seconds since 1970)."""
        with self._connection() as connection:
            return connection.execute(
                "select fingerprint, stage, version, kind, config, inputs, rows, bytes, created "
                "from artifacts order by sequence"
            ).fetchall()

    def rebuild(self) -> int:
        """Make the index again from the manifests, in the order of their commits; returns how many it lists."""
        with self._connection(write=True) as connection:
            connection.execute("drop table artifacts")
            connection.execute("drop table host")
        with self._connection() as connection:
            return connection.execute("select count(*) from artifacts").fetchone()[0]


def _created(folder: Path) -> float:
    """When an artifact was committed, in seconds since 1970."""
    provenance = folder / PROVENANCE
    return read_json(provenance).get("ended", 0.0) if provenance.exists() else 0.0


def _insert(connection: sqlite3.Connection, folder: Path) -> None:
    manifest = read_manifest(folder)
    identity = manifest.identity
    connection.execute(
        "insert or ignore into artifacts "
        "select ?, ?, ?, ?, ?, ?, ?, ?, ?, coalesce(max(sequence), 0) + 1 from artifacts",
        (
            manifest.fingerprint,
            identity.stage,
            identity.version,
            manifest.kind,
            canonical_json(identity.config),
            canonical_json([one.model_dump() for one in identity.inputs]),
            manifest.rows,
            manifest.bytes,
            _created(folder),
        ),
    )
