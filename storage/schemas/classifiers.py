"""Classifiers: the labelled examples they learn from, how they do on held-out ones, and the scores they give."""

import pyarrow as pa

from storage.table import column, table

EXAMPLES = table(
    column(
        "example_id", pa.string(), "128-bit hash of where the row stands, 32 hexadecimal characters.", nullable=False
    ),
    column("source", pa.string(), "Name of the source in the recipe.", nullable=False),
    column("file", pa.string(), "The file, below the source's root.", nullable=False),
    column("file_sha256", pa.string(), "SHA-256 of that file.", nullable=False),
    column("space", pa.string(), "What offset and length count; see the documents.", nullable=False),
    column("offset", pa.int64(), "Where the row starts.", nullable=False),
    column("length", pa.int64(), "How long the row is.", nullable=False),
    column("license", pa.string(), "Licence of the row, or of its source."),
    column("label", pa.string(), "The label as it is written; null where the row has none."),
    column("value", pa.float64(), "The label as a number, where it is one."),
    column("text", pa.large_string(), "The text that is labelled; null where it was forgotten."),
    group_rows=4096,
)

CLASSIFIER = table(
    column("method", pa.string(), "fasttext or ridge.", nullable=False),
    column("examples", pa.int64(), "Texts it learned from.", nullable=False),
    column(
        "positive", pa.int64(), "Those of them that are positive (ridge: at or above positive_from).", nullable=False
    ),
    column("held_out", pa.int64(), "Texts that were held out, chosen by the hash of their words.", nullable=False),
    column("held_out_positive", pa.int64(), "Those of them that are positive.", nullable=False),
    column("repeated", pa.int64(), "Texts left out because an equal one was there already.", nullable=False),
    column("precision", pa.float64(), "Of held-out texts called positive (score at least cut), the share that are."),
    column("recall", pa.float64(), "Of held-out positive texts, the share called so."),
    column("f1", pa.float64(), "Harmonic mean of both."),
    column("auc", pa.float64(), "Chance that a held-out positive text scores above a negative one; ties count half."),
    column(
        "cut", pa.float64(), "The score from which a text was called positive: 0.5, or positive_from.", nullable=False
    ),
    column("r2", pa.float64(), "Ridge: share of the held-out labels' variance that is explained."),
    column("spearman", pa.float64(), "Ridge: rank correlation of held-out scores and labels."),
)

HELD_OUT = table(
    column("doc_id", pa.string(), "The document or example that was held out.", nullable=False),
    column("source", pa.string(), "Its source.", nullable=False),
    column("label", pa.float64(), "1 positive, 0 negative; ridge: the label given.", nullable=False),
    column("score", pa.float32(), "What the classifier says of it.", nullable=False),
)

KEEPS = table(
    column("keep", pa.float64(), "Share of the held-out negative texts that reach the threshold.", nullable=False),
    column("threshold", pa.float64(), "The score that so many of them reach.", nullable=False),
    column("recall", pa.float64(), "Share of the held-out positive texts that reach it.", nullable=False),
)

REFERENCE = table(
    column("order", pa.int32(), "Words in the longest n-grams.", nullable=False),
    column("documents", pa.int64(), "Texts it was trained on, each different one once.", nullable=False),
    column("words", pa.int64(), "Words in them.", nullable=False),
    column("vocabulary", pa.int64(), "Different words.", nullable=False),
    column("ngrams", pa.list_(pa.int64()), "N-grams of each length, from 1.", nullable=False),
    column("held_out_documents", pa.int64(), "Texts held out, chosen by the hash of their words.", nullable=False),
    column("held_out_perplexity", pa.float64(), "Perplexity per word on them; null where there are none."),
)

PERPLEXITY = table(
    column(
        "perplexity",
        pa.float32(),
        "Per word, the end of the text counted as one, under the recipe's n-gram reference; null without words.",
    ),
    column("unknown_word_share", pa.float32(), "Share of the words that the reference has never seen."),
)
