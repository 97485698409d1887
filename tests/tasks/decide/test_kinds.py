"""Each kind of duplicates on planted cases with a known truth: what is found, and what is found in vain."""

from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tasks.decide.clusters import Clusters, Evidence, find_clusters
from tasks.decide.decisions import content_words
from tasks.decide.duplicates import semantic, simhash
from tasks.decide.duplicates.near import Sets, exact_jaccards
from tasks.decide.duplicates.semantic import semantic_edges
from tasks.decide.duplicates.simhash import simhash_edges
from tasks.decide.thresholds import KINDS, DuplicateRules
from tasks.sign import SignConfig, sign_documents

PAIRS = 60
WORDS = 220
SIGN = SignConfig(shingles=True, simhash=True, simhash_ngram=1)


def texts_of_pairs(replaced: int, seed: int = 0) -> list[str]:
    """PAIRS texts of random words, then for each a copy in which so many words, evenly spread, are others."""
    rng = np.random.default_rng([replaced, seed])
    words = rng.integers(0, 30_000, (PAIRS, WORDS))
    copies = words.copy()
    if replaced:
        places = np.linspace(0, WORDS - 1, replaced).astype(int)
        copies[:, places] = 30_000 + rng.integers(0, 30_000, (PAIRS, replaced))
    return [" ".join(f"w{number}" for number in text) for text in (*words, *copies)]


def sets_of(sets: list[np.ndarray]) -> Sets:
    stops = np.cumsum([len(one) for one in sets]).astype(np.int64)
    starts = stops - [len(one) for one in sets]
    return Sets(starts, stops, np.concatenate([np.empty(0, np.uint64), *sets]))


def clusters_of(texts: list[str], embedding: np.ndarray | None = None, **rules: Any) -> Clusters:
    """Clusters of texts, as sign describes them."""
    signed = sign_documents(pa.RecordBatch.from_pydict({"text": pa.array(texts, pa.large_string())}), SIGN)
    columns = {name: signed.column(name) for name in signed.schema.names}
    n = len(texts)
    signatures = np.array(columns["signature"].to_pylist(), dtype=np.uint64)
    sets = [np.array(one, dtype=np.uint64) for one in columns["shingles"].to_pylist()]

    def shingles(places: np.ndarray) -> Sets:
        chosen = [sets[place] for place in places]
        return sets_of(chosen)

    every = np.ones(n, dtype=bool)
    evidence = Evidence(
        simhash=(columns["simhash"].to_numpy(), every),
        embedding=None if embedding is None else (embedding, every),
        shingles=shingles,
    )
    buckets = np.array(columns["buckets"].to_pylist(), dtype=np.uint64)
    content = content_words(pa.chunked_array([columns["content_hash"]]))
    given = DuplicateRules.model_validate(rules)
    return find_clusters(content, np.arange(n), buckets, every, lambda at: signatures[at], given, evidence)


def found_and_false(found: Clusters) -> tuple[int, int]:
    """How many planted pairs are in one cluster, and how many other pairs are."""
    label = found.smallest.tolist()
    pairs = {(one, other) for one, other in combinations(range(2 * PAIRS), 2) if label[one] == label[other]}
    planted = {(one, one + PAIRS) for one in range(PAIRS)}
    return len(pairs & planted), len(pairs - planted)


def jaccard_of(replaced: int) -> float:
    """Jaccard similarity of the 5-grams of a planted pair, whose replaced words lie more than 5 apart."""
    places = np.linspace(0, WORDS - 1, replaced).astype(int)
    lost = sum(bool(((places >= at) & (places < at + 5)).any()) for at in range(WORDS - 4))
    return (WORDS - 4 - lost) / (WORDS - 4 + lost)


@pytest.mark.parametrize("replaced", [2, 5, 8, 12, 20, 30])
def test_near_pairs_are_found_as_often_as_the_curve_says_and_no_others(replaced: int) -> None:
    similarity = jaccard_of(replaced)
    probability = 1 - (1 - similarity**SIGN.rows) ** SIGN.bands
    found, false = found_and_false(clusters_of(texts_of_pairs(replaced)))
    deviation = (PAIRS * probability * (1 - probability)) ** 0.5
    assert abs(found - PAIRS * probability) <= 4 * deviation + 1
    assert false == 0


def test_an_exact_limit_parts_pairs_that_an_estimate_cannot() -> None:
    alike, unlike = 6, 9  # similarities of 0.76 and 0.66
    texts = [texts_of_pairs(alike), texts_of_pairs(unlike)]
    limit = (jaccard_of(alike) + jaccard_of(unlike)) / 2
    unverified = [found_and_false(clusters_of(one)) for one in texts]
    verified = [found_and_false(clusters_of(one, min_exact_jaccard=limit)) for one in texts]
    assert unverified[1][0] > PAIRS / 4  # so that there is something to part
    assert verified == [unverified[0], (0, 0)]


