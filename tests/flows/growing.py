"""A recipe and files of its own writing that come one by one: copies, near copies, lines to remove, addresses."""

import json
import os
import random
from pathlib import Path

from flows.grow import grow_corpus
from flows.recipe import check_recipe, load_recipe
from storage.artifact import Artifact
from tasks.run import Run, running
from tests.acceptance.world import sentence

RECIPE = """
name: growing
sources:
  - {name: pages, path: pages, license: CC0-1.0}
parts: {lines: true, substrings: 12}
decide:
  repeated_lines: {}
  repeated_substrings: {min_tokens: 12}
  language: {min_probability: 0.2}
  gopher: {min_words: 20, min_stop_words: 0}
  repetition: null
  duplicates: {near: true}
  validation_share: 0.2
mixture:
  part_bytes: 4000
  temperature: 1.5
  remove: [c4_line_spans]
  redact: {email: "[address]"}
drift: {min_documents: 10}
"""


def write_files(folder: Path, files: int, pages: int = 12) -> list[Path]:
    """Files of pages: copies and near copies of pages of other files, short ones, lines to remove, addresses."""
    draw = random.Random(7)
    folder.mkdir(parents=True, exist_ok=True)
    told: list[str] = []
    paths = []
    for number in range(files):
        rows = []
        for place in range(pages):
            text = "\n".join(" ".join(sentence(draw) for _ in range(3)) for _ in range(draw.randint(1, 4)))
            if place % 5 == 1:
                text += f"\nshort line without an end\nWrite to anna@stonemill.io about page {place} of {number}."
            if place % 6 == 2 and told:
                text = draw.choice(told)
            if place % 6 == 3 and told:
                text = draw.choice(told) + " One more sentence."
            if place % 12 == 4:
                text = "Too short."
            told.append(text)
            row = {"text": text, "url": f"https://site-{place}.example/{number}"}
            rows.append(row | {"capture_date": f"2026-01-{draw.randint(1, 28):02d}T00:00:00Z"})
        paths.append(folder / f"{number}.jsonl")
        paths[-1].write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return paths


def grow(folder: Path, lake: Path, *, quiet: bool = True) -> tuple[Artifact, Run]:
    """The corpus of the files that are there now, made in this process."""
    own = folder / f"growing-{os.getpid()}.yaml"
    own.write_text(RECIPE, encoding="utf-8")
    own.replace(folder / "growing.yaml")  # another process may be reading it
    plan = check_recipe(load_recipe(str(folder / "growing.yaml")))
    with running(lake, "refresh", workers=0, quiet=quiet) as run:
        return grow_corpus(plan), run


def parts(artifact: Artifact) -> list[tuple[str, str]]:
    return [(part.name, part.sha256) for part in artifact.manifest.parts]


def add(files: list[Path], into: Path) -> None:
    """Put files where the source looks for them, as a crawl does."""
    into.mkdir(parents=True, exist_ok=True)
    for path in files:
        (into / path.name).write_bytes(path.read_bytes())


def grow_in(folder: Path, groups: list[list[Path]]) -> Artifact:
    """The corpus after each group of files has come and been taken in."""
    for group in groups:
        add(group, folder / "pages")
        corpus, _ = grow(folder, folder / "lake")
    return corpus
