"""Reading WARC files: the records of one large archive and of five real crawls, with their fields and payloads."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.harness import Contest, Contestant
from tasks.extract.archive import Record, read_archive
from tasks.extract.payload import parse_response

FILES = (
    "debdocs.warc.gz",
    "sites/iana.warc.gz",
    "sites/kiwix-with-redirects.warc.gz",
    "sites/solidaritenum.warc.gz",
    "dolma/sample-0000.warc.gz",
    "dolma/sample-0001.warc.gz",
)


def prepare(folder: Path) -> None:
    """Links to the archives of the real data."""
    crawl = Path(os.environ["GRISTMILL_TEST_DATA"]).resolve() / "crawl"
    for number, name in enumerate(FILES):
        (folder / f"{number}.warc.gz").symlink_to(crawl / name)


def records(folder: Path, output: Path) -> Callable[[], int]:
    """Header fields and block of every record."""
    paths = sorted(folder.iterdir())
    found = (item for path in paths for item in read_archive(path) if isinstance(item, Record))
    _write(output, {one.record_id or "": digest(one.payload) for one in found})

    return lambda: sum(1 for path in paths for _ in read_archive(path))


def responses(folder: Path, output: Path) -> Callable[[], int]:
    """The same, and of responses the fields of their HTTP header, and the body."""
    paths = sorted(folder.iterdir())

    def bodies() -> dict[str, str]:
        told = {}
        for path in paths:
            for one in read_archive(path):
                if isinstance(one, Record) and one.record_type == "response":
                    response = parse_response(one.payload)
                    told[one.record_id or ""] = digest(response.body if response else one.payload)
        return told

    def work() -> int:
        count = 0
        for path in paths:
            for one in read_archive(path):
                if isinstance(one, Record) and one.record_type == "response":
                    parse_response(one.payload)
                count += 1
        return count

    _write(output, bodies())
    return work


def digest(payload: bytes) -> str:
    """Short enough to keep, long enough to tell payloads apart."""
    return hashlib.sha256(payload).hexdigest()[:16]


def _write(output: Path, told: dict[str, str]) -> None:
    output.write_text(json.dumps(told), encoding="utf-8")


def compare(outputs: Mapping[str, Path]) -> list[str]:
    """How many records of each peer have the same id and the same payload as ours."""
    told = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in outputs.items() if path.exists()}
    lines = []
    twins = {"fastwarc": "gristmill", "warcio": "gristmill", "fastwarc, HTTP parsed": "gristmill, HTTP parsed"}
    for name, ours in twins.items():
        theirs, mine = told[name], told[ours]
        same = sum(mine.get(key) == value for key, value in theirs.items())
        lines.append(f"- {name} and {ours}: {same:,} of {len(theirs):,} record ids have the same payload.")
    return lines


CONTEST = Contest(
    name="warc",
    title="Reading WARC files",
    unit="records",
    contestants=[
        Contestant("gristmill", "records"),
        Contestant("fastwarc", "fastwarc", peer=True),
        Contestant("gristmill, HTTP parsed", "responses"),
        Contestant("fastwarc, HTTP parsed", "fastwarc_parsed", peer=True),
        Contestant("warcio", "warcio", peer=True),
        Contestant("datatrove's reader", "datatrove", peer=True),
    ],
    prepare=prepare,
    baseline="fastwarc",
    compare=compare,
    notes="""
Six gzipped archives, 8,476 records. Everybody gives the fields of each record's header and its payload; ids and
digests of the payloads are taken in a pass of its own that does not count. Ours alone covers the file: it checks that
each member holds its record and nothing else, and reads on behind damage. Datatrove's reader keeps responses that are
HTML or text, and decodes them; it asks for libmagic and cchardet, and where these are not installed stand-ins answer at
once, so that its figure is an upper bound.
""",
)
