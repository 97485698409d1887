"""What `gristmill verify` says of something that is not as it was written."""

from dataclasses import dataclass

from storage.artifact import Artifact

REGISTRY = "registry"
"""Where a damage of the index is."""
LINEAGE = "lineage"
"""Where a damage of an artifact is whose input is not there."""


@dataclass(frozen=True)
class Damage:
    """Something in the lake that is not as it was committed. `artifact` is None where it lies outside of artifacts.

    `remedy`: what to do about it, for what no run makes again.
    """

    artifact: Artifact | None
    where: str
    what: str
    remedy: str | None = None
