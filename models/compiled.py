"""The decorator of loops that are compiled with numba: one explicit signature each, cached on disk.

One signature matters: numba numbers the files of its cache by how many signatures it has seen, so two processes that
compile different ones at once could take each other's machine code; with one, whichever writes last writes the same.
Processes that start together compile one after another: the first one works, the others read what it kept. Where no
folder for the cache can be written (neither beside the file nor in the user's cache), the functions are compiled
anew in each process.

Machine code holds that of the functions it calls, and their constants. numba asks whether the file of a function is
still what was compiled; here it asks that of all files of ours which that file imports, too.

Floating-point arithmetic is as written: no fused multiply-add, no reordering, so that sums equal those of a library
that adds in the same order.
"""

import contextlib
import fcntl
import functools
import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
from numba import njit
from numba.core import caching

_IMPORTS = re.compile(r"^(?:from\s+([\w.]+)\s+import\s+(\([^)]*\)|.*)|import\s+([\w.]+))", re.MULTILINE)
_ROOMS = ("models", "tasks")
_settings: Any = getattr(numba, "config")  # noqa: B009 - not declared by numba


def compiled(signature: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator: compile for `signature`, cached on disk where a folder for it can be written."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        try:
            with _alone(), _located():
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


class _OfAllSources:
    """A place for cached code that is out of date once any file changes that the function's own imports."""

    def __init__(self, function: Callable[..., Any], file: str) -> None:
        super().__init__(function, file)  # type: ignore[call-arg]
        self._module = function.__module__

    def get_source_stamp(self) -> tuple[Any, str]:
        """What is kept with the code, and has to be the same for it to be used."""
        return super().get_source_stamp(), _digest(self._module)  # type: ignore[misc]


class Provided(_OfAllSources, caching.UserProvidedCacheLocator):
    """In the folder that NUMBA_CACHE_DIR names."""


class InTree(_OfAllSources, caching.InTreeCacheLocator):
    """Beside the function's file."""


class UserWide(_OfAllSources, caching.UserWideCacheLocator):
    """In the user's folder of caches."""


@contextlib.contextmanager
def _located() -> Iterator[None]:
    """While numba looks for cached code in these places: the usual ones, in the usual order."""
    before = _settings.CACHE_LOCATOR_CLASSES
    _settings.CACHE_LOCATOR_CLASSES = ",".join(
        f"{one.__module__}.{one.__name__}" for one in (Provided, InTree, UserWide)
    )
    try:
        yield
    finally:
        _settings.CACHE_LOCATOR_CLASSES = before


def _digest(module: str) -> str:
    """SHA-256 of the files of ours that a module imports, and of those that they import."""
    waiting, found = [module], dict[str, bytes]()
    while waiting:
        name = waiting.pop()
        if name not in found and (file := getattr(sys.modules.get(name), "__file__", None)):
            found[name], imported = _read(file)
            waiting += [one for one in imported if one.split(".")[0] in (*_ROOMS, module.split(".")[0])]
    listed = "\n".join(f"{name} {hashlib.sha256(text).hexdigest()}" for name, text in sorted(found.items()))
    return hashlib.sha256(listed.encode()).hexdigest()


@functools.cache
def _read(file: str) -> tuple[bytes, list[str]]:
    """A file, and what it may import: modules, and names in packages that may be modules."""
    text = Path(file).read_bytes()
    imported = list[str]()
    for package, names, plain in _IMPORTS.findall(text.decode("utf-8", "replace")):
        imported += [plain or package, *(f"{package}.{one}" for one in re.findall(r"\w+", names) if package)]
    return text, imported
