"""Redaction beside datatrove's PIIFormatter: the same documents, e-mail addresses and public IP addresses."""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa

from benchmarks import curation_texts
from benchmarks.harness import Contest, Contestant

BOTH, ALL, PEER = (
    "gristmill, e-mail and IP: the kinds that PIIFormatter knows",
    "gristmill, all seven kinds: more than PIIFormatter does",
    "datatrove, PIIFormatter",
)
WARM = "Call +49 30 901820, tel. 202-555-0143, IBAN DE89 3704 0044 0532 0130 00, DNI 12345678Z, pesel 44051401359."
"""Loads what the libraries of phone numbers and national numbers read at their first use."""


def prepare(folder: Path) -> None:
    """Write the documents."""
    curation_texts.write(folder, curation_texts.texts())


def _run(folder: Path, output: Path, kinds: tuple[str, ...] | None) -> Callable[[], int]:
    from tasks.redact.stage import RedactConfig, find_personal

    config = RedactConfig() if kinds is None else RedactConfig.model_validate({"kinds": kinds})
    texts = curation_texts.read(folder)
    columns = {"text": pa.array(texts, pa.large_string()), "language": pa.array(["en"] * len(texts), pa.string())}
    documents = pa.RecordBatch.from_pydict(columns)
    first = {"text": pa.array([WARM], pa.large_string()), "language": pa.array(["en"])}
    find_personal.fn(pa.RecordBatch.from_pydict(first), config)  # compiled code and the libraries' tables are loaded

    def work() -> int:
        found = [
            find_personal.fn(documents.slice(at, curation_texts.BATCH), config)
            for at in range(0, len(texts), curation_texts.BATCH)
        ]
        spans = [
            [(one["start"], one["end"], one["kind"]) for one in row]
            for batch in found
            for row in batch.column("pii_spans").to_pylist()
        ]
        output.write_text(json.dumps(spans), encoding="utf-8")
        return len(texts)

    return work


def addresses(folder: Path, output: Path) -> Callable[[], int]:
    """What PIIFormatter looks for."""
    return _run(folder, output, ("email", "ip"))


def everything(folder: Path, output: Path) -> Callable[[], int]:
    """All kinds there are."""
    return _run(folder, output, None)


def compare(outputs: Mapping[str, Path]) -> list[str]:
    """Spans that overlap one of the other's of the same kind, and why the others do not."""
    texts = curation_texts.texts()
    ours, theirs = (json.loads(outputs[name].read_text(encoding="utf-8")) for name in (BOTH, PEER))
    lines = []
    for kind in ("email", "ip"):
        counts, causes = Counter(), Counter()
        for text, mine, other in zip(texts, ours, theirs, strict=True):
            mine, other = ([one for one in spans if one[2] == kind] for spans in (mine, other))
            counts["ours"] += len(mine)
            counts["theirs"] += len(other)
            for one in other:
                if any(one[0] < span[1] and span[0] < one[1] for span in mine):
                    counts["both"] += 1
                else:
                    causes[f"only datatrove: {_cause(text, *one)}"] += 1
            for one in mine:
                if not any(one[0] < span[1] and span[0] < one[1] for span in other):
                    causes[f"only gristmill: {_cause(text, *one)}"] += 1
        listed = "; ".join(f"{name} {count}" for name, count in causes.most_common())
        lines.append(
            f"- {kind}: {counts['ours']} spans of gristmill's, {counts['theirs']} of datatrove's, {counts['both']} of "
            f"those found by both{f' ({listed})' if listed else ''}."
        )
    return lines


def _cause(text: str, start: int, end: int, kind: str) -> str:
    """Why a span is only one's."""
    said, before = text[start:end], text[max(0, start - 60) : start]
    if kind == "ip":
        if ":" in said:
            return "IPv6"
        if all(int(number) < 100 for number in said.split(".")):
            return "four numbers below 100 that nothing calls a host"
        return "a version or a part of a name or of a longer number"
    if re.search(r"example|\.test$|\.invalid$|localhost", said, re.IGNORECASE):
        return "a domain made for examples"
    if re.search(r"://\S*$", before):
        return "a place on the web with an @ in it"
    if re.search(r"\bat\b|\bdot\b", said, re.IGNORECASE):
        return "written with at and dot"
    if not re.search(r"\.[a-zA-Z]{2,}$", said):
        return "no domain's ending"
    return "another"


CONTEST = Contest(
    name="redaction",
    title="Redaction",
    unit="documents",
    contestants=[
        Contestant(BOTH, "addresses"),
        Contestant(ALL, "everything"),
        Contestant(PEER, "formatter", peer=True),
    ],
    prepare=prepare,
    baseline=PEER,
    compare=compare,
    notes="Web pages, C4, Python, German laws and books, 20,000 characters a document at most. PIIFormatter replaces "
    "e-mail addresses and public IPv4 addresses. Like is compared with like in the first row; the second does five "
    "kinds more, with the checks of libphonenumber and python-stdnum. gristmill writes "
    "spans, PIIFormatter changed texts.",
)
