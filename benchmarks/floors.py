"""`python -m benchmarks.floors`: how accurate each of our profiles is on the pages with a truth, beside its floor.

`--update` writes `tests/floors.json`: floors rise to what is measured (rounded down to a thousandth), and a floor that
would have to be lowered is refused. The file holds the SHA-256 of the pages and truths; on others nothing is compared,
unless `--new-corpus` says that they were changed on purpose. Needs GRISTMILL_TEST_DATA.
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.labelled import LabelledPage, corpus_hashes, read_pages, snippet_scores, token_scores
from tasks.extract.charset import decode_text
from tasks.extract.config import ExtractConfig
from tasks.extract.page import extract_page
from tasks.extract.pages.cascade import PROFILES
from tasks.extract.payload import Refused

FLOORS = Path(__file__).resolve().parent.parent / "tests" / "floors.json"

Scores = dict[str, dict[str, float]]
"""F1 by the profile's name and the set: snippets, news, and of each the half that is held out."""


class Lowered(Exception):
    """A floor would have to be lowered, or stands on other pages. The message says which."""


def _text(html: str, page: LabelledPage, config: ExtractConfig) -> str:
    """What the extractor makes of a page; empty where it refuses it."""
    try:
        return extract_page(html, page.url, config).text
    except Refused:
        return ""


def measure(data: Path) -> Scores:
    """F1 of each of our profiles on each set."""
    pages = list(read_pages(data))
    decoded = [decode_text(page.body).text for page in pages]
    found: Scores = {}
    for name in PROFILES:
        config = ExtractConfig(extractor=name)  # type: ignore[arg-type]
        texts = {page.name: _text(html, page, config) for html, page in zip(decoded, pages, strict=True)}
        found[name] = {}
        for kind, score in (("snippets", snippet_scores), ("news", token_scores)):
            chosen = [page for page in pages if page.kind == kind]
            held_out = [page for page in chosen if page.held_out]
            found[name][kind] = score(chosen, lambda page, texts=texts: texts[page.name])[0]
            found[name][f"{kind}, held out"] = score(held_out, lambda page, texts=texts: texts[page.name])[0]
    return found


def below(scores: Scores, floors: Mapping[str, Mapping[str, float]]) -> list[str]:
    """A sentence for each score that is below its floor or missing."""
    return [
        f"{name} on {kind}: {scores.get(name, {}).get(kind, 0.0):.4f}, and its floor is {floor}"
        for name, kinds in floors.items()
        for kind, floor in kinds.items()
        if scores.get(name, {}).get(kind, 0.0) < floor
    ]


def raised(
    stored: Mapping[str, Any], scores: Scores, corpora: Mapping[str, str], new_corpus: bool = False
) -> dict[str, Any]:
    """The floors' file with floors at what was measured, to a thousandth below.

    Raises: Lowered: a floor is above its score, or the pages are not those that the floors stand on.
    """
    if stored and stored["corpora"] != dict(corpora):
        if not new_corpus:
            raise Lowered("The pages are not those that the floors stand on (--new-corpus if that is meant).")
        stored = {}
    if stored and (under := below(scores, stored["floors"])):
        raise Lowered("A floor is not lowered: " + "; ".join(under) + ".")
    floors = {
        name: {kind: math.floor(score * 1000) / 1000 for kind, score in kinds.items()} for name, kinds in scores.items()
    }
    return {"corpora": dict(corpora), "floors": floors}


def main() -> None:
    """Read the command line, measure, print, and write if it is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.floors", description=__doc__)
    parser.add_argument("--update", action="store_true", help="raise the floors to what is measured")
    parser.add_argument("--new-corpus", action="store_true", help="the pages changed: floors are set anew")
    chosen = parser.parse_args()
    if not (named := os.environ.get("GRISTMILL_TEST_DATA")):
        sys.exit("GRISTMILL_TEST_DATA names no folder: the pages with a truth stand there.")
    stored = json.loads(FLOORS.read_text(encoding="utf-8")) if FLOORS.exists() else {}
    scores = measure(Path(named))
    for name, kinds in scores.items():
        for kind, score in kinds.items():
            floor = stored.get("floors", {}).get(name, {}).get(kind)
            print(f"{name:<18} {kind:<20} F1 {score:.4f}   floor {floor if floor is not None else 'none'}")
    if chosen.update:
        try:
            after = raised(stored, scores, corpus_hashes(Path(named)), chosen.new_corpus)
        except Lowered as error:
            sys.exit(str(error))
        FLOORS.write_text(json.dumps(after, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
