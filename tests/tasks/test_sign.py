"""Signatures against datasketch, words against a slow splitter, and a cache that works where nothing can be written."""

import os
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import sign_kernels
from tasks.sign import (
    SignConfig,
    hash_bands,
    hash_content,
    hash_contents,
    normalise,
    normalise_all,
    permutations,
    sign_documents,
    sign_words,
)
from tasks.words import hash_words

ROOT = Path(__file__).parents[2]
HASH = st.integers(0, 2**64 - 1)
# Letters, marks, digits, signs, spaces of many scripts, and letters that change their length in lower case.
TEXT = (
    st.text(st.sampled_from("abAB zß_9 ..-\n\t\u00a0\u2028ée\u0301İŁДж中文字テーブルไทยที่นี่ကမ္ဘာ한국어हिन्दी\U00020000😀٣"))
    | st.text()
)


def sign(*texts: str, config: SignConfig | None = None) -> pa.RecordBatch:
    return sign_documents(
        pa.RecordBatch.from_pydict({"text": pa.array(texts, pa.large_string())}), config or SignConfig()
    )


def signature_of(shingles: list[int], config: SignConfig) -> np.ndarray:
    signature = np.empty(config.n_values, dtype=np.uint64)
    chosen = permutations(config.n_values, config.seed, config.scheme)
    sign_kernels.sign_shingles(np.array(shingles, dtype=np.uint64), chosen, signature)
    return signature


@given(st.lists(HASH, min_size=1, max_size=40), st.integers(0, 2**32 - 1), st.sampled_from([(14, 8), (1, 1), (20, 5)]))
@settings(max_examples=100)
def test_signatures_equal_datasketch_bit_for_bit(shingles: list[int], seed: int, shape: tuple[int, int]) -> None:
    config = SignConfig(bands=shape[0], rows=shape[1], seed=seed)
    oracle = MinHash(num_perm=config.n_values, seed=seed, scheme="affine64", hashfunc=lambda value: value)
    oracle.update_batch(shingles)
    assert signature_of(shingles, config).tolist() == oracle.hashvalues.tolist()


def shingles_of(words: np.ndarray, ngram: int) -> list[int]:
    shingles = np.empty(max(1, len(words) - ngram + 1), dtype=np.uint64)
    sign_kernels.hash_shingles(np.ascontiguousarray(words), ngram, shingles)
    return shingles.tolist()


@given(st.lists(TEXT, max_size=5), st.integers(1, 6))
@settings(max_examples=100)
def test_a_document_is_signed_as_datasketch_signs_its_shingles(texts: list[str], ngram: int) -> None:
    config = SignConfig(ngram=ngram)
    rows = sign(*texts, config=config).to_pylist()
    words, _, _, offsets = hash_words([normalise(text) for text in texts])
    for row, start, stop in zip(rows, offsets, offsets[1:], strict=False):
        if start == stop:
            assert (row["signature"], row["buckets"], row["n_shingles"]) == (None, None, 0)
            continue
        shingles = shingles_of(words[start:stop], ngram)
        oracle = MinHash(num_perm=112, seed=1, scheme="affine64", hashfunc=lambda value: value)
        oracle.update_batch(shingles)
        assert row["signature"] == oracle.hashvalues.tolist()
        assert row["n_shingles"] == len(shingles)


@given(TEXT)
def test_content_hash_sees_neither_form_nor_white_space(text: str) -> None:
    other = " \n" + unicodedata.normalize("NFD", text).replace(" ", " \t ") + "\u3000"
    one, two = sign(text, other).to_pylist()
    assert one == two
    assert one["content_hash"] == hash_content(normalise(text))
    assert len(one["content_hash"]) == 32


