"""Decisions: one row for every document, kept or dropped, with every reason.

| column | type | what |
|---|---|---|
| `doc_id` | string | the document; the table is sorted by it |
| `source` | string | its source |
| `kept` | bool | whether it stays |
| `dropped_by` | string | the first rule that drops it; null when kept |
| `failed` | list<string> | all rules that drop it, in the order of the rules |
| `cluster` | string | smallest doc_id among the passing documents of its cluster, maybe its own; null if it failed |
| `cluster_size` | int32 | passing documents in its cluster, itself too; 0 if it did not pass |
| `kept_as` | string | the document that stays for it; null unless it was dropped as a duplicate |
| `jaccard` | float32 | Jaccard to that document, estimated (exact with `min_exact_jaccard`); 1 for an exact copy |
| `content_hash` | string | its content hash; null without text |
| `split` | string | `train` or `validation`, the same for a whole cluster; null if it did not pass |

Validation is chosen by the smallest content hash among a cluster's passing members: a pure function of the set.
The result is a function of the rows of the inputs; neither their order nor how they are cut into files plays a part.
"""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.hashing import splitmix64
from storage.table import column, table
from tasks.decide.clusters import Clusters, Evidence, find_clusters
from tasks.decide.duplicates.canonical_url import canonical_urls
from tasks.decide.duplicates.near import PAIRS_AT_ONCE, exact_jaccards, share_of_equal
from tasks.decide.failures import UNDATED, DecideError, Failures, find_failures
from tasks.decide.rules import DecideConfig
from tasks.decide.signatures import SignatureFiles
from tasks.decide.thresholds import KINDS, DuplicateRules

DECISIONS = table(
    column("doc_id", pa.string(), "The document; rows are sorted by it.", nullable=False),
    column("source", pa.string(), "Name of the source in the recipe.", nullable=False),
    column("kept", pa.bool_(), "Whether it stays.", nullable=False),
    column("dropped_by", pa.string(), "The first rule that drops it; null when kept."),
    column("failed", pa.list_(pa.string()), "All rules that drop it, in the order of the rules.", nullable=False),
    column("cluster", pa.string(), "Smallest doc_id of its cluster among what passes; null if it did not pass."),
    column(
        "cluster_size",
        pa.int32(),
        "Passing documents in its cluster, itself too; 0 if it did not pass.",
        nullable=False,
    ),
    column("kept_as", pa.string(), "The document that stays for it; null unless it was dropped as a duplicate."),
    column(
        "jaccard",
        pa.float32(),
        "Jaccard to that document, exact with min_exact_jaccard, else estimated.",
    ),
    column("content_hash", pa.string(), "Its content hash; null without text."),
    column("split", pa.string(), "train or validation, the same for a whole cluster; null if it did not pass."),
)

HEXADECIMAL = re.compile("[0-9a-f]*")


def decide_documents(
    documents: Sequence[str],
    annotations: Mapping[str, Sequence[str]],
    config: DecideConfig,
    *,
    tombstones: Sequence[str] = (),
    lost: Mapping[str, Sequence[str]] | None = None,
    threads: int = 2,
    memory_limit: str = "2GB",
) -> pa.Table:
    """Decide on every document. The columns and their meaning: the module's table (`DECISIONS`).

    Args: `documents` the Parquet files of the documents (doc_id, source, capture_date, …), whose text is not read;
    `annotations` the Parquet files of each annotation by its stage's name, one row per document, one of them with
    `content_hash`, `signature` and `buckets`; `tombstones` the doc_ids that are forgotten; `lost` by stage the doc_ids
    that it could not finish, which are dropped by `<stage>.lost`; `threads` and `memory_limit` bound DuckDB, which
    spills to a temporary folder beyond.
    Raises: DecideError where a document has no row or several in an annotation, or no annotation has signatures;
    PredicateError where a rule cannot be computed from the columns there are.
    """
    failures = find_failures(documents, annotations, config, tombstones, lost or {}, threads, memory_limit)
    files = SignatureFiles([str(path) for path in annotations[failures.signed_by]], threads)
    embedded = SignatureFiles([str(path) for path in annotations.get(failures.embedded_by or "", ())], threads)
    return _assemble(failures, files, embedded, config)


