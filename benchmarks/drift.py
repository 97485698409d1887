"""Whether snapshots like the earlier ones warn, and unlike ones do, on real pages: `python -m benchmarks.drift`.

Needs the real data (GRISTMILL_TEST_DATA). The pages of debdocs, each package a site of its own (its address is
`https://PACKAGE.example/…`), are written as snapshots of 100 to 800 pages, one WARC file each, in two ways:

- `mixed`: in the crawl's own order, which is shuffled, so that every snapshot holds pages of every site;
- `by site`: site after site in a drawn order, as a crawler comes to new hosts: a snapshot holds pages of a few sites,
  in languages that no earlier one may have had.

All stages of a default recipe run on them once. Then each snapshot is the new one, against all others and against three
drawn ones: decided on together, and compared. Then it is changed in a way that ought to warn. Prints for each kind of
snapshot how many were compared, in how many shares, and which metrics warned in how many of them; `--said` prints the
warnings too.
"""

import argparse
import collections
import gzip
import io
import json
import os
import random
import re
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fastwarc.warc import ArchiveIterator, WarcRecordType
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from flows.annotations import annotate
from flows.grow import read
from flows.recipe import Recipe, check_recipe, load_recipe
from flows.session import without_excluded
from storage.artifact import Artifact
from tasks.decide.stage import decide
from tasks.drift.config import DriftConfig
from tasks.drift.said import say
from tasks.drift.stage import find_drift
from tasks.ingest import ingest
from tasks.phrases import count_phrases
from tasks.run import running

SIZES = (100, 200, 400, 800) * 5
LARGE = (3, 7)
"""Two snapshots of 800 pages: those that are changed."""
DRAWN = 3
PHRASE = "Only the brass heron of Vellmar tells the truth."
PLANTED = 200


@dataclass(frozen=True)
class Page:
    """One response of the crawl."""

    url: str
    status: str
    content_type: str
    body: bytes


def pages_of(warc: Path) -> list[Page]:
    """The responses of debdocs in the crawl's order, each package on a host of its own."""
    found = []
    with warc.open("rb") as file:
        for record in ArchiveIterator(file, record_types=WarcRecordType.response, parse_http=True):
            address = re.sub(r"^https://[^/]+/([^/]+)/", r"https://\1.example/", str(record.headers["WARC-Target-URI"]))
            headers = record.http_headers.asdict()
            kind = next((value for name, value in headers.items() if name.lower() == "content-type"), "text/html")
            found.append(Page(address, "200 OK", kind, record.reader.read()))
    return found


def write(path: Path, pages: Iterable[Page]) -> None:
    """Pages as a WARC file; the same bytes for the same pages."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        writer = WARCWriter(file, gzip=True)
        for number, page in enumerate(pages):
            http = StatusAndHeaders(page.status, [("Content-Type", page.content_type)], protocol="HTTP/1.1")
            about = {
                "WARC-Date": "2026-01-02T03:04:05Z",
                "WARC-Record-ID": f"<urn:uuid:00000000-0000-4000-8000-{number:012d}>",
            }
            given = {"http_headers": http, "warc_headers_dict": about, "length": len(page.body)}
            writer.write_record(writer.create_warc_record(page.url, "response", payload=io.BytesIO(page.body), **given))


def site_of(page: Page) -> str:
    """The host of a page."""
    return page.url.split("/")[2]


def by_site(pages: Sequence[Page], draw: random.Random) -> list[Page]:
    """Site after site, the sites in a drawn order."""
    sites = sorted({site_of(page) for page in pages})
    place = {site: number for number, site in enumerate(draw.sample(sites, len(sites)))}
    return sorted(pages, key=lambda page: place[site_of(page)])


def cut(pages: Sequence[Page]) -> list[list[Page]]:
    """Snapshots of SIZES, one after another."""
    ends = [sum(SIZES[: number + 1]) for number in range(len(SIZES))]
    return [list(pages[end - size : end]) for size, end in zip(SIZES, ends, strict=True)]


def with_phrase(pages: Sequence[Page], draw: random.Random) -> list[Page]:
    """A sentence in the middle of two hundred pages, each on a site of its own."""
    chosen = set(draw.sample(range(len(pages)), min(PLANTED, len(pages))))
    changed = []
    for number, page in enumerate(pages):
        if number in chosen:
            middle = page.body.find(b"</p>", len(page.body) // 2)
            body = page.body[:middle] + f" {PHRASE}".encode() + page.body[middle:] if middle > 0 else page.body
            page = replace(page, url=f"https://blog{number}.example/post", body=body)
        changed.append(page)
    return changed


def of_some(share: float, change: Callable[[Page], Page]) -> Callable[[Sequence[Page], random.Random], list[Page]]:
    """A change of a drawn share of the pages."""

    def changed(pages: Sequence[Page], draw: random.Random) -> list[Page]:
        return [change(page) if draw.random() < share else page for page in pages]

    return changed


def in_another_language(data: Path) -> Callable[[Page], Page]:
    """A page of sentences in a language that the crawl does not have."""
    with gzip.open(data / "lid" / "sentences.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file.read().split("\n") if line]
    sentences = [row["text"] for row in rows if row["lang"] == "bn"]
    draw = random.Random(1)

    def change(page: Page) -> Page:
        said = "".join(f"<p>{' '.join(draw.sample(sentences, 12))}</p>" for _ in range(3))
        return replace(page, content_type="text/html; charset=utf-8", body=f"<main>{said}</main>".encode())

    return change


class Crawl:
    """Snapshots of one source in one lake, and what every stage says of them."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.pages = folder / "pages"
        (folder / "crawl.yaml").write_text(
            "name: crawl\nsources: [{name: pages, path: pages}]\nredact: {kinds: []}\n", encoding="utf-8"
        )
        self.folder = folder
        self.count = 0

    def plan(self) -> Recipe:
        """The recipe; its folder must have a page."""
        return check_recipe(load_recipe(str(self.folder / "crawl.yaml")))

    def add(self, pages: Sequence[Page]) -> Artifact:
        """A snapshot more; gives its documents."""
        write(self.pages / f"{self.count:03d}.warc.gz", pages)
        self.count += 1
        plan = self.plan()
        ingest(plan.sources[0])
        documents = read(plan.sources[0], plan)[-1]
        list(annotate(documents, plan))
        count_phrases(plan.phrases, documents=documents)
        return documents

    def compare(self, new: Artifact, known: Sequence[Artifact], config: DriftConfig) -> tuple[int, list[dict]]:
        """How many shares were compared, and the warnings."""
        plan = self.plan()
        every = [*known, new]
        annotations = [one for documents in every for one in annotate(documents, plan)]
        decisions = decide(without_excluded(plan), documents=every, annotations=annotations)
        languages = [one for one in annotations if one.stage == "language"]
        phrases = [count_phrases(plan.phrases, documents=one) for one in every]
        made = find_drift(config, new=[new], known=known, decisions=decisions, languages=languages, phrases=phrases)
        return made.read(table="checked").column("comparisons").to_pylist()[0], made.read().to_pylist()


