"""The stages that say something of every document, in the order in which they run.

A new one is a line here, and its section in `flows.recipe.Recipe`: a run calls it, a recipe sets it, and its columns
may stand in the rules of `decide`.
"""

from typing import Any

from tasks.classify import classify
from tasks.language import identify_language
from tasks.perplexity import measure_perplexity
from tasks.quality.stage import measure_quality
from tasks.sign import sign
from tasks.stage import Stage

ANNOTATIONS: tuple[tuple[Stage[Any], str], ...] = (
    (identify_language, "language"),
    (measure_quality, "quality"),
    (sign, "sign"),
    (classify, "classify"),
    (measure_perplexity, "perplexity"),
)
"""(stage, name of its section in a recipe)."""
