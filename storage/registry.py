"""The index of a lake's artifacts: SQLite on one host, PostgreSQL by its URL for several.

The manifests are the truth; this is made again from them.
"""

import contextlib
import json
import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from storage.artifact import MANIFEST, PROVENANCE, Artifact, Manifest, check_manifest, committed
from storage.catalog.databases import Connection, DamagedRegistry, Database, Sqlite
from storage.files import Damaged, canonical_json, read_fields

REGISTRY_URL = "GRISTMILL_REGISTRY"
"""In the environment: `postgresql://…`, the registry of the lakes that this process opens."""
SETTINGS = "lake.json"
"""In the lake: its id in a shared database, and the URL of its registry where the environment names none."""
COLUMNS = "fingerprint, stage, version, kind, config, inputs, rows, bytes, created"

Row = tuple[str, str, int, str, str, str, int, int, float]
"""An artifact as the index has it: COLUMNS; configuration and inputs as JSON, the time in seconds since 1970."""


class SecondHost(RuntimeError):
    """Two hosts wrote into one SQLite registry, which locks files that network file systems do not lock reliably."""


class Rebuilt(NamedTuple):
    """How many artifacts an index lists that was made again, and which it does not, for their manifests are damaged."""

    listed: int
    left_out: list[Artifact]


class Registry:
    """Rows about artifacts, in order of their commits. Every method opens, does one thing and closes: safe across
    processes.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / "registry.sqlite"
        """Where the index lies if it is SQLite's."""

    def _database(self) -> Database:
        url = os.environ.get(REGISTRY_URL)
        settings = self.root / SETTINGS
        if url is None and settings.exists():
            url = read_fields(settings).get("registry")
        if url is None:
            return Sqlite(self.path)
        from storage.catalog.postgres import Postgres

        return Postgres(url, self.root / SETTINGS)

    @contextlib.contextmanager
    def _connection(self, write: bool = False) -> Iterator[Connection]:
        database = self._database()
        with database.open() as connection:
            if not connection.is_made():
                with connection.alone():
                    if not connection.is_made():  # another process may have made it meanwhile
                        connection.make()
                        self._fill(connection)
            if not write:
                yield connection
                return
            with connection.alone():
                if database.one_host:
                    self._check_host(connection)
                yield connection

    def _fill(self, connection: Connection) -> Rebuilt:
        found: list[tuple[float, Manifest]] = []
        left_out = []
        for artifact in committed(self.root):
            try:
                found.append((_created(artifact.folder), check_manifest(artifact)))
            except Damaged:
                left_out.append(artifact)
            except FileNotFoundError:
                continue  # `gc` has deleted it meanwhile
        for created, manifest in sorted(found, key=lambda one: (one[0], one[1].fingerprint)):
            _insert(connection, manifest, created)
        return Rebuilt(len(found), sorted(left_out, key=str))

    def exists(self) -> bool:
        """Whether anything was ever put into the index."""
        return self.path.exists() or not self._database().one_host

    def _check_host(self, connection: Connection) -> None:
        here = os.environ.get("GRISTMILL_HOST") or socket.gethostname()
        rows = connection.execute("select name from host")
        if not rows:
            connection.execute("insert into host values (?)", (here,))
        elif rows[0][0] != here:
            raise SecondHost(
                f"The lake {self.root} is written by the host {rows[0][0]!r}, and this is {here!r}: a SQLite registry "
                f"serves one host. If the lake has moved here for good, delete {self.path.name} in it: it is made "
                f"again from the manifests. For several hosts, name a PostgreSQL database: {REGISTRY_URL}=postgresql://…"
            )

    def check_host(self) -> None:
        """Raises: SecondHost if another host writes into this lake; from now on this one does, if none did."""
        with self._connection(write=True):
            pass

    def add(self, artifact: Artifact) -> None:
        """Put a committed artifact into the index; nothing happens if it is there.

        Raises: Damaged if its manifest is.
        """
        with self._connection(write=True) as connection:
            _insert(connection, check_manifest(artifact), _created(artifact.folder))

    def has(self, fingerprint: str) -> bool:
        """Whether the index lists this artifact."""
        return self._any("select 1 from artifacts where fingerprint = ?", fingerprint)

    def is_used(self, fingerprint: str) -> bool:
        """Whether any artifact was made from this one."""
        return self._any("select 1 from inputs where input = ? limit 1", fingerprint)

    def _any(self, query: str, wanted: str) -> bool:
        with self._connection() as connection:
            return bool(connection.execute(query, (wanted,)))

    def remove(self, *fingerprints: str) -> None:
        """Take artifacts out of the index, all at once; nothing happens to those that are not there."""
        with self._connection(write=True) as connection:
            for one in fingerprints:
                _delete(connection, one)

    def fingerprints(self, stage: str | None = None) -> set[str]:
        """The fingerprints that the index lists, of one stage or of all."""
        return {row[0] for row in self.rows(stage)}

    def artifacts(self, stage: str | None = None, kind: str | None = None) -> list[Artifact]:
        """The artifacts of a stage or kind (or all) that still lie on the disk, in order of their commits."""
        found = [Artifact(lake=str(self.root), stage=row[1], fingerprint=row[0]) for row in self.rows(stage, kind)]
        return [artifact for artifact in found if (artifact.folder / MANIFEST).exists()]

    def rows(self, stage: str | None = None, kind: str | None = None) -> list[Row]:
        """The rows of a stage or kind, or all, in order of their commits."""
        query, wanted = f"select {COLUMNS} from artifacts where 1 = 1", []
        for name, value in (("stage", stage), ("kind", kind)):
            if value is not None:
                query += f" and {name} = ?"
                wanted.append(value)
        with self._connection() as connection:
            return [tuple(row) for row in connection.execute(f"{query} order by sequence", wanted)]

    def rebuild(self) -> Rebuilt:
        """Make the index again from the manifests, in the order of their commits; those that are damaged are left out.

        Readers see the old index or the new one. A file that is no database any more is replaced.
        """
        try:
            return self._rebuild()
        except DamagedRegistry:
            for path in self.root.glob(f"{self.path.name}*"):  # with its journals
                path.unlink(missing_ok=True)
            return self._rebuild()

    def _rebuild(self) -> Rebuilt:
        with self._database().open() as connection, connection.alone():
            connection.make()
            return self._fill(connection)


