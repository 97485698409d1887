"""Main text of web pages: our profiles beside trafilatura, resiliparse and datatrove's wrapper."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.harness import Contest, Contestant
from benchmarks.labelled import LabelledPage, read_pages, snippet_scores, token_scores
from tasks.extract.charset import decode_text
from tasks.extract.config import ExtractConfig, Extractor
from tasks.extract.page import extract_page
from tasks.extract.payload import Refused

TIMED = ("snippets", "news")
OTHERS = ("readability", "defuddle")

NOTES = """
The same decoded pages for all: 499 of trafilatura's evaluation and 111 news pages of 32 countries (fundus). Ours are
timed with title, author and date; the others give the text alone. *Snippets* is
trafilatura's own measure (strings that must and must not be in the text), *news* the F1 of tokens against the
publisher's body text. *Held out* is the half of the domains from which nothing was learned; designs and limits were
compared on it too. Agreement with
readability's and defuddle's recorded output says how alike extractors are, not who is right.
"""


def prepare(folder: Path) -> None:
    """Decode all pages once."""
    with (folder / "pages.jsonl").open("w", encoding="utf-8") as file:
        for page in read_pages(_data(), TIMED + OTHERS):
            row = {"kind": page.kind, "name": page.name, "url": page.url, "html": decode_text(page.body).text}
            file.write(json.dumps(row) + "\n")


def _data() -> Path:
    return Path(os.environ["GRISTMILL_TEST_DATA"])


def _ours(name: Extractor, folder: Path, output: Path) -> Callable[[], int]:
    config = ExtractConfig(extractor=name)

    def text(row: dict[str, str | None]) -> str:
        try:
            return extract_page(row["html"] or "", row["url"], config).text
        except Refused:
            return ""

    rows = [json.loads(line) for line in (folder / "pages.jsonl").read_text(encoding="utf-8").split("\n") if line]
    timed = [row for row in rows if row["kind"] in TIMED]
    texts = {f"{row['kind']}/{row['name']}": text(row) for row in rows if row["kind"] in OTHERS}

    def work() -> int:
        for row in timed:
            texts[f"{row['kind']}/{row['name']}"] = text(row)
        output.write_text(json.dumps(texts), encoding="utf-8")
        return len(timed)

    return work


def accurate(folder: Path, output: Path) -> Callable[[], int]:
    """Our accurate profile."""
    return _ours("cascade-accurate", folder, output)


def balanced(folder: Path, output: Path) -> Callable[[], int]:
    """Our balanced profile."""
    return _ours("cascade-balanced", folder, output)


def quick(folder: Path, output: Path) -> Callable[[], int]:
    """Our quick profile."""
    return _ours("cascade-quick", folder, output)


def compare(outputs: Mapping[str, Path]) -> list[str]:
    """Accuracy by contestant: F1 on both sets, of all pages and of the half that is held out, and the agreements."""
    pages = list(read_pages(_data(), TIMED + OTHERS))
    lines = [
        "| who | snippets F1 (precision, recall) | held out | news F1 (precision, recall) | held out | "
        "like readability | like defuddle |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, path in outputs.items():
        texts = json.loads(path.read_text(encoding="utf-8"))

        def text_of(page: LabelledPage, texts: dict[str, str] = texts) -> str:
            return texts[f"{page.kind}/{page.name}"]

        cells = []
        for kind, score in (("snippets", snippet_scores), ("news", token_scores)):
            chosen = [page for page in pages if page.kind == kind]
            f1, precision, recall = score(chosen, text_of)
            held_out = score([page for page in chosen if page.held_out], text_of)[0]
            cells += [f"{f1:.4f} ({precision:.3f}, {recall:.3f})", f"{held_out:.4f}"]
        for kind in OTHERS:
            cells.append(f"{token_scores([page for page in pages if page.kind == kind], text_of)[0]:.3f}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


CONTEST = Contest(
    name="extraction",
    title="Extraction of web pages",
    unit="pages",
    contestants=(
        Contestant("Gristmill, cascade-accurate", "accurate"),
        Contestant("Gristmill, cascade-balanced", "balanced"),
        Contestant("Gristmill, cascade-quick", "quick"),
        Contestant("trafilatura, standard", "standard", peer=True),
        Contestant("trafilatura, fast", "fast", peer=True),
        Contestant("trafilatura, precision", "precision", peer=True),
        Contestant("trafilatura, recall", "recall", peer=True),
        Contestant("datatrove's Trafilatura", "datatrove", peer=True),
        Contestant("resiliparse", "resiliparse", peer=True),
    ),
    prepare=prepare,
    baseline="trafilatura, standard",
    compare=compare,
    notes=NOTES,
)
