"""Shares, budgets, caps, choice and order of a mixture, on generated documents without text."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.mixture import ComposeConfig, Kept, Mixture, MixtureError, allot_bytes, fill, mix

N = 3000


def generate(
    counts: dict[str, int], seed: int = 0, validation: float = 0.1, sizes: tuple[int, int] = (100, 9000)
) -> Kept:
    draw = np.random.default_rng(seed)
    n = sum(counts.values())
    identifier = draw.integers(0, 2**63, (n, 2)).astype(np.uint64)
    identifier = identifier[np.lexsort((identifier[:, 1], identifier[:, 0]))]
    source = draw.permutation(np.repeat(np.arange(len(counts)), list(counts.values()))).astype(np.int32)
    return Kept(identifier, source, draw.random(n) < validation, draw.integers(*sizes, n), tuple(sorted(counts)))


def config(**settings: object) -> ComposeConfig:
    return ComposeConfig.model_validate(settings)


def shares(mixture: Mixture) -> dict[str, float]:
    return {source.component: source.share for source in mixture.components}


KEPT = generate({"books": N, "code": N, "pages": 4 * N})


def test_without_weights_or_budget_every_kept_document_is_there_once() -> None:
    mixture = mix(KEPT, config())
    assert sorted(mixture.document.tolist()) == list(range(len(KEPT.size)))
    assert set(mixture.copies[:, 0].tolist()) == {1}
    assert all(source.epochs == 1 and source.exhausted for source in mixture.components)


@pytest.mark.parametrize("budget", [None, 4_000_000, 12_000_000])
def test_realised_shares_are_within_a_percent_of_the_weights(budget: int | None) -> None:
    weights = {"books": {"weight": 0.25, "max_epochs": 3}, "code": {"weight": 0.1}}
    mixture = mix(KEPT, config(components=weights, budget_bytes=budget))
    assert shares(mixture) == pytest.approx({"books": 0.25, "code": 0.1, "pages": 0.65}, abs=0.01)
    total = sum(source.bytes for source in mixture.components)
    if budget is None:
        assert [source.component for source in mixture.components if source.exhausted] == ["pages"]
    else:
        assert budget * 0.99 < total <= budget


def test_weights_of_all_sources_count_by_their_proportions() -> None:
    weights = {"books": {"weight": 2}, "code": {"weight": 1}, "pages": {"weight": 1}}
    mixture = mix(KEPT, config(components=weights, budget_bytes=5_000_000))
    assert shares(mixture) == pytest.approx({"books": 0.5, "code": 0.25, "pages": 0.25}, abs=0.01)


def test_a_temperature_evens_out() -> None:
    kept = generate({"large": 8000, "small": 500})
    for temperature in (1.0, 2.0, 5.0):
        mixture = mix(kept, config(temperature=temperature, budget_bytes=1_000_000))
        raw = {source.component: source.kept_bytes ** (1 / temperature) for source in mixture.components}
        assert shares(mixture)["small"] == pytest.approx(raw["small"] / sum(raw.values()), abs=0.01)


def test_a_source_that_runs_out_leaves_its_rest_to_the_others_by_their_shares() -> None:
    weights = {"books": {"weight": 0.6, "max_epochs": 0.5}, "code": {"weight": 0.2}, "pages": {"weight": 0.2}}
    available = {source.component: source.kept_bytes for source in mix(KEPT, config()).components}
    budget = 20_000_000
    mixture = mix(KEPT, config(components=weights, budget_bytes=budget))
    books, code, pages = mixture.components
    assert books.exhausted
    assert books.bytes == pytest.approx(available["books"] / 2, rel=0.01)
    assert code.bytes == pytest.approx(pages.bytes, rel=0.01)
    assert books.bytes + code.bytes + pages.bytes == pytest.approx(budget, rel=0.01)
    assert not code.exhausted


def test_a_budget_beyond_what_there_is_takes_all_the_caps_allow() -> None:
    mixture = mix(KEPT, config(budget_bytes=10**12, max_epochs=2, components={"code": {"max_epochs": 1.5}}))
    assert {source.component: round(source.epochs, 2) for source in mixture.components} == {
        "books": 2,
        "code": 1.5,
        "pages": 2,
    }
    assert all(source.exhausted for source in mixture.components)


def test_epochs_are_whole_copies_and_a_chosen_part_of_one_more() -> None:
    mixture = mix(KEPT, config(components={"code": {"weight": 0.5, "max_epochs": 9}}, budget_bytes=60_000_000))
    train = ~KEPT.validation[mixture.document]
    code = (KEPT.component[mixture.document] == 1) & train
    epochs = mixture.components[1].epochs
    assert epochs > 2
    assert set(mixture.copies[code, 0].tolist()) == {math.floor(epochs), math.floor(epochs) + 1}
    assert set(mixture.copies[~train, 0].tolist()) == {1}


def test_tokens_are_bytes_through_their_ratio() -> None:
    by_tokens = mix(KEPT, config(budget_tokens=500_000, bytes_per_token=4.0))
    by_bytes = mix(KEPT, config(budget_bytes=2_000_000))
    together = set(by_tokens.document.tolist()) & set(by_bytes.document.tolist())
    assert len(together) > 0.99 * len(by_bytes.document)  # a token is rounded, so a few at the end differ
    tokens = sum(one.tokens for one in by_tokens.components if one.tokens)
    assert tokens == pytest.approx(sum(one.bytes for one in by_tokens.components) / 4, rel=0.001)
    with pytest.raises(ValidationError, match="same thing twice"):
        config(budget_tokens=1, budget_bytes=1)


def test_shares_are_of_tokens_where_the_budget_is() -> None:
    dense = {"code": {"weight": 0.5, "bytes_per_token": 2.0}, "books": {"weight": 0.5}, "pages": {"weight": 0}}
    mixture = mix(KEPT, config(components=dense, budget_tokens=400_000))
    assert shares(mixture) == pytest.approx({"books": 0.5, "code": 0.5, "pages": 0}, abs=0.01)
    books, code, _ = mixture.components
    assert books.bytes == pytest.approx(2 * code.bytes, rel=0.02)


PHASES = [
    {"name": "main", "share": 0.75},
    {"name": "anneal", "share": 0.25, "weights": {"books": 0.6, "code": 0.4, "pages": 0}},
]


def test_each_phase_has_its_own_mix_and_its_share_of_the_budget() -> None:
    mixture = mix(KEPT, config(phases=PHASES, budget_bytes=16_000_000, components={"code": {"weight": 0.1}}))
    by = {(one.phase, one.component): one for one in mixture.components}
    assert {name: by["anneal", name].share for name in ("books", "code", "pages")} == pytest.approx(
        {"books": 0.6, "code": 0.4, "pages": 0}, abs=0.01
    )
    assert by["main", "code"].share == pytest.approx(0.1, abs=0.01)
    sizes = {phase: sum(one.bytes for one in mixture.components if one.phase == phase) for phase in ("main", "anneal")}
    assert sizes == pytest.approx({"main": 12_000_000, "anneal": 4_000_000}, rel=0.01)


def test_a_later_phase_takes_what_an_earlier_one_left_before_anything_comes_again() -> None:
    halves = [{"name": "first", "share": 0.5}, {"name": "second", "share": 0.5}]
    available = sum(one.kept_bytes for one in mix(KEPT, config()).components)
    mixture = mix(KEPT, config(phases=halves, budget_bytes=int(0.9 * available)))
    train = ~KEPT.validation[mixture.document]
    assert mixture.copies.sum(axis=1)[train].max() == 1
    again = mix(KEPT, config(phases=halves, budget_bytes=int(1.5 * available), max_epochs=2))
    total = again.copies.sum(axis=1)[~KEPT.validation[again.document]]
    assert set(total.tolist()) <= {1, 2}
    assert len(again.document) == len(KEPT.size)


def test_the_cap_on_epochs_counts_over_all_phases() -> None:
    mixture = mix(KEPT, config(phases=PHASES, budget_bytes=60_000_000))
    by = {(one.phase, one.component): one for one in mixture.components}
    assert 0.9 < by["main", "books"].epochs + by["anneal", "books"].epochs <= 1
    assert by["anneal", "books"].exhausted
    assert not by["main", "books"].exhausted


def test_phases_need_a_budget_and_shares_of_one() -> None:
    with pytest.raises(ValidationError, match="phases divide a budget"):
        config(phases=PHASES)
    with pytest.raises(ValidationError, match=r"sum to 0\.75, not 1"):
        config(phases=PHASES[:1], budget_bytes=1000)
    with pytest.raises(ValidationError, match="one name"):
        config(phases=[PHASES[0] | {"share": 0.5}] * 2, budget_bytes=1000)


@pytest.mark.parametrize("factor", [0.25, 1.0, 2.5])
def test_a_document_counts_as_often_as_it_is_to_be_repeated(factor: float) -> None:
    kept = replace(KEPT, repeat=np.full(len(KEPT.size), factor))
    mixture = mix(kept, config())
    train = ~KEPT.validation[mixture.document]
    counted = mixture.copies[train, 0].sum() / (~KEPT.validation).sum()
    assert counted == pytest.approx(factor, rel=0.03)
    assert set(mixture.copies[train, 0].tolist()) <= {math.floor(factor), math.ceil(factor)}
    assert set(mixture.copies[~train, 0].tolist()) == {1}


def test_what_is_repeated_weighs_more_within_its_component() -> None:
    often = KEPT.size > 5000
    mixture = mix(replace(KEPT, repeat=np.where(often, 3.0, 1.0)), config(budget_bytes=6_000_000))
    train = ~KEPT.validation
    size = KEPT.size[mixture.document] * mixture.copies[:, 0]
    share = size[often[mixture.document] & train[mixture.document]].sum() / size[train[mixture.document]].sum()
    expected = 3 * KEPT.size[often & train].sum()
    assert share == pytest.approx(expected / (expected + KEPT.size[~often & train].sum()), abs=0.02)


def test_half_an_epoch_takes_half_of_the_validation_documents_and_weight_zero_none() -> None:
    mixture = mix(KEPT, config(components={"books": {"max_epochs": 0.5}, "code": {"weight": 0}}, budget_bytes=10**10))
    books, code, pages = mixture.components
    everything = {source.component: source.validation_bytes for source in mix(KEPT, config()).components}
    assert books.validation_bytes == pytest.approx(everything["books"] / 2, rel=0.02)
    assert (code.documents, code.validation_documents) == (0, 0)
    assert pages.validation_bytes == everything["pages"]


def test_the_order_is_a_shuffle_that_its_seed_decides() -> None:
    first, again, other = mix(KEPT, config()), mix(KEPT, config()), mix(KEPT, config(seed=1))
    assert first.document.tolist() == again.document.tolist() != other.document.tolist()
    n_train = int((~KEPT.validation).sum())
    assert not KEPT.validation[first.document[:n_train]].any()
    assert KEPT.validation[first.document[n_train:]].all()
    # neither by id nor by source: neighbours are of one source as often as chance has it (half of them)
    place = first.document[:n_train]
    assert abs(np.corrcoef(place, np.arange(n_train))[0, 1]) < 0.03
    assert np.mean(KEPT.component[place[1:]] == KEPT.component[place[:-1]]) == pytest.approx(0.5, abs=0.03)


def test_what_is_chosen_first_does_not_stand_first() -> None:
    mixture = mix(KEPT, config(max_epochs=1.5, budget_bytes=10**10))
    train = mixture.copies[~KEPT.validation[mixture.document], 0]
    half = len(train) // 2
    assert np.mean(train[:half] == 2) == pytest.approx(np.mean(train[half:] == 2), abs=0.03)


def test_a_smaller_budget_chooses_among_what_a_larger_one_chose() -> None:
    small, large = (set(mix(KEPT, config(budget_bytes=size)).document.tolist()) for size in (2_000_000, 8_000_000))
    assert len(small - large) <= 9  # what only fits at the very end of each source


def test_parts_hold_what_they_may_and_splits_share_none() -> None:
    kept = generate({"pages": 500}, sizes=(10, 3000))
    mixture = mix(kept, config(part_bytes=2000))
    sizes = kept.size[mixture.document]
    validation = kept.validation[mixture.document]
    assert mixture.part.tolist() == sorted(mixture.part.tolist())
    for part in range(int(mixture.part[-1]) + 1):
        some = mixture.part == part
        assert some.any()
        assert len(set(validation[some].tolist())) == 1
        assert sizes[some].sum() <= 2000 or some.sum() == 1
    following = np.flatnonzero(np.diff(mixture.part) & ~np.diff(validation.astype(int)).astype(bool))
    for last in following:  # a part ends only where the next document would not fit
        assert sizes[mixture.part == mixture.part[last]].sum() + sizes[last + 1] > 2000


@given(
    st.lists(st.integers(0, 60), max_size=30),
    st.integers(0, 600),
)
def test_filling_takes_in_order_all_that_fits(sizes: list[int], target: int) -> None:
    left, expected = target, []
    for size in sizes:
        expected.append(size <= left)
        left -= size if size <= left else 0
    assert fill(np.array(sizes, np.int64), target).tolist() == expected


@given(
    st.lists(st.tuples(st.floats(0.01, 1), st.integers(1, 10**9)), min_size=1, max_size=6),
    st.integers(1, 10**10) | st.none(),
)
@settings(max_examples=300)
def test_allotted_bytes_fill_the_budget_or_every_cap(sources: list[tuple[float, int]], budget: int | None) -> None:
    wanted, capacity = (np.array(column, float) for column in zip(*sources, strict=True))
    wanted /= wanted.sum()
    taken = allot_bytes(wanted, capacity, budget)
    assert (taken <= capacity).all()
    if budget is None:
        assert taken / taken.sum() == pytest.approx(wanted)
        assert (taken >= capacity * (1 - 1e-9)).any()
        return
    assert taken.sum() == pytest.approx(min(budget, capacity.sum()))
    open_ = taken < capacity * (1 - 1e-9)
    if open_.any():  # those that still have something got the same multiple of their share, the others at most that
        level = taken[open_] / wanted[open_]
        assert level == pytest.approx(np.full(open_.sum(), level[0]))
        assert (taken / wanted <= level[0] * (1 + 1e-9)).all()


@given(st.integers(0, 10_000), st.integers(1, 40), st.floats(0.2, 3.5), st.integers(1, 400_000))
@settings(max_examples=100)
def test_no_mixture_breaks_its_budget_or_its_caps(seed: int, n: int, epochs: float, budget: int) -> None:
    kept = generate({"a": n, "b": 2 * n}, seed)
    try:
        mixture = mix(kept, config(seed=seed, max_epochs=epochs, budget_bytes=budget))
    except MixtureError:
        for source in (0, 1):  # by size, so all run out together: nobody's part holds even its smallest document
            sizes = kept.size[~kept.validation & (kept.component == source)]
            part = min(budget / max(kept.size[~kept.validation].sum(), 1), epochs) * sizes.sum()
            assert not len(sizes) or sizes.min() > part - 1
        return
    train = ~kept.validation[mixture.document]
    assert (kept.size[mixture.document] * mixture.copies[:, 0])[train].sum() <= budget
    assert mixture.copies.max() <= math.ceil(epochs)
    assert len(set(mixture.document.tolist())) == len(mixture.document)


@pytest.mark.parametrize("temperature", [1e-3, 1e-300, 1e6])
def test_a_temperature_may_be_as_low_or_as_high_as_a_number_is(temperature: float) -> None:
    low, high = {"large": 1, "small": 0}, {"large": 0.5, "small": 0.5}
    kept = generate({"large": 400, "small": 40}, validation=0)
    mixture = mix(kept, config(temperature=temperature, budget_bytes=80_000))
    assert shares(mixture) == pytest.approx(low if temperature < 1 else high, abs=0.06)


@pytest.mark.parametrize(
    "settings",
    [
        {"components": {"a": {"weight": math.inf}}},
        {"components": {"a": {"weight": math.nan}}},
        {"components": {"a": {"max_epochs": math.inf}}},
        {"max_epochs": math.inf},
        {"max_epochs": math.nan},
        {"temperature": math.inf},
        {"bytes_per_token": math.inf},
    ],
)
def test_what_has_no_end_is_no_dial(settings: dict) -> None:
    with pytest.raises(ValidationError, match=r"finite number|less than or equal"):
        config(**settings)


@pytest.mark.parametrize(
    ("kept", "settings", "sentence"),
    [
        (generate({}), {}, "No document was kept"),
        (generate({"a": 3}, validation=1.1), {}, "All 3 kept documents are for validation"),
        (generate({"a": 3}, validation=0), {"budget_bytes": 5}, "less than its smallest document"),
        (generate({"a": 3}, validation=0), {"components": {"a": {"weight": 0}}}, "the weight 0"),
        (
            generate({"a": 3, "b": 3}, validation=0),
            {"components": {"a": {"weight": 1}}},
            "leaves nothing for b: give each of them a weight",
        ),
        (
            generate({"a": 9, "b": 3}, validation=0),
            {"max_epochs": 0.001},
            "max_epochs = 0.001 lets [ab] run out before any component can give its smallest document, and without a "
            "budget all end there: raise it, or set a budget",
        ),
        (
            generate({"a": 9, "b": 3}, validation=0),
            {"components": {"b": {"max_epochs": 0.001}}},
            "max_epochs = 0.001 lets b run out",
        ),
        (
            generate({"a": 9, "b": 3}, validation=0),
            {"max_epochs": 0.001, "budget_bytes": 10**9},
            "max_epochs allows each component less than its smallest document: raise it",
        ),
    ],
)
def test_what_cannot_be_mixed_is_a_sentence(kept: Kept, settings: dict, sentence: str) -> None:
    with pytest.raises(MixtureError, match=sentence):
        mix(kept, config(**settings))


def test_one_document_is_a_corpus() -> None:
    mixture = mix(generate({"a": 1}, validation=0), config())
    assert (mixture.document.tolist(), mixture.copies.tolist(), mixture.part.tolist()) == ([0], [[1]], [0])


def test_a_source_without_documents_takes_no_share_from_the_others() -> None:
    kept = generate({"a": 900, "b": 900}, validation=0)
    kept = Kept(kept.identifier, kept.component, kept.validation, kept.size, ("a", "b", "missing"))
    mixture = mix(kept, config(components={"missing": {"weight": 0.5}, "a": {"weight": 0.25}}, budget_bytes=1_000_000))
    assert shares(mixture) == pytest.approx({"a": 0.5, "b": 0.5, "missing": 0}, abs=0.01)


# Raw sizes in GiB and epochs of Gao et al. 2020, table 1, in the order of the published weights.
PILE = {
    "pile-cc": (227.12, 1),
    "pubmed-central": (90.27, 2),
    "books3": (100.96, 1.5),
    "openwebtext2": (62.77, 2),
    "arxiv": (56.21, 2),
    "github": (95.16, 1),
    "freelaw": (51.15, 1.5),
    "stack-exchange": (32.20, 2),
    "uspto-backgrounds": (22.90, 2),
    "pubmed-abstracts": (19.26, 2),
    "gutenberg": (10.88, 2.5),
    "opensubtitles": (12.98, 1.5),
    "wikipedia": (6.38, 3),
    "dm-mathematics": (7.75, 2),
    "ubuntu-irc": (5.52, 2),
    "bookcorpus2": (6.30, 1.5),
    "europarl": (4.59, 2),
    "hackernews": (3.90, 2),
    "youtube-subtitles": (3.73, 2),
    "philpapers": (2.38, 2),
    "nih-exporter": (1.89, 2),
    "enron-emails": (0.88, 2),
}


def test_the_preset_of_the_pile_gives_its_shares_and_epochs_from_its_sizes() -> None:
    recipe = Path(__file__).parents[2] / "deployments" / "recipes" / "pile.yaml"
    preset = config(**yaml.safe_load(recipe.read_text(encoding="utf-8"))["mixture"])
    kept = generate(
        {name: round(60 * size) for name, (size, _) in sorted(PILE.items())}, validation=0, sizes=(900, 1100)
    )
    found = {one.component: one for one in mix(kept, preset).components}
    whole = sum(size * epochs for size, epochs in PILE.values())
    assert found.keys() == PILE.keys()
    for name, (size, epochs) in PILE.items():
        assert found[name].share == pytest.approx(size * epochs / whole, abs=0.002)
        assert found[name].epochs == pytest.approx(epochs, rel=0.05)
    assert any(one.exhausted for one in found.values())
