"""Lines and runs of words that documents share: beside datatrove's SentenceDedup, and beside a suffix array."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import curation_texts
from benchmarks.harness import Contest, Contestant

LINES, PEER = "gristmill, lines", "datatrove, SentenceDedup on lines"
RUNS, ARRAY = "gristmill, 50 words", "suffix array (pydivsufsort), 50 words"
BATCH = 256
LENGTH = 50


def prepare(folder: Path) -> None:
    """Write pages of a crawl, books, laws, source code and pages of a site, as lines of JSON and as documents.

    Blank lines are left out.
    """
    from fastwarc.warc import ArchiveIterator, WarcRecordType
    from resiliparse.extract.html2text import extract_plain_text

    found: list[str] = []
    with (Path(os.environ["GRISTMILL_TEST_DATA"]) / "crawl" / "debdocs.warc.gz").open("rb") as file:
        for record in ArchiveIterator(file, record_types=WarcRecordType.response):
            found.append(extract_plain_text(record.reader.read().decode("utf-8", errors="replace"), main_content=True))
    found += [row["text"] for name in curation_texts.SETS for row in curation_texts.rows(name)]
    found = ["\n".join(line for line in text.splitlines() if line.strip()) for text in found]
    lines = [json.dumps(text) + "\n" for text in found]
    (folder / "texts.jsonl").write_text("".join(lines), encoding="utf-8")
    n = len(found)
    columns = {
        "doc_id": pa.array([f"{number:032x}" for number in range(n)]),
        "source": pa.array(["pages"] * n),
        "url": pa.nulls(n, pa.string()),
        "capture_date": pa.nulls(n, pa.timestamp("us", "UTC")),
        "text": pa.array(found, pa.large_string()),
    }
    pq.write_table(pa.table(columns), folder / "documents.parquet", row_group_size=1024)


def _find(folder: Path, parts: dict[str, Any], rules: dict[str, Any]) -> Any:
    """Note the parts of all documents, and find what goes: files are read and written as in a run."""
    from tasks.decide.decisions import DECISIONS
    from tasks.decide.repeats.find import find_repeats
    from tasks.decide.rules import DecideConfig
    from tasks.parts.stage import PartsConfig, note_parts

    documents, noted = folder / "documents.parquet", folder / f"parts-{os.getpid()}.parquet"
    config = PartsConfig.model_validate(parts)
    with pq.ParquetFile(documents) as file:
        writer = None
        for batch in file.iter_batches(BATCH, columns=["doc_id", "text"]):
            made = note_parts.fn(batch, config)
            table = pa.Table.from_batches([made]).add_column(0, "doc_id", batch.column("doc_id"))
            writer = writer or pq.ParquetWriter(noted, table.schema, compression="zstd")
            writer.write_table(table)
        if writer:
            writer.close()
        ids = file.read(columns=["doc_id"]).column("doc_id")
    kept = {"doc_id": ids, "kept": pa.array([True] * len(ids))}
    empty = {field.name: pa.nulls(len(ids), field.type) for field in DECISIONS.schema}
    schema = pa.schema([field.with_nullable(True) for field in DECISIONS.schema])
    decisions = pa.table([{**empty, **kept}[name] for name in schema.names], schema=schema)
    asked = DecideConfig.model_validate({"gopher": None, "repetition": None, **rules})
    try:
        return find_repeats(decisions, [str(documents)], {"parts": [str(noted)]}, asked)
    finally:
        noted.unlink()


def _megabytes(folder: Path) -> int:
    with pq.ParquetFile(folder / "documents.parquet") as file:
        batches = file.iter_batches(BATCH, columns=["text"])
        return round(sum(len(text.encode()) for batch in batches for text in batch.column(0).to_pylist()) / 1e6)


def _warm() -> None:
    """Compile, or read what was compiled: once a machine, and not what is measured."""
    from tasks.parts.stage import cut_parts, find_anchors

    cut_parts(["a\n"])
    find_anchors(["a b c"], 2)


def _leave(folder: Path, edited: pa.Table, output: Path) -> None:
    """Write the texts without what goes."""
    from tasks.spans import apply

    edits = dict(zip(*(edited.column(name).to_pylist() for name in ("doc_id", "edits")), strict=True))
    with pq.ParquetFile(folder / "documents.parquet") as file, output.open("w", encoding="utf-8") as target:
        for batch in file.iter_batches(BATCH, columns=["doc_id", "text"]):
            for doc_id, text in zip(*(batch.column(place).to_pylist() for place in range(2)), strict=True):
                spans = [(one["start"], one["end"], one["kind"]) for one in edits.get(doc_id, ())]
                target.write(json.dumps(apply(text, spans)) + "\n")


def gristmill_lines(folder: Path, output: Path) -> Callable[[], int]:
    """All but the first copy of every line goes; what is written is where these lines begin, and the texts."""
    _warm()
    size = _megabytes(folder)

    def work() -> int:
        found = _find(folder, {"lines": True}, {"repeated_lines": {"min_documents": 2, "keep": "first"}})
        rows = zip(*(found.removals.column(name).to_pylist() for name in ("doc_id", "start")), strict=True)
        output.write_text(json.dumps(sorted([int(one, 16), start] for one, start in rows)), encoding="utf-8")
        _leave(folder, found.edited, output.with_suffix(".jsonl"))
        return size

    return work


def gristmill_runs(folder: Path, output: Path) -> Callable[[], int]:
    """All but the first copy of every run of 50 words goes; what is written are the spans, and the texts."""
    _warm()
    size = _megabytes(folder)

    def work() -> int:
        found = _find(folder, {"substrings": LENGTH}, {"repeated_substrings": {"min_tokens": LENGTH}})
        rows = zip(*(found.removals.column(name).to_pylist() for name in ("doc_id", "start", "end")), strict=True)
        output.write_text(json.dumps(sorted([int(one, 16), start, end] for one, start, end in rows)), encoding="utf-8")
        _leave(folder, found.edited, output.with_suffix(".jsonl"))
        return size

    return work


def suffix_array(folder: Path, output: Path) -> Callable[[], int]:
    """The same words out of a suffix array over all words and its longest common prefixes (Kasai et al. 2001)."""
    import pydivsufsort

    from tasks.words import hash_words

    hash_words(["a"])
    size = _megabytes(folder)

    def work() -> int:
        texts = pq.read_table(folder / "documents.parquet", columns=["text"]).column("text").to_pylist()
        words = hash_words(texts)
        bounds = words.offsets
        different, dense = np.unique(words.hashes, return_inverse=True)
        # A sign of its own ends each document, so that no run goes over its end.
        ended = np.insert(dense, bounds[1:], len(different) + np.arange(len(texts))).astype(np.uint32)
        order = pydivsufsort.divsufsort(ended)
        common = np.asarray(pydivsufsort.kasai(ended, order))[: len(order) - 1]
        document = np.searchsorted(bounds[1:] + np.arange(1, len(texts) + 1), order, side="right")
        group = np.concatenate([[0], np.cumsum(common < LENGTH)])
        first = np.full(int(group[-1]) + 1, len(texts))
        np.minimum.at(first, group, document)
        begins = order[document > first[group]]  # of this group, hence with 50 words in common
        gone = np.zeros(len(ended) + 1, np.int64)
        np.add.at(gone, begins, 1)
        np.add.at(gone, begins + LENGTH, -1)
        covered = np.delete(np.cumsum(gone[:-1]) > 0, bounds[1:] + np.arange(len(texts)))
        found = []
        for number in range(len(texts)):
            some = covered[bounds[number] : bounds[number + 1]]
            starts = words.starts[bounds[number] : bounds[number + 1]].tolist()
            edges = np.flatnonzero(np.diff(np.concatenate([[0], some.astype(np.int8), [0]])))
            place = [0, *starts[1:], len(texts[number])]
            found += [[number, place[one], place[two]] for one, two in edges.reshape(-1, 2).tolist()]
        output.write_text(json.dumps(sorted(found)), encoding="utf-8")
        return size

    return work


def compare(outputs: Mapping[str, Path]) -> list[str]:
    """How many lines and stretches each finds, and whether they are the same."""
    of = {name: {tuple(one) for one in json.loads(path.read_text(encoding="utf-8"))} for name, path in outputs.items()}
    ours, theirs, runs, array = (of[name] for name in (LINES, PEER, RUNS, ARRAY))
    characters = sum(end - start for _, start, end in runs)
    return [
        f"- Lines: {len(ours & theirs):,} go in both, {len(ours - theirs):,} in gristmill's alone, "
        f"{len(theirs - ours):,} in datatrove's alone, which takes out a line that comes again within the "
        "document that keeps it.",
        f"- Runs of {LENGTH} words: {len(runs & array):,} stretches are the same, {len(runs - array)} are only "
        f"gristmill's, {len(array - runs)} only the suffix array's. They hold {characters:,} characters.",
    ]


CONTEST = Contest(
    name="repeats",
    title="Parts that documents share",
    unit="MB of text",
    contestants=[
        Contestant(LINES, "gristmill_lines"),
        Contestant(PEER, "sentence_dedup", peer=True),
        Contestant(RUNS, "gristmill_runs"),
        Contestant(ARRAY, "suffix_array"),
    ],
    prepare=prepare,
    baseline=PEER,
    compare=compare,
    notes="Pages of crawl/debdocs, and the texts of text and of filters/c4-demo; reading and writing counted. Lines: "
    "all but the first copy goes; datatrove's three steps with `split_sentences=False, n_sentences=1`. Runs of words: "
    "two ways to the same words, both ours; the suffix array writes no texts and keeps everything in memory.",
    rounds=2,
)
