"""Our own extractor in three profiles: a scanner and small networks, and where they are unsure, a second opinion.

A network gives each block of the page the probability that it belongs to its text. Two of the profiles ask more
networks, one of them only where the first hesitates, and trafilatura about a page on which they stay unsure, whose
opinion is added to theirs. Tables and lists inside the text are kept whole.
"""

from dataclasses import dataclass

import numpy as np

from tasks.extract.config import ExtractConfig
from tasks.extract.pages import columns
from tasks.extract.pages.groups import fill_groups
from tasks.extract.pages.layout import Layout
from tasks.extract.pages.libraries import by_trafilatura
from tasks.extract.pages.network import NETWORKS, Asked
from tasks.extract.pages.opinion import Held, block_texts
from tasks.extract.pages.render import render
from tasks.extract.payload import Refused

KEEP = 0.4
"""A block of at least this probability belongs to the text."""
GROUP_LINKED, GROUP_LEAST = 0.2, 0.1
"""A table or list inside the text is kept whole if at most this share of it is links, and its mean probability is at
least so much."""
OPINION = 1.0
"""What a second opinion adds to the logit of a block that it keeps, and takes from that of one it leaves."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile of the cascade.

    Attributes:
        hesitant: above this doubt (`doubt`, 0 to a half) of the first network all are asked, and their mean counts;
            below 0 they are asked on every page.
        unsure: above this doubt there is a second opinion.
    """

    hesitant: float = 0.5
    unsure: float = 0.5


PROFILES = {
    "cascade-quick": Profile(),
    "cascade-balanced": Profile(hesitant=0.05, unsure=0.38),
    "cascade-accurate": Profile(hesitant=-1.0, unsure=0.1),
}
"""The profiles by the names of extractors."""


def by_cascade(layout: Layout, html: str, url: str | None, config: ExtractConfig) -> str:
    """The page's text by the profile that the configuration names; empty if the page has none."""
    profile = PROFILES[config.extractor]
    if not len(layout.blocks):
        return ""
    asked = Asked(layout)
    chances = asked.chances(NETWORKS if profile.hesitant < 0 else 1)
    if 0 <= profile.hesitant < 0.5 and doubt(layout, chances) > profile.hesitant:
        chances = asked.chances(NETWORKS)
    if profile.unsure < 0.5 and doubt(layout, chances) > profile.unsure:
        chances = _with_opinion(layout, chances, html, url, config)
    fill_groups(layout.nodes, layout.blocks, chances, KEEP, GROUP_LINKED, GROUP_LEAST)
    # Of a page without a likely block, the likeliest: it said something.
    most = float(chances.max())
    kept = np.flatnonzero(chances >= (KEEP if most >= KEEP else 0.5 * most))
    return render(layout, kept.tolist(), config.output, config.include_tables)


def doubt(layout: Layout, chances: np.ndarray) -> float:
    """How unsure the networks are of a page, 0 to 0.5: how far its blocks' probabilities are from certainty, by
    characters, over those of the blocks that may belong to its text.
    """
    size = layout.blocks[:, columns.CHARACTERS].astype(np.float64)
    likely = float((size * (chances > 0.2)).sum())
    return min(float((np.minimum(chances, 1 - chances) * size).sum()) / max(likely, 1.0), 0.5)


def _with_opinion(layout: Layout, chances: np.ndarray, html: str, url: str | None, config: ExtractConfig) -> np.ndarray:
    """The probabilities after trafilatura's fast mode was heard; as they are where it gives no text."""
    try:
        text = by_trafilatura(html, url, "trafilatura-fast", config.model_copy(update={"output": "text"}))
    except Refused:
        return chances
    if not text.strip():
        return chances
    held = Held(text)
    said = np.array([OPINION if block in held else -OPINION for block in block_texts(layout)], np.float32)
    # p / (1 - p), times e to the opinion: the opinion added to the logit.
    odds = chances / np.maximum(1 - chances, np.float32(1e-6)) * np.exp(said)
    return odds / (1 + odds)