def test_exact_copies_are_found_and_no_others() -> None:
    rules: dict[str, Any] = {"near": False}
    assert found_and_false(clusters_of(texts_of_pairs(0), **rules)) == (PAIRS, 0)
    assert (
        found_and_false(clusters_of([f" {text.replace(' ', chr(10))}" for text in texts_of_pairs(0)], **rules))[0]
        == PAIRS
    )
    assert found_and_false(clusters_of(texts_of_pairs(1), **rules)) == (0, 0)


def test_simhashes_find_pairs_of_which_few_words_differ() -> None:
    rules: dict[str, Any] = {"near": False, "exact": False}
    texts = {replaced: texts_of_pairs(replaced) for replaced in (1, 2, 60)}
    found = {replaced: found_and_false(clusters_of(pairs, simhash=6, **rules)) for replaced, pairs in texts.items()}
    assert found[1][0] >= PAIRS * 0.9
    assert found[2][0] >= PAIRS * 0.7
    assert found[60][0] <= PAIRS * 0.1
    assert all(false == 0 for _, false in found.values())


def test_embeddings_find_pairs_that_say_the_same_in_other_words() -> None:
    # A toy embedder of our own: each word stands for a concept, each concept is a direction, a text is their sum.
    rng = np.random.default_rng(5)
    concepts = rng.integers(0, 5000, (PAIRS, 60))
    again = concepts.copy()
    again[:, :3] = rng.integers(0, 5000, (PAIRS, 3))
    texts = [" ".join(f"a{concept}" for concept in one) for one in concepts]
    texts += [" ".join(f"b{concept}" for concept in one) for one in again]
    embeddings = rng.normal(size=(5000, 256))[np.concatenate([concepts, again])].sum(axis=1).astype(np.float16)
    assert found_and_false(clusters_of(texts)) == (0, 0)
    found = clusters_of(texts, embedding=embeddings, semantic=0.85)
    assert found_and_false(found) == (PAIRS, 0)
    assert set(found.kind.tolist()) == {-1, KINDS.index("semantic")}


SHINGLES = st.lists(st.integers(0, 12), unique=True, max_size=10).map(sorted)


@given(st.lists(SHINGLES, min_size=1, max_size=6))
def test_exact_jaccards_are_those_of_sets(sets: list[list[int]]) -> None:
    given = sets_of([np.array(one, dtype=np.uint64) for one in sets])
    left, right = np.divmod(np.arange(len(sets) ** 2), len(sets))
    expected = [
        len(set(sets[one]) & set(sets[other])) / max(1, len(set(sets[one]) | set(sets[other])))
        for one, other in zip(left, right, strict=True)
    ]
    assert exact_jaccards(given, left, right).tolist() == expected


def partition(n: int, left: np.ndarray, right: np.ndarray) -> set[frozenset[int]]:
    labels = connected_components(coo_array((np.ones(len(left)), (left, right)), shape=(n, n)), directed=False)[1]
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}


@pytest.mark.parametrize("distance", [0, 1, 3, 6, 10])
@pytest.mark.parametrize("more_blocks", [1, 3])
def test_no_pair_of_simhashes_within_the_distance_is_missed(
    distance: int, more_blocks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(distance)
    origins = rng.integers(0, 2**63, 60, dtype=np.uint64)
    bits = [rng.choice(64, rng.integers(0, 14), replace=False).tolist() for _ in range(240)]
    turned = np.array([sum(1 << bit for bit in some) for some in bits], np.uint64)
    values = np.tile(origins, 4) ^ turned
    monkeypatch.setattr(simhash, "_blocks", lambda n, distance: distance + more_blocks)
    positions = 3 * np.arange(len(values))
    left, right = simhash_edges(values, positions, distance)
    apart = np.array([[(int(one) ^ int(other)).bit_count() for other in values] for one in values])
    expected = connected_components(apart <= distance, directed=False)[1]
    assert partition(len(values), left // 3, right // 3) == {
        frozenset(np.flatnonzero(expected == label).tolist()) for label in np.unique(expected)
    }


@given(st.integers(1, 30), st.sampled_from([0.3, 0.7, 0.9, 0.99]), st.integers(0, 10**6))
@hypothesis_settings(max_examples=50)
def test_semantic_pairs_are_those_of_all_cosines_however_the_blocks_are_cut(n: int, least: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = (rng.normal(size=(5, 6))[rng.integers(0, 5, n)] + 0.2 * rng.normal(size=(n, 6))).astype(np.float16)
    rows[rng.random(n) < 0.1] = 0
    rows[rng.random(n) < 0.2] = rows[0]
    exact = rows.astype(float)
    lengths = np.linalg.norm(exact, axis=1)
    agree = exact @ exact.T >= least * np.outer(lengths, lengths)
    agree &= np.outer(lengths > 0, lengths > 0)
    expected = connected_components(agree, directed=False)[1]
    groups = {frozenset(np.flatnonzero(expected == label).tolist()) for label in np.unique(expected)}
    for block in (2, 7, 2048):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(semantic, "BLOCK", block)
            patch.setattr(semantic, "PAIRS_AT_ONCE", 3)
            left, right = semantic_edges(rows, np.arange(n), least)
        assert partition(n, left, right) == groups
