"""Which documents share a bucket of the LSH table, a band at a time.

The keys of all bands lie in memory, or in a file where they are too many (`spilled`); what is looked at is one band's,
so that beside the table a few numbers a document are held, however many bands there are.
"""

from collections.abc import Iterator

import numpy as np

from tasks.decide.duplicates.spilled import Memory


class BucketKeys:
    """The keys of the buckets that documents lie in: rows of (bands,) are added, and read a band at a time.

    `document` (m,) int64, set once all are added: the document of each row.
    """

    def __init__(self, documents: int, bands: int, memory: Memory) -> None:
        self.bands = bands
        self.document = np.empty(0, dtype=np.int64)
        self._most, self._rows = documents, 0
        held = memory.holds(8 * documents * bands)
        self._table = np.empty((bands, documents if held else 0), dtype=np.uint64)
        self._file = None if held else memory.file()

    @classmethod
    def of(cls, keys: np.ndarray) -> "BucketKeys":
        """Keys that lie in memory, (documents, bands) uint64, a row for each document in their order."""
        made = cls(0, keys.shape[1], Memory(0))
        made._table, made._rows, made.document = keys.T, len(keys), np.arange(len(keys))
        return made

    def add(self, keys: np.ndarray) -> None:
        """Add documents' keys, (some, bands) uint64."""
        start, stop = self._rows, self._rows + len(keys)
        if keys.shape[1:] != (self.bands,) or stop > self._most:
            raise ValueError(
                f"Bucket keys of {self._most} documents in {self.bands} bands were announced; after {start} documents "
                f"some of the shape {keys.shape} came."
            )
        if self._file is None:
            self._table[:, start:stop] = keys.T
        else:
            by_band = np.ascontiguousarray(keys.T)
            for band in range(self.bands):
                self._file.seek(8 * (self._most * band + start))
                self._file.write(by_band[band].data)
        self._rows = stop

    def band(self, number: int) -> np.ndarray:
        """One band's keys of all that were added, (m,) uint64."""
        if self._file is None:
            return self._table[number, : self._rows]
        self._file.flush()
        self._file.seek(8 * self._most * number)
        return np.fromfile(self._file, dtype=np.uint64, count=self._rows)

    def shared(self, nodes: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Of each band the buckets that two or more of the `nodes` (documents,) bool share.

        Yields: the documents, bucket after bucket, and where each bucket begins, both int64.
        """
        looked_at = nodes[self.document]
        every = looked_at.all()
        of = self.document if every else self.document[looked_at]
        for number in range(self.bands):
            keys = self.band(number)
            entries, starts = shared_buckets(keys if every else keys[looked_at])
            yield of[entries], starts


class FoundBuckets:
    """The buckets that some of n documents share, found once, for clusters among any of those documents."""

    def __init__(self, keys: BucketKeys, n: int) -> None:
        self._bands = list(keys.shared(np.ones(n, dtype=bool)))
        self.documents = np.unique(np.concatenate([np.empty(0, np.int64), *(entries for entries, _ in self._bands)]))
        self._number = np.arange(n)

    def among(self, documents: np.ndarray) -> "FoundBuckets":
        """Those of the documents at these ascending positions, which are numbered from 0 then."""
        part = object.__new__(FoundBuckets)
        part._bands, part.documents = self._bands, self.documents
        part._number = np.full(len(self._number), -1)
        part._number[documents] = np.arange(len(documents))
        return part

    def shared(self, nodes: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """As `BucketKeys.shared`."""
        number = np.where(np.append(nodes, False)[self._number], self._number, -1)
        for entries, starts in self._bands:
            bucket = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(entries))))
            here = number[entries]
            bucket, here = bucket[here >= 0], here[here >= 0]
            several = np.bincount(bucket, minlength=len(starts))[bucket] > 1
            bucket, here = bucket[several], here[several]
            yield here, np.flatnonzero(np.append(True, bucket[1:] != bucket[:-1])[: len(bucket)])


def shared_buckets(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Members of buckets with two or more, bucket after bucket, ascending in each; and where each bucket starts."""
    # Most documents share no bucket: a filter on 20 bits of the key spares them the sort of (key, position) pairs.
    table = np.zeros(1 << 20, dtype=bool)
    table[_repeated(keys) & np.uint64((1 << 20) - 1)] = True
    candidates = np.flatnonzero(table[keys & np.uint64((1 << 20) - 1)])
    chosen = keys[candidates]
    order = np.argsort(chosen, kind="stable")
    chosen = chosen[order]
    same = chosen[1:] == chosen[:-1]
    shared = np.zeros(len(chosen), dtype=bool)
    shared[1:] |= same
    shared[:-1] |= same
    chosen = chosen[shared]
    starts = (
        np.flatnonzero(np.concatenate([[True], chosen[1:] != chosen[:-1]]))
        if len(chosen)
        else np.empty(0, dtype=np.int64)
    )
    return candidates[order][shared], starts


def _repeated(keys: np.ndarray) -> np.ndarray:
    """The keys that stand there more than once, ascending; a key that stands k times, k - 1 times."""
    ordered = np.sort(keys)
    return ordered[1:][ordered[1:] == ordered[:-1]]
