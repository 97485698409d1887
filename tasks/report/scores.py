"""How scores lie, and where the recipe's thresholds cut: one histogram for each score that drops documents."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from storage.artifact import Artifact
from tasks.decide.thresholds import GROUPS
from tasks.report import queries
from tasks.report.charts import Limit, histogram
from tasks.report.collect import Answer, Facts, columns_of, learned_scores

MOST_HISTOGRAMS = 9
BINS = 26
LOG_FROM = 1000.0
INTEGERS = frozenset({"INTEGER", "BIGINT", "SMALLINT"})


@dataclass(frozen=True)
class ScoreChart:
    """One score's histogram, and the query that gave it."""

    column: str
    svg: str
    answer: Answer


def thresholds(decisions: Artifact) -> dict[str, list[Limit]]:
    """The recipe's numeric thresholds by the column they are compared with (those for all sources)."""
    config: Mapping = decisions.manifest.identity.config
    found: dict[str, list[Limit]] = {}
    for group, rules in GROUPS.items():
        values = config.get(group)
        if not isinstance(values, Mapping):
            continue
        for name, mark in rules.comparisons().items():
            value = values.get(name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                found.setdefault(mark.column, []).append(Limit(f"{group}.{name}", float(value), mark.comparison))
    return found


def score_charts(facts: Facts) -> list[ScoreChart]:
    """Histograms of the scores whose rules drop most documents, most first; at most nine.

    A score that is the same for all documents has none, and what was learned is drawn apart (`learned_charts`).
    """
    if facts.results.decisions is None:
        return []
    limits = thresholds(facts.results.decisions)
    cost = {row["rule"]: (row["dropped"], row["failed"]) for row in facts.get("rules").rows}
    columns = [column for column in limits if column not in learned_scores(facts.results.decisions)]
    columns.sort(key=lambda column: max(cost.get(limit.rule, (0, 0)) for limit in limits[column]), reverse=True)
    return _charts(facts, "score ranges", columns, limits, MOST_HISTOGRAMS)


def learned_charts(facts: Facts) -> list[ScoreChart]:
    """Histograms of the scores of classifiers and of perplexity, with the thresholds on them if the recipe has any."""
    if facts.results.decisions is None:
        return []
    columns, limits = learned_scores(facts.results.decisions), thresholds(facts.results.decisions)
    return _charts(facts, "ranges of learned scores", columns, limits, len(columns))


def _charts(
    facts: Facts, name: str, columns: Sequence[str], limits: Mapping[str, list[Limit]], most: int
) -> list[ScoreChart]:
    """The first `most` histograms of columns that the documents have and that are not the same for all of them."""
    types = columns_of(facts.connection, "documents")
    there = [column for column in columns if column in types]
    if not there:
        return []
    ranges = facts.ask(name, queries.ranges(there)).row
    drawn = [column for column in there if ranges[f"{column} least"] != ranges[f"{column} most"]][:most]
    charts = [_chart(facts, column, types[column], limits.get(column, []), ranges) for column in drawn]
    return [chart for chart in charts if chart]


def _chart(
    facts: Facts, column: str, kind: str, limits: list[Limit], ranges: Mapping[str, float | None]
) -> ScoreChart | None:
    least, high, most = (ranges[f"{column} {which}"] for which in ("least", "high", "most"))
    if least is None or high is None or most is None:
        return None
    # The threshold is in the picture unless it lies far beyond every document.
    near = [limit.value for limit in limits if limit.value <= most * 1.1]
    low, high = min([least, *near]), max([high, *near])
    whole, log = kind in INTEGERS, high > LOG_FROM
    start, step, bins = _bins(low, high, whole, log)
    answer = facts.ask(f"histogram of {column}", queries.histogram(column, start, step, bins, log))
    count = {row["bin"]: row["documents"] for row in answer.rows}
    cut = [(start + step * number, start + step * (number + 1), count.get(number, 0)) for number in range(bins)]
    svg = histogram(
        cut, title=f"Documents by {column}", x_label=column, limits=limits, log=log, whole=whole and not log
    )
    return ScoreChart(column, svg, answer)


def _bins(low: float, high: float, whole: bool, log: bool) -> tuple[float, float, int]:
    """Where the first bin starts, how wide each is and how many there are; of log10 where `log`."""
    if log:
        first, last = math.log10(max(low, 1)), math.log10(high)
        return round(first, 4), round((last - first) / BINS + 1e-4, 4), BINS
    if whole:
        step = max(1, -(-int(high - low + 1) // BINS))
        return float(int(low)), float(step), max(1, -(-int(high - low + 1) // step))
    width = (high - low) or 1.0
    return round(low, 6), round(width / BINS + 1e-6, 6), BINS
