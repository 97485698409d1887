"""The pages on presets tell what the code does: each rule, its column and its limit, in the order of the preset."""

import re
from pathlib import Path

import pytest

from tasks.decide.presets import PRESETS
from tasks.decide.rules import DecideConfig, compile_rules
from tasks.decide.thresholds import GROUPS

PAGES = Path(__file__).parents[3] / "docs" / "presets"
ROW = re.compile(r"^\| `([a-z0-9_.]+)` \| (?:`(\w+)`)? ?\| (.+?) \|$", re.M)


def told(name: str) -> list[tuple[str, str, str]]:
    """The rows of a page's table: rule, column, when it drops."""
    return ROW.findall((PAGES / f"{name}.md").read_text(encoding="utf-8"))


def done(name: str) -> list[tuple[str, str, str]]:
    """The same from the code."""
    config = DecideConfig.model_validate({"preset": name})
    rows = []
    for rule in compile_rules(config):
        group, _, threshold = rule.name.partition(".")
        if group == "rules":
            rows.append((rule.name, "", f"`{config.rules[threshold]}`"))
            continue
        mark = GROUPS[group].comparisons()[threshold]
        limit = getattr(getattr(config.for_source(), group), threshold)
        if mark.comparison == "is":
            said = "true"
        elif mark.comparison == "not in":
            said = "not `en`" if limit == ("en",) else "none of the languages with figures"
        else:
            said = f"{mark.comparison} {limit if isinstance(limit, int) else format(limit, 'g')}"
        rows.append((rule.name, mark.column, said))
    return rows


@pytest.mark.parametrize("name", PRESETS)
def test_a_page_has_every_rule_with_its_limit_in_order(name: str) -> None:
    assert told(name) == done(name)


def test_every_preset_has_a_page_and_every_page_a_preset() -> None:
    assert sorted(path.stem for path in PAGES.glob("*.md")) == sorted(PRESETS)
