"""What is said of a new snapshot beside the earlier ones: warnings, what was compared, and counts of its phrases."""

import pyarrow as pa

from storage.table import column, table

PLACES = pa.list_(
    pa.field(
        "item",
        pa.struct(
            [
                pa.field("doc_id", pa.string(), False),
                pa.field("start", pa.int32(), False),
                pa.field("end", pa.int32(), False),
            ]
        ),
        False,
    )
)
"""Stretches of extracted texts: Python finds one as `text[start:end]`, DuckDB as `text[start + 1 : end]`."""

PHRASES = table(
    column("phrase", pa.uint64(), "52-bit hash of an n-gram of words; rows are sorted by it.", nullable=False),
    column("documents", pa.uint32(), "Documents of the snapshot that hold it: two at least.", nullable=False),
    group_rows=1 << 16,
)

WARNINGS = table(
    column("source", pa.string(), "Name of the source in the recipe.", nullable=False),
    column("snapshot", pa.string(), "Fingerprint of the new snapshot.", nullable=False),
    column("metric", pa.string(), "yield, drops, copies, losses, short, language or burst.", nullable=False),
    column("scope", pa.string(), "Of what part the shares are: source, domain or language.", nullable=False),
    column("name", pa.string(), "Which domain or language; the source itself where scope is source.", nullable=False),
    column("what", pa.string(), "The rule, the reason of a loss, or the language, of which the share is."),
    column("value", pa.float64(), "The share in the new snapshot, 0 to 1.", nullable=False),
    column("expected", pa.float64(), "The share in the earlier snapshots, 0 to 1.", nullable=False),
    column("limit", pa.float64(), "The share past which it is a warning, from the recipe's section.", nullable=False),
    column("count", pa.int64(), "Documents (of losses: records) of the new snapshot that the share counts."),
    column("of", pa.int64(), "Documents (records) of the new snapshot that it is a share of."),
    column("known_count", pa.int64(), "The same count in the earlier snapshots."),
    column("known_of", pa.int64(), "The same whole in the earlier snapshots."),
    column("domains", pa.int32(), "Of a burst: registered domains (documents without one: each for itself)."),
    column(
        "p",
        pa.float64(),
        "Chance of such a count were nothing different: one-sided Fisher's exact test.",
        nullable=False,
    ),
    column("places", PLACES, "Of a burst: where it stands, one stretch a document, by doc_id; 50 at most."),
)

CHECKED = table(
    column("source", pa.string(), "Name of the source in the recipe.", nullable=False),
    column("snapshot", pa.string(), "Fingerprint of the new snapshot.", nullable=False),
    column("documents", pa.int64(), "Documents of the new snapshot.", nullable=False),
    column("known_documents", pa.int64(), "Documents of the earlier snapshots of the source.", nullable=False),
    column(
        "comparisons", pa.int64(), "Shares that were compared; the level of the test is divided by it.", nullable=False
    ),
    column("warnings", pa.int64(), "How many of them are warnings.", nullable=False),
)