# White space of all kinds, marks that combine, letters whose small form is longer or depends on its neighbours.
ODD = st.text(st.sampled_from([*list("aZ \t\n\xa0\u2003\u3000\x1ḉeİΣσςßẞﬁ가ᄀ字。"), "𝐀"]), max_size=30)
LONG = st.lists(
    ODD | st.sampled_from(["grain and flour ", "  \n \t", "x" * 70, "é" * 40, " \u2003 "]), max_size=30
).map("".join)


@given(st.lists(ODD | LONG | st.text(max_size=40), max_size=8))
def test_texts_are_normalised_together_as_each_alone(texts: list[str]) -> None:
    for kind in (pa.string(), pa.large_string()):
        found = normalise_all(pa.array(["before", *texts], kind)[1:])
        spans = zip(found.begins.tolist(), found.stops.tolist(), strict=True)
        cut = [found.text[start:stop].tobytes().decode() for start, stop in spans]
        assert cut == [normalise(text) for text in texts]
        assert hash_contents(found).to_pylist() == [hash_content(normalise(text)) for text in texts]


@given(st.lists(ODD | st.text(max_size=40), min_size=1, max_size=6), st.integers(1, 6))
def test_shingles_of_characters_are_runs_of_the_small_letters(texts: list[str], ngram: int) -> None:
    found = sign(*texts, config=SignConfig(unit="characters", ngram=ngram, bands=4, rows=2))
    small = [normalise(text).lower().replace("ς", "σ") for text in texts]
    runs = [{text[at : at + ngram] for at in range(max(1, len(text) - ngram + 1))} if text else set() for text in small]
    counts = [max(1, len(text) - ngram + 1) if text else 0 for text in small]
    assert found.column("n_shingles").to_pylist() == counts
    signatures = found.column("signature").to_pylist()
    for left in range(len(texts)):
        assert (signatures[left] is None) == (not runs[left])
        for right in range(left):
            if runs[left] == runs[right]:
                assert signatures[left] == signatures[right]
            elif not runs[left] & runs[right] and runs[left] and runs[right]:
                assert all(one != other for one, other in zip(signatures[left], signatures[right], strict=True))


def test_other_texts_have_other_content_hashes() -> None:
    texts = ["", "a", "A", "b", "a b", "ab", "a\u0301", "1", "٣"]
    assert len(set(sign(*texts).column("content_hash").to_pylist())) == len(texts)


def test_columns_have_their_declared_types_and_batches_do_not_matter() -> None:
    texts = ["one two three four five six", "", "!!", "one two", "中文" * 9]
    whole = sign(*texts)
    assert whole.schema.field("signature").type == pa.list_(pa.uint64(), 112)
    assert whole.schema.field("buckets").type == pa.list_(pa.uint64(), 14)
    assert whole.column("n_shingles").to_pylist() == [2, 0, 0, 1, 14]
    assert [row for text in texts for row in sign(text).to_pylist()] == whole.to_pylist()
    assert sign().num_rows == 0


def test_a_slice_of_a_batch_is_signed_as_its_rows() -> None:
    batch = pa.RecordBatch.from_pydict({"text": pa.array(["a b c", "d e f", "g h i"], pa.large_string())})
    assert sign_documents(batch.slice(1, 1), SignConfig()).to_pylist() == sign("d e f").to_pylist()


def test_bytes_that_are_no_utf8_are_not_written_past_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrow does not look at a file's strings: damaged ones may end within a character."""
    said = b"a\xf0" * 40
    offsets = pa.array(range(0, 81, 2), pa.int64())
    texts = pa.Array.from_buffers(pa.large_string(), 40, [None, offsets.buffers()[1], pa.py_buffer(said + bytes(64))])
    guarded = list[np.ndarray]()

    def room_with_a_guard(n: int, kind: type[np.generic]) -> np.ndarray:
        guarded.append(np.full(n + 4096, 0xAA, kind))
        return guarded[-1][:n]

    monkeypatch.setattr("tasks.sign.room", room_with_a_guard)
    normal = normalise_all(texts)
    assert normal.stops[-1] <= len(normal.text)
    assert guarded
    assert all((one[-4096:] == 0xAA).all() for one in guarded)


