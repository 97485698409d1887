"""The decorator of loops that are compiled with numba: one explicit signature each, cached on disk.

One signature matters: numba numbers the files of its cache by how many signatures it has seen, so two processes that
compile different ones at once could take each other's machine code; with one, whichever writes last writes the same.
Processes that start together compile one after another: the first one works, the others read what it kept. Where no
folder for the cache can be written (neither beside the file nor in the user's cache), the functions are compiled
anew in each process.

Floating-point arithmetic is as written: no fused multiply-add, no reordering, so that sums equal those of a library
that adds in the same order.
"""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from numba import njit


def compiled(signature: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator: compile for `signature`, cached on disk where a folder for it can be written."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        try:
            with _alone():
                return njit(signature, cache=True, nogil=True)(function)
        except (RuntimeError, OSError):  # numba found no folder for its cache, or could not write there
            return njit(signature, nogil=True)(function)

    return decorate


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """While no other process of this user compiles; the system lets go of the lock of one that dies."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # without a folder for temporary files, each for itself
            path = Path(tempfile.gettempdir()) / f"gristmill-compile-{os.getuid()}.lock"
            lock = stack.enter_context(path.open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
