"""The registry on PostgreSQL, for a lake that several hosts write. Imported only where a URL names one.

Each lake has a schema of its own in the database, called by the id in its `lake.json`: so lakes share a database, and
a lake is found under any path. Needs the extra `postgres`.
"""

import contextlib
import os
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, LiteralString, cast

from storage.catalog.databases import Connection
from storage.files import canonical_json, fsync_path, read_json


class NoRegistry(RuntimeError):
    """The database that the registry should be in cannot be used. The message says why, without the password."""


class Postgres:
    """A schema of a PostgreSQL database."""

    one_host = False

    def __init__(self, url: str, settings: Path) -> None:
        self.url, self.settings = url, settings

    @contextlib.contextmanager
    def open(self) -> Iterator[Connection]:
        """A connection, closed at the end. Raises: NoRegistry if there is none to be had."""
        try:
            import psycopg
        except ImportError as error:
            raise NoRegistry("A registry on PostgreSQL needs psycopg: pip install 'gristmill[postgres]'.") from error
        schema = f"gristmill_{lake_id(self.settings)}"
        try:
            opened = psycopg.connect(self.url, autocommit=True, connect_timeout=10)
        except psycopg.Error as error:
            said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise NoRegistry(f"The registry's PostgreSQL cannot be reached: {said}") from error
        with contextlib.closing(opened):
            opened.execute("select set_config('search_path', %s, false)", (schema,))
            yield _PostgresConnection(opened, schema)


class _PostgresConnection(Connection):
    def __init__(self, opened: Any, schema: str) -> None:
        self.opened, self.schema = opened, schema

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        cursor = self.opened.execute(cast(LiteralString, statement.replace("?", "%s")), tuple(parameters) or None)
        return cursor.fetchall() if cursor.description else []

    def is_made(self) -> bool:
        return self.execute("select to_regclass(?)", (f"{self.schema}.inputs",))[0][0] is not None

    def make(self) -> None:
        self.execute(f"create schema if not exists {self.schema}")
        super().make()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        with self.opened.transaction():
            # held until the transaction ends: sequences have no gap that a later commit fills
            self.execute("select pg_advisory_xact_lock(hashtextextended(?, 0))", (self.schema,))
            yield


def lake_id(settings: Path) -> str:
    """The lake's id in shared databases: 16 hexadecimal characters in `lake.json`, drawn when it is first asked for."""
    while True:
        known = read_json(settings) if settings.exists() else {}
        if "id" in known:
            return known["id"]
        if settings.exists():
            raise NoRegistry(f"{settings} has no `id`: add one, 16 hexadecimal characters that no other lake has.")
        settings.parent.mkdir(parents=True, exist_ok=True)
        temporary = settings.with_name(f".tmp-{uuid.uuid4().hex}-{settings.name}")
        temporary.write_text(canonical_json({"id": uuid.uuid4().hex[:16]}) + "\n", encoding="utf-8")
        fsync_path(temporary)
        with contextlib.suppress(FileExistsError):  # another process was first: its id counts
            os.link(temporary, settings)
        temporary.unlink()