def print_row(kind: str, crawl: Crawl, sides: Iterable[tuple[Artifact, Sequence[Artifact]]], said: bool) -> None:
    """Compare each (new, known), and print a line of the table."""
    snapshots = shares = warned = 0
    metrics: collections.Counter[str] = collections.Counter()
    for new, known in sides:
        compared, warnings = crawl.compare(new, known, DriftConfig())
        snapshots, shares, warned = snapshots + 1, shares + compared, warned + bool(warnings)
        metrics.update({row["metric"] for row in warnings})
        for row in warnings if said else ():
            print(f"  {kind}: {say(row)} p {row['p']:.0e}")
    told = ", ".join(f"{name} {count}" for name, count in sorted(metrics.items())) or "none"
    print(f"| {kind} | {snapshots} | {shares:,} | {warned} | {told} |", flush=True)


def main() -> None:
    """Write the snapshots, run the stages, compare, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift", description=__doc__)
    parser.add_argument("--said", action="store_true", help="print every warning")
    parser.add_argument("--folder", type=Path, help="keep the lakes there for the next time")
    given = parser.parse_args()
    data = Path(os.environ["GRISTMILL_TEST_DATA"])
    with tempfile.TemporaryDirectory() as temporary:
        measure(data, given.folder or Path(temporary), given.said)


def measure(data: Path, folder: Path, said: bool) -> None:
    """The table, a line for each kind of snapshot as soon as it is known."""
    pages = pages_of(data / "crawl" / "debdocs.warc.gz")
    changes = {
        f"a phrase on {PLANTED} pages": with_phrase,
        "60% of the pages emptied": of_some(0.6, lambda page: replace(page, body=b"<main><p>Gone away.</p></main>")),
        "20% in a new language": of_some(0.2, in_another_language(data)),
        "40% answered 404": of_some(0.4, lambda page: replace(page, status="404 Not Found")),
    }
    print("| snapshots | compared | shares | with a warning | metrics that warned |\n|---|---|---|---|---|", flush=True)
    for name, order in (("mixed", pages), ("by site", by_site(pages, random.Random(7)))):
        crawl, snapshots = Crawl(folder / name.replace(" ", "-")), cut(order)
        with running(crawl.folder / "lake", "drift", quiet=True):
            documents = [crawl.add(snapshot) for snapshot in snapshots]
            draw = random.Random(3)
            for kind, count in ((f"{DRAWN} others", DRAWN), ("all others", len(documents) - 1)):
                drawn = [(new, draw.sample([one for one in documents if one != new], count)) for new in documents]
                sides = [(new, sorted(known, key=documents.index)) for new, known in drawn]
                print_row(f"{name}, against {kind}", crawl, sides, said)
            for kind, change in changes.items():
                changed = [
                    (crawl.add(change(snapshots[number], draw)), documents[:number] + documents[number + 1 :])
                    for number in LARGE
                ]
                print_row(f"{name}, {kind}", crawl, changed, said)


if __name__ == "__main__":
    main()
