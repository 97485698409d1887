"""Every kind of input becomes documents through the real stage; `docs/inputs.md` names these tests beside the kinds."""

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from tasks.extract.config import ExtractConfig
from tasks.extract.stage import extract
from tasks.ingest import Source, ingest
from tasks.run import running
from tests.tasks.extract.books import epub, pdf, zip_of
from tests.tasks.extract.crawls import SENTENCE, gzip_each, page, record, records, zstd_each
from tests.tasks.extract.test_arc import arc
from tests.tasks.extract.test_archive import lz4

TEXT = f"{SENTENCE * 4}\n"
PAGES = records(3)
WET = [record(TEXT.encode(), "conversion", f"http://example.org/{n}", "text/plain") for n in range(3)]
ROWS = [{"id": str(number), "text": f"{number} {TEXT}"} for number in range(3)]


def parquet() -> bytes:
    """A table of ROWS."""
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), stream)
    return stream.getvalue()


def lines() -> bytes:
    """ROWS as JSONL."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in ROWS)


def table() -> bytes:
    """ROWS as CSV."""
    return b"id,text\n" + b"".join(f'{row["id"]},"{row["text"].strip()}"\n'.encode() for row in ROWS)


KINDS: dict[str, tuple[Callable[[], bytes], int]] = {
    "a.warc": (lambda: b"".join(PAGES), 3),
    "b.warc.gz": (lambda: gzip_each(PAGES), 3),
    "c.warc.zst": (lambda: zstd_each(PAGES), 3),
    "d.warc.lz4": (lambda: lz4(b"".join(PAGES)), 3),
    "e.wet": (lambda: b"".join(WET), 3),
    "f.wet.gz": (lambda: gzip_each(WET), 3),
    "g.wet.zst": (lambda: zstd_each(WET), 3),
    "h.wet.lz4": (lambda: lz4(b"".join(WET)), 3),
    "i.arc": (lambda: b"".join(arc(3)), 3),
    "j.arc.gz": (lambda: gzip_each(arc(3)), 3),
    "k.wacz": (lambda: zip_of({"archive/a.warc.gz": gzip_each(PAGES), "datapackage.json": "{}"}), 3),
    "l.html": (lambda: page(1), 1),
    "m.pdf": (lambda: pdf([[SENTENCE.strip()]]), 1),
    "n.epub": (lambda: epub({"c1.xhtml": f"<p>{SENTENCE}</p>"}), 1),
    "o.txt": (lambda: TEXT.encode(), 1),
    "p.md": (lambda: f"# Mill\n\n{TEXT}".encode(), 1),
    "q.jsonl": (lines, 3),
    "r.jsonl.gz": (lambda: gzip.compress(lines()), 3),
    "s.parquet": (parquet, 3),
    "t.csv": (table, 3),
    "u.csv.zst": (lambda: zstandard.compress(table()), 3),
    "deep/er/v.py": (lambda: b"def grind():\n    return 'flour'\n", 1),
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """One folder with a file of each kind through ingest and extract: the texts of each file's documents."""
    folder = tmp_path_factory.mktemp("kinds")
    for name, (make, _) in KINDS.items():
        path: Path = folder / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make())
    with running(folder / "lake", "kinds", workers=1, quiet=True):
        (snapshot,) = ingest(Source(name="kinds", path=str(folder / "source")))
        documents = extract(ExtractConfig(), snapshot=snapshot)
    texts: dict[str, list[str]] = {name: [] for name in KINDS}
    for row in documents.read(["file", "text"]).to_pylist():
        texts[row["file"]].append(row["text"])
    return texts


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_of_file_becomes_documents(found: dict[str, list[str]], name: str):
    assert len(found[name]) == KINDS[name][1]
    assert all("mill" in text.lower() or "flour" in text for text in found[name])
