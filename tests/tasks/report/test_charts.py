"""Charts: what is drawn, what is told to a screen reader, and that no name can break out of them."""

import base64
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from tasks.report.charts import FlowStep, Limit, bar_chart, data_uri, flow_chart, histogram, line_chart, thin
from tasks.report.svg import DROPPED, KEPT, full, safe, short, ticks

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '</text><script>alert(1)</script>&<>"\x00\x1b'


def shown(svg: str) -> str:
    """All text that can be seen in a picture."""
    return " ".join(one.text or "" for one in etree.fromstring(svg).iter(f"{SVG}text"))


def every_chart(name: str) -> dict[str, str]:
    """One of each kind, with `name` wherever a name can stand."""
    return {
        "line": line_chart({name: [(0.0, 3.0), (1.0, 2.0)]}, title=name, x_label=name, y_label=name),
        "bar": bar_chart([(name, 3.5), ("b", 0.0)], title=name, unit=name, notes=[name]),
        "histogram": histogram([(0, 1, 3), (1, 2, 4)], title=name, x_label=name, limits=[Limit(name, 1.0, "<")]),
        "flow": flow_chart([FlowStep(name, 10, ((name, 4),))], title=name, unit=name, end=name),
    }


@pytest.mark.parametrize("name", ["loss", HOSTILE, "損失", ""])
def test_every_chart_is_well_formed_whatever_the_names_and_tells_itself(name):
    for kind, svg in every_chart(name).items():
        root = etree.fromstring(svg)
        assert root.tag == f"{SVG}svg", kind
        assert root.get("role") == "img"
        title, description = root.get("aria-labelledby", "").split()
        assert [one.text or "" for one in root.xpath(f'//*[@id="{title}"]')] == [safe_text(name)]
        assert root.xpath(f'//*[@id="{description}"]')[0].text
        assert not list(root.iter(f"{SVG}script"))
        assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")


def safe_text(name: str) -> str:
    """What a parser reads of a name that was made safe."""
    return etree.fromstring(f"<a>{safe(name)}</a>").text or ""


@given(st.text())
def test_any_text_is_made_safe_for_xml(text):
    assert etree.fromstring(f'<a b="{safe(text)}">{safe(text)}</a>') is not None


def test_a_chart_without_values_says_so():
    for svg in (
        line_chart({}, title="t", x_label="x", y_label="y"),
        line_chart({"a": [(0.0, math.nan)]}, title="t", x_label="x", y_label="y"),
        bar_chart([], title="t", unit="s"),
        histogram([], title="t", x_label="x"),
        flow_chart([], title="t"),
    ):
        assert "Nothing to show yet." in shown(svg)


def test_a_line_is_drawn_to_scale():
    svg = line_chart({"a": [(0.0, 0.0), (5.0, 5.0), (10.0, 10.0)]}, title="t", x_label="x", y_label="y")
    (way,) = etree.fromstring(svg).iter(f"{SVG}polyline")
    (x0, y0), (x1, y1), (x2, y2) = (map(float, point.split(",")) for point in way.get("points", "").split())
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
    assert y1 - y0 == pytest.approx(y2 - y1, abs=0.2)
    assert y2 < y0


def test_a_line_with_a_single_point_or_a_constant_is_drawn():
    for points in ([(3.0, 2.0)], [(0.0, 2.0), (9.0, 2.0)], [(0.0, 0.0), (1.0, 0.0)]):
        assert "a" in shown(line_chart({"a": points}, title="t", x_label="x", y_label="y")).split()


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5000), st.integers(4, 700))
def test_thinning_keeps_the_extremes_and_the_order(values, most):
    points = [(float(x), y) for x, y in enumerate(values)]
    kept = thin(points, most)
    assert len(kept) <= max(most, len(points) if len(points) <= most else 0) + 2
    assert kept == sorted(kept)
    assert {min(values), max(values)} <= {y for _, y in kept}
    assert set(kept) <= set(points)


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9), st.integers(2, 9))
def test_ticks_cover_the_range_in_round_steps(low, span, about):
    span = max(span, abs(low) * 1e-6)
    found = ticks(low, low + span, about)
    step = found[1] - found[0]
    assert found[0] <= low + step * 1e-6
    assert found[-1] >= low + span - step * 1e-6
    assert 2 <= len(found) <= about * 2 + 3
    mantissa = round(step / 10 ** math.floor(math.log10(step) + 1e-9), 2)
    assert mantissa in (1, 2, 5, 10)


def test_bars_are_as_long_as_their_values_and_carry_their_numbers():
    svg = bar_chart([("a", 10.0), ("b", 5.0), ("c", 0.0)], title="t", unit="s", notes=["", "2 made"])
    widths = [float(one.get("width", "0")) for one in etree.fromstring(svg).iter(f"{SVG}rect")][1:]
    assert widths[0] == pytest.approx(2 * widths[1], rel=0.01)
    assert "10 s" in shown(svg)
    assert "5 s · 2 made" in shown(svg)


@pytest.mark.parametrize(
    ("comparison", "dropped"), [("<", [0, 1]), ("<=", [0, 1, 2]), (">", [3, 4]), (">=", [2, 3, 4])]
)
def test_bars_on_the_dropping_side_of_a_whole_number_have_the_other_colour(comparison, dropped):
    bins = [(float(n), float(n + 1), 10) for n in range(5)]
    svg = histogram(bins, title="t", x_label="n", limits=[Limit("rule", 2.0, comparison)], whole=True)
    bars = [one.get("fill") for one in etree.fromstring(svg).iter(f"{SVG}rect")][1:]
    assert bars == [DROPPED if n in dropped else KEPT for n in range(5)]
    assert f"dropped {comparison} 2" in shown(svg)


def test_a_logarithmic_histogram_names_real_values():
    bins = [(n / 2, (n + 1) / 2, 5) for n in range(8)]
    svg = histogram(bins, title="t", x_label="n_words", limits=[Limit("min", 50.0, "<")], log=True)
    assert "10k" in shown(svg)
    bars = [one.get("fill") for one in etree.fromstring(svg).iter(f"{SVG}rect")][1:]
    assert bars == [DROPPED] * 3 + [KEPT] * 5


def test_the_flow_names_what_enters_what_leaves_and_what_is_kept():
    reasons = tuple((f"reason {n}", 10 - n) for n in range(9))
    steps = [FlowStep("read", 200, reasons), FlowStep("rules", 200 - 54, ()), FlowStep("copies", 146, (("exact", 46),))]
    assert steps[0].stayed == 146
    svg = flow_chart(steps, title="t")
    text = shown(svg)
    for number in ("200 in", "−54", "146 in", "−46", "100", "4 more", "none left", "50.0% of all"):
        assert number in text
    assert all(f"{reason} ({count})" in svg for reason, count in reasons)


def test_numbers_are_short_or_full():
    assert [short(value) for value in (0, 950, 9990, 12_500, 999_999, 3_210_000, 0.0351)] == [
        "0",
        "950",
        "9,990",
        "12.5k",
        "1M",
        "3.21M",
        "0.0351",
    ]
    assert [full(value) for value in (12_345, 0.123456, 2.0)] == ["12,345", "0.1235", "2"]


def test_a_data_address_holds_the_picture():
    svg = bar_chart([("ü", 1.0)], title="t", unit="s")
    kind, _, content = data_uri(svg).partition(",")
    assert kind == "data:image/svg+xml;base64"
    assert base64.b64decode(content).decode() == svg
