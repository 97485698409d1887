"""What a corpus holds: the kept text in its order, and what the mixture came to."""

import pyarrow as pa

from storage.table import column, table

CORPUS = table(
    column("doc_id", pa.string(), "The document; rows are in the order of a seeded hash of it.", nullable=False),
    column("source", pa.string(), "Name of the source in the recipe.", nullable=False),
    column("component", pa.string(), "Its component of the mixture; see `mixture.by`.", nullable=False),
    column("language", pa.string(), "Most probable language, where it was identified."),
    column("license", pa.string(), "Licence of the record, or of its source."),
    column("url", pa.string(), "Where the page was captured."),
    column("split", pa.string(), "train or validation; all of train comes first.", nullable=False),
    column("copies", pa.int32(), "How many times the document counts in one pass; 1 in validation.", nullable=False),
    column(
        "phase_copies",
        pa.list_(pa.int32()),
        "Its copies in each phase of training, in their order; they sum to `copies`.",
        nullable=False,
    ),
    column("removed_characters", pa.int32(), "Characters of the extracted text that were removed.", nullable=False),
    column("redactions", pa.int32(), "Marks that stand for what was redacted.", nullable=False),
    column("text_bytes", pa.int64(), "UTF-8 bytes of the text, once.", nullable=False),
    column("text", pa.large_string(), "The text, as extracted but for removals and redactions.", nullable=False),
    group_rows=1024,
)

MIXTURE = table(
    column("phase", pa.string(), "Phase of training; `train` where the recipe names none.", nullable=False),
    column("component", pa.string(), "Component of the mixture; see `mixture.by`.", nullable=False),
    column("kept_documents", pa.int64(), "Training documents that decide kept.", nullable=False),
    column("kept_bytes", pa.int64(), "Their UTF-8 bytes of text.", nullable=False),
    column("share_wanted", pa.float64(), "Share of the phase's training text that it was to have.", nullable=False),
    column("documents", pa.int64(), "Training documents in the phase, each once.", nullable=False),
    column("bytes", pa.int64(), "Their bytes, copies counted.", nullable=False),
    column("tokens", pa.int64(), "The same in tokens, estimated by bytes per token; null: the budget is in bytes."),
    column("share", pa.float64(), "Share of the phase's training text, copies counted, that it got.", nullable=False),
    column("epochs", pa.float64(), "How often its kept text counts in the phase.", nullable=False),
    column("exhausted", pa.bool_(), "Whether it gave all that its cap on epochs allows.", nullable=False),
    column(
        "validation_documents",
        pa.int64(),
        "Validation documents, told with the first phase.",
        nullable=False,
    ),
    column("validation_bytes", pa.int64(), "Their bytes.", nullable=False),
    column("emptied_documents", pa.int64(), "Kept documents of which the edits left nothing; not in the corpus."),
    column("removed_characters", pa.int64(), "Characters removed from the corpus's documents, each counted once."),
    column("redactions", pa.int64(), "Marks in the corpus's documents, each counted once."),
)

REHYDRATION = table(
    column("of", pa.string(), "Value of `mixture.rehydrate.by`, such as a language.", nullable=False),
    column("smallest_size", pa.int64(), "Documents in a cluster of this row, before the rules.", nullable=False),
    column("largest_size", pa.int64(), "The same, at most; null: no limit, for the largest sizes together."),
    column("clusters", pa.float64(), "Such clusters; one of several values counts by its parts.", nullable=False),
    column("documents", pa.int64(), "Documents in them.", nullable=False),
    column("removal_rate", pa.float64(), "Share of them that a rule drops, each cluster once.", nullable=False),
    column("usual_removal_rate", pa.float64(), "The same of clusters of all sizes.", nullable=False),
    column("repeats", pa.int64(), "How often a kept document of such a cluster counts.", nullable=False),
    column("kept_documents", pa.int64(), "Kept documents of such clusters.", nullable=False),
)
