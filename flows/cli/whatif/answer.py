"""The answer to a question: what would be kept and dropped. Reads the lake and writes nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any

import pyarrow as pa
import yaml

from flows.cli.whatif.question import Question, bytes_per_token
from storage.statements import Refused
from tasks.decide.rules import DecideConfig
from tasks.decide.whatif.columns import Columns
from tasks.decide.whatif.counts import Comparison, Documents, compare, describe
from tasks.decide.whatif.curve import Point, curve, point
from tasks.decide.whatif.samples import Sides, sample
from tasks.decide.whatif.shared import share
from tasks.decide.whatif.verdicts import (
    Verdicts,
    by_rules,
    changed_rules,
    check,
    needs_all,
    stored_verdicts,
    with_clusters,
)

MOST_POINTS = 1000


@dataclass(frozen=True)
class Answer:
    """Counts and samples, and the verdicts that they are of."""

    verdicts: Verdicts
    comparison: Comparison
    samples: Sides

    @property
    def clustered(self) -> bool:
        """Whether clusters were formed."""
        return self.verdicts.clustered


class Stored:
    """The stored decisions and scores of a question; each column is read once, however much is asked."""

    def __init__(self, question: Question) -> None:
        self.question = question
        doc_id, self.before = stored_verdicts(question.decisions, question.old)
        self.columns = Columns.of(question.decisions, doc_id)
        self.ratio = bytes_per_token(question)

    @cached_property
    def documents(self) -> Documents:
        """Sources, languages, bytes and estimated tokens."""
        return describe(self.columns, self.ratio)

    def decide(self, config: DecideConfig, clusters: bool) -> tuple[pa.Table | None, Verdicts]:
        """The verdicts of another configuration; with clusters also the stage's table."""
        check(config, self.columns)
        if clusters:
            return with_clusters(self.question.decisions, config)
        if needs_all(self.question.old, config):
            return None, with_clusters(self.question.decisions, config)[1].without_copies()
        return None, by_rules(self.before, self.question.old, config, self.columns)

    def answer(self, clusters: bool, samples: int, seed: int) -> Answer:
        """Compare what is decided with what would be."""
        old, new = self.question.old, self.question.new
        decided, after = self.decide(new, clusters)
        before = self.before if clusters else self.before.without_copies()
        turned = changed_rules(old, new)
        sides = sample(before, after, (old, new), turned, self.columns, samples, seed, decided)
        return Answer(after, compare(before, after, self.documents), sides)

    def curve(self, dial: str, values: list[Any], clusters: bool, said: Callable[[int], None]) -> list[Point]:
        """What stays at each value of a dial. `said` is told how many points are done, where clusters are formed."""
        points = [(value, self.question.turned(f"{dial}={_written(value)}")) for value in values]
        if not clusters:
            check(points[0][1], self.columns)
            return curve(self.before, self.question.old, points, self.columns, self.documents)
        shared, found = share(self.question.decisions, [config for _, config in points], self.columns), []
        for number, (value, _) in enumerate(points):
            found.append(point(value, shared.decide(number), self.documents))
            said(number + 1)
        return found


def parse_curve(text: str) -> tuple[str, list[Any]]:
    """`decide.gopher.min_words=10:200:10`, or a list `…=10,50,100`: the dial and its values. Raises: Refused."""
    dial, separator, said = text.partition("=")
    dial = dial.strip()
    if not separator or not dial.startswith("decide."):
        raise Refused(
            f"--curve takes a dial of decide and a range or list, such as decide.gopher.min_words=10:200:10: {text!r}."
        )
    parts = said.split(":")
    if len(parts) == 1:
        try:
            values = yaml.safe_load(f"[{said}]")
        except yaml.YAMLError as error:
            raise Refused(f"--curve {text}: values stand with commas between them, as in 10,50,100.") from error
    else:
        try:
            low, high, step = (Decimal(part) for part in parts)
        except (InvalidOperation, ValueError) as error:
            raise Refused(f"--curve {text}: a range is LOW:HIGH:STEP, three numbers.") from error
        finite = all(part.is_finite() for part in (low, high, step))
        if not finite or step <= 0 or high < low or (high - low) / step >= MOST_POINTS:
            raise Refused(f"--curve {text}: from LOW up to HIGH in at most {MOST_POINTS} steps above 0.")
        whole = all(part == int(part) for part in (low, step))
        numbers = [low + step * number for number in range(int((high - low) / step) + 1)]
        values = [int(one) if whole else float(one) for one in numbers]
    if len(values) < 2:
        raise Refused(f"--curve {text}: a curve has two points at least.")
    return dial, values


def _written(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("\n").removesuffix("\n...")
