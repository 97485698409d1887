"""One hash of 64-bit numbers: SplitMix64, on which orders, choices and splits rest. It must never change."""

import numpy as np


def splitmix64(values: np.ndarray) -> np.ndarray:
    """SplitMix64's output for each state (Steele et al. 2014), uint64 of the same shape; arithmetic wraps.

    Orders and splits are content: another function here would be another result everywhere.
    """
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
