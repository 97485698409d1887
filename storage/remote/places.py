"""What a remote place holds: the files that a URL of any file system that fsspec knows leads to."""

import posixpath
import re
import urllib.parse
from typing import Any, NamedTuple

from storage.sources import SourceError

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://")
_EXTRAS = {"s3": "s3fs", "s3a": "s3fs"}
"""Schemes whose library is an extra of ours, called as the scheme's file system: `pip install 'gristmill[s3]'`."""


class Unreachable(SourceError):
    """A place that does not answer now: what is there is not known."""


class Version(NamedTuple):
    """What a server says of a file: its entity tag, time of change and size. None where it does not say."""

    etag: str | None = None
    modified: str | None = None
    bytes: int | None = None

    @property
    def told(self) -> bool:
        """Whether two files under one URL can be told apart by it."""
        return bool(self.etag or self.modified)

    @property
    def condition(self) -> str | None:
        """The value of If-Range: a strong entity tag, or else the time of change (RFC 9110, 13.1.5)."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified


class RemoteFile(NamedTuple):
    """A file by its URL, its name below the root of its source, and what a listing says of its version.

    `immutable`: it never changes under this URL (as in a published crawl), so a copy is not compared again.
    """

    url: str
    name: str
    immutable: bool = False
    version: Version = Version()


def is_remote(path: str) -> bool:
    """Whether a source's path is a URL of another file system than this machine's own."""
    match = _URL.match(path)
    return match is not None and match["scheme"].lower() != "file"


def is_http(url: str) -> bool:
    """Whether a URL is http or https."""
    return url.lower().startswith(("http://", "https://"))


def has_magic(path: str) -> bool:
    """Whether a URL is a glob. In http a question mark begins the query."""
    return any(sign in path for sign in ("*[" if is_http(path) else "*?["))


def find_remote(path: str) -> list[RemoteFile]:
    """The files that a URL, a folder of an object store, or a glob leads to, sorted by name.

    A plain http(s) URL is taken at its word; anything else asks the file system. An http glob reads the links of the
    server's own listing pages.

    Raises: SourceError if nothing is there or the library for it is missing; Unreachable if the place does not answer.
    """
    if is_http(path) and not has_magic(path):
        name = posixpath.basename(urllib.parse.unquote(urllib.parse.urlsplit(path).path))
        if not name:
            raise SourceError(
                f"{path} names a folder, and http has none: name a file, or a glob such as "
                f"{path.rstrip('/')}/*.warc.gz where the server lists its folders."
            )
        return [RemoteFile(path, name)]
    system, inside = file_system(path)
    try:
        system.invalidate_cache()
        if has_magic(path):
            root, found = _plain(inside), system.glob(inside, detail=True)
            listed = {name: about for name, about in found.items() if is_http(path) or about["type"] != "directory"}
        elif system.isdir(inside):
            root, listed = inside, system.find(inside, detail=True)
        else:
            root, listed = posixpath.dirname(inside), {inside: system.info(inside)}
    except FileNotFoundError:
        root, listed = inside, {}
    except Exception as error:  # each file system has errors of its own, and all of them end here: nothing is read yet
        raise Unreachable(f"{path} cannot be listed ({_said(error)}).") from error
    if not listed:
        raise SourceError(f"{path} {'matches no file' if has_magic(path) else 'does not exist or is empty'}.")
    files = [
        RemoteFile(system.unstrip_protocol(one), one[len(root) :].strip("/"), version=described(about))
        for one, about in listed.items()
    ]
    if is_http(path):  # links of a listing are quoted; names in a snapshot are not
        files = [file._replace(name=urllib.parse.unquote(file.name)) for file in files if not file.name.endswith("/")]
    return sorted(files, key=lambda file: file.name)


def described(about: dict[str, Any]) -> Version:
    """The version of a file by what fsspec tells of it; each store has its own words for it."""
    etag = about.get("ETag") or about.get("etag") or about.get("md5Hash") or about.get("content_md5")
    times = (about.get(key) for key in ("LastModified", "last_modified", "updated", "mtime", "created"))
    modified = next((str(time) for time in times if time), None)
    return Version(str(etag) if etag else None, modified, about.get("size"))


def file_system(path: str) -> tuple[Any, str]:
    """fsspec's file system for a URL, and the path inside it.

    Raises: SourceError if fsspec does not know it, or its library is not installed.
    """
    import fsspec

    scheme = path.partition("://")[0].lower()
    try:
        return fsspec.core.url_to_fs(path)
    except ImportError as error:
        library = _EXTRAS.get(scheme)
        todo = f"pip install 'gristmill[s3]' brings {library}" if library else str(error)
        raise SourceError(f"{path}: what reads {scheme}:// is not installed. {todo}.") from error
    except ValueError as error:
        raise SourceError(f"{path}: there is no file system {scheme}:// ({error}).") from error


def _plain(pattern: str) -> str:
    """The part of a glob in front of the first folder or file that has a sign of one."""
    first = min(pattern.find(sign) for sign in "*?[" if sign in pattern)
    return pattern[:first].rpartition("/")[0]


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".strip().removesuffix(":").removesuffix(".")
