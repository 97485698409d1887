"""Which documents the phases of a mixture read, and how often: none again before all of its component were."""

import math
import warnings

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.compose import plan_lines
from tasks.mixture import Kept, Mixture, MixtureError, mix
from tests.tasks.test_mixture import config, generate


def made_of(sizes: list[int], component: list[int] | None = None, repeat: list[float] | None = None) -> Kept:
    """Training documents of these sizes."""
    n = len(sizes)
    identifier = np.stack([np.arange(n), np.arange(n)], axis=1).astype(np.uint64)
    of = np.array(component or [0] * n, np.int32)
    names = tuple("abc"[: of.max() + 1])
    often = None if repeat is None else np.array(repeat, float)
    return Kept(identifier, of, np.zeros(n, bool), np.array(sizes, np.int64), names, often)


def copies_of(kept: Kept, mixture: Mixture) -> np.ndarray:
    """(documents, phases), in the order of `kept`."""
    copies = np.zeros((len(kept.size), mixture.copies.shape[1]), np.int64)
    copies[mixture.document] = mixture.copies
    return copies


def test_a_document_too_long_for_what_is_left_lets_no_other_come_twice() -> None:
    read_ever = set()
    for place in range(20):  # so that it comes early in one choice and late in another
        sizes = [100] * 20
        sizes[place] = 900  # of 2,800, in a phase of 1,960 and one of 840
        kept = made_of(sizes)
        phases = [{"name": "p", "share": 0.7}, {"name": "q", "share": 0.3}]
        mixture = mix(kept, config(phases=phases, budget_bytes=sum(sizes)))
        read = copies_of(kept, mixture).sum(axis=1)
        assert read.max() == 1
        first, last = mixture.components
        if read[place]:
            assert (first.bytes, last.bytes) == (1900, 800)
        else:
            assert (first.bytes, last.bytes, last.exhausted) == (1900, 0, False)
        read_ever.add(bool(read[place]))
    assert read_ever == {True, False}


def test_a_component_whose_documents_do_not_fit_is_told_to_be_short_of_its_share() -> None:
    kept = made_of([50_000] * 2 + [100] * 400, [0] * 2 + [1] * 400)
    mixture = mix(kept, config(components={"a": {"weight": 0.5}, "b": {"weight": 0.5}}, budget_bytes=60_000))
    rows = [
        {**vars(one), "emptied_documents": 0, "removed_characters": 0, "redactions": 0} for one in mixture.components
    ]
    first, second = plan_lines(rows)
    assert first.startswith("a: 0 of 2 documents")
    assert first.endswith("(short of its share by 50.0%: no document that was read least fits into the rest)")
    assert second.endswith("0.75 epochs")


def test_of_many_documents_in_two_phases_none_comes_twice_where_the_cap_is_an_epoch() -> None:
    kept = generate({"a": 20_000}, validation=0)
    phases = [{"name": "p", "share": 0.7}, {"name": "q", "share": 0.3}]
    mixture = mix(kept, config(phases=phases, budget_bytes=int(kept.size.sum())))
    assert mixture.copies.sum(axis=1).max() == 1
    assert sum(one.bytes for one in mixture.components) > 0.9999 * kept.size.sum()


DOCUMENTS = st.lists(
    st.tuples(st.integers(1, 50) | st.integers(1, 2000), st.integers(0, 2), st.sampled_from([0, 0.5, 1, 1, 1, 3])),
    min_size=1,
    max_size=30,
)
ODDS = st.sampled_from([0.001, 0.3, 0.5, 1, 1, 1.5, 2, 2.7])


@given(
    DOCUMENTS, st.lists(st.integers(1, 9), min_size=1, max_size=4), st.lists(ODDS, min_size=3, max_size=3), st.data()
)
@settings(max_examples=300)
def test_none_is_read_again_before_all_of_its_component_were(
    documents: list[tuple[int, int, float]], shares: list[int], epochs: list[float], data: st.DataObject
) -> None:
    sizes, component, repeat = (list(column) for column in zip(*documents, strict=True))
    component = [sorted(set(component)).index(one) for one in component]
    kept = made_of(sizes, component, repeat)
    budget = data.draw(st.integers(1, 3 * sum(sizes)) | st.just(sum(sizes)))
    phases = [{"name": f"p{place}", "share": one / sum(shares)} for place, one in enumerate(shares)]
    caps = {name: {"max_epochs": cap} for name, cap in zip("abc", epochs, strict=True)}
    seed = data.draw(st.integers(0, 99))
    try:
        mixture = mix(kept, config(phases=phases, budget_bytes=budget, components=caps, seed=seed))
    except MixtureError:
        return
    copies = copies_of(kept, mixture)
    counted = np.maximum(copies.max(axis=1), 1)  # of a document that is read: a whole number of times what it counts
    for place, name in enumerate(kept.names):
        some = kept.component == place
        # What counts a whole number of times is known without asking how a part of one was drawn.
        some &= np.isin(np.array(repeat), (1, 3))
        if not some.any():
            continue
        weight = np.array(repeat)[some].astype(int)
        read, odd = np.divmod(copies[some], weight[:, None])
        assert not odd.any()
        assert read.sum(axis=1).max() <= math.ceil(caps[name]["max_epochs"])
        so_far = np.cumsum(read, axis=1)
        assert (np.ptp(so_far, axis=0) <= 1).all()
    assert (counted <= 3 * math.ceil(max(epochs))).all()
    used = (kept.size[:, None] * copies).sum(axis=0)
    assert (used <= np.array([phase["share"] for phase in phases]) * budget + 1e-6).all()


@given(st.lists(st.integers(1, 60), min_size=1, max_size=25), st.lists(st.integers(1, 9), min_size=1, max_size=4), ODDS)
@settings(max_examples=200)
def test_a_phase_ends_where_none_of_the_least_read_fits(sizes: list[int], shares: list[int], epochs: float) -> None:
    kept, text, budget = made_of(sizes), sum(sizes), int(1.3 * sum(sizes))
    phases = [{"name": f"p{place}", "share": one / sum(shares)} for place, one in enumerate(shares)]
    try:
        mixture = mix(kept, config(phases=phases, budget_bytes=budget, max_epochs=epochs))
    except MixtureError:
        return
    so_far = np.cumsum(copies_of(kept, mixture), axis=1)
    for number, plan in enumerate(mixture.components):
        before = sum(one.bytes for one in mixture.components[:number])
        cap = math.floor(epochs * text) - before
        target = min(cap, math.floor(budget * phases[number]["share"] + 1e-9))
        assert plan.bytes <= target
        least = so_far[:, number].min()
        if least < math.ceil(epochs):
            fits = kept.size[so_far[:, number] == least].min()
            assert fits > target - plan.bytes - 1  # a target may be rounded down by one
        assert plan.exhausted == (target == cap) or abs(cap - budget * phases[number]["share"]) < 1


def test_a_share_next_to_nothing_is_planned_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mixture = mix(made_of([1000, 999], [0, 1]), config(temperature=1.4e-6))
    assert [(0 < one.share_wanted < 1e-300, one.documents) for one in mixture.components] == [(False, 1), (True, 0)]


def test_the_greatest_caps_and_repeats_overflow_nothing() -> None:
    kept = made_of([7, 11], repeat=[1000, 1000])
    mixture = mix(kept, config(max_epochs=1e6))
    assert copies_of(kept, mixture).tolist() == [[10**9], [10**9]]
