"""Reading WARC files by the peers' readers. See `benchmarks/contests/warc.py`."""

import hashlib
import importlib.machinery
import importlib.util
import json
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def fastwarc(folder: Path, output: Path) -> Callable[[], int]:
    """FastWARC, records as they stand: fields of the header, and the block."""
    from fastwarc.warc import ArchiveIterator

    def read() -> Iterator[tuple[dict[str, str], bytes]]:
        for path in sorted(folder.iterdir()):
            for record in ArchiveIterator(str(path), parse_http=False):
                yield record.headers.asdict(), record.reader.read()

    _write(output, ((fields["WARC-Record-ID"], block) for fields, block in read()))
    return lambda: sum(1 for _ in read())


def fastwarc_parsed(folder: Path, output: Path) -> Callable[[], int]:
    """FastWARC with the HTTP header parsed too, and the body as it came over the wire."""
    from fastwarc.warc import ArchiveIterator

    def read() -> Iterator[tuple[dict[str, str], dict[str, str] | None, bytes]]:
        for path in sorted(folder.iterdir()):
            for record in ArchiveIterator(str(path), parse_http=True):
                http = record.http_headers
                yield record.headers.asdict(), None if http is None else http.asdict(), record.reader.read()

    _write(
        output, ((fields["WARC-Record-ID"], body) for fields, _, body in read() if fields["WARC-Type"] == "response")
    )
    return lambda: sum(1 for _ in read())


def warcio(folder: Path, output: Path) -> Callable[[], int]:
    """warcio, records as they stand."""
    from warcio.archiveiterator import ArchiveIterator

    def read() -> Iterator[tuple[dict[str, str], bytes]]:
        for path in sorted(folder.iterdir()):
            with path.open("rb") as file:
                for record in ArchiveIterator(file, no_record_parse=True):
                    yield dict(record.rec_headers.headers), record.raw_stream.read()

    _write(output, ((fields["WARC-Record-ID"], block) for fields, block in read()))
    return lambda: sum(1 for _ in read())


def datatrove(folder: Path, output: Path) -> Callable[[], int]:
    """Datatrove's WarcReader. Counts the records that it passes, not the documents it keeps."""
    _stand_in("magic", from_buffer=lambda data, mime: "text/html")
    _stand_in("cchardet", detect=lambda data: {"encoding": None})
    from datatrove.pipeline.readers import WarcReader
    from warcio.archiveiterator import ArchiveIterator

    records = 0
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            records += sum(1 for _ in ArchiveIterator(file))
    WarcReader._requires_dependencies = ["warcio"]  # the stand-ins belong to no installed distribution
    reader = WarcReader(str(folder), compression="gzip")

    def work() -> int:
        kept = sum(1 for path in sorted(folder.iterdir()) for _ in reader.read_file(path.name))
        output.write_text(json.dumps({"kept": kept}), encoding="utf-8")
        return records

    return work


def _stand_in(name: str, **functions: Any) -> None:
    """A module for one that is not installed."""
    if importlib.util.find_spec(name) is None:
        module = types.ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        vars(module).update(functions)
        sys.modules[name] = module


def _write(output: Path, blocks: Iterator[tuple[str, bytes]]) -> None:
    digests = {key: hashlib.sha256(block).hexdigest()[:16] for key, block in blocks}
    output.write_text(json.dumps(digests), encoding="utf-8")
