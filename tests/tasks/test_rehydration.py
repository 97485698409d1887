"""How often documents count by the size of their cluster: FineWeb-2's formula against numbers worked out by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.artifact import Artifact
from storage.lake import Lake
from tasks.compose import ComposeConfig, compose, plan_mixture
from tasks.mixture_config import Rehydration
from tasks.rehydration import rehydration_lines, repetitions, weigh_sizes
from tasks.run import running
from tasks.stage import StageFailed
from tests.tasks.compose_inputs import Page, put


def test_weights_lie_on_a_line_between_the_lowest_rate_and_that_of_all() -> None:
    # Of 100 documents alone 60 go; of 40 in pairs 8; of 30 in threes 6; of 40 in fours 20: the rates are 0.6, 0.2, 0.2
    # and 0.5. Clusters: 100, 20, 10 and 10, of which 60, 4, 2 and 5 go: 71 of 140 are 0.507 for all.
    rows = weigh_sizes(*map(np.array, ([1, 2, 3, 4], [100, 40, 30, 40], [60, 8, 6, 20])), Rehydration(window=1, tail=0))
    assert [row["removal_rate"] for row in rows] == pytest.approx([0.6, 0.2, 0.2, 0.5])
    assert [row["usual_removal_rate"] for row in rows] == pytest.approx([71 / 140] * 4)
    # 0.5 is (71/140 - 1/2) / (71/140 - 1/5) = 0.0233 of the way: 1 + 9 * 0.0233 = 1.21.
    assert [row["repeats"] for row in rows] == [1, 10, 10, 1]
    assert [row["clusters"] for row in rows] == [100, 20, 10, 10]
    assert [(row["smallest_size"], row["largest_size"]) for row in rows] == [(1, 1), (2, 2), (3, 3), (4, None)]


def test_neighbouring_sizes_are_averaged_but_for_the_ends() -> None:
    # With 0.5 for all and 0.1 lowest: 1, 10, 5.5, 1, 3.25, 1. The means of three: 5.5, 5.5, 3.25, 1.75.
    rates = np.array([0.6, 0.1, 0.3, 0.5, 0.4, 0.9])
    assert repetitions(rates, 0.5, 10, 1).tolist() == [1, 10, 6, 1, 3, 1]
    assert repetitions(rates, 0.5, 10, 3).tolist() == [1, 6, 6, 3, 2, 1]
    # Of five there are two: (1 + 10 + 5.5 + 1 + 3.25) / 5 = 4.15 and (10 + 5.5 + 1 + 3.25 + 1) / 5 = 4.15.
    assert repetitions(rates, 0.5, 10, 5).tolist() == [1, 10, 4, 4, 3, 1]
    assert repetitions(rates[:4], 0.5, 10, 5).tolist() == [1, 10, 6, 1]


def test_the_largest_sizes_are_one_group() -> None:
    sizes = np.array([1, 2, 50, 100])
    # 1000, 100, 2 and 1 clusters: the last alone is 0.09 % of them, the last two 0.27 %.
    rows = weigh_sizes(sizes, np.array([1000, 200, 100, 100]), np.array([500, 20, 100, 0]), Rehydration(tail=0.001))
    assert [(row["smallest_size"], row["largest_size"], row["documents"]) for row in rows] == [
        (1, 1, 1000),
        (2, 2, 200),
        (50, None, 200),
    ]
    assert rows[2]["removal_rate"] == pytest.approx(2 / 3)  # two clusters go whole, one stays


@given(st.lists(st.tuples(st.integers(1, 30), st.floats(0, 1)), min_size=1, max_size=12), st.integers(1, 20))
def test_weights_are_whole_from_one_to_the_most(drawn: list[tuple[int, float]], most: int) -> None:
    sizes = np.arange(1, len(drawn) + 1)
    documents = sizes * [count for count, _ in drawn]
    dropped = np.array([int(share * count) for (_, share), count in zip(drawn, documents, strict=True)])
    plain, smooth = (
        weigh_sizes(sizes, documents, dropped, Rehydration(max_repeats=most, window=window, tail=0))
        for window in (1, 5)
    )
    for row, smoothed in zip(plain, smooth, strict=True):
        assert 1 <= row["repeats"] <= most
        assert 1 <= smoothed["repeats"] <= most
        if row["removal_rate"] >= row["usual_removal_rate"]:
            assert row["repeats"] == 1
        elif row["removal_rate"] == min(one["removal_rate"] for one in plain):
            assert row["repeats"] == most


def captured(language: str, size: int, clusters: int, dropped: int) -> list[Page]:
    """So many clusters of a size, of whose members the first are dropped."""
    pages = []
    for number in range(clusters * size):
        doc_id = f"{hash_of(language, size, number):032x}"
        kept = number >= dropped
        pages.append(Page(doc_id, "web", f"{language} {size} {number}", language, kept, "train", unfiltered=size))
    return pages


def hash_of(language: str, size: int, number: int) -> int:
    return int.from_bytes(f"{language} {size} {number}".encode().ljust(16), "big") * 0x9E3779B97F4A7C15 % 2**128


# English: rates 0.75, 0.25 and 0.5; 20, 10 and 4 clusters, of which 15, 2.5 and 2 go: 19.5 of 34 are 0.574 for all.
# So 1, 10, and 1 + 9 * (0.574 - 0.5) / (0.574 - 0.25) = 3.04. German: nothing goes, so all count once.
PAGES = [*captured("en", 1, 20, 15), *captured("en", 2, 10, 5), *captured("en", 3, 4, 6), *captured("de", 2, 3, 0)]
REHYDRATE: dict[str, Any] = {"rehydrate": {"window": 1, "tail": 0}}


def make(lake: Path, pages: list[Page], config: dict[str, Any], cuts: list[list[int]]) -> Artifact:
    with running(lake, "compose", workers=0, quiet=True):
        return compose(ComposeConfig.model_validate(config), **put(lake, pages, cuts))


def test_documents_count_by_the_removal_rate_of_their_size_and_language(tmp_path: Path) -> None:
    made = make(tmp_path / "one", PAGES, REHYDRATE, [[0]])
    weights = made.read(table="rehydration").to_pylist()
    assert [(row["of"], row["smallest_size"], row["repeats"], row["kept_documents"]) for row in weights] == [
        ("de", 2, 1, 6),
        ("en", 1, 1, 5),
        ("en", 2, 10, 15),
        ("en", 3, 3, 6),
    ]
    size = {page.doc_id: (page.language, page.unfiltered) for page in PAGES}
    copies = {size[row["doc_id"]]: row["copies"] for row in made.read(["doc_id", "copies"]).to_pylist()}
    assert copies == {("de", 2): 1, ("en", 1): 1, ("en", 2): 10, ("en", 3): 3}
    assert made.rows() == 6 + 5 + 15 + 6
    planned = plan_mixture(made.input("decisions"), ComposeConfig.model_validate(REHYDRATE))
    assert planned.rehydration == weights
    assert planned.mixture == made.read(table="mixture").to_pylist()
    assert rehydration_lines(weights)[1] == (
        "rehydrated en: the rules drop 57.4% of 34 clusters; by size documents count 1: once, 2: 10 times, "
        "3 and more: 3 times"
    )
    other = make(tmp_path / "two", PAGES, REHYDRATE, [[11, 5], [20], [0]])
    digests = [[part.sha256 for part in one.parts() + one.parts("rehydration")] for one in (made, other)]
    assert digests[0] == digests[1]


def test_languages_may_be_weighed_together(tmp_path: Path) -> None:
    made = make(tmp_path / "lake", PAGES, {"rehydrate": {"window": 1, "tail": 0, "by": "'all'"}}, [[0]])
    weights = made.read(table="rehydration").to_pylist()
    assert [(row["of"], row["documents"], row["removal_rate"]) for row in weights] == [
        ("all", 20, 0.75),
        ("all", 26, pytest.approx(5 / 26)),
        ("all", 12, 0.5),
    ]


def test_sizes_that_nobody_looked_for_are_a_sentence(tmp_path: Path) -> None:
    pages = [Page(f"{number:032x}", "web", "a mill", "en", True, "train") for number in range(3)]
    with pytest.raises(StageFailed, match=r"mixture\.rehydrate.*sizes_after alone"):
        make(tmp_path / "lake", pages, REHYDRATE, [[0]])
    assert not Lake(tmp_path / "lake").artifacts("compose")
    for wrong, said in (({**REHYDRATE, "repeat": "2"}, "both say"), ({"rehydrate": {"window": 4}}, "make it 3 or 5")):
        with pytest.raises(ValueError, match=said):
            ComposeConfig.model_validate(wrong)
