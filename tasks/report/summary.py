"""The closing table in the terminal: the same numbers as in the report of the run, and what to try next."""

import sys
import time
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from storage.artifact import Artifact
from storage.lake import Lake
from storage.runs import all_runs
from tasks.console import duration
from tasks.report.collect import Facts, collect, results_of_run
from tasks.report.flow import BASELINES, bits_row, flow_steps, next_commands, score_rows

PLAIN_WIDTH = 120
REASONS = 4


def print_summary(lake: Path, report: Path, since: float | None = None) -> None:
    """Print what the run came to that a report belongs to (its file's name is the run's id), to standard output.

    `since`, in seconds since 1970: when the command was started; the time that is no stage's is then told too.
    Raises: storage.lake.NotFound if the lake has no such run.
    """
    place = Lake(lake)
    results = results_of_run(place, report.stem)
    about = next(one for one in all_runs(place) if one["run"] == report.stem)
    used = [
        Artifact(lake=str(place.root), stage=stage, fingerprint=fingerprint)
        for stage, _, fingerprint in (name.partition("/") for name in about["artifacts"])
    ]
    facts = collect(place, report.stem, results, used, about["seconds"])
    terminal = sys.stdout.isatty()
    console = Console(file=sys.stdout, width=None if terminal else PLAIN_WIDTH, highlight=False)
    frame = box.SIMPLE_HEAD if terminal else box.ASCII2
    with facts.connection:
        for table in (documents(facts, frame), tokens(facts, frame), models(facts, frame), times(facts, frame, since)):
            if table is not None:
                console.print(table)
        if not any(one.made for one in facts.times):
            console.print("Every artifact was there already: nothing had to be made.")
        console.print(Text(f"Report: {report}", style="bold"), soft_wrap=True)
        console.print("Try next:")
        for command, shows in next_commands(facts):
            console.print(Text(f"  {command}", style="cyan"), Text(f"  # {shows}", style="dim"), sep="", soft_wrap=True)


def documents(facts: Facts, frame: box.Box) -> Table | None:
    """Documents in and out of each step, with the reasons."""
    steps = flow_steps(facts)
    if not steps:
        return None
    table = _table("Documents in, documents out", frame, "step", "in", "out", "left by")
    for step in steps:
        reasons = [f"{reason} {count:,}" for reason, count in step.left[:REASONS]]
        if len(step.left) > REASONS:
            others = len(step.left) - REASONS
            lost = sum(count for _, count in step.left[REASONS:])
            reasons.append(f"{others} other reason{'s' * (others > 1)} {lost:,}")
        table.add_row(step.name, f"{step.entered:,}", f"{step.stayed:,}", ", ".join(reasons))
    table.add_row("kept", "", f"{steps[-1].stayed:,}", "", style="bold")
    return table


def tokens(facts: Facts, frame: box.Box) -> Table | None:
    """Tokens of the corpus by source."""
    rows = facts.get("tokens").rows
    if not rows:
        return None
    read = {row["source"]: row["tokens"] for row in facts.get("read").rows}
    table = _table("Tokens", frame, "source", "documents", "tokens", "bytes a token", "read in training")
    for row in rows:
        numbers = (row["documents"], row["tokens"])
        seen = read.get(row["source"], 0)
        table.add_row(row["source"], *(f"{n:,}" for n in numbers), f"{row['bytes_per_token']:.2f}", f"{seen:,}")
    total, size = (sum(row[name] for row in rows) for name in ("tokens", "bytes"))
    counted = f"{sum(row['documents'] for row in rows):,}"
    table.add_row("all", counted, f"{total:,}", f"{size / total:.2f}", f"{sum(read.values()):,}", style="bold")
    return table


def models(facts: Facts, frame: box.Box) -> Table | None:
    """Bits per byte of both models beside the baselines, and the share of right answers beside chance."""
    bits, scores = bits_row(facts), score_rows(facts)
    if not bits and not scores:
        return None
    table = _table("Models", frame, "what", "base", "fine-tuned", "beside it")
    if bits:
        beside = ", ".join(f"{label} {bits[name]:.3f}" for name, label in BASELINES if bits[name] is not None)
        table.add_row("bits per byte", _decimals(bits["base"]), _decimals(bits["tuned"]), beside)
    for row in scores:
        values = (_percent(row["base"], row["base_error"]), _percent(row["tuned"], row["tuned_error"]))
        chance = "" if row["chance"] is None else f"chance {row['chance']:.1%}, "
        table.add_row(row["task"], *values, f"{chance}{row['items']:,} questions")
    held = facts.get("held out").rows
    if held:
        said = f"nats a token on {held[0]['conversations']:,} held-out conversations"
        table.add_row("loss on answers", _decimals(held[0]["loss"]), _decimals(held[-1]["loss"]), said)
    return table


def times(facts: Facts, frame: box.Box, since: float | None) -> Table | None:
    """Where the time went: seconds of each stage in this run, and of the whole command; None where all was reused."""
    made = [one for one in facts.times if one.made or one.seconds >= 0.05]
    if not made:
        return None
    total = sum(one.seconds for one in facts.times)
    table = _table("Where the time went", frame, "stage", "seconds", "share", "artifacts")
    for one in sorted(made, key=lambda one: -one.seconds):
        state = ", ".join(f"{n} {word}" for n, word in ((one.made, "made"), (one.reused, "reused")) if n)
        share = f"{one.seconds / total:.0%}" if total else ""
        table.add_row(one.stage, f"{one.seconds:,.1f}", share, state)
    if len(made) < len(facts.times):
        table.add_row(f"{len(facts.times) - len(made)} more", "", "", "reused")
    table.add_row("all stages", f"{total:,.1f}", duration(total), "", style="bold")
    if since is not None:
        whole = time.time() - since
        table.add_row("beside them", f"{whole - total:,.1f}", "", "the sample, start, report")
        table.add_row("whole command", f"{whole:,.1f}", duration(whole), "", style="bold")
    return table


def _table(title: str, frame: box.Box, first: str, *others: str) -> Table:
    table = Table(title=title, box=frame, title_justify="left", title_style="bold")
    table.add_column(first)
    for name in others:
        words = name in ("left by", "beside it", "artifacts")
        table.add_column(name, justify="left" if words else "right", no_wrap=not words)
    return table


def _decimals(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _percent(value: float | None, error: float | None) -> str:
    return "" if value is None else f"{value:.1%}" + (f" ± {error:.1%}" if error is not None else "")
