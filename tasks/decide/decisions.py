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

from storage.hashing import splitmix64
from storage.table import Table, column, table
from tasks.decide.candidates import Candidates, Files
from tasks.decide.clusters import Clusters
from tasks.decide.duplicates.spilled import Memory
from tasks.decide.failures import DecideError, Failures, find_failures
from tasks.decide.rules import DecideConfig
from tasks.decide.signatures import SignatureFiles
from tasks.decide.thresholds import KINDS

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

UNFILTERED = table(
    *DECISIONS.schema,
    column(
        "unfiltered_cluster_size",
        pa.int32(),
        "Texts in its cluster before the rules (decide.duplicates.sizes_after); 0 if it is none of them.",
        nullable=False,
    ),
)
"""The same with the sizes that clusters have before the rules."""

HEXADECIMAL = re.compile("[0-9a-f]*")
HASHES_AT_ONCE = 1 << 18


def decisions_table(config: DecideConfig) -> Table:
    """The table of decisions under a configuration."""
    return DECISIONS if config.duplicates.sizes_after is None else UNFILTERED


def decide_documents(
    documents: Sequence[str],
    annotations: Mapping[str, Sequence[str]],
    config: DecideConfig,
    *,
    tombstones: Sequence[str] = (),
    lost: Mapping[str, Sequence[str]] | None = None,
    threads: int = 2,
    memory_limit: str = "2GB",
    memory: Memory | None = None,
) -> pa.Table:
    """Decide on every document. The columns and their meaning: the module's table (`DECISIONS`).

    Args: `documents` the Parquet files of the documents (doc_id, source, capture_date, …), whose text is not read;
    `annotations` the Parquet files of each annotation by its stage's name, one row per document, one of them with
    `content_hash`, `signature` and `buckets`; `tombstones` the doc_ids that are forgotten; `lost` by stage the doc_ids
    that it could not finish, which are dropped by `<stage>.lost`; `threads` and `memory_limit` bound DuckDB, which
    spills to a temporary folder beyond; `memory` bounds what duplicates are found by, and says where both spill.
    Raises: DecideError where a document has no row or several in an annotation, or no annotation has signatures;
    PredicateError where a rule cannot be computed from the columns there are.
    """
    memory = memory or Memory()
    failures = find_failures(
        documents, annotations, config, tombstones, lost or {}, threads, memory_limit, memory.folder
    )
    return assemble(failures, evidence_files(failures, annotations, threads, memory), config)


def evidence_files(failures: Failures, annotations: Mapping[str, Sequence[str]], threads: int, memory: Memory) -> Files:
    """The files that duplicates are found by."""
    signed, embedded = annotations[failures.signed_by], annotations.get(failures.embedded_by or "", ())
    return Files(*(SignatureFiles([str(path) for path in paths], threads, memory) for paths in (signed, embedded)))


def assemble(failures: Failures, files: Files, config: DecideConfig) -> pa.Table:
    """Cluster what passes and write one row per document."""
    rows, failed, names = failures.documents, failures.failed, failures.reasons
    n, rules = rows.num_rows, config.duplicates
    passes = failures.passing()
    looked_at = passes if rules.sizes_after is None else failures.before_rules(rules.sizes_after)
    passing, looked_at = np.flatnonzero(passes), np.flatnonzero(looked_at)
    candidates = find_candidates(failures, looked_at, files)
    among = None if rules.sizes_after is None else np.searchsorted(looked_at, passing)
    clusters = candidates.clusters(rules, among)
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
    pairs = copies, clusters.stays[copies]
    values, known = candidates.jaccards(rules, *(pairs if among is None else (among[some] for some in pairs)))
    jaccard[passing[copies]], estimated[passing[copies]] = values, known
    validation = np.zeros(n, dtype=bool)
    content = candidates.content if among is None else candidates.content[among]
    validation[passing] = _validation(clusters, content, config.validation_share)
    passed = np.zeros(n, dtype=bool)
    passed[passing] = True
    split = pa.array(["train", "validation"]).take(pa.array(validation.astype(np.int8), mask=~passed))
    columns = [
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
    ]
    if rules.sizes_after is not None:
        unfiltered = np.zeros(n, dtype=np.int32)
        unfiltered[looked_at] = candidates.clusters(rules).size
        columns.append(pa.array(unfiltered))
    return pa.table(columns, schema=decisions_table(config).schema)


def find_candidates(failures: Failures, where: np.ndarray, files: Files) -> Candidates:
    """The documents at these ascending positions, for clusters among them."""
    rows, named = failures.documents, ("doc_id", "source", "content_hash")
    content = content_words(rows.column("content_hash").take(pa.array(where)))
    chosen = rows.select([name for name in rows.column_names if name not in named]).take(pa.array(where))
    return Candidates(chosen, content, files)


def _take(values: pa.Array, positions: np.ndarray) -> pa.Array:
    """values[positions], null where a position is -1."""
    return values.take(pa.array(np.maximum(positions, 0), mask=positions < 0))


def content_words(hashes: pa.ChunkedArray) -> np.ndarray:
    """Content hashes (32 hexadecimal characters each) as (n, 2) uint64, high half first.

    Raises: DecideError where one has another form.
    """
    words = np.empty((len(hashes), 2), dtype=np.uint64)
    for start in range(0, len(hashes), HASHES_AT_ONCE):
        some = hashes.slice(start, HASHES_AT_ONCE).to_pylist()
        joined = "".join(some)
        if len(joined) != 32 * len(some) or HEXADECIMAL.fullmatch(joined) is None:
            raise DecideError("A content_hash does not have 32 hexadecimal characters: sign the documents again.")
        words[start : start + len(some)] = np.frombuffer(bytes.fromhex(joined), dtype=">u8").reshape(-1, 2)
    return words


def _validation(clusters: Clusters, content: np.ndarray, share: float) -> np.ndarray:
    """Which passing documents are for validation: bool, the same for all members of a cluster."""
    least = np.full(len(content), np.iinfo(np.int64).max)
    np.minimum.at(least, clusters.smallest, clusters.content)
    low_half = np.zeros(int(clusters.content.max(initial=-1)) + 1, dtype=np.uint64)
    low_half[clusters.content] = content[:, 1]
    # Hashed once more: the smallest of several hashes is no longer evenly spread.
    return splitmix64(low_half[least[clusters.smallest]]) < np.uint64(int(share * 2**64))