def _assemble(failures: Failures, files: SignatureFiles, embedded: SignatureFiles, config: DecideConfig) -> pa.Table:
    """Cluster what passes and write one row per document."""
    rows, failed, names = failures.documents, failures.failed, failures.reasons
    n = rows.num_rows
    passing = np.flatnonzero(~failed.any(axis=1))
    chosen, rules = rows.take(pa.array(passing)), config.duplicates
    place = _places(files, chosen, "sign")
    content = content_words(chosen.column("content_hash"))
    buckets, signed = files.buckets(place)
    evidence = Evidence(
        address=_addresses(chosen.column("read_url")) if rules.url else None,
        simhash=files.simhashes(place) if rules.simhash is not None else None,
        embedding=embedded.embeddings(_places(embedded, chosen, "embed")) if rules.semantic is not None else None,
        shingles=lambda positions: files.shingles(place[positions]),
    )
    clusters = find_clusters(
        content,
        _order(chosen, rules),
        buckets,
        signed,
        lambda positions: files.signatures(place[positions]),
        rules,
        evidence,
    )
    copies = np.flatnonzero(clusters.stays != np.arange(len(passing)))
    # Reasons of a duplicate come after all others, of which it has none.
    n_rules = len(names)
    names = [*names, *(f"duplicates.{kind}" for kind in KINDS)]
    failed = np.concatenate([failed, np.zeros((n, len(KINDS)), dtype=bool)], axis=1)
    failed[passing[copies], n_rules + clusters.kind[copies]] = True
    reason_row, reason = np.nonzero(failed)
    offsets = np.zeros(n + 1, dtype=np.int32)
    np.cumsum(np.bincount(reason_row, minlength=n), out=offsets[1:])
    reasons = pa.array(names, type=pa.string()).take(pa.array(reason))
    kept = offsets[1:] == offsets[:-1]
    first_reason = np.where(kept, 0, offsets[:-1])

    doc_id = rows.column("doc_id").combine_chunks()
    cluster = np.full(n, -1)
    cluster[passing] = passing[clusters.smallest]
    kept_as = np.full(n, -1)
    kept_as[passing[copies]] = passing[clusters.stays[copies]]
    size = np.zeros(n, dtype=np.int32)
    size[passing] = clusters.size
    jaccard = np.zeros(n, dtype=np.float32)
    estimated = np.zeros(n, dtype=bool)
    values, known = _jaccards(clusters, copies, signed, place, files, rules)
    jaccard[passing[copies]], estimated[passing[copies]] = values, known
    validation = np.zeros(n, dtype=bool)
    validation[passing] = _validation(clusters, content, config.validation_share)
    passed = np.zeros(n, dtype=bool)
    passed[passing] = True
    split = pa.array(["train", "validation"]).take(pa.array(validation.astype(np.int8), mask=~passed))
    return pa.table(
        [
            doc_id,
            rows.column("source"),
            pa.array(kept),
            reasons.take(pa.array(first_reason, mask=kept)) if len(reasons) else pa.nulls(n, pa.string()),
            pa.ListArray.from_arrays(pa.array(offsets), reasons),
            _take(doc_id, cluster),
            pa.array(size),
            _take(doc_id, kept_as),
            pa.array(jaccard, mask=~estimated),
            rows.column("content_hash"),
            split,
        ],
        schema=DECISIONS.schema,
    )


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


def _addresses(urls: pa.ChunkedArray) -> np.ndarray:
    """A number for each canonical URL (int64), -1 where there is none."""
    encoded = canonical_urls(urls.combine_chunks()).dictionary_encode()
    return pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)


def _take(values: pa.Array, positions: np.ndarray) -> pa.Array:
    """values[positions], null where a position is -1."""
    return values.take(pa.array(np.maximum(positions, 0), mask=positions < 0))


def _jaccards(
    clusters: Clusters,
    copies: np.ndarray,
    signed: np.ndarray,
    place: np.ndarray,
    files: SignatureFiles,
    rules: DuplicateRules,
) -> tuple[np.ndarray, np.ndarray]:
    """Jaccard of each copy to who stays for it (float64), and whether it is known: exact where near ones are."""
    stays = clusters.stays[copies]
    same = clusters.content[copies] == clusters.content[stays]
    values = same.astype(np.float64)
    compared = np.flatnonzero(~same & signed[copies] & signed[stays])
    # Exact copies have one signature: that of the first is looked at, as it was for clusters.
    first = np.zeros(int(clusters.content.max(initial=-1)) + 1, dtype=np.int64)
    first[clusters.content[::-1]] = np.arange(len(place))[::-1]
    place = place[first[clusters.content]]
    involved = np.unique(np.concatenate([place[copies[compared]], place[stays[compared]]]))
    left = np.searchsorted(involved, place[copies[compared]])
    right = np.searchsorted(involved, place[stays[compared]])
    if rules.min_exact_jaccard is not None:
        values[compared] = exact_jaccards(files.shingles(involved), left, right)
    else:
        table_of = files.signatures(involved)
        for start in range(0, len(compared), PAIRS_AT_ONCE):
            some = slice(start, start + PAIRS_AT_ONCE)
            values[compared[some]] = share_of_equal(table_of[left[some]], table_of[right[some]])
    known = same.copy()
    known[compared] = True
    return values, known


def content_words(hashes: pa.ChunkedArray) -> np.ndarray:
    """Content hashes (32 hexadecimal characters each) as (n, 2) uint64, high half first.

    Raises: DecideError where one has another form.
    """
    n = len(hashes)
    joined = "".join(hashes.to_pylist())
    if len(joined) != 32 * n or HEXADECIMAL.fullmatch(joined) is None:
        raise DecideError("A content_hash does not have 32 hexadecimal characters: sign the documents again.")
    return np.frombuffer(bytes.fromhex(joined), dtype=">u8").astype(np.uint64).reshape(n, 2)


def _validation(clusters: Clusters, content: np.ndarray, share: float) -> np.ndarray:
    """Which passing documents are for validation: bool, the same for all members of a cluster."""
    n_clusters = int(clusters.label.max(initial=-1)) + 1
    least = np.full(n_clusters, len(content))
    np.minimum.at(least, clusters.label, clusters.content)
    low_half = np.zeros(int(clusters.content.max(initial=-1)) + 1, dtype=np.uint64)
    low_half[clusters.content] = content[:, 1]
    # Hashed once more: the smallest of several hashes is no longer evenly spread.
    value = splitmix64(low_half[least])
    return (value < np.uint64(int(share * 2**64)))[clusters.label]
