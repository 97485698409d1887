"""Documents in, documents out: a band that narrows where documents leave, with the reasons below."""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.report.svg import DROPPED, KEPT, SOFT, cut, drawing, rectangle, safe, text


@dataclass(frozen=True)
class FlowStep:
    """One stage of the way: its name, what came in, and why some did not go on (reason, count), most first."""

    name: str
    entered: int
    left: tuple[tuple[str, int], ...] = ()

    @property
    def stayed(self) -> int:
        """What goes on."""
        return self.entered - sum(count for _, count in self.left)


REASONS_SHOWN = 6
BAND = 130.0
CURVE = 10.0
FIRST_LINE, SECOND_LINE = 17, 13
CHARACTER = 6.2
"""Pixels of a letter of a reason, about."""


def flow_chart(
    steps: Sequence[FlowStep], *, title: str, unit: str = "documents", end: str = "kept", width: int = 1040
) -> str:
    """The way of documents through stages, left to right; the band is as high as there are documents.

    Args: `steps` in order, each entered by what stayed before; `end` names what is left after the last.
    Returns: SVG. Below each step stand its reasons with their counts (the rest summed up after six); a long one goes on
    in a second line, for rules of a group begin alike.
    """
    if not steps or not steps[0].entered:
        nothing = text(width / 2, 40, "Nothing to show yet.", fill=SOFT, anchor="middle")
        return drawing([nothing], width=width, height=80, title=title, description="There is no value.")
    column = (width - 120.0) / len(steps)
    reasons = [[(reason, count, _lines(reason, count, column)) for reason, count in _shown(step)] for step in steps]
    tallest = max(sum(FIRST_LINE + SECOND_LINE * (len(lines) - 1) for _, _, lines in below) for below in reasons)
    top = 58.0
    band = min(BAND, column - 30)
    foot = top + band + 22
    height = foot + 36 + tallest
    parts: list[str] = []

    def tall(count: int) -> float:
        return max(band * count / steps[0].entered, 1.0 if count else 0.0)

    for number, step in enumerate(steps):
        x, following = column * number, column * (number + 1)
        before, after, gone = tall(step.entered), tall(step.stayed), step.entered - step.stayed
        parts.append(text(x + 2, 18, cut(step.name, int(column / 8)), size=13, weight=600))
        parts.append(text(x + 2, 38, f"{step.entered:,} in", size=12, fill=SOFT))
        if gone:
            hint = f"{step.name}: {gone:,} of {step.entered:,} {unit} leave"
            way = _ribbon(x, top + after, max(before - after, 1.0), foot)
            parts.append(f'<path d="{way}" fill="{DROPPED}"><title>{safe(hint)}</title></path>')
        parts.append(
            rectangle(x, top, following - x - 2, after, fill=KEPT, hint=f"{step.name}: {step.stayed:,} {unit} go on")
        )
        share = gone / step.entered if step.entered else 0
        said = f"−{gone:,}  ({share:.1%})" if gone else "none left"
        parts.append(text(x + 2, foot + 20, said, size=12, weight=600, fill=DROPPED if gone else SOFT))
        y = foot + 41
        for reason, count, lines in reasons[number]:
            parts.append(f"<g><title>{safe(f'{reason}: {count:,}')}</title>")
            for place, said in enumerate(lines):
                parts.append(text(x + 2, y + SECOND_LINE * place, said, size=11))
            parts.append(text(x + column - 16, y, f"{count:,}", size=11, fill=SOFT, anchor="end"))
            parts.append("</g>")
            y += FIRST_LINE + SECOND_LINE * (len(lines) - 1)
    kept = steps[-1].stayed
    x = column * len(steps)
    parts.append(rectangle(x, top, 110, tall(kept), fill=KEPT, hint=f"{kept:,} {unit} {end}"))
    parts.append(text(x + 2, 18, end, size=13, weight=600, fill=KEPT))
    parts.append(text(x + 2, 38, f"{kept:,}", size=12, fill=SOFT))
    share = kept / steps[0].entered
    parts.append(text(x + 2, foot + 20, f"{share:.1%} of all", size=12, weight=600))
    told = " ".join(
        f"{step.name}: {step.entered:,} in, {step.stayed:,} on"
        + (", left by " + ", ".join(f"{reason} ({count:,})" for reason, count in step.left) if step.left else "")
        + "."
        for step in steps
    )
    return drawing(parts, width=width, height=height, title=title, description=f"{told} {kept:,} {unit} {end}.")


def _ribbon(x: float, y: float, thick: float, foot: float) -> str:
    """What leaves: a stripe as thick as it is many, from (x, y) a quarter turn down to `foot`."""
    inner, outer = CURVE, CURVE + thick
    return (
        f"M{x:.1f},{y:.1f} A{outer:.1f},{outer:.1f} 0 0 1 {x + outer:.1f},{y + outer:.1f} V{foot:.1f} "
        f"H{x + inner:.1f} V{y + outer:.1f} A{inner:.1f},{inner:.1f} 0 0 0 {x:.1f},{y + thick:.1f} Z"
    )


def _lines(reason: str, count: int, column: float) -> list[str]:
    """The name of a rule in one line, or two: the first, which has the count behind it, ends behind a `_`."""
    first = max(int((column - 18) / CHARACTER) - len(f"{count:,}") - 2, 6)
    if len(reason) <= first:
        return [reason]
    end = reason.rfind("_", 1, first) + 1
    return [reason[:end], cut(reason[end:], int((column - 4) / CHARACTER))] if end else [cut(reason, first)]


def _shown(step: FlowStep) -> list[tuple[str, int]]:
    if len(step.left) <= REASONS_SHOWN:
        return list(step.left)
    first = list(step.left[: REASONS_SHOWN - 1])
    rest = step.left[REASONS_SHOWN - 1 :]
    return [*first, (f"{len(rest)} more", sum(count for _, count in rest))]