def row_of(manifest: Manifest) -> tuple[str, str, int, str, str, str, int, int]:
    """What the index says of an artifact, but the time."""
    identity = manifest.identity
    inputs = canonical_json([one.model_dump() for one in identity.inputs])
    return (
        manifest.fingerprint,
        identity.stage,
        identity.version,
        manifest.kind,
        canonical_json(identity.config),
        inputs,
        manifest.rows,
        manifest.bytes,
    )


def _created(folder: Path) -> float:
    """When an artifact was committed, in seconds since 1970; 0 if nothing that can be read says so."""
    try:
        return read_fields(folder / PROVENANCE).get("ended", 0.0)
    except (FileNotFoundError, Damaged):
        return 0.0


def _insert(connection: Connection, manifest: Manifest, created: float) -> None:
    row: Sequence[Any] = (*row_of(manifest), created)
    if connection.execute("select 1 from artifacts where fingerprint = ?", (row[0],)):
        return
    (sequence,) = connection.execute("select coalesce(max(sequence), 0) + 1 from artifacts")[0]
    connection.execute("insert into artifacts values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, sequence))
    for position, one in enumerate(json.loads(row[5])):
        connection.execute("insert into inputs values (?, ?, ?)", (row[0], position, one["fingerprint"]))


def _delete(connection: Connection, fingerprint: str) -> None:
    connection.execute("delete from artifacts where fingerprint = ?", (fingerprint,))
    connection.execute("delete from inputs where fingerprint = ?", (fingerprint,))
