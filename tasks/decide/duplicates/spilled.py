"""Connected components of documents that share a bucket, with the bucket keys on disk and one band in memory at a time.

The in-memory way (`near.near_edges` without a comparison, then `near.components`) holds the whole table of keys and the
edges of all bands. Here the keys go through a file that has no name, band after band, and a forest of all documents
takes up each band's buckets as they are found. The components are the same: those of all pairs that share a bucket.
"""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from tasks.decide.duplicates.near import shared_buckets

BYTES_PER_DOCUMENT = 80
"""What is held for each document at most, beside one batch, where every document shares a bucket: eight arrays of 8
bytes (the forest, the places of documents with keys, a band's keys, and what their sort makes), two of which are there
twice for a moment. About half of it where few share one."""


def spilled_components(
    batches: Iterable[tuple[np.ndarray, np.ndarray]], n: int, bands: int, folder: Path | None = None
) -> np.ndarray:
    """The smallest member of the connected component of each of `n` documents, (n,) int64.

    Args: `batches` of the documents in their order: bucket keys (m, bands) uint64, and whether each document has any,
    (m,) bool; one without is alone. `folder`: where the keys are spilled, n * bands * 8 bytes (None: the system's
    folder for temporary files); nothing is left there, even of a process that is killed.
    Memory: BYTES_PER_DOCUMENT for each document and one batch, however many bands there are.
    Raises: ValueError where the batches do not hold n documents of this many bands.
    """
    from tasks.decide.duplicates import kernels

    parents = np.arange(n)
    with tempfile.TemporaryFile(dir=folder, prefix="gristmill-buckets-") as file:
        places = _spill(batches, n, bands, file)
        for band in range(bands):
            file.seek(8 * n * band)
            entries, starts = shared_buckets(np.fromfile(file, dtype=np.uint64, count=len(places)))
            kernels.join_buckets(places[entries], starts, parents)
    kernels.find_roots(parents)
    return parents


def _spill(batches: Iterable[tuple[np.ndarray, np.ndarray]], n: int, bands: int, file: BinaryIO) -> np.ndarray:
    """Write the keys of documents that have some into the file, band b from byte 8 * n * b on; give their places."""
    signed = np.zeros(n, dtype=bool)
    seen = written = 0
    for keys, present in batches:
        if keys.shape[1:] != (bands,) or seen + len(keys) > n:
            raise ValueError(
                f"Bucket keys of {n} documents in {bands} bands were announced; after {seen} documents a batch of the "
                f"shape {keys.shape} came."
            )
        signed[seen : seen + len(keys)] = present
        by_band = np.ascontiguousarray(keys[present].T)
        for band in range(bands):
            file.seek(8 * (n * band + written))
            file.write(by_band[band].data)
        seen += len(keys)
        written += by_band.shape[1]
    if seen != n:
        raise ValueError(f"Bucket keys of {n} documents were announced, and those of {seen} came.")
    file.flush()
    return np.flatnonzero(signed)
