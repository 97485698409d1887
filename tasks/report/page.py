"""The report of a run: one HTML file that needs nothing else, for a browser, a printer or an archive."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from storage.artifact import Artifact
from storage.files import write_text
from storage.forget.marks import marks_of
from tasks.console import duration
from tasks.drift.said import say
from tasks.report import lineage
from tasks.report.charts import bar_chart, line_chart
from tasks.report.collect import Answer, Facts, Results, collect
from tasks.report.flow import BASELINES, flow_steps, headline, lake_option, next_commands, program, score_rows
from tasks.report.flow_chart import flow_chart
from tasks.report.lineage_chart import lineage_chart
from tasks.report.scores import learned_charts, score_charts, thresholds
from tasks.report.svg import full, short, size
from tasks.run import Run, code_revision

CURVE_POINTS = 300


def write_report(run: Run, recipe_name: str, artifacts: Results) -> Path:
    """Write the report of a run to `<lake>/reports/<run id>.html`, and give its path.

    `artifacts`: what the run ended with (`tasks.report.collect.results_of`). A part that is missing has no section.
    """
    seconds: dict[str, float] = {}
    for step in run.steps:
        seconds[step.stage] = seconds.get(step.stage, 0.0) + step.seconds
    used = list(dict.fromkeys(step.artifact for step in run.steps))
    facts = collect(run.lake, run.id, artifacts, used, seconds)
    changes = {step.stage: step.changed for step in run.steps if step.changed}
    path = run.lake.root / "reports" / f"{run.id}.html"
    with facts.connection:
        write_text(path, render(facts, recipe_name, used, changes))
    return path


def render(facts: Facts, recipe_name: str, used: Sequence[Artifact], changes: dict[str, list[str]]) -> str:
    """The report as HTML. `used`: the run's artifacts in order; `changes`: what differed from before, by stage."""
    steps = flow_steps(facts)
    tree = lineage.tree(lineage.ends_of(list(used)), facts.run, predecessors=True)
    charts = {
        "flow": flow_chart(steps, title="Documents in, documents out", unit="records") if steps else None,
        "times": _times_chart(facts),
        "curve": _curve(facts),
        "held_out": _held_out(facts),
        "bits": _bits_chart(facts),
        "scores": _scores_chart(facts),
        "lineage": lineage_chart(tree, title="From the files to what the run ended with") if tree else None,
    }
    histograms, learned = score_charts(facts), learned_charts(facts)
    limits = thresholds(facts.results.decisions) if facts.results.decisions else {}
    return (
        _environment()
        .get_template("template.html.jinja")
        .render(
            facts=facts,
            results=facts.results,
            recipe=recipe_name,
            written=datetime.now(UTC),
            code=code_revision(),
            tiles=headline(facts),
            charts=charts,
            histograms=histograms,
            learned=learned,
            limits={limit.rule: limit for found in limits.values() for limit in found},
            baselines=BASELINES,
            scores=score_rows(facts),
            changes=changes,
            marks=[(str(one), str(mark)) for one in dict.fromkeys(used) for mark in marks_of(facts.lake, one)],
            tree=tree,
            commands=next_commands(facts),
            ask=f"{program()} sql{lake_option(facts.lake.root)}",
            lake=str(facts.lake.root),
            seconds=sum(time.seconds for time in facts.times),
        )
    )


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "count": lambda value: "–" if value is None else f"{value:,}",
        "share": lambda value: "–" if value is None else f"{value:.1%}",
        "decimals": lambda value, places=3: "–" if value is None else f"{value:.{places}f}",
        "size": size,
        "duration": duration,
        "short": short,
        "full": full,
        "command": command,
        "said": say,
    }
    return made


def command(answer: Answer, ask: str) -> str:
    """The shell command that gives an answer again. `ask`: how it begins where this runs, as `gristmill sql`."""
    at = f"--at {answer.at} " if answer.at else ""
    quoted = answer.sql.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("`", "\\`")
    return f'{ask} {at}"{quoted}"'


def _times_chart(facts: Facts) -> str | None:
    shown = [time for time in facts.times if time.seconds >= 0.05 or time.made]
    if not shown:
        return None
    notes = [_made(time.made, time.reused) for time in shown]
    rows = [(time.stage, round(time.seconds, 1)) for time in shown]
    return bar_chart(rows, title="Seconds of each stage in this run", unit="s", notes=notes)


def _made(made: int, reused: int) -> str:
    parts = [f"{count} {word}" for count, word in ((made, "made"), (reused, "reused")) if count]
    return "" if (made, reused) == (1, 0) else ", ".join(parts)


def _means(points: list[tuple[float, float]], most: int = CURVE_POINTS) -> list[tuple[float, float]]:
    """Means of neighbours, at most `most`: one step's loss says more of its rows than of the model."""
    width = -(-len(points) // most)
    cuts = [points[start : start + width] for start in range(0, len(points), width or 1)]
    return [(sum(x for x, _ in cut) / len(cut), sum(y for _, y in cut) / len(cut)) for cut in cuts]


def _curve(facts: Facts) -> str | None:
    rows = facts.get("curve of base").rows
    if not rows:
        return None
    series = {"training": _means([(float(row["step"]), row["loss"]) for row in rows])}
    held = [(float(row["step"]), row["validation_loss"]) for row in rows if row["validation_loss"] is not None]
    if held:
        series["held out"] = held
    return line_chart(series, title="Loss in pretraining", x_label="step", y_label="nats a token", width=490)


def _held_out(facts: Facts) -> str | None:
    rows = facts.get("curve of tuned").rows
    if not rows:
        return None
    series = {"training": _means([(float(row["step"]), row["loss"]) for row in rows], 60)}
    held = [(float(row["step"]), row["loss"]) for row in facts.get("held out").rows]
    if held:
        series["held out"] = held
    return line_chart(
        series, title="Loss in fine-tuning", x_label="step", y_label="nats a token of the answers", width=490
    )


def _bits_chart(facts: Facts) -> str | None:
    rows = [row for row in facts.get("bits").rows if row["source"] == "all"]
    if not rows:
        return None
    names = [("base", "base model"), ("tuned", "fine-tuned model"), *BASELINES]
    bars = [(label, round(rows[0][name], 4), name) for name, label in names if rows[0].get(name) is not None]
    colors = [0 if name == "base" else 2 if name == "tuned" else 5 for _, _, name in bars]
    return bar_chart(
        [(label, value) for label, value, _ in bars],
        title="Bits per byte, all validation text",
        unit="",
        colors=colors,
        decimals=3,
    )


def _scores_chart(facts: Facts) -> str | None:
    rows, errors, marks, colors = [], [], [], []
    for row in score_rows(facts):
        for number, which in enumerate(("base", "tuned")):
            if row[which] is not None:
                rows.append(
                    (f"{row['task']}, {'base' if which == 'base' else 'fine-tuned'}", round(100 * row[which], 1))
                )
                errors.append(None if row[f"{which}_error"] is None else 100 * row[f"{which}_error"])
                marks.append(None if row["chance"] is None else 100 * row["chance"])
                colors.append(2 * number)
    if not rows:
        return None
    return bar_chart(
        rows, title="Share of right answers", unit="%", errors=errors, marks=marks, colors=colors, decimals=1
    )
