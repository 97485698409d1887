"""The learning rate over a run: warm-up, stable, decay (WSD; Hu et al. 2024, MiniCPM, section 4)."""

from models.configuration import ScheduleConfig


def learning_rate_scale(step: int, steps: int, schedule: ScheduleConfig) -> float:
    """What the peak rate is multiplied by in step 0, 1, … steps - 1: linear up, 1, linear down to `final`.

    No step has the rate 0, which would waste it: the first has 1/warm-up, the last is one decay step above `final`.
    """
    warmup, decay = round(steps * schedule.warmup_share), round(steps * schedule.decay_share)
    rising = min(1.0, (step + 1) / warmup) if warmup else 1.0
    left = min(1.0, (steps - step) / (decay + 1)) if decay else 1.0
    return min(rising, schedule.final + (1.0 - schedule.final) * left)
