"""Other tools' MinHash signatures, from the same hashed shingles."""

import functools
import operator
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from benchmarks.peers.near_duplicates import BANDS, ROWS, datatrove_steps

SEED = 1


def _shingles(folder: Path) -> list[np.ndarray]:
    """Each document's hashed shingles, uint64."""
    with np.load(folder / "shingles.npz") as file:
        return np.split(file["hashes"], file["bounds"][1:-1])


def _written(signatures: Iterable[np.ndarray], output: Path) -> int:
    matrix = np.array(list(signatures), dtype=np.uint64)
    with output.open("wb") as file:
        np.save(file, matrix)
    return len(matrix)


def datasketch(folder: Path, output: Path) -> Callable[[], int]:
    """MinHash.generator, its way for many documents."""
    from datasketch import MinHash

    shingles = [one.tolist() for one in _shingles(folder)]
    signed = functools.partial(
        MinHash.generator, num_perm=BANDS * ROWS, seed=SEED, scheme="affine64", hashfunc=operator.index
    )
    return lambda: _written((one.hashvalues for one in signed(shingles)), output)


def datasketch_numpy(folder: Path, output: Path) -> Callable[[], int]:
    """What it computes of an array, without the list and the calls of a hash function: what it could reach."""
    from datasketch import MinHash
    from datasketch.minhash import _fmix

    shingles = _shingles(folder)
    factors, summands = np.asarray(MinHash(num_perm=BANDS * ROWS, seed=SEED, scheme="affine64").permutations, np.uint64)

    def sign(hashes: np.ndarray) -> np.ndarray:
        return (_fmix(hashes.copy(), 64)[:, None] * factors + summands).min(axis=0)

    return lambda: _written(map(sign, shingles), output)


def datatrove(folder: Path, output: Path) -> Callable[[], int]:
    """The function of its first step that turns hashed shingles into a signature."""
    steps = datatrove_steps()
    config = steps.MinhashConfig(n_grams=5, num_buckets=BANDS, hashes_per_bucket=ROWS)
    step = steps.MinhashDedupSignature(str(output.with_name(f"{output.name}-steps")), config)
    shingles = [one.reshape(-1, 1) for one in _shingles(folder)]
    return lambda: _written((np.concatenate(step.get_signature(one)) for one in shingles), output)
