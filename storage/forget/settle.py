"""Marks what holds forgotten text or learned from it, and sets aside what holds it, so that `gc` deletes it."""

from collections.abc import Mapping

from storage import names
from storage.artifact import Artifact
from storage.catalog.superseded import supersede
from storage.forget.holders import Holders, find_holders, mark_holders
from storage.lake import Lake

WHY = "it holds text that was forgotten"


def settle(lake: Lake, successors: Mapping[Artifact, Artifact] | None = None) -> Holders:
    """Mark and set aside all that the lake has of forgotten text; gives it. Costs nothing without a tombstone.

    What was read, and nothing stands for yet, is not set aside: with its text `gc` would delete that of all other rows,
    and the files that they were read from may be gone.

    What a run makes while a tombstone is written does not have it. So this is done again when a run ends that saw one
    come, and before `gc` looks. `successors`: what stands for an artifact now, where the caller knows it.
    """
    found = find_holders(lake)
    mark_holders(lake, found)
    for one, successor in found.successors.items():
        supersede(lake, one, successor, WHY)
    for one in found.texts:
        supersede(lake, one, (successors or {}).get(one), WHY)
    _withdraw_names(lake, found)
    return found


def _withdraw_names(lake: Lake, found: Holders) -> None:
    """Let no name mean an evaluation that holds samples of a model that has read the text.

    A corpus has a successor, to which `forget` moves the name; what a model says can only be asked of another model.
    """
    for name in names.all_names(lake) if found.texts else ():
        meant = names.latest(lake, name)
        if meant in found.texts and meant.manifest.kind == "evaluation":
            names.withdraw(lake, name, meant)
