"""MinHash signatures alone, from hashed words or shingles: the same permutations, so the same values."""

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from benchmarks import debdocs, duplicate_texts
from benchmarks.harness import Contest, Contestant

OURS, DATASKETCH, NUMPY = "gristmill", "datasketch, MinHash.generator", "datasketch's arithmetic, numpy alone"
DATATROVE = "datatrove, get_signature"


def prepare(folder: Path) -> None:
    """Write hashed words and hashed shingles of all pages of debdocs and of the planted pairs, with their bounds."""
    from tasks import sign_kernels
    from tasks.sign import SignConfig, normalise
    from tasks.words import hash_words

    texts = debdocs.pages()
    for pair in duplicate_texts.planted():
        texts += pair
    words, _, _, offsets = hash_words([normalise(text) for text in texts])
    if (np.diff(offsets) == 0).any():
        raise ValueError("A document has no words: it has no signature to compare.")
    ngram = SignConfig().ngram
    shingles = []
    for start, stop in itertools.pairwise(offsets.tolist()):
        shingles.append(np.empty(max(1, stop - start - ngram + 1), np.uint64))
        sign_kernels.hash_shingles(np.ascontiguousarray(words[start:stop]), ngram, shingles[-1])
    np.savez(folder / "words.npz", hashes=words, bounds=offsets)
    np.savez(folder / "shingles.npz", hashes=np.concatenate(shingles), bounds=np.cumsum([0, *map(len, shingles)]))


def gristmill(folder: Path, output: Path) -> Callable[[], int]:
    """The stage's function: shingles are hashed from the words within the time."""
    from tasks.sign import SignConfig, sign_words

    with np.load(folder / "words.npz") as file:
        words, bounds = file["hashes"], file["bounds"]
    sign_words(words[:9], np.array([0, 9]), SignConfig())

    def work() -> int:
        signatures = sign_words(words, bounds, SignConfig())
        with output.open("wb") as file:
            np.save(file, signatures)
        return len(signatures)

    return work


def compare(outputs: Mapping[str, Path]) -> list[str]:
    """Equal signatures, and how far the estimated similarities of the planted pairs lie from the exact ones."""
    with np.load(next(iter(outputs.values())).parent.parent / "inputs" / "shingles.npz") as file:
        hashes, bounds = file["hashes"], file["bounds"]
    n_planted = len(duplicate_texts.LEVELS) * duplicate_texts.PAIRS
    n, per_document = len(bounds) - 1, np.diff(bounds)
    first = np.arange(n - 2 * n_planted, n, 2)
    sets = [set(hashes[bounds[place] : bounds[place + 1]].tolist()) for place in range(int(first[0]), n)]
    exact = np.array([len(one & two) / len(one | two) for one, two in zip(sets[::2], sets[1::2], strict=True)])
    found = {name: np.load(path) for name, path in outputs.items()}
    lines = [
        f"{n - 2 * n_planted:,} pages of debdocs and {2 * n_planted:,} planted documents; {per_document.mean():,.0f} "
        f"shingles each, {per_document.max():,} at most. Of the values of a signature, 112 a document:",
        "",
    ]
    for name in (DATASKETCH, NUMPY):
        same = int((found[OURS] == found[name]).all(axis=1).sum())
        lines.append(f"- {same:,} of {n:,} signatures of {name} and {OURS} are equal, value for value.")
    for name in (OURS, DATATROVE):
        off = (found[name][first] == found[name][first + 1]).mean(axis=1) - exact
        lines.append(
            f"- {name}: the similarities of {n_planted:,} planted pairs are estimated {off.mean():+.4f} off in the "
            f"mean, {np.sqrt((off**2).mean()):.4f} in root mean square."
        )
    ideal = np.sqrt((exact * (1 - exact)).mean() / 112)
    return [*lines, f"- Values drawn independently would be {ideal:.4f} off in root mean square."]


CONTEST = Contest(
    name="minhash",
    title="MinHash signatures",
    unit="documents",
    contestants=[
        Contestant(OURS, "gristmill"),
        Contestant(DATASKETCH, "datasketch", peer=True),
        Contestant(NUMPY, "datasketch_numpy", peer=True),
        Contestant(DATATROVE, "datatrove", peer=True),
    ],
    prepare=prepare,
    baseline=DATASKETCH,
    compare=compare,
    notes="112 values from the same hashed 5-grams of words. Gristmill hashes them from hashed words within its time; "
    "the others get them ready, datasketch as the list of whole numbers that it asks for, with a hash function that "
    "gives them back. Its scheme is `affine64`, with the same permutations. datatrove's permutations are others.",
)
