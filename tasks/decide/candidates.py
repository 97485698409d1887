"""Documents among which duplicates are looked for: their evidence is read once, for clusters among any of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.decide.clusters import Clusters, Evidence, find_clusters, ranks
from tasks.decide.duplicates.buckets import BucketKeys, FoundBuckets
from tasks.decide.duplicates.canonical_url import canonical_urls
from tasks.decide.duplicates.near import Buckets, Sets, Table, estimated_jaccards, exact_jaccards
from tasks.decide.failures import UNDATED
from tasks.decide.signatures import SignatureFiles
from tasks.decide.thresholds import DuplicateRules


@dataclass(frozen=True)
class Files:
    """The files that evidence is read from: of signatures, and of embeddings, if there are any."""

    signed: SignatureFiles
    embedded: SignatureFiles


class Candidates:
    """Documents (rows as `find_failures` gives them, sorted by doc_id) with what duplicates among them are found by.

    Columns are read when they are asked for, each once. All positions are those of the rows. Rules may differ from one
    question to the next, but for `DuplicateRules.columns`, which the rows must have.
    """

    def __init__(self, rows: pa.Table, content: np.ndarray, files: Files) -> None:
        """Args: `content` (n, 2) uint64, the content hashes."""
        self._rows, self._files = rows, files
        self.content = content
        self._orders: dict[tuple[str, str | None], np.ndarray] = {}

    def clusters(self, rules: DuplicateRules, among: np.ndarray | None = None) -> Clusters:
        """Clusters among the documents at these ascending positions (None: all). Its positions are places in those."""

        def at(values: np.ndarray) -> np.ndarray:
            return values if among is None else values[among]

        def here(places: np.ndarray) -> np.ndarray:
            return places if among is None else among[places]

        simhash = self._simhash if rules.simhash is not None else None
        embedding = self._embedding if rules.semantic is not None else None
        evidence = Evidence(
            address=at(self._address) if rules.url else None,
            simhash=simhash and (at(simhash[0]), at(simhash[1])),
            embedding=embedding and (at(embedding[0]), at(embedding[1])),
            shingles=lambda places: self._shingles(here(places)),
        )
        buckets: Buckets | None = None
        signed = np.empty(0, dtype=bool)
        if rules.near:
            buckets, signed = self._keys[0] if among is None else self._found.among(among), at(self._keys[1])
        return find_clusters(
            at(self._group),
            at(self._order(rules)),
            buckets,
            signed,
            lambda places: self._signatures(here(places)),
            rules,
            evidence,
        )

    def jaccards(
        self, rules: DuplicateRules, documents: np.ndarray, others: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Jaccard of each of these documents to another (float64), exact where near ones are, and whether it is known.

        It is of documents of one content, and of those that are signed, both.
        """
        same = self._group[documents] == self._group[others]
        values, known = same.astype(np.float64), same.copy()
        if same.all():
            return values, known
        # Exact copies have one signature: that of the first is looked at, as it was for clusters.
        first = np.zeros(int(self._group.max(initial=-1)) + 1, dtype=np.int64)
        first[self._group[::-1]] = np.arange(len(self._group))[::-1]
        _, signed = self._keys
        compared = np.flatnonzero(~same & signed[documents] & signed[others])
        one, other = first[self._group[documents[compared]]], first[self._group[others[compared]]]
        involved = np.unique(np.concatenate([one, other]))
        left, right = np.searchsorted(involved, one), np.searchsorted(involved, other)
        if rules.min_exact_jaccard is not None:
            values[compared] = exact_jaccards(self._shingles(involved), left, right)
        else:
            values[compared] = estimated_jaccards(self._signatures(involved), left, right)
        known[compared] = True
        return values, known

    def read_ahead(self, rules: Sequence[DuplicateRules]) -> None:
        """Read at once, of all documents that share a bucket, what questions by these rules will compare."""
        near = [one for one in rules if one.near]
        if any(one.min_jaccard is not None for one in near):
            self._signatures(self._found.documents)
        if any(one.min_exact_jaccard is not None for one in near):
            self._shingles(self._found.documents)

    def _order(self, rules: DuplicateRules) -> np.ndarray:
        policy = rules.keep, rules.keep_by
        if policy not in self._orders:
            self._orders[policy] = _order(self._rows, rules)
        return self._orders[policy]

    @cached_property
    def _group(self) -> np.ndarray:
        return ranks(self.content)

    @cached_property
    def _place(self) -> np.ndarray:
        return _places(self._files.signed, self._rows, "sign")

    @cached_property
    def _keys(self) -> tuple[BucketKeys, np.ndarray]:
        return self._files.signed.buckets(self._place)

    @cached_property
    def _found(self) -> FoundBuckets:
        keys, _ = self._keys
        return FoundBuckets(keys, self._rows.num_rows)

    def _signatures(self, positions: np.ndarray) -> Table:
        return self._files.signed.signatures(self._place[positions])

    def _shingles(self, positions: np.ndarray) -> Sets:
        return self._files.signed.shingles(self._place[positions])

    @cached_property
    def _simhash(self) -> tuple[np.ndarray, np.ndarray]:
        return self._files.signed.simhashes(self._place)

    @cached_property
    def _embedding(self) -> tuple[np.ndarray, np.ndarray]:
        return self._files.embedded.embeddings(_places(self._files.embedded, self._rows, "embed"))

    @cached_property
    def _address(self) -> np.ndarray:
        """A number for each canonical URL (int64), -1 where there is none."""
        encoded = canonical_urls(self._rows.column("read_url").combine_chunks()).dictionary_encode()
        return pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)


def _places(files: SignatureFiles, rows: pa.Table, kind: str) -> np.ndarray:
    return files.places(rows.column(f"{kind}_file").to_numpy(), rows.column(f"{kind}_row").to_numpy())


def _order(rows: pa.Table, rules: DuplicateRules) -> np.ndarray:
    """Each document's place (int64) in the order in which one stays before another; rows are in the order of doc_id."""
    seen = rows.column("seen").to_numpy()
    order = np.argsort(seen, kind="stable")
    if rules.keep == "newest":
        order = np.argsort(np.where(seen == UNDATED, seen, -seen), kind="stable")
    elif rules.keep != "first_seen":
        values = rows.column(f"read_{rules.keep_by or 'text_bytes'}").take(pa.array(order))
        # A stable sort: of equals the first seen stays first. Nulls come last, not-a-numbers before them.
        options = pc.ArraySortOptions(order="descending", null_placement="at_end")
        order = order[pc.call_function("array_sort_indices", [values.combine_chunks()], options).to_numpy()]
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return place
