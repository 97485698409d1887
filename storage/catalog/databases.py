"""The two databases that can hold the registry, behind one small interface: SQLite here, PostgreSQL beside it."""

import contextlib
import os
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

TABLES = (
    "create table artifacts (fingerprint text primary key, stage text not null, version integer not null, "
    "kind text not null, config text not null, inputs text not null, rows bigint not null, bytes bigint not null, "
    "created double precision not null, sequence bigint not null)",
    "create index artifacts_by_stage on artifacts (stage, sequence)",
    "create table inputs (fingerprint text not null, position integer not null, input text not null, "
    "primary key (fingerprint, position))",
    "create index inputs_by_input on inputs (input)",
    "create table host (name text primary key)",
)
DROPPED = ("artifacts", "inputs", "host")


class DamagedRegistry(RuntimeError):
    """The file of a SQLite registry is no database any more, or its pages are torn."""

    def __init__(self, error: sqlite3.DatabaseError) -> None:
        super().__init__(
            f"The registry of this lake is damaged ({error}). It is an index alone, and every artifact is there: "
            "gristmill verify --rebuild makes it again."
        )


class Connection(ABC):
    """One open connection. Parameters stand as `?` in a statement."""

    @abstractmethod
    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Run one statement; gives its rows."""

    @abstractmethod
    def is_made(self) -> bool:
        """Whether the newest table is there: an index of an older version is made again."""

    @abstractmethod
    def alone(self) -> contextlib.AbstractContextManager[None]:
        """A transaction that no other writer is inside of; nothing of it stays if an error leaves it."""

    def make(self) -> None:
        """Make the tables, in place of those that are there. Called inside `alone`."""
        for name in DROPPED:
            self.execute(f"drop table if exists {name}")
        for statement in TABLES:
            self.execute(statement)


class Database(Protocol):
    """Where the registry lies. `one_host`: whether a single host may write it."""

    one_host: bool

    def open(self) -> contextlib.AbstractContextManager[Connection]:
        """A connection, closed at the end."""
        ...


class Sqlite:
    """A file in the lake."""

    one_host = True

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextlib.contextmanager
    def open(self) -> Iterator[Connection]:
        """A connection, closed at the end; on a disk where nobody writes, one that only reads."""
        if self.path.exists() and not os.access(self.path.parent, os.W_OK):
            opened = sqlite3.connect(f"{self.path.as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None)
        else:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            opened = sqlite3.connect(self.path, timeout=60, isolation_level=None)
        with contextlib.closing(opened):
            yield _SqliteConnection(opened)


class _SqliteConnection(Connection):
    def __init__(self, opened: sqlite3.Connection) -> None:
        self.opened = opened

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        try:
            return self.opened.execute(statement, tuple(parameters)).fetchall()
        except sqlite3.DatabaseError as error:
            if type(error) is sqlite3.DatabaseError:  # its subclasses are of a statement, a lock, a disk
                raise DamagedRegistry(error) from error
            raise

    def is_made(self) -> bool:
        return bool(self.execute("select 1 from sqlite_master where name = 'inputs'"))

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        self.execute("pragma journal_mode = wal")  # kept in the file; costs nothing where it is so
        with self.opened:  # commits, or rolls back
            self.execute("begin immediate")
            yield
