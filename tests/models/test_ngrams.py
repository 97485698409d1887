"""N-gram models: equal to kenlm's reading of the same model, proper distributions, and to the formulas done slowly."""

import itertools
import math
from collections import Counter, defaultdict
from pathlib import Path

import kenlm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.ngrams.estimate import FALLBACK, Estimate, estimate
from models.ngrams.model import build_model, load_model, perplexity

WORDS = st.integers(1, 9)
TEXTS = st.lists(st.lists(WORDS, max_size=8), min_size=1, max_size=12).filter(lambda texts: any(texts))


def flat(texts: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    return np.array([word for text in texts for word in text], np.uint64), offsets


def slow(texts: list[list[int]], order: int) -> dict[tuple, float]:
    """Probability of every word after every context that was seen, by the published formulas, with dictionaries."""
    sequences = [["<s>", *text, "</s>"] for text in texts if text]
    raw = Counter(
        tuple(one[start : start + n])
        for one in sequences
        for n in range(1, order + 1)
        for start in range(len(one) - n + 1)
    )
    before = defaultdict(set)
    for gram in raw:
        if len(gram) > 1:
            before[gram[1:]].add(gram[0])
    adjusted = {
        gram: raw[gram] if len(gram) == order or gram[0] == "<s>" else len(before[gram])
        for gram in raw
        if gram != ("<s>",)
    }
    vocabulary = {word for one in sequences for word in one} - {"<s>"}
    discounts = {}
    for n in range(1, order + 1):
        t = [sum(1 for gram, count in adjusted.items() if len(gram) == n and count == k) for k in range(1, 5)]
        found = FALLBACK
        if all(t):
            y = t[0] / (t[0] + 2 * t[1])
            computed = tuple(k - (k + 1) * y * t[k] / t[k - 1] for k in (1, 2, 3))
            if all(0 <= d <= k for k, d in enumerate(computed, 1)):
                found = computed
        discounts[n] = found

    def probability(context: tuple, word: object) -> float:
        n = len(context) + 1
        going_on = {gram[-1]: count for gram, count in adjusted.items() if len(gram) == n and gram[:-1] == context}
        shorter = probability(context[1:], word) if context else 1 / (len(vocabulary) + 1)
        if not going_on:
            return shorter
        total, d = sum(going_on.values()), discounts[n]
        taken = sum(d[min(count, 3) - 1] for count in going_on.values()) / total
        count = going_on.get(word, 0)
        return (max(0, count - d[min(count, 3) - 1]) / total if count else 0) + taken * shorter

    contexts = {gram[:-1] for gram in raw} | {gram for gram in raw if len(gram) < order and gram[-1] != "</s>"}
    return {(*context, word): probability(context, word) for context in contexts for word in [*vocabulary, "?"]}


def score_slowly(probabilities: dict[tuple, float], text: list[int], order: int, known: set[int]) -> float:
    sequence: list[object] = ["<s>", *(word if word in known else "?" for word in text), "</s>"]
    total = 0.0
    for place in range(1, len(sequence)):
        context = tuple(sequence[max(0, place - order + 1) : place])
        while (*context, sequence[place]) not in probabilities:
            context = context[1:]
        total += math.log10(probabilities[(*context, sequence[place])])
    return total


@given(TEXTS, st.integers(2, 4), st.lists(st.lists(st.integers(1, 11), max_size=8), min_size=1, max_size=5))
@settings(max_examples=60)
def test_scores_equal_the_published_formulas_done_slowly(texts: list[list[int]], order: int, asked: list[list[int]]):
    model = build_model(estimate(*flat(texts), order))
    probabilities, known = slow(texts, order), {word for text in texts for word in text}
    scores, unseen = model.score(*flat(asked))
    expected = [score_slowly(probabilities, text, order, known) for text in asked]
    assert scores == pytest.approx(expected, abs=1e-4)
    assert unseen.tolist() == [sum(word not in known for word in text) for text in asked]


@given(TEXTS, st.integers(2, 4))
@settings(max_examples=40)
def test_what_may_follow_any_context_adds_up_to_one(texts: list[list[int]], order: int):
    probabilities = slow(texts, order)
    for context in {gram[:-1] for gram in probabilities}:
        assert sum(p for gram, p in probabilities.items() if gram[:-1] == context) == pytest.approx(1)


def generated(seed: int, texts: int) -> list[list[int]]:
    """Texts of words with habits: what follows depends on the word before."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(texts):
        text = [int(random.integers(1, 60))]
        while random.random() < 0.93:
            text.append(int((text[-1] * 7 + random.zipf(1.8)) % 97) + 1)
        found.append(text)
    return found


def write_arpa(estimated: Estimate, path: Path) -> kenlm.Model:
    path.write_text("\n".join(estimated.arpa()) + "\n", encoding="utf-8")
    return kenlm.Model(str(path))


@pytest.mark.parametrize(("order", "prune"), [(2, 0), (3, 0), (3, 1), (4, 0), (5, 0), (5, 1), (5, 2)])
def test_kenlm_reads_the_model_and_scores_as_we_do(tmp_path: Path, order: int, prune: int):
    estimated = estimate(*flat(generated(0, 600)), order, prune)
    library, ours = write_arpa(estimated, tmp_path / "model.arpa"), build_model(estimated)
    assert library.order == ours.order == order
    asked = [*generated(1, 150), [], [200], [5, 200, 201, 6, 7], [200] * 5, *generated(0, 20)]
    scores, unseen = ours.score(*flat(asked))
    expected = [library.score(" ".join(f"{word:016x}" for word in text), bos=True, eos=True) for text in asked]
    assert scores == pytest.approx(expected, rel=1e-5, abs=1e-4)
    assert unseen.tolist() == [
        sum(word >= 200 or word not in set(estimated.vocabulary.tolist()) for word in text) for text in asked
    ]


@pytest.mark.parametrize("prune", [0, 1])
def test_a_pruned_model_gives_away_no_probability(prune: int):
    texts = generated(3, 80)
    estimated = estimate(*flat(texts), 3, prune)
    model = build_model(estimated)
    words = [*estimated.vocabulary.tolist(), 999]
    for context in ([], texts[0][:1], texts[0][:2], [999], [words[0], words[3]]):
        # a text's score is that of its beginning times what comes then: with every continuation, all of it
        totals = 0.0
        base = _prefix(model, context)
        for word in words:
            totals += 10 ** (_prefix(model, [*context, word]) - base)
        end, _ = model.score(*flat([context]))
        totals += 10 ** (end[0] - base)
        assert totals == pytest.approx(1, abs=1e-4)


def _prefix(model: object, text: list[int]) -> float:
    """log10 of the probability that a text begins so: the score with its end less that of the end alone."""
    from models.ngrams import kernels

    total = 0.0
    lookup = lambda gram: kernels.find(model.table, _key(gram))  # noqa: E731
    sequence = [int(kernels.START), *text]
    for place in range(1, len(sequence)):
        for start in range(max(0, place - model.order + 1), place + 1):
            slot = lookup(sequence[start : place + 1])
            if slot >= 0:
                total += float(model.probabilities[slot])
                break
            if start < place and (before := lookup(sequence[start:place])) >= 0:
                total += float(model.backoffs[before])
        else:
            total += model.unknown
    return total


def _key(gram: list[int]) -> np.uint64:
    from models.ngrams import kernels

    keys = np.empty(1, np.uint64)
    kernels.ngram_keys(np.array([gram], np.uint64), keys)
    return keys[0]


def test_a_model_is_the_same_after_a_round_trip_and_the_same_bytes_each_time(tmp_path: Path):
    for name in ("one", "two"):
        build_model(estimate(*flat(generated(5, 100)), 4)).save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    asked = flat(generated(6, 20))
    read = load_model(tmp_path / "one").score(*asked)
    made = build_model(estimate(*flat(generated(5, 100)), 4)).score(*asked)
    assert all(np.array_equal(a, b) for a, b in zip(read, made, strict=True))
    (tmp_path / "bad").write_bytes((tmp_path / "one").read_bytes()[:-4])
    with pytest.raises(ValueError, match="no n-gram model"):
        load_model(tmp_path / "bad")


def test_the_order_of_texts_does_not_matter():
    texts = generated(8, 60)
    asked = flat(generated(9, 20))
    scores = [build_model(estimate(*flat(order), 3)).score(*asked)[0] for order in (texts, texts[::-1])]
    assert np.array_equal(*scores)


def test_text_like_the_reference_is_less_perplexing():
    model = build_model(estimate(*flat(generated(10, 500)), 3))
    like, shuffled = generated(11, 60), [sorted(text) for text in generated(11, 60)]
    values = [
        perplexity(model.score(*flat(texts))[0], np.array([len(text) for text in texts])) for texts in (like, shuffled)
    ]
    assert np.median(values[0]) < np.median(values[1])


def test_nothing_to_learn_from_is_said():
    with pytest.raises(ValueError, match="no words"):
        estimate(*flat([[], []]), 3)
    with pytest.raises(ValueError, match="2 or more"):
        estimate(*flat([[1]]), 1)
    assert list(itertools.islice(estimate(*flat([[1]]), 2).arpa(["mill"]), 3)) == ["\\data\\", "ngram 1=4", "ngram 2=2"]
