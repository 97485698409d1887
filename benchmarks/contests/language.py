"""Language identification of documents, beside datatrove's FT176, and how often each language is recognised."""

import gzip
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.harness import Contest, Contestant

PAGES = 4000
SENTENCES_A_DOCUMENT = 20
BATCH_ROWS = 256  # as stages get them
SETS = ("sentences", "joined", "documents")


def prepare(folder: Path) -> None:
    """Texts of the crawl's pages; labelled sentences, and documents of twenty of them; the model's file."""
    from fastwarc.warc import ArchiveIterator, WarcRecordType
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.encoding import bytes_to_str, detect_encoding

    data = Path(os.environ["GRISTMILL_TEST_DATA"])
    texts: list[str] = []
    with open(data / "crawl" / "debdocs.warc.gz", "rb") as stream:
        for record in ArchiveIterator(stream, record_types=WarcRecordType.response, parse_http=True):
            body = record.reader.read()
            text = extract_plain_text(bytes_to_str(body, detect_encoding(body)), main_content=True)
            texts += [text] if text.strip() else []
            if len(texts) == PAGES:
                break
    content = gzip.decompress((data / "lid" / "sentences.jsonl.gz").read_bytes()).decode()
    rows = [json.loads(line) for line in content.split("\n") if line]
    by_language: dict[str, list[str]] = {}
    for row in rows:
        by_language.setdefault(row["lang"], []).append(row["text"])
    joined = [
        {"lang": language, "text": "\n".join(some[start : start + SENTENCES_A_DOCUMENT])}
        for language, some in by_language.items()
        for start in range(0, len(some), SENTENCES_A_DOCUMENT)
    ]
    _write(folder / "documents.parquet", [{"lang": None, "text": text} for text in texts])
    _write(folder / "sentences.parquet", rows)
    _write(folder / "joined.parquet", joined)
    (folder / "lid.176.ftz").write_bytes((data / "lid" / "lid.176.ftz").read_bytes())


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    columns = {"lang": pa.array([row["lang"] for row in rows], pa.string())}
    columns["text"] = pa.array([row["text"] for row in rows], pa.large_string())
    pq.write_table(pa.table(columns), path)


def _run(folder: Path, output: Path, label: Callable[[pa.RecordBatch], list[str]]) -> Callable[[], int]:
    """Label the labelled sets now; the documents are what is timed."""
    tables = {name: pq.read_table(folder / f"{name}.parquet", columns=["text"]).combine_chunks() for name in SETS}

    def work(name: str) -> list[str]:
        return [one for batch in tables[name].to_batches(max_chunksize=BATCH_ROWS) for one in label(batch)]

    found = {name: work(name) for name in SETS if name != "documents"}

    def timed() -> int:
        found["documents"] = work("documents")
        output.write_text(json.dumps(found), encoding="utf-8")
        return len(found["documents"])

    return timed


def stage(folder: Path, output: Path) -> Callable[[], int]:
    """The stage `language` as a recipe runs it: language from 1,000 characters, script and code of the whole text."""
    from models.language import LID_176
    from tasks.language import LanguageConfig, identify_language

    function = identify_language.fn
    assert function is not None
    config = LanguageConfig(model=LID_176.model_copy(update={"path": str(folder / "lid.176.ftz")}))

    def label(batch: pa.RecordBatch) -> list[str]:
        return function(batch, config).column("language").to_pylist()

    return _run(folder, output, label)


def _kernel(folder: Path, output: Path, characters: int) -> Callable[[], int]:
    from models.fasttext.inference import load_fasttext

    model = load_fasttext(folder / "lid.176.ftz")

    def label(batch: pa.RecordBatch) -> list[str]:
        numbers, _ = model.predict(batch.column("text"), 2, characters)
        return [model.labels[number] for number in numbers[:, 0].tolist()]

    return _run(folder, output, label)


def kernel(folder: Path, output: Path) -> Callable[[], int]:
    """The compiled kernel alone, on the first 1,000 characters."""
    return _kernel(folder, output, 1000)


def kernel_whole(folder: Path, output: Path) -> Callable[[], int]:
    """The compiled kernel alone, on whole texts."""
    return _kernel(folder, output, 1 << 40)


def compare(outputs: Mapping[str, Path]) -> list[str]:
    """Share of right labels by set and the worst languages, and equal labels on the crawl's documents."""
    folder = next(iter(outputs.values())).parent.parent / "inputs"
    truth = {name: pq.read_table(folder / f"{name}.parquet").column("lang").to_pylist() for name in SETS}
    found = {who: json.loads(path.read_text(encoding="utf-8")) for who, path in outputs.items()}
    base = found["datatrove FT176"]["documents"]
    lines = [
        "| who | right, single sentences | mean of 45 languages | lowest | right, documents of 20 | lowest | "
        "labels equal to FT176's on the crawl |",
        "|---|---|---|---|---|---|---|",
    ]
    for who, labels in found.items():
        cells = []
        for name in ("sentences", "joined"):
            shares = _shares(truth[name], labels[name])
            worst = min(shares, key=lambda language: (shares[language], language))
            right = sum(map(str.__eq__, truth[name], labels[name])) / len(truth[name])
            cells += [f"{right:.2%}", f"{sum(shares.values()) / len(shares):.2%}", f"{worst} {shares[worst]:.1%}"]
        equal = sum(a == b for a, b in zip(base, labels["documents"], strict=True)) / len(base)
        lines.append(f"| {who} | {cells[0]} | {cells[1]} | {cells[2]} | {cells[3]} | {cells[5]} | {equal:.2%} |")
    ours, theirs = (_shares(truth["sentences"], found[who]["sentences"]) for who in ("gristmill", "datatrove FT176"))
    lower = sorted(language for language in ours if ours[language] < theirs[language])
    said = ", ".join(f"{one} {ours[one]:.1%} against {theirs[one]:.1%}" for one in lower) or "none"
    return [*lines, "", f"Languages that our stage recognises less often than FT176, single sentences: {said}."]


def _shares(truth: list[str], labels: list[str]) -> dict[str, float]:
    right = Counter(language for language, label in zip(truth, labels, strict=True) if language == label)
    return {language: right[language] / count for language, count in Counter(truth).items()}


CONTEST = Contest(
    name="language",
    title="Language identification",
    unit="documents",
    contestants=(
        Contestant("gristmill", "stage"),
        Contestant("gristmill, kernel alone", "kernel"),
        Contestant("gristmill, kernel, whole texts", "kernel_whole"),
        Contestant("datatrove FT176", "whole", peer=True),
        Contestant("fastText, 1,000 characters", "start", peer=True),
    ),
    prepare=prepare,
    baseline="datatrove FT176",
    compare=compare,
    notes=(
        "Timed on pages of the Debian documentation crawl (4 to 6 kB of text each, 30 languages and more). All use "
        "lid.176.ftz. At least 4,000 documents per CPU second are asked for, no less accurate than FT176. The stage "
        "also says script and share of code of the whole text."
    ),
)
