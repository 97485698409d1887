"""Lines, paragraphs and anchors of a text equal a slow account of them."""

import random

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from storage.schemas.repeats import ANCHORS, LINES, PARAGRAPHS
from tasks.parts.stage import PartsConfig, cut_parts, find_anchors, note_parts
from tests.tasks.repeats.corpora import cut_slowly

# Blanks of several kinds, marks that join, letters that change their length in NFC or lower case.
PIECES = ["a", "B", "é", "e\u0301", "\u0301", "\u0130", "ẞ", "\u1e9b\u0323", "漢", "🐟", "\n", "\n", "\n\n"]
PIECES += [" ", "\t", "\r", "\r\n", "\x0c", "\u2028", "\u00a0", "\u3000", "\u0344", "K", "-"]
TEXTS = st.lists(st.one_of(st.sampled_from(PIECES), st.characters(exclude_categories=["Cs"])), max_size=40).map("".join)


def shown(parts: pa.Array) -> list[list[tuple[int, int, int]]]:
    return [[(one["hash"], one["start"], one["end"]) for one in row] for row in parts.to_pylist()]


@given(st.lists(TEXTS, min_size=1, max_size=6))
def test_lines_and_paragraphs_are_those_of_a_slow_account_and_equal_ones_share_a_hash(texts: list[str]) -> None:
    slow = [cut_slowly(text) for text in texts]
    for kind, found in enumerate(cut_parts(texts)):
        named: dict[str, int] = {}
        for parts, row in zip(shown(found), slow, strict=True):
            assert [(start, end) for _, start, end in parts] == [(start, end) for _, start, end in row[kind]]
            for (value, _, _), (name, _, _) in zip(parts, row[kind], strict=True):
                assert named.setdefault(name, value) == value
        assert len(set(named.values())) == len(named)


@given(st.lists(TEXTS, min_size=1, max_size=6), st.integers(1, 5))
def test_parts_do_not_depend_on_the_batch(texts: list[str], at: int) -> None:
    documents = pa.RecordBatch.from_pydict({"text": pa.array(texts, pa.large_string())})
    config = PartsConfig(lines=True, paragraphs=True, substrings=3)
    pieces = [note_parts.fn(piece, config) for piece in (documents.slice(0, at), documents.slice(at)) if len(piece)]
    assert note_parts.fn(documents, config).to_pylist() == pa.Table.from_batches(pieces).to_pylist()


@given(st.randoms(use_true_random=False), st.integers(2, 12), st.sampled_from([2, 3, 50]))
def test_two_texts_that_share_enough_words_share_an_anchor(draw: random.Random, length: int, vocabulary: int) -> None:
    def some(count: int) -> list[str]:
        return [f"w{draw.randrange(vocabulary)}" for _ in range(count)]

    shared = some(length)
    texts = [" ".join(some(draw.randrange(9)) + shared + some(draw.randrange(9))) for _ in range(2)]
    first, second = (set(row) for row in find_anchors(texts, length).to_pylist())
    assert first & second


def test_few_runs_of_words_are_noted_and_each_once() -> None:
    draw = random.Random(1)
    text = " ".join(f"w{draw.randrange(1000)}" for _ in range(13_000))
    (anchors,) = find_anchors([text], 50).to_pylist()
    assert anchors == sorted(set(anchors))
    assert 900 < len(anchors) < 1100  # two of 27 runs (Schleimer et al. 2003)
    assert find_anchors([" ".join(["w"] * 49), " ".join(["w"] * 50)], 50).to_pylist()[0] == []


def test_only_what_is_asked_for_is_noted() -> None:
    assert not PartsConfig().enabled
    documents = pa.RecordBatch.from_pydict({"text": pa.array(["a\n\nb"], pa.large_string())})
    for config, names in (
        (PartsConfig(lines=True), [LINES.name]),
        (PartsConfig(paragraphs=True, substrings=50), [PARAGRAPHS.name, ANCHORS.name]),
    ):
        assert config.enabled
        assert note_parts.fn(documents, config).schema.names == names
