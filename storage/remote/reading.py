"""Reading a remote file from a place in it, unless it is the one that is known: over http(s), or through fsspec."""

import contextlib
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from storage.files import CHUNK_BYTES
from storage.remote.patience import BUSY, Interrupted, retry_after
from storage.remote.places import Version, described, file_system, is_http
from storage.sources import SourceError

USER_AGENT = "gristmill/0.1 (one connection; resumes with Range)"
SECONDS = 60.0
"""How long a server may be silent."""
STORE_BYTES = 8 << 20
"""What is asked for at once in an object store."""


class Opened(NamedTuple):
    """A file that is being read: `chunks` are its bytes from `start` on."""

    version: Version
    start: int
    chunks: Iterator[bytes]


@contextlib.contextmanager
def opened(
    url: str, start: int = 0, part: Version | None = None, known: Version | None = None
) -> Iterator[Opened | None]:
    """The bytes of a file from `start` on; None if the file is the `known` one, of which nothing is read.

    `part` is the version that the bytes before `start` were of: another one is given from its beginning.

    Raises: SourceError if the file is not there or may not be read; Interrupted for what another try may better.
    """
    reader = _over_http if is_http(url) else _from_store
    with reader(url, start, part, known) as found:
        yield found


def probe(url: str) -> None:
    """Ask whether a file can be read, and read nothing of it.

    Raises: SourceError if not. Where nobody answers now, nothing is said: whoever needs the file will.
    """
    with contextlib.suppress(Interrupted), opened(url):
        pass


@contextlib.contextmanager
def _over_http(url: str, start: int, part: Version | None, known: Version | None) -> Iterator[Opened | None]:
    import httpx

    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    if start and part and part.condition:
        headers |= {"Range": f"bytes={start}-", "If-Range": part.condition}
    elif known and known.told:
        headers |= {"If-None-Match": known.etag} if known.etag else {"If-Modified-Since": known.modified or ""}
    try:
        with (
            httpx.Client(follow_redirects=True, timeout=SECONDS) as client,
            client.stream("GET", url, headers=headers) as answer,
        ):
            yield _answered(url, answer, start, part, known)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.TooManyRedirects) as error:
        raise SourceError(f"{url} cannot be read ({error}).") from error
    except httpx.TransportError as error:
        raise Interrupted(str(error) or type(error).__name__) from error


def _answered(url: str, answer: Any, start: int, part: Version | None, known: Version | None) -> Opened | None:
    """What a server's answer is worth. Raises as `opened` does."""
    if answer.status_code == 304:
        return None
    check_status(url, answer)
    if answer.status_code == 416:  # nothing is left to read, or the file has become shorter
        total = _total(answer.headers)
        at_end = part is not None and total == start
        return Opened((part or Version())._replace(bytes=total), start if at_end else 0, iter(()))
    length = answer.headers.get("content-length", "")
    size = _total(answer.headers) if answer.status_code == 206 else int(length) if length.isdecimal() else None
    version = Version(answer.headers.get("etag"), answer.headers.get("last-modified"), size)
    if known and known.told and version == known:  # a server that knows no conditions
        return None
    if answer.status_code == 206:
        if part is None or (version.etag, version.modified) != (part.etag, part.modified) or _first(answer) != start:
            raise Interrupted("the server gave another part than it was asked for", wait=0.0)
        return Opened(version, start, answer.iter_raw())
    return Opened(version, 0, answer.iter_raw())


def check_status(url: str, answer: Any) -> None:
    """Raises: SourceError for an answer that says no, Interrupted for one that says not now."""
    status = answer.status_code
    if status in BUSY:
        raise Interrupted(f"the server answers {status} {answer.reason_phrase}".strip(), retry_after(answer.headers))
    if status >= 400 and status != 416:
        said = {404: "does not exist", 410: "is gone", 401: "asks for a password", 403: "may not be read"}
        raise SourceError(f"{url} {said.get(status, 'cannot be read')} (the server answers {status}).")


def _total(headers: Any) -> int | None:
    match = re.fullmatch(r"\s*bytes\s+(?:\d+-\d+|\*)/(\d+)\s*", headers.get("content-range", ""))
    return int(match[1]) if match else None


def _first(answer: Any) -> int | None:
    match = re.match(r"\s*bytes\s+(\d+)-", answer.headers.get("content-range", ""))
    return int(match[1]) if match else None


@contextlib.contextmanager
def _from_store(url: str, start: int, part: Version | None, known: Version | None) -> Iterator[Opened | None]:
    system, inside = file_system(url)
    with _told(url):
        system.invalidate_cache()
        version = described(system.info(inside))
    if known and known.told and version == known:
        yield None
        return
    begin = start if part == version else 0
    with _told(url):
        stream = system.open(inside, "rb", block_size=STORE_BYTES)
    with stream:
        yield Opened(version, begin, _chunks(url, stream, begin))


def _chunks(url: str, stream: Any, begin: int) -> Iterator[bytes]:
    with _told(url):
        stream.seek(begin)
        while chunk := stream.read(CHUNK_BYTES):
            yield chunk


@contextlib.contextmanager
def _told(url: str) -> Iterator[None]:
    """Errors of an object store in our words; those of its library (no credentials, say) are not worth another try."""
    try:
        yield
    except (FileNotFoundError, IsADirectoryError) as error:
        raise SourceError(f"{url} does not exist, or is no file.") from error
    except PermissionError as error:
        raise SourceError(f"{url} may not be read ({error}).") from error
    except (OSError, TimeoutError) as error:
        raise Interrupted(f"{type(error).__name__}: {error}") from error
    except Exception as error:
        raise SourceError(f"{url} cannot be read ({type(error).__name__}: {error}).") from error
