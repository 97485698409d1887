"""A dial turned through a range: what stays at each point, from one pass over the columns that its rules read."""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.decide.rules import DecideConfig
from tasks.decide.whatif.columns import Columns
from tasks.decide.whatif.counts import Documents
from tasks.decide.whatif.verdicts import Verdicts, by_rules, changed_rules, compute, needs_all, rules_of


@dataclass(frozen=True)
class Point:
    """What stays where the dial stands at `value`."""

    value: object
    documents: int
    tokens: int


class NeedsClusters(ValueError):
    """A dial that the rules alone say nothing of."""


def curve(
    before: Verdicts,
    old: DecideConfig,
    points: Sequence[tuple[object, DecideConfig]],
    columns: Columns,
    documents: Documents,
) -> list[Point]:
    """What passes all rules at each point (value of the dial, configuration there).

    Only the rules in which the points differ are computed for each, all at once; what all others say is computed once.
    Raises: NeedsClusters where the points differ in no rule, or in one that needs more than a document's own scores.
    """
    configs = [config for _, config in points]
    first = configs[0]
    if any(needs_all(old, config) for config in configs):
        raise NeedsClusters("This dial needs more than each document's own scores: ask with --clusters.")
    turned = {name for config in configs for name in changed_rules(first, config)}
    if not turned:
        raise NeedsClusters("No rule follows from this dial alone (duplicates are clusters): ask with --clusters.")
    base = by_rules(before, old, first, columns)
    others, tokens = base.fails_other_than(turned), documents.tokens(base)
    wanted: dict[str, str] = {}
    for number, config in enumerate(configs):
        rules = rules_of(config)
        wanted |= {f"{number} {name}": sql for name in turned if (sql := rules.get(name)) is not None}
    dropped = compute(wanted, columns)
    found = []
    for number, (value, _) in enumerate(points):
        kept = ~others
        for name in turned:
            if f"{number} {name}" in dropped:
                kept = kept & ~dropped[f"{number} {name}"]
        found.append(Point(value, int(kept.sum()), round(float(tokens[kept].sum()))))
    return found


def point(value: object, verdicts: Verdicts, documents: Documents) -> Point:
    """The point of a dial at which a whole decision says this."""
    kept = verdicts.kept
    return Point(value, int(kept.sum()), round(float(documents.tokens(verdicts)[kept].sum())))
