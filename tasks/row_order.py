"""Which rows a training step reads: a pure function of the seed, the phases' rows and the step.

The steps are divided among the phases of training as the rows are: a phase that has a fifth of the rows has a fifth of
the steps, so that every phase is read as often as the others, however long the training is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FINETUNING_PHASE = 1
"""The phase of `models.training.rows_of_step` that fine-tuning has; pretraining's are 0, 2, 3, …"""


@dataclass(frozen=True)
class RowOrder:
    """The rows of each step of a pretraining run.

    Attributes:
        seed: of the training.
        phase_rows: rows of each phase, in their order.
        steps: optimizer steps of the whole run; rows_per_step: rows in each.
    """

    seed: int
    phase_rows: Sequence[int]
    steps: int
    rows_per_step: int

    @property
    def first_steps(self) -> np.ndarray:
        """The first step of each phase, and the number of all steps, int64 (phases + 1,)."""
        share = np.cumsum([0, *self.phase_rows]) / max(sum(self.phase_rows), 1)
        return np.rint(share * self.steps).astype(np.int64)

    def phase(self, step: int) -> int:
        """The phase that a step belongs to."""
        return min(int(np.searchsorted(self.first_steps, step, side="right")) - 1, len(self.phase_rows) - 1)

    def rows(self, step: int) -> np.ndarray:
        """Row numbers of a step, int64 [rows_per_step]. Raises ValueError if there are no rows."""
        from models.training import rows_of_step

        if not len(self.phase_rows):
            return rows_of_step(self.seed, 0, step, 0, self.rows_per_step)  # says that there are none
        phase = self.phase(step)
        stream = phase if phase == 0 else phase + FINETUNING_PHASE
        before = int(sum(self.phase_rows[:phase]))
        within = step - int(self.first_steps[phase])
        return before + rows_of_step(self.seed, stream, within, int(self.phase_rows[phase]), self.rows_per_step)
