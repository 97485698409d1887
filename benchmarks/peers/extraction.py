"""Extraction by the peers: trafilatura's modes, datatrove's wrapper of it, resiliparse."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

logging.getLogger("trafilatura").setLevel(logging.CRITICAL)

TIMED = ("snippets", "news")


def _peer(text: Callable[[str], str | None], folder: Path, output: Path) -> Callable[[], int]:
    rows = [json.loads(line) for line in (folder / "pages.jsonl").read_text(encoding="utf-8").split("\n") if line]
    timed = [row for row in rows if row["kind"] in TIMED]
    texts = {f"{row['kind']}/{row['name']}": text(row["html"]) or "" for row in rows if row["kind"] not in TIMED}

    def work() -> int:
        for row in timed:
            texts[f"{row['kind']}/{row['name']}"] = text(row["html"]) or ""
        output.write_text(json.dumps(texts), encoding="utf-8")
        return len(timed)

    return work


def _trafilatura(folder: Path, output: Path, **mode: bool) -> Callable[[], int]:
    import trafilatura

    def text(html: str) -> str | None:
        return trafilatura.extract(html, include_comments=False, deduplicate=False, **mode)

    return _peer(text, folder, output)


def standard(folder: Path, output: Path) -> Callable[[], int]:
    """Trafilatura as it comes, without comments."""
    return _trafilatura(folder, output)


def fast(folder: Path, output: Path) -> Callable[[], int]:
    """Without the second opinions of readability and justext."""
    return _trafilatura(folder, output, fast=True)


def precision(folder: Path, output: Path) -> Callable[[], int]:
    """Less text, surer."""
    return _trafilatura(folder, output, favor_precision=True)


def recall(folder: Path, output: Path) -> Callable[[], int]:
    """More text, less sure."""
    return _trafilatura(folder, output, favor_recall=True)


def datatrove(folder: Path, output: Path) -> Callable[[], int]:
    """Datatrove's extractor with its default settings, called without its sandbox (a process that it feeds)."""
    from datatrove.pipeline.extractors import Trafilatura

    extractor = Trafilatura(deduplicate=False)
    return _peer(extractor.extract, folder, output)


def resiliparse(folder: Path, output: Path) -> Callable[[], int]:
    """Resiliparse's main content, without comments."""
    from resiliparse.extract.html2text import extract_plain_text

    def text(html: str) -> str:
        return extract_plain_text(html, main_content=True, alt_texts=False, links=False, comments=False)

    return _peer(text, folder, output)
