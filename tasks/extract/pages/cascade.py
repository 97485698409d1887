"""Our own extractor in three profiles: a scanner and a small network, and where they are unsure, a second opinion.

The network gives each block of the page the probability that it belongs to its text; tables and lists inside the text
are kept whole.
"""

from dataclasses import dataclass

import numpy as np

from tasks.extract.config import ExtractConfig
from tasks.extract.pages.groups import fill_groups
from tasks.extract.pages.layout import Layout
from tasks.extract.pages.network import probabilities
from tasks.extract.pages.render import render

KEEP = 0.4
"""A block of at least this probability belongs to the text."""
GROUP_LINKED, GROUP_LEAST = 0.2, 0.1
"""A table or list inside the text is kept whole if at most this share of it is links, and its mean probability is at
least so much."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile of the cascade: how many networks are asked."""

    networks: int


PROFILES = {"cascade-quick": Profile(1), "cascade-balanced": Profile(3), "cascade-accurate": Profile(3)}
"""The profiles by the names of extractors."""


def by_cascade(layout: Layout, html: str, url: str | None, config: ExtractConfig) -> str:
    """The page's text by the profile that the configuration names; empty if the page has none."""
    profile = PROFILES[config.extractor]
    if not len(layout.blocks):
        return ""
    chances = probabilities(layout, profile.networks)
    fill_groups(layout.nodes, layout.blocks, chances, KEEP, GROUP_LINKED, GROUP_LEAST)
    # Of a page without a likely block, the likeliest: it said something.
    most = float(chances.max())
    kept = np.flatnonzero(chances >= (KEEP if most >= KEEP else 0.5 * most))
    return render(layout, kept.tolist(), config.output, config.include_tables)