def test_a_null_text_is_refused() -> None:
    batch = pa.RecordBatch.from_pydict({"text": pa.array(["a", None], pa.large_string())})
    with pytest.raises(ValueError, match="1 documents without text"):
        sign_documents(batch, SignConfig())


def test_bands_agree_exactly_where_their_values_do() -> None:
    config = SignConfig(bands=3, rows=2)
    signatures = np.array([[1, 2, 3, 4, 1, 2], [1, 2, 4, 3, 1, 2]], dtype=np.uint64)
    buckets = hash_bands(signatures, config)
    assert (buckets[0] == buckets[1]).tolist() == [True, False, True]
    assert len(set(buckets.ravel().tolist())) == 4  # equal values in another band have another key


def test_similarity_is_estimated_within_its_error() -> None:
    rng = np.random.default_rng(5)
    for shared in (0.2, 0.5, 0.8, 0.95):
        n = 2000
        words = rng.integers(0, 2**64, n, dtype=np.uint64)
        other = words.copy()
        fresh = rng.choice(n, round(n * (1 - shared) / (1 + shared)), replace=False)
        other[fresh] = rng.integers(0, 2**64, len(fresh), dtype=np.uint64)
        both = np.concatenate([words, other])
        one, two = sign_words(both, np.array([0, n, 2 * n], dtype=np.int64), SignConfig(ngram=1, bands=100, rows=10))
        assert abs((one == two).mean() - shared) < 4 * (shared * (1 - shared) / 1000) ** 0.5


# Hashes three words with the compiled loops alone and prints their signature.
SCRIPT = """
import numpy as np
words = np.arange(1, 4, dtype=np.uint64)
permutations = np.arange(1, 9, dtype=np.uint64).reshape(2, 4)
signatures = np.empty((1, 4), dtype=np.uint64)
sign_kernels.sign_words(words, np.array([0, 3], dtype=np.int64), 2, permutations, signatures)
print(signatures.tolist())
"""


def environment_without_cache(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_", "PYTHON"))}
    return {**kept, **more}


def test_kernels_work_where_no_cache_can_be_written(tmp_path: Path) -> None:
    shutil.copy(ROOT / "tasks" / "sign_kernels.py", tmp_path)
    (tmp_path / "__pycache__").write_text("A file in the folder's place: stops a superuser too.")
    blocked = tmp_path / "blocked"
    blocked.write_text("")
    environment = environment_without_cache(
        HOME=str(blocked), XDG_CACHE_HOME=str(blocked), PYTHONPATH=f"{tmp_path}:{ROOT}"
    )
    command = [sys.executable, "-c", "import sign_kernels" + SCRIPT]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout == signature_in_this_process()
    assert {path.name for path in tmp_path.iterdir()} == {"sign_kernels.py", "__pycache__", "blocked"}


def test_processes_that_compile_at_once_give_the_same(tmp_path: Path) -> None:
    environment = environment_without_cache(NUMBA_CACHE_DIR=str(tmp_path), PYTHONPATH=str(ROOT))
    command = [sys.executable, "-c", "from tasks import sign_kernels" + SCRIPT]
    running = [
        subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    outputs = [process.communicate(timeout=240)[0] for process in running]
    assert list(tmp_path.rglob("*.nbc"))
    again = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert {*outputs, again.stdout} == {signature_in_this_process()}


def signature_in_this_process() -> str:
    signatures = np.empty((1, 4), dtype=np.uint64)
    words = np.arange(1, 4, dtype=np.uint64)
    coefficients = np.arange(1, 9, dtype=np.uint64).reshape(2, 4)
    sign_kernels.sign_words(words, np.array([0, 3], dtype=np.int64), 2, coefficients, signatures)
    return f"{signatures.tolist()}\n"
