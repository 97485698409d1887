"""Charts as SVG, made by hand: they need no script, no font and no request, and a screen reader can tell them.

A value's number shows when the pointer rests on it. `data_uri` makes an image of a chart for Markdown.
"""

import base64
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tasks.report.flow_chart import FlowStep, flow_chart
from tasks.report.svg import (
    DASHES,
    DROPPED,
    INK,
    KEPT,
    SERIES,
    SOFT,
    cut,
    drawing,
    full,
    line,
    rectangle,
    safe,
    short,
    text,
    text_width,
    ticks,
)

__all__ = ["FlowStep", "Limit", "bar_chart", "data_uri", "flow_chart", "histogram", "line_chart"]

Points = list[tuple[float, float]]
MOST_POINTS = 600
FEW_POINTS = 30


def data_uri(svg: str) -> str:
    """A chart as a `data:` address that an image in Markdown or HTML can have."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def thin(points: Points, most: int = MOST_POINTS) -> Points:
    """At most about `most` points that look the same: of each stretch its lowest and its highest point, in order."""
    if len(points) <= most:
        return points
    stretch = math.ceil(len(points) / (most // 2))
    kept: Points = []
    for start in range(0, len(points), stretch):
        some = points[start : start + stretch]
        kept += sorted({min(some, key=lambda point: point[1]), max(some, key=lambda point: point[1])})
    return kept


def line_chart(
    series: dict[str, Points], *, title: str, x_label: str, y_label: str, width: int = 720, height: int = 300
) -> str:
    """Lines over one pair of axes, each named at its end; points whose value is no finite number are left out.

    Args: `series` name → (x, y) points in order of x; `width` and `height` in pixels.
    Returns: SVG. Without any point it says so.
    """
    drawn = {
        name: [p for p in points if math.isfinite(p[0]) and math.isfinite(p[1])] for name, points in series.items()
    }
    drawn = {name: points for name, points in drawn.items() if points}
    if not drawn:
        return _empty(title, width, height)
    every = [point for points in drawn.values() for point in points]
    x_ticks = ticks(min(x for x, _ in every), max(x for x, _ in every), max(width // 110, 2))
    y_ticks = ticks(min(y for _, y in every), max(y for _, y in every), max(height // 55, 2))
    left = 22 + max(text_width(short(tick), 11) for tick in y_ticks)
    right = width - 24 - max(_bold_width(name) + text_width(short(ys[-1][1])) for name, ys in drawn.items())
    top, bottom = 44, height - 44
    # Time does not round up: the axis ends where the data ends.
    x_low, x_high = x_ticks[0], max(max(x for x, _ in every), x_ticks[0] + 1e-9)
    scale_x, scale_y = _scale(x_low, x_high, left, right), _scale(y_ticks[0], y_ticks[-1], bottom, top)
    parts = [text(left, 16, y_label, size=11, fill=SOFT)]
    for tick in y_ticks:
        parts += [line(left, scale_y(tick), right, scale_y(tick))]
        parts += [text(left - 8, scale_y(tick) + 4, short(tick), size=11, fill=SOFT, anchor="end")]
    for tick in x_ticks:
        if tick <= x_high * (1 + 1e-9):
            parts.append(text(scale_x(tick), bottom + 18, short(tick), size=11, fill=SOFT, anchor="middle"))
    parts.append(text((left + right) / 2, height - 8, x_label, size=11, fill=SOFT, anchor="middle"))
    label_places = _spread([(scale_y(points[-1][1]) + 4, name) for name, points in drawn.items()], 16, bottom)
    for number, (name, points) in enumerate(drawn.items()):
        color, shown = SERIES[number % len(SERIES)], thin(points)
        way = " ".join(f"{scale_x(x):.1f},{scale_y(y):.1f}" for x, y in shown)
        dash = f' stroke-dasharray="{DASHES[number % len(DASHES)]}"' if number else ""
        thickness = 1.2 if len(shown) > 200 else 2
        parts.append(f'<polyline points="{way}" fill="none" stroke="{color}" stroke-width="{thickness}"{dash}/>')
        seen = len(shown) <= FEW_POINTS
        parts += [_spot(scale_x(x), scale_y(y), color, f"{name}: {full(y)} at {full(x)}", seen) for x, y in shown]
        parts.append(text(right + 10, label_places[name], name, size=12, fill=color, weight=600))
        after = right + 16 + _bold_width(name)
        parts.append(text(after, label_places[name], short(points[-1][1]), size=12, fill=INK))
    told = "; ".join(
        f"{name} goes from {full(points[0][1])} to {full(points[-1][1])} over {len(points):,} points"
        for name, points in drawn.items()
    )
    return drawing(parts, width=width, height=height, title=title, description=f"{y_label} over {x_label}: {told}.")


def bar_chart(
    rows: Sequence[tuple[str, float]],
    *,
    title: str,
    unit: str,
    width: int = 720,
    notes: Sequence[str] = (),
    marks: Sequence[float | None] = (),
    errors: Sequence[float | None] = (),
    colors: Sequence[int] = (),
    decimals: int | None = None,
) -> str:
    """Horizontal bars from zero, each with its name and number.

    Args: `rows` (name, value), value not below 0, in the order to draw; `unit` of the values; `notes` what stands
    behind each number; `marks` a value on each bar to compare with (chance), `errors` a standard error; `colors` which
    series' colour each bar has, from 0; `decimals` of every number (None: as many as each needs).
    Returns: SVG, 28 pixels a bar.
    """
    if not rows:
        return _empty(title, width, 60)
    labels = [cut(name, 44) for name, _ in rows]
    shown = [
        f"{full(value) if decimals is None else f'{value:,.{decimals}f}'} {unit}".strip()
        + (f" · {note}" if note else "")
        for (_, value), note in _pair(rows, notes, "")
    ]
    left = 12 + max(text_width(label) for label in labels)
    room = max(width - left - 20 - max(text_width(label) for label in shown), 60)
    reach = [value + (error or 0) for (_, value), error in _pair(rows, errors, None)]
    most = max([*reach, *(mark for mark in marks if mark is not None)]) or 1.0
    parts = []
    for number, ((name, value), mark) in enumerate(_pair(rows, marks, None)):
        y, length = 6 + 28 * number, room * value / most
        color = SERIES[colors[number] % len(SERIES)] if number < len(colors) else KEPT
        hint = f"{name}: {shown[number]}" + (f" (compare {full(mark)})" if mark is not None else "")
        parts.append(text(left - 8, y + 15, labels[number], size=12, anchor="end"))
        parts.append(rectangle(left, y + 2, max(length, 1), 18, fill=color, hint=hint, radius=2))
        error = errors[number] if number < len(errors) else None
        end = left + max(length, 1)
        if error:
            low, high = left + room * max(value - error, 0) / most, left + room * (value + error) / most
            parts += [line(low, y + 11, high, y + 11, stroke=INK, width=1.5)]
            parts += [line(x, y + 7, x, y + 15, stroke=INK, width=1.5) for x in (low, high)]
            end = high
        if mark is not None:
            at = left + room * mark / most
            parts.append(line(at, y - 1, at, y + 23, stroke=INK, width=1.5, dash="3 2"))
            end = max(end, at)
        parts.append(text(end + 8, y + 15, shown[number], size=12, fill=SOFT))
    told = "; ".join(f"{name}: {label}" for (name, _), label in zip(rows, shown, strict=True))
    return drawing(parts, width=width, height=10 + 28 * len(rows), title=title, description=f"{told}.")


@dataclass(frozen=True)
class Limit:
    """A threshold on a score: `<` and `<=` drop what is below, `>` and `>=` what is above."""

    rule: str
    value: float
    comparison: str

    def drops(self, value: float) -> bool:
        """Whether a document with this score is dropped."""
        below = value < self.value if self.comparison == "<" else value <= self.value
        above = value > self.value if self.comparison == ">" else value >= self.value
        return below if "<" in self.comparison else above


def histogram(
    bins: Sequence[tuple[float, float, int]],
    *,
    title: str,
    x_label: str,
    limits: Sequence[Limit] = (),
    log: bool = False,
    whole: bool = False,
    width: int = 340,
    height: int = 166,
) -> str:
    """How many documents have which value, and the thresholds on it: bars on a dropping side have the other colour.

    Args: `bins` (low, high, documents) side by side, the last holds all above it; `log`: their edges are log10 of the
    value; `whole`: the value is a whole number and a bin holds `low` up to, not with, `high`.
    Returns: SVG.
    """
    if not bins:
        return _empty(title, width, height)
    left, right, top, bottom = 12.0, width - 12.0, 48, height - 22
    low, high = bins[0][0], bins[-1][1]
    most = max(count for _, _, count in bins) or 1
    scale_x = _scale(low, high, left, right)
    parts = [text(left, 16, x_label, size=12, weight=600)]

    single = whole and bins[0][1] - bins[0][0] <= 1  # a bar for each number: its label stands below its middle

    def real(place: float) -> float:
        return 10**place if log else place

    for start, stop, count in bins:
        middle = start if single else (start + stop) / 2
        tall = max((bottom - top) * count / most, 1 if count else 0)
        hint = f"{_edge(real(start))} to {_edge(real(stop))}: {count:,} documents"
        x, wide = scale_x(start), max(scale_x(stop) - scale_x(start) - 1, 0.8)
        color = DROPPED if any(limit.drops(real(middle)) for limit in limits) else KEPT
        parts.append(rectangle(x, bottom - tall, wide, tall, fill=color, hint=hint))
    parts.append(line(left, bottom, right, bottom, stroke=SOFT))
    for tick in ticks(low, high, 4):
        if low - 1e-9 <= tick <= high + 1e-9:
            at = scale_x(tick) + ((scale_x(bins[0][1]) - left) / 2 if single else 0)
            if single and tick >= high:
                continue  # the axis ends beyond the last whole number
            anchor = "start" if at < left + 8 else "end" if at > right - 8 else "middle"
            parts.append(text(at, bottom + 16, short(real(tick)), size=11, fill=SOFT, anchor=anchor))
    for place, limit in enumerate(limits):
        said, y = f"dropped {limit.comparison} {short(limit.value)}", top - 5 - 13 * place
        value = limit.value + (1 if whole and limit.comparison in ("<=", ">") else 0)
        at = scale_x(math.log10(max(value, 1e-9)) if log else value)
        if left - 0.1 <= at <= right + 0.1:
            parts.append(line(at, y - 7, at, bottom, stroke=INK, width=1.5, dash="4 3"))
            leftish = at < (left + right) / 2
            parts.append(text(at + (5 if leftish else -5), y, said, size=11, anchor="start" if leftish else "end"))
        else:
            parts.append(text(right, y, f"{said} (beyond)", size=11, fill=SOFT, anchor="end"))
    total = sum(count for _, _, count in bins)
    told = ", ".join(f"{limit.rule} drops {limit.comparison} {full(limit.value)}" for limit in limits) or "no threshold"
    described = f"{total:,} documents from {_edge(real(low))} to {_edge(real(high))}; {told}."
    return drawing(parts, width=width, height=height, title=title, description=described)


def _edge(value: float) -> str:
    return full(float(f"{value:.4g}"))


def _scale(low: float, high: float, start: float, stop: float) -> Callable[[float], float]:
    span = (high - low) or 1.0
    return lambda value: start + (stop - start) * (value - low) / span


def _bold_width(label: str) -> float:
    return 1.12 * text_width(label)


def _spot(x: float, y: float, color: str, hint: str, seen: bool) -> str:
    """A place that tells its value; drawn where points are few, else only there for the pointer."""
    look = 'r="3.5"' if seen else 'r="5" fill-opacity="0"'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" fill="{color}" {look}><title>{safe(hint)}</title></circle>'


def _spread(places: list[tuple[float, str]], apart: float, lowest: float) -> dict[str, float]:
    """Places of labels moved until no two are nearer than `apart` and none is below `lowest`."""
    found: dict[str, float] = {}
    last = -math.inf
    for place, name in sorted(places):
        last = max(place, last + apart)
        found[name] = last
    below = max(last - lowest, 0)
    return {name: place - below for name, place in found.items()}


def _pair(rows: Sequence, others: Sequence, missing: object) -> list[tuple]:
    return [(row, others[number] if number < len(others) else missing) for number, row in enumerate(rows)]


def _empty(title: str, width: int, height: int) -> str:
    said = text(width / 2, height / 2, "Nothing to show yet.", fill=SOFT, anchor="middle")
    return drawing([said], width=width, height=height, title=title, description="There is no value.")
