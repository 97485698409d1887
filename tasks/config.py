"""The base of every stage's configuration."""

from pydantic import BaseModel, ConfigDict


class StageConfig(BaseModel):
    """What changes a stage's result, and nothing else: it is hashed into the artifact's fingerprint.

    Frozen, and a misspelt key is an error. Thresholds belong to the recipe's `decide` section, workers and paths to the
    run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    def enabled(self) -> bool:
        """Whether a recipe runs the stage at all."""
        return True
