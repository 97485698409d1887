"""Whether what is new is like what was known: compared before a corpus is composed, and refused where a recipe says."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from storage import names
from storage.artifact import Artifact
from tasks.drift.config import DriftConfig
from tasks.drift.said import say
from tasks.drift.stage import find_drift, snapshot_of
from tasks.phrases import count_phrases
from tasks.report.collect import Results
from tasks.report.page import write_report
from tasks.run import current_run

SHOWN = 12


class Drift(DriftConfig):
    """The limits of a new snapshot, and what a refresh does past them."""

    on_warning: Literal["say", "refuse"] = Field(
        default="say",
        description="What a refresh does on a warning: say it and go on, or refuse: end with an error before a new "
        "corpus is composed. The corpus that had the name keeps it.",
    )

    @property
    def limits(self) -> DriftConfig:
        """What the stage is told."""
        return DriftConfig.model_validate(self.model_dump(exclude={"on_warning"}))


class DriftRefused(RuntimeError):
    """New snapshots are unlike the earlier ones, and the recipe refuses such."""


def check_drift(
    recipe: Any, documents: Sequence[Artifact], annotations: Sequence[Artifact], decisions: Artifact
) -> Artifact | None:
    """What is unlike in the snapshots that the recipe's newest corpus does not hold; None without such, or before.

    Raises: DriftRefused if there is any and the recipe says so.
    """
    phrases = _count(recipe, documents)
    new, known = _apart(recipe, documents)
    if recipe.drift is None or not new or not known:
        return None
    current_run().before_writing("drift")  # a corpus that does not hold these snapshots is not the newest for long
    languages = [one for one in annotations if one.stage == "language"]
    made = find_drift(
        recipe.drift.limits, new=new, known=known, decisions=decisions, languages=languages, phrases=phrases
    )
    warnings = made.read().to_pylist()
    _tell(made, [say(row) for row in warnings])
    if warnings and recipe.drift.on_warning == "refuse":
        write_report(current_run(), recipe.name, Results(decisions=decisions))
        raise DriftRefused(_refusal(recipe.name, made, [say(row) for row in warnings]))
    return made


def _count(recipe: Any, documents: Sequence[Artifact]) -> list[Artifact]:
    """The phrases of each artifact of documents, where bursts are looked for."""
    if recipe.drift is None or recipe.drift.burst is None or not recipe.phrases.enabled:
        return []
    return [count_phrases(recipe.phrases, documents=one) for one in documents]


def _apart(recipe: Any, documents: Sequence[Artifact]) -> tuple[list[Artifact], list[Artifact]]:
    """What was read from snapshots that the recipe's newest corpus does not hold, and from those that it does."""
    corpus = names.latest(current_run().lake, f"{recipe.name}/corpus")
    there = [corpus] if corpus is not None and corpus.exists else []  # damaged and deleted, it is made again now
    held = {snapshot_of(document).fingerprint for one in there for document in one.inputs("documents")}
    new = [one for one in documents if snapshot_of(one).fingerprint not in held]
    return new, [one for one in documents if one not in new]


def _tell(drift: Artifact, said: Sequence[str]) -> None:
    line = current_run().console.line
    for one in said[:SHOWN]:
        line(f"drift           WARNING {one}")
    if len(said) > SHOWN:
        line(f"drift           and {len(said) - SHOWN:,} more warnings: gristmill sql 'from drift'")
    if not said:
        compared = sum(drift.read(["comparisons"], "checked").column("comparisons").to_pylist())
        line(f"drift           {compared:,} shares compared with those of earlier snapshots: no warning")


def _refusal(name: str, drift: Artifact, said: Sequence[str]) -> str:
    more = f" And {len(said) - 3:,} more." if len(said) > 3 else ""
    return (
        f"The refresh of {name} is refused: what is new is unlike the earlier snapshots. {' '.join(said[:3])}{more} "
        f'{name}/corpus stays as it was. All warnings: gristmill sql "from drift where fingerprint = '
        f"'{drift.fingerprint}'\". To take it in all the same: gristmill refresh --set drift.on_warning=say."
    )
