"""What sign keeps where a recipe asks for it: sets of shingles and simhashes, against slow versions of both."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.sign import SignConfig, sign_documents, signatures_table
from tasks.words import hash_words

FNV_PRIME = 0x100000001B3
WHOLE = 2**64


def shingles_of(text: str, ngram: int) -> list[int]:
    """The hash of each run of words, as `tasks.sign_kernels` says."""
    words = [int(word) for word in hash_words([text]).hashes]
    found = []
    for start in range(max(1, len(words) - ngram + 1) if words else 0):
        value = 0x9E3779B97F4A7C15
        for word in words[start : start + ngram]:
            value = (value ^ word) * FNV_PRIME % WHOLE
            value ^= value >> 32
        found.append(value)
    return found


def mixed(value: int) -> int:
    """MurmurHash3's finalizer."""
    value = (value ^ (value >> 33)) * 0xFF51AFD7ED558CCD % WHOLE
    value = (value ^ (value >> 33)) * 0xC4CEB9FE1A85EC53 % WHOLE
    return value ^ (value >> 33)


def simhash_of(shingles: list[int]) -> int:
    """Charikar's sign of a sum of directions, bit by bit."""
    sums = [sum(1 if mixed(one) >> bit & 1 else -1 for one in shingles) for bit in range(64)]
    return sum(1 << bit for bit, total in enumerate(sums) if total > 0)


WORDS = st.sampled_from(["mill", "river", "wheel", "stone", "."])
TEXTS = st.lists(st.lists(WORDS, max_size=12).map(" ".join), max_size=5)


@given(TEXTS, st.integers(1, 6), st.integers(1, 3))
def test_sets_and_simhashes_equal_slow_ones(texts: list[str], ngram: int, simhash_ngram: int) -> None:
    config = SignConfig(ngram=ngram, shingles=True, simhash=True, simhash_ngram=simhash_ngram)
    signed = sign_documents(pa.RecordBatch.from_pydict({"text": pa.array(texts, pa.large_string())}), config)
    assert signed.schema.equals(signatures_table(config).schema)
    sets = [sorted(set(shingles_of(text, ngram))) or None for text in texts]
    assert signed.column("shingles").to_pylist() == sets
    runs = [shingles_of(text, simhash_ngram) for text in texts]
    assert signed.column("simhash").to_pylist() == [simhash_of(run) if run else None for run in runs]


def test_a_simhash_is_of_words_whatever_shingles_are_made_of() -> None:
    batch = pa.RecordBatch.from_pydict({"text": pa.array(["The mill turns.", "...", ""], pa.large_string())})
    words, characters = (
        sign_documents(batch, SignConfig(unit=unit, shingles=True, simhash=True)) for unit in ("words", "characters")
    )
    assert words.column("simhash").equals(characters.column("simhash"))
    assert words.column("simhash").null_count == 2
    assert not words.column("shingles").equals(characters.column("shingles"))


def test_nothing_more_is_kept_unasked() -> None:
    batch = pa.RecordBatch.from_pydict({"text": pa.array(["The mill turns."], pa.large_string())})
    assert sign_documents(batch, SignConfig()).schema.names == ["content_hash", "n_shingles", "signature", "buckets"]


def test_few_changed_words_turn_few_bits() -> None:
    rng = np.random.default_rng(2)
    words = [f"w{number}" for number in rng.integers(0, 5000, 400)]
    changed = [*words[:200], "another", *words[201:]]
    strange = [f"v{number}" for number in rng.integers(0, 5000, 400)]
    texts = pa.array([" ".join(text) for text in (words, changed, strange)], pa.large_string())
    signed = sign_documents(pa.RecordBatch.from_pydict({"text": texts}), SignConfig(simhash=True))
    first, near, far = signed.column("simhash").to_pylist()
    assert (first ^ near).bit_count() <= 8
    assert (first ^ far).bit_count() == pytest.approx(32, abs=16)  # 4 standard deviations of 64 coins
