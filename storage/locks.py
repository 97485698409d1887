"""Locks between processes: the kernel lets them go when their holder dies."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that the kernel lets go when its holder dies; waits for whoever has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = wait_lock(path)
    try:
        yield
    finally:
        os.close(lock)


def try_lock(path: Path) -> int | None:
    """Take the lock of a file, made if missing: the descriptor that holds it until it is closed, or None if another
    process has it.
    """
    return _lock(path, fcntl.LOCK_EX | fcntl.LOCK_NB)


def wait_lock(path: Path) -> int:
    """The same, waiting for whoever has it."""
    lock = _lock(path, fcntl.LOCK_EX)
    assert lock is not None
    return lock


def _lock(path: Path, how: int) -> int | None:
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, how)
            if os.stat(path).st_ino == os.fstat(lock).st_ino:
                return lock
        except BlockingIOError:
            os.close(lock)
            return None
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)  # the file was deleted between the two steps: this lock keeps nobody out
