"""What the report and the closing table both say: the way of the documents, the headline numbers, what to try next."""

import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

from storage import names
from storage.artifact import Artifact
from storage.lake import Lake
from storage.sql import newest_corpus
from tasks.report.collect import Facts
from tasks.report.flow_chart import FlowStep
from tasks.report.svg import short

# How the groups of rules are called where people read them, in the order in which decide applies them.
GROUP_NAMES = {
    "source": "excluded sources",
    "extract": "no text",
    "not scored": "not scored",
    "forget": "forgotten",
    "urls": "block lists",
    "rights": "rights",
    "dates": "dates",
    "language": "language",
    "gopher": "Gopher quality",
    "repetition": "repetition",
    "datatrove": "datatrove's Gopher",
    "c4": "C4",
    "after_c4": "after C4's lines",
    "fineweb": "FineWeb",
    "after_fineweb": "after FineWeb's lines",
    "refinedweb": "RefinedWeb",
    "outliers": "outliers",
    "word_lists": "word lists",
    "decontamination": "decontamination",
    "rules": "own rules",
    "edits": "nothing left of it",
    "duplicates": "duplicates",
    "repeats": "nothing but repeats",
}
DUPLICATES = ("exact", "url", "near", "simhash", "semantic")
"""The kinds of duplicates that a recipe may ask for."""
BASELINES = (
    ("unigram", "unigram of tokens"),
    ("byte_unigram", "unigram of bytes"),
    ("xz_each", "xz -9, each document alone"),
    ("xz_whole", "xz -9, all in one file"),
)


def flow_steps(facts: Facts) -> list[FlowStep]:
    """The way of every record: read, then through each group of rules; empty where nothing was decided.

    A document leaves at the first rule that drops it, so what enters a group is what all before it let through.
    """
    if facts.results.decisions is None:
        return []
    losses = tuple((row["reason"], row["records"]) for row in facts.get("losses").rows)
    dropped: dict[str, list[tuple[str, int]]] = {}
    documents = 0
    for row in facts.get("decided").rows:
        documents += row["documents"]
        if row["what"] != "kept":
            group, _, rule = row["what"].partition(".")
            dropped.setdefault(_group(group, rule), []).append((rule, row["documents"]))
    entered = documents + sum(count for _, count in losses)
    steps = [FlowStep("records read", entered, losses)]
    for group in [*(name for name in dropped if name not in GROUP_NAMES), *GROUP_NAMES]:
        if group in dropped or _applied(facts, group):
            steps.append(FlowStep(GROUP_NAMES.get(group, group), steps[-1].stayed, tuple(dropped.get(group, ()))))
    return steps


def _group(group: str, rule: str) -> str:
    return "not scored" if rule == "lost" else group


def _applied(facts: Facts, group: str) -> bool:
    """Whether the recipe has rules of this group for all sources, even if they dropped nothing."""
    decisions = facts.results.decisions
    rules = decisions.manifest.identity.config.get(group) if decisions else None
    if group == "duplicates" and rules:
        return any(rules.get(kind) is not None and rules[kind] is not False for kind in DUPLICATES)
    return bool(rules)


def bits_row(facts: Facts) -> dict[str, Any]:
    """Bits per byte over all validation text; empty where nothing was evaluated."""
    return next((row for row in facts.get("bits").rows if row["source"] == "all"), {})


def score_rows(facts: Facts) -> list[dict[str, Any]]:
    """One row for each task: accuracy by log-probability per byte, so that length does not decide."""
    rows = facts.get("scores").rows
    preferred = {row["task"]: row for row in rows}
    preferred |= {row["task"]: row for row in rows if row["metric"] == "accuracy_per_byte"}
    return list(preferred.values())


def headline(facts: Facts) -> list[tuple[str, str, str]]:
    """The numbers that come first: (what, number, what to read beside it)."""
    tiles = []
    steps = flow_steps(facts)
    if steps:
        kept = steps[-1].stayed
        tiles.append(("records read", short(steps[0].entered), f"{steps[0].stayed:,} are documents"))
        tiles.append(("documents kept", short(kept), f"{kept / max(steps[0].stayed, 1):.0%} of the documents"))
    mixture = facts.get("mixture").rows
    if mixture:
        text = sum(row["bytes"] + row["validation_bytes"] for row in mixture)
        tiles.append(("bytes of text", short(text), f"in the corpus, from {_components(facts)}"))
    tokens = facts.get("tokens").rows
    if tokens:
        total, size = sum(row["tokens"] for row in tokens), sum(row["bytes"] for row in tokens)
        tiles.append(("tokens", short(total), f"{size / total:.2f} bytes a token"))
    bits = bits_row(facts)
    if bits:
        beside = (
            f"unigram {bits['unigram']:.2f}, xz {bits['xz_each']:.2f}" if bits["unigram"] and bits["xz_each"] else ""
        )
        of, best = ("base", bits["base"]) if bits["base"] is not None else ("fine-tuned", bits["tuned"])
        tiles.append((f"bits per byte, {of}", f"{best:.3f}", beside))
    scores = [row for row in score_rows(facts) if row["chance"] is not None]
    if scores:
        row = scores[0]
        of, value = ("fine-tuned", row["tuned"]) if row["tuned"] is not None else ("base", row["base"])
        tiles.append((f"{row['task']}, {of}", f"{value:.1%}", f"chance {row['chance']:.1%}"))
    return tiles


def _components(facts: Facts) -> str:
    assert facts.results.corpus is not None
    by = facts.results.corpus.manifest.identity.config["by"]
    count = len({row["component"] for row in facts.get("mixture").rows})
    return f"{count} {'source' if by == 'source' else 'component'}{'' if count == 1 else 's'}"


def next_commands(facts: Facts) -> list[tuple[str, str]]:
    """Three commands to try next, as they can be typed where this runs, each with what it shows."""
    start, lake = program(), lake_option(facts.lake.root)
    corpus = facts.results.corpus
    at = f" --at {shlex.quote(name_of(facts.lake, corpus))}" if corpus and corpus != newest_corpus(facts.lake) else ""
    found = [
        (
            f'{start} sql{lake}{at} "select dropped_by, count(*) from documents group by all"',
            "ask the lake anything",
        ),
        (f"{start} up{lake}", "the same flows in Prefect's UI: press Run, set a schedule"),
    ]
    model = facts.results.tuned or facts.results.base
    if model:
        called = shlex.quote(name_of(facts.lake, model))
        found.append((f'{start} complete{lake} {called} "Once upon a time"', "let the model speak"))
    else:
        dropped = [row["example"] for row in facts.get("rules").rows if row["example"]]
        example = shlex.quote(dropped[0]) if dropped else "URL"
        found.append((f"{start} explain{lake} {example}", "what every stage said of one document"))
    return found


def program() -> str:
    """The command `gristmill` as it can be typed here: by its name if a shell finds it, else by its path."""
    beside = Path(sys.executable).parent / "gristmill"  # not resolved: in a virtual environment Python is a link
    return "gristmill" if shutil.which("gristmill") or not beside.exists() else _typed(beside)


def lake_option(lake: Path) -> str:
    """` --lake FOLDER`, or nothing for the lake that a command takes by itself: the folder `lake` where one stands."""
    return "" if lake.resolve() == Path("lake").resolve() else f" --lake {_typed(lake)}"


def _typed(path: Path) -> str:
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))


def name_of(lake: Lake, artifact: Artifact) -> str:
    """A name that means this artifact now, else the start of its fingerprint."""
    called = [name for name in names.all_names(lake) if names.latest(lake, name) == artifact]
    return called[0] if called else artifact.fingerprint[:12]
