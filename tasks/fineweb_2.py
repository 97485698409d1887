"""FineWeb-2's limits per language, read from `fineweb_2.csv`: facts of its published configurations.

Source: Penedo et al. 2025, the repository huggingface/fineweb-2, folder configs/. Each row is a language that lid.176
knows, with GlotLID's code and its own.
"""

import csv
import functools
from pathlib import Path

FIGURES = Path(__file__).with_name("fineweb_2.csv")
CODES = ("glotlid", "lid_176")


@functools.cache
def figures() -> tuple[dict[str, str], ...]:
    """A row of each language, with the names of our thresholds; figures as they are written."""
    with FIGURES.open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


@functools.cache
def lid_176_codes() -> dict[str, tuple[str, ...]]:
    """lid.176's codes of each language by GlotLID's code."""
    found: dict[str, tuple[str, ...]] = {}
    for row in figures():
        found[row["glotlid"]] = (*found.get(row["glotlid"], ()), row["lid_176"])
    return found
