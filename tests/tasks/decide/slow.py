"""Decisions by all pairs and a union-find, with no thought of speed: what the fast ones are compared with."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

import numpy as np

from tasks.decide.rules import DecideConfig
from tasks.decide.thresholds import DuplicateRules
from tests.tasks.decide.inputs import SIGN, Page

DAY = datetime(2024, 1, 1, tzinfo=UTC)


def day(number: int | None) -> datetime | None:
    return None if number is None else DAY + timedelta(days=number)


def agreement(left: Page, right: Page) -> float:
    assert left.signature is not None
    assert right.signature is not None
    return sum(a == b for a, b in zip(left.signature, right.signature, strict=True)) / SIGN.n_values


def exact_jaccard(left: Page, right: Page) -> float:
    one, other = set(left.shingles or ()), set(right.shingles or ())
    return len(one & other) / len(one | other)


def share_a_band(left: Page, right: Page) -> bool:
    if left.signature is None or right.signature is None:
        return False
    bands = range(0, SIGN.n_values, SIGN.rows)
    return any(left.signature[band : band + SIGN.rows] == right.signature[band : band + SIGN.rows] for band in bands)


def links(rules: DuplicateRules) -> dict[str, Callable[[Page, Page], bool]]:
    """Whether two pages are duplicates, by each kind that is asked for."""

    def near(left: Page, right: Page) -> bool:
        return (
            share_a_band(left, right)
            and (rules.min_jaccard is None or agreement(left, right) >= rules.min_jaccard)
            and (rules.min_exact_jaccard is None or exact_jaccard(left, right) >= rules.min_exact_jaccard)
        )

    def simhash(left: Page, right: Page) -> bool:
        if left.simhash is None or right.simhash is None:
            return False
        return (left.simhash ^ right.simhash).bit_count() <= (rules.simhash or 0)

    def semantic(left: Page, right: Page) -> bool:
        if not any(left.embedding or ()) or not any(right.embedding or ()):
            return False
        one, other = np.array(left.embedding, float), np.array(right.embedding, float)
        return float(one @ other) >= (rules.semantic or 0) * float(np.linalg.norm(one) * np.linalg.norm(other))

    kinds: dict[str, Callable[[Page, Page], bool]] = {
        "exact": lambda left, right: left.content == right.content,
        "url": lambda left, right: left.url is not None and left.url == right.url,
        "near": near,
        "simhash": simhash,
        "semantic": semantic,
    }
    return {kind: link for kind, link in kinds.items() if kind in rules.kinds()}


def place(page: Page, rules: DuplicateRules) -> tuple[Any, ...]:
    """What is smaller for the page that stays."""
    days = (page.date or DAY) - DAY
    first_seen = page.date is None, days, page.doc_id
    if rules.keep == "newest":
        return page.date is None, -days, page.doc_id
    if rules.keep == "longest":
        return page.text_bytes is None, -(page.text_bytes or 0), *first_seen
    if rules.keep == "best":
        value = page.scores.get("bullet_line_share")
        return value is None, -(value or 0), *first_seen
    return first_seen


def decide_slowly(pages: list[Page], rules: DecideConfig) -> dict[str, dict[str, Any]]:
    """All pairs and a union-find, with no thought of speed."""
    passing = [page for page in pages if page.content and page.scores.get("n_words", 100) >= 50]
    parent = {page.doc_id: page.doc_id for page in passing}
    reason: dict[str, str] = {}

    def root(doc_id: str) -> str:
        while parent[doc_id] != doc_id:
            doc_id = parent[doc_id]
        return doc_id

    def cluster(page: Page) -> list[Page]:
        return [other for other in passing if root(other.doc_id) == root(page.doc_id)]

    def stays_for(page: Page) -> Page:
        return min(cluster(page), key=lambda other: place(other, rules.duplicates))

    for kind, linked in links(rules.duplicates).items():
        for left, right in combinations(passing, 2):
            if linked(left, right):
                parent[root(left.doc_id)] = root(right.doc_id)
        for page in passing:
            if stays_for(page) is not page:
                reason.setdefault(page.doc_id, f"duplicates.{kind}")

    result = {}
    for page in pages:
        row: dict[str, Any] = {"source": page.source, "content_hash": page.content or None, "cluster_size": 0}
        row |= dict.fromkeys(("dropped_by", "cluster", "kept_as", "jaccard"))
        if page not in passing:
            row["dropped_by"] = "rules.short" if page.content else "extract.text_missing"
        else:
            members, stays = cluster(page), stays_for(page)
            row |= {"cluster": min(other.doc_id for other in members), "cluster_size": len(members)}
            if stays is not page:
                row["dropped_by"] = reason[page.doc_id]
                row["kept_as"] = stays.doc_id
                if stays.content == page.content:
                    row["jaccard"] = 1.0
                elif stays.signature and page.signature:
                    exact = rules.duplicates.min_exact_jaccard is not None
                    row["jaccard"] = float(np.float32((exact_jaccard if exact else agreement)(stays, page)))
        row["kept"] = row["dropped_by"] is None
        row["failed"] = [] if row["kept"] else [row["dropped_by"]]
        result[page.doc_id] = row
    return result
