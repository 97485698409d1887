"""The stages that say something of every document, in the order in which they run.

A new one is a line here, and its section in `flows.recipe.Recipe`: a run calls it, a recipe sets it, and its columns
may stand in the rules of `decide`.
"""

from typing import Any

from tasks.language import identify_language
from tasks.quality.stage import measure_quality
from tasks.sign import sign
from tasks.stage import Stage
from tasks.urls.stage import look_up_urls

ANNOTATIONS: tuple[tuple[Stage[Any], str], ...] = (
    (identify_language, "language"),
    (measure_quality, "quality"),
    (sign, "sign"),
    (look_up_urls, "urls"),
)
"""(stage, name of its section in a recipe)."""
