"""Single records of remote archives, fetched by their byte ranges into an archive of this machine.

A WARC file of one gzip member a record stays one when members are picked out of several: so the result is a WARC file.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from storage.files import canonical_json, fsync_path
from storage.locks import locked
from storage.remote.mirror import INCOMING, RECORDS, Mirror
from storage.remote.patience import Interrupted
from storage.remote.places import file_system, is_http
from storage.remote.reading import SECONDS, USER_AGENT, check_status
from storage.sources import SourceError

RECORDS_A_FILE = 1000
"""How many records one file has: where files are cut depends on the list alone."""
LONGEST_RECORD = 1 << 30
GZIP = b"\x1f\x8b\x08"


class Range(NamedTuple):
    """A record's place in a remote archive: the file below the base, and its bytes there."""

    file: str
    offset: int
    length: int


def fetch_records(
    mirror: Mirror, base: str, ranges: Sequence[Range], say: Callable[[int], None] = lambda done: None
) -> Iterator[Path]:
    """Files of these records in the order of (file, offset), each once; those that are here already are not fetched.

    `base` ends with a slash; `say` is told how many records are here. Cut off, the next call goes on
    behind the last whole record.

    Raises: SourceError, with file and range, for bytes that are not there or are no gzip member.
    """
    wanted = sorted(set(ranges))
    for place in range(0, len(wanted), RECORDS_A_FILE):
        chosen = wanted[place : place + RECORDS_A_FILE]
        digest = hashlib.sha256(canonical_json([base, *map(list, chosen)]).encode()).hexdigest()[:32]
        path = mirror.folder / RECORDS / digest / "records.warc.gz"
        _fetch_file(mirror, base, chosen, path, lambda done, behind=place: say(behind + done))
        yield path


def _fetch_file(mirror: Mirror, base: str, chosen: Sequence[Range], path: Path, say: Callable[[int], None]) -> None:
    incoming = path.with_name(INCOMING)
    with locked(path.with_name("lock")):
        if path.exists():
            return
        here, done = incoming.stat().st_size if incoming.exists() else 0, 0
        whole = 0
        for one in chosen:
            if whole + one.length > here:
                break
            whole, done = whole + one.length, done + 1
        with open(incoming, "ab") as stream, contextlib.ExitStack() as stack:
            stream.truncate(whole)
            client = stack.enter_context(_client()) if is_http(base) else None
            for number, one in enumerate(chosen[done:], done + 1):
                stream.write(_patiently(mirror, base, one, client))
                stream.flush()
                say(number)
        fsync_path(incoming)
        os.replace(incoming, path)
        fsync_path(path.parent)


def _client() -> Any:
    import httpx

    return httpx.Client(follow_redirects=True, timeout=SECONDS, headers={"User-Agent": USER_AGENT})


def _patiently(mirror: Mirror, base: str, one: Range, client: Any) -> bytes:
    """The bytes of one record. Raises: SourceError."""
    where = f"{base}{one.file}, bytes {one.offset:,} to {one.offset + one.length - 1:,}"
    if not 0 < one.length <= LONGEST_RECORD or one.offset < 0:
        raise SourceError(f"{where}: that is no range of a record. Correct the list of records.")
    tried = 0
    while True:
        try:
            data = _over_http(base, one, client) if client else _from_store(base, one)
            break
        except Interrupted as error:
            tried += 1
            if not mirror.patience.wait(tried, error):
                raise SourceError(f"{where} did not come: {error} (tried {tried} times).") from error
    if len(data) != one.length or not data.startswith(GZIP):
        said = f"{len(data):,} bytes came" if len(data) != one.length else "no gzip member begins there"
        raise SourceError(f"{where}: {said}. Its list of records is of other files, or damaged.")
    return data


def _over_http(base: str, one: Range, client: Any) -> bytes:
    import httpx

    url = base + one.file
    asked = {"Range": f"bytes={one.offset}-{one.offset + one.length - 1}", "Accept-Encoding": "identity"}
    try:
        with client.stream("GET", url, headers=asked) as answer:
            check_status(url, answer)
            if answer.status_code == 200:
                raise SourceError(f"{url}: the server gives no parts of files (it does not know Range).")
            data = bytearray()
            for chunk in answer.iter_raw():
                data += chunk
                if len(data) > one.length:
                    break
            return bytes(data)
    except httpx.TransportError as error:
        raise Interrupted(str(error) or type(error).__name__) from error


def _from_store(base: str, one: Range) -> bytes:
    system, inside = file_system(base + one.file)
    try:
        return system.cat_file(inside, start=one.offset, end=one.offset + one.length)
    except FileNotFoundError as error:
        raise SourceError(f"{base}{one.file} does not exist.") from error
    except OSError as error:
        raise Interrupted(f"{type(error).__name__}: {error}") from error
