"""How much a corpus has changed since training was last asked for, and the event that asks for it again.

The event goes to a Prefect server that stays (`gristmill up`, or one's own). There the automation that `deployments`
registers hears it and starts training: both are in the server's database and outlive a restart of anything.
"""

import os
from typing import Any

from pydantic import Field

from storage import names
from storage.artifact import Artifact
from tasks.change import Change, measure_change
from tasks.config import StageConfig
from tasks.run import current_run

EVENT = "gristmill.corpus.changed"
RESOURCE = "gristmill.corpus"
"""How the resource of the event begins: gristmill.corpus.<recipe's name>."""


class RefreshConfig(StageConfig):
    """What follows from a refresh."""

    train_share: float | None = Field(
        default=0.1,
        ge=0,
        description="When more than this share of a corpus's text has come in or gone out since training was last "
        "asked for, it is asked for again: the event gristmill.corpus.changed, on which the automation of Prefect's UI "
        "starts pretrain once a person has switched it on. Null: never.",
    )


def ask_for_training(recipe: Any, corpus: Artifact, asked: dict[str, Any]) -> Change | None:
    """Send the event if the corpus has changed by more than the recipe's share; what has changed, or None if nothing.

    Args: `asked` the parameters of the refresh that training goes by too: recipe and settings.

    The corpus is then called `<recipe>/training-asked`, and the next one is compared with it: so small changes add up.
    """
    run, name = current_run(), f"{recipe.name}/training-asked"
    before, serves = names.latest(run.lake, name), bool(os.environ.get("PREFECT_API_URL"))
    if recipe.refresh.train_share is None or before == corpus:
        return None
    # damaged and deleted, nothing is known of what training was asked for with: all of the text is new to it
    change = measure_change(before if before is not None and before.exists else None, corpus)
    said = f"corpus          {change.share:.1%} of its text in or out since training was last asked for"
    much = change.share > recipe.refresh.train_share
    if run.only_reused and not (much and serves):
        return change  # the refresh that made this corpus has said it
    if not much:
        run.console.line(f"{said}: not more than {recipe.refresh.train_share:.1%}, no training")
    elif not serves:
        run.console.line(f"{said}; `gristmill up` is not running, so nobody is asked")
    else:
        run.before_writing(name)
        send(recipe.name, corpus, change, asked)
        names.assign(run.lake, name, corpus)
        run.console.line(f"{said}: sent {EVENT}")
    return change


def send(name: str, corpus: Artifact, change: Change, asked: dict[str, Any]) -> None:
    """Tell Prefect's server of the change. What the payload holds are numbers, names and ids."""
    from prefect.events import emit_event

    emit_event(
        EVENT,
        resource={"prefect.resource.id": f"{RESOURCE}.{name}", "prefect.resource.name": f"{name}/corpus"},
        payload={**asked, "corpus": str(corpus.fingerprint), "lake": corpus.lake, **change.figures()},
    )
