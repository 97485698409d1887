"""Members of wheels and sdists, read into memory: nothing of a package is unpacked to the disk, let alone executed."""

import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

LARGEST_MEMBER = 64 << 20
"""Bytes of one member after decompression. The largest that is taken here has 11 MB."""


class UnsafeArchive(ValueError):
    """A package holds a member that must not be read: its name leads out of the package, or it is far too large."""


class Member(NamedTuple):
    """A file in a package: its path (in an sdist without the leading folder) and its bytes."""

    path: str
    data: bytes


def check_path(path: str, archive: Path) -> str:
    """The path of a member if it stays inside the package. Raises UnsafeArchive if it does not."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or any(mark in path for mark in ("\\", ":", "\0")):
        raise UnsafeArchive(
            f"{archive.name} holds the member {path!r}, which leads out of the package. It is not read."
        )
    return "/".join(parts)


def read_members(archive: Path, wanted: Callable[[str], bool]) -> list[Member]:
    """The regular files of a wheel or sdist whose path is `wanted`, sorted by path. Links and devices are no files.

    Raises: UnsafeArchive for a wanted member whose name leads out of the package or that is larger than LARGEST_MEMBER;
    tarfile.TarError, zipfile.BadZipFile or EOFError for a damaged archive.
    """
    read = _read_zip if archive.suffix in (".whl", ".zip") else _read_tar
    return sorted(read(archive, wanted))


def _read_zip(archive: Path, wanted: Callable[[str], bool]) -> Iterator[Member]:
    with zipfile.ZipFile(archive) as package:
        for info in package.infolist():
            if not info.is_dir() and wanted(info.filename):
                path = check_path(info.filename, archive)
                with package.open(info) as stream:
                    yield Member(path, _limited(stream.read(LARGEST_MEMBER + 1), path, archive))


def _read_tar(archive: Path, wanted: Callable[[str], bool]) -> Iterator[Member]:
    with tarfile.open(archive, "r:gz") as package:
        for info in package:
            inside = info.name.partition("/")[2]
            if info.isreg() and inside and wanted(inside):
                path = check_path(inside, archive)
                check_path(info.name, archive)
                stream = package.extractfile(info)
                assert stream is not None, "a regular file can be read"
                yield Member(path, _limited(stream.read(LARGEST_MEMBER + 1), path, archive))


def _limited(data: bytes, path: str, archive: Path) -> bytes:
    if len(data) > LARGEST_MEMBER:
        raise UnsafeArchive(f"{archive.name}: the member {path} has more than {LARGEST_MEMBER} bytes. It is not read.")
    return data
