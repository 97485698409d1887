"""All rule-based quality metrics beside datatrove's four filters, their decisions rule by rule, and why any differ."""

import gzip
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks import debdocs
from benchmarks.harness import Contest, Contestant
from benchmarks.quality_causes import Judge, causes

OURS, MEASURED, CHAIN = "gristmill, all metrics", "datatrove, four filters", "datatrove, each drops for the next"
PAGES, OTHERS = 500, 150
BATCH = 256


SPACELESS = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")


def texts() -> list[str]:
    """Real documents: pages of many languages, web text, prose, source code and laws.

    Texts in scripts without spaces are left out: for those datatrove takes dictionaries of other packages.
    """
    data = Path(os.environ["GRISTMILL_TEST_DATA"])
    found = debdocs.pages()[:PAGES]
    found += [text for text in _rows(data / "filters" / "c4-demo.jsonl.gz")][: 2 * OTHERS]
    found += [text for text in _rows(data / "text" / "us-gov-18f.jsonl.gz")][:OTHERS]
    for name in ("cpython-lib", "gesetze", "standardebooks"):
        some = list(_rows(data / "text" / f"{name}.jsonl.gz"))[: OTHERS // 3]
        found += [text[:5000] for text in some]
    return [text for text in found if len(SPACELESS.findall(text)) < 0.05 * len(text)]


def _rows(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from (json.loads(line)["text"] for line in file.read().split("\n") if line)


def prepare(folder: Path) -> None:
    """Write the texts, one a line."""
    lines = [json.dumps(text) + "\n" for text in texts()]
    (folder / "texts.jsonl").write_text("".join(lines), encoding="utf-8")


def read(folder: Path) -> list[str]:
    """The texts of a contest."""
    return [json.loads(line) for line in (folder / "texts.jsonl").read_text(encoding="utf-8").split("\n") if line]


def gristmill(folder: Path, output: Path) -> Callable[[], int]:
    """The quality stage's function over batches as a run gives them, all columns written."""
    from storage.schemas.quality import QUALITY
    from tasks.quality.stage import QualityConfig, measure_quality

    documents = read(folder)
    column = pa.array(documents, pa.large_string())
    batches = [
        pa.RecordBatch.from_arrays([column.slice(start, BATCH)], ["text"]) for start in range(0, len(documents), BATCH)
    ]
    config = QualityConfig()
    measure_quality.fn(batches[0].slice(0, 1), config)

    def work() -> int:
        with pa.OSFile(str(output), "wb") as sink, pa.ipc.new_file(sink, QUALITY.schema) as writer:
            for batch in batches:
                writer.write_batch(measure_quality.fn(batch, config))
        (output.parent / "texts.json").write_text(json.dumps(documents), encoding="utf-8")
        return len(documents)

    return work


def compare(outputs: Mapping[str, Path]) -> list[str]:
    """Agreement of decisions, rule by rule: with datatrove's words, with ours, and the cause of each difference."""
    documents: list[str] = json.loads((outputs[OURS].parent / "texts.json").read_text(encoding="utf-8"))
    theirs = [json.loads(line) for line in outputs[MEASURED].read_text(encoding="utf-8").split("\n") if line]
    chain: list[str | None] = json.loads(outputs[CHAIN].read_text(encoding="utf-8"))
    judge = Judge(documents)
    measured = judge.failed(judge.own)
    given = judge.failed(judge.with_words_of(theirs))
    verdicts = np.array([[rule in one["failed"] for rule in judge.rules] for one in theirs])
    lines = [
        f"{len(documents)} documents of {np.mean([len(text) for text in documents]):,.0f} characters. Rules that drop "
        "the same documents, with datatrove's words and with our own:",
        "",
        "| rule | datatrove drops | same with its words | same with ours |",
        "|---|---|---|---|",
    ]
    for number, rule in enumerate(judge.rules):
        same = [(one[:, number] == verdicts[:, number]).mean() for one in (given, measured)]
        lines.append(f"| {rule} | {verdicts[:, number].sum()} | {same[0]:.2%} | {same[1]:.2%} |")
    chained = [number for number, rule in enumerate(judge.rules) if not rule.startswith("after_c4.")]
    dropped = np.array([reason is not None for reason in chain])
    lines += [
        "",
        "Kept or dropped by the whole chain: the same for "
        f"{(given[:, chained].any(axis=1) == dropped).mean():.2%} with datatrove's words, "
        f"{(measured[:, chained].any(axis=1) == dropped).mean():.2%} with ours.",
        f"Decisions of single rules that differ: {(given != verdicts).sum()} with datatrove's words, "
        f"{(measured != verdicts).sum()} of {verdicts.size} with ours, by cause:",
        "",
        "| cause | decisions |",
        "|---|---|",
    ]
    found, left_over = causes(judge, theirs, measured, verdicts)
    lines += [f"| {cause} | {count} |" for cause, count in found.most_common()]
    return [*lines, "", f"Without a cause: {left_over}."]


CONTEST = Contest(
    name="quality",
    title="Rule-based quality metrics",
    unit="documents",
    contestants=[
        Contestant(OURS, "gristmill"),
        Contestant(MEASURED, "all_measured", peer=True),
        Contestant(CHAIN, "chain", peer=True),
    ],
    prepare=prepare,
    baseline=MEASURED,
    compare=compare,
    notes="All columns of the `quality` stage in one pass, against datatrove's GopherRepetition, GopherQuality, "
    "C4Quality (without terminal punctuation, as for FineWeb) and FineWebQuality filters with spaCy's English "
    "tokenizer; once each of them on each document, once as a chain where what one drops the next does not see. Asked "
    "for: 100 times.",
    rounds=2,
)
