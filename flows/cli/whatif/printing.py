"""How an answer is said: tables for a person, JSON for a program. Tokens are marked as estimates in both."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from flows.cli.rows import terminal, with_whole_numbers
from flows.cli.whatif.answer import Answer
from flows.cli.whatif.question import Question
from tasks.decide.whatif.counts import Change
from tasks.decide.whatif.curve import Point
from tasks.decide.whatif.samples import Sample
from tasks.decide.whatif.tokens import BytesPerToken

BAR = 30
MOST_CHANGES = 12
MOST_PARTS = 12
"""Of more sources and languages, those that change are shown alone (--json has all)."""


def print_answer(question: Question, answer: Answer, ratio: BytesPerToken, console: Console) -> None:
    """Print what stays, what comes in and goes out, by source, language and rule, and the samples."""

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    of = f"{question.corpus}, " if question.corpus else ""
    say(f"What if, against {of}{question.decisions}")
    changes = list(question.changes.items())
    for key, (was, would_be) in changes[:MOST_CHANGES]:
        say(f"  {key}: {_value(was)} → {_value(would_be)}")
    if len(changes) > MOST_CHANGES:
        say(f"  and {len(changes) - MOST_CHANGES} more (--json has all)")
    if not changes:
        say("  Nothing differs: turn a dial with --set decide.gopher.min_words=40, or --where.")
    total = answer.comparison.total
    say("")
    stays = "stay" if answer.clustered else "pass every rule, copies counted (clusters were not formed)"
    say(f"{total.documents_after:,} of {total.documents:,} documents {stays}, {total.documents_before:,} now:")
    say(f"  {total.documents_in:,} come in, {total.documents_out:,} go out")
    say(f"  about {total.tokens_after:,} tokens, about {total.tokens_before:,} now (estimated: {ratio.basis})")
    say("")
    console.print(_parts(answer, console.width))
    if answer.comparison.rules:
        console.print(_rules(answer, console.width))
    for title, rows in (("Stays", answer.samples.kept), ("Goes", answer.samples.dropped)):
        if rows:
            say(f"{title}, beside the line:")
            for row in rows:
                _print_sample(row, console)
            say("")


def _parts(answer: Answer, width: int) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("source", "language"):
        table.add_column(name, overflow="fold")
    for name in ("now", "then", "in", "out", "≈ tokens now", "≈ tokens then"):
        table.add_column(name, justify="right")
    there = {part: one for part, one in answer.comparison.parts.items() if one.documents_before or one.documents_after}
    moved = {part: one for part, one in there.items() if one.documents_in or one.documents_out}
    shown = there if len(there) <= MOST_PARTS else moved
    for (source, language), one in shown.items():
        table.add_row(source, language or "·", *_numbers(one))
    if len(shown) < len(there):
        table.add_row(f"{len(there) - len(shown)} more", "", *["as now"] * 2, "0", "0")
    table.add_row("all", "", *_numbers(answer.comparison.total), style="bold")
    return with_whole_numbers(table, width)


def _numbers(one: Change) -> list[str]:
    counts = (one.documents_before, one.documents_after, one.documents_in, one.documents_out)
    return [f"{count:,}" for count in (*counts, one.tokens_before, one.tokens_after)]


def _rules(answer: Answer, width: int) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("rule", overflow="fold")
    for name in ("first reason now", "then", "fail it now", "then"):
        table.add_column(name, justify="right")
    for one in answer.comparison.rules:
        changed = (one.first_before, one.failed_before) != (one.first_after, one.failed_after)
        counts = (one.first_before, one.first_after, one.failed_before, one.failed_after)
        table.add_row(one.rule, *(f"{count:,}" for count in counts), style="bold" if changed else "")
    return with_whole_numbers(table, width)


def _print_sample(one: Sample, console: Console) -> None:
    move = f"{one.was} → {one.would_be}" if one.was != one.would_be else one.would_be
    values = ", ".join(f"{name} {_value(value)}" for name, value in one.values.items())
    limit = f" (limit {_value(one.limit)})" if one.limit is not None else ""
    for line in (
        f"  {one.doc_id}  {move}",
        f"    {one.rule}: {values}{limit}" if values else "",
        f"    {one.url}" if one.url else "",
        f"    | {one.line}" if one.line else "",
    ):
        if line:
            console.print(line, markup=False, highlight=False, soft_wrap=True)


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def answer_as_json(question: Question, answer: Answer, ratio: BytesPerToken) -> dict[str, Any]:
    """Everything that an answer says."""
    return {
        "corpus": str(question.corpus) if question.corpus else None,
        "decisions": f"{question.decisions.stage}/{question.decisions.fingerprint}",
        "changes": {key: {"now": was, "then": would_be} for key, (was, would_be) in question.changes.items()},
        "clusters": answer.clustered,
        "tokens_are": f"estimates: {ratio.basis}",
        **answer.comparison.plain(),
        "samples": {side: [asdict(one) for one in getattr(answer.samples, side)] for side in ("kept", "dropped")},
    }


def print_curve(dial: str, points: Sequence[Point], now: Any, clustered: bool, of: int, ratio: BytesPerToken) -> None:
    """Print a curve as a table with bars. `now`: where the dial stands in the decisions; `of`: all documents."""
    console = terminal()
    what = "stay" if clustered else "pass every rule, copies counted (--clusters forms clusters at each point)"
    console.print(f"{dial}: how many of {of:,} documents {what}", markup=False, highlight=False, soft_wrap=True)
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("value", justify="right")
    table.add_column("documents", justify="right")
    table.add_column("≈ tokens", justify="right")
    table.add_column("")
    most = max([one.documents for one in points] or [0]) or 1
    for one in points:
        here = "  ← now" if one.value == now else ""
        bar = "█" * round(BAR * one.documents / most)
        table.add_row(_value(one.value), f"{one.documents:,}", f"{one.tokens:,}", bar + here)
    console.print(table)
    console.print(f"Tokens are estimates: {ratio.basis}.", markup=False, highlight=False, soft_wrap=True)


def curve_as_json(dial: str, points: Sequence[Point], clustered: bool, ratio: BytesPerToken) -> dict[str, Any]:
    """A curve for a program."""
    rows = [{"value": one.value, "documents": one.documents, "estimated_tokens": one.tokens} for one in points]
    return {"dial": dial, "clusters": clustered, "tokens_are": f"estimates: {ratio.basis}", "points": rows}


def draw_curve(dial: str, points: Sequence[Point], of: int, all_tokens: float) -> str:
    """The curve as SVG: shares of all documents and of all tokens. Raises ValueError where a value is no number."""
    from tasks.report.charts import line_chart

    series = {
        "documents": [(float(str(one.value)), 100 * one.documents / max(of, 1)) for one in points],
        "tokens, estimated": [(float(str(one.value)), 100 * one.tokens / max(all_tokens, 1)) for one in points],
    }
    return line_chart(series, title=f"What stays over {dial}", x_label=dial, y_label="% of all that was read")
