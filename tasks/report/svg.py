"""What every chart is drawn with: escaped text, colours, axis ticks, numbers as a person reads them.

Colours are CSS variables with a fallback: inside the report a chart follows its light or dark theme, alone (as a
`data:` image) it is dark ink on white. The series are Okabe and Ito's palette (2008), told apart by colour-blind eyes.
"""

import hashlib
import math
import re
from collections.abc import Sequence
from html import escape

INK = "var(--ink, #1d2733)"
SOFT = "var(--soft, #5d6b7a)"
GRID = "var(--grid, #e3e7ec)"
GROUND = "var(--chart-ground, #ffffff)"
KEPT = "var(--kept, #0072b2)"
DROPPED = "var(--dropped, #d55e00)"
SERIES = tuple(
    f"var(--series-{number}, {color})"
    for number, color in enumerate(("#0072b2", "#d55e00", "#009e73", "#aa4499", "#e69f00", "#56b4e9"), start=1)
)
DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 3", "10 4")
FONT = "ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif"
# XML 1.0 allows no control character but tab, line feed and carriage return, and no lone surrogate.
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def safe(text: object) -> str:
    """Text as XML content or attribute value: markup escaped, characters that XML forbids replaced by U+FFFD."""
    return escape(_NO_XML.sub("\ufffd", str(text)), quote=True)


def text(
    x: float, y: float, content: object, *, size: float = 12, fill: str = INK, anchor: str = "start", weight: int = 400
) -> str:
    """A line of text; `y` is its baseline, `anchor` start, middle or end."""
    extra = (f' text-anchor="{anchor}"' if anchor != "start" else "") + (
        f' font-weight="{weight}"' if weight != 400 else ""
    )
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" fill="{fill}"{extra}>{safe(content)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, *, stroke: str = GRID, width: float = 1, dash: str = "") -> str:
    """A straight line."""
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}" '
        f'stroke-width="{width:g}"{dashes}/>'
    )


def rectangle(x: float, y: float, width: float, height: float, *, fill: str, hint: str = "", radius: float = 0) -> str:
    """A filled rectangle; `hint` shows when the pointer rests on it."""
    rounded = f' rx="{radius:g}"' if radius else ""
    place = f'x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}"'
    return f'<rect {place}{rounded} fill="{fill}">{f"<title>{safe(hint)}</title>" if hint else ""}</rect>'


def drawing(parts: Sequence[str], *, width: float, height: float, title: str, description: str) -> str:
    """A whole SVG picture. A screen reader says `title` and `description`; nothing in it is fetched from elsewhere."""
    body = "".join(parts)
    name = "c" + hashlib.sha256(f"{title}\0{description}\0{body}".encode(errors="replace")).hexdigest()[:10]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img" aria-labelledby="{name}t {name}d" font-family="{FONT}">'
        f'<title id="{name}t">{safe(title)}</title><desc id="{name}d">{safe(description)}</desc>'
        f'<rect width="{width:g}" height="{height:g}" fill="{GROUND}"/>{body}</svg>'
    )


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers from `low` to `high`, both inside the first and last: steps of 1, 2 or 5 times a power of ten."""
    if not high - low > abs(low) * 1e-9:  # nearer than floats can tell apart on an axis
        high = low + (abs(low) or 1.0)
    rough = (high - low) / max(about, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, last + 1)]


def short(value: float) -> str:
    """A number in few characters: 950, 12.5k, 3.2M, 0.035."""
    for unit, scale, least in (("T", 1e12, 1e12), ("G", 1e9, 1e9), ("M", 1e6, 1e6), ("k", 1e3, 1e4)):
        if abs(value) >= least * 0.9995:  # what rounds up to the unit
            return f"{value / scale:.3g}{unit}" if abs(value) / scale < 999.5 else f"{value / scale:,.0f}{unit}"
    if value == int(value) or abs(value) >= 999.5:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 1e-4 else f"{value:.1e}"


def full(value: float) -> str:
    """A number with all that matters: 12,345 for counts, four significant digits for measures."""
    return f"{int(value):,}" if value == int(value) else f"{value:,.4g}"


def size(count: int | None) -> str:
    """Bytes as a person reads them: 512 B, 3.4 kB, 12.0 MB."""
    if count is None:
        return "–"
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= limit:
            return f"{count / limit:,.1f} {unit}"
    return f"{count} B"


def text_width(content: str, size: float = 12) -> float:
    """Roughly how wide a line of text is, in pixels: system fonts have up to 0.62 em a character, 1 an ideograph."""
    return size * sum(1.0 if ord(character) > 0x2E80 else 0.62 for character in content)


def cut(content: str, characters: int) -> str:
    """The text, or its start with an ellipsis where it is longer."""
    return content if len(content) <= characters else content[: max(characters - 1, 1)] + "…"
