"""What a document shares with evaluation sets: ids and places, never the text."""

import pyarrow as pa

from storage.schemas.spans import SPANS
from storage.table import column, table

MATCH = pa.struct(
    [
        pa.field("benchmark", pa.string(), False),
        pa.field("item", pa.string(), False),
        pa.field("start", pa.int32(), False),
        pa.field("end", pa.int32(), False),
        pa.field("ngrams", pa.int32(), False),
        pa.field("share", pa.float32(), False),
    ]
)
"""`item`: question_id of `questions`, or doc_id of a text row. `start` to `end`: characters of the document's extracted
text, as spans are. `ngrams`: how many of the item's n-grams begin there. `share`: of the item's words, how many stand
anywhere in this document within shared n-grams."""

BENCHMARKS = table(
    column("benchmark", pa.string(), "Name of the evaluation set.", nullable=False),
    column("items", pa.int64(), "Its items.", nullable=False),
    column("looked_for", pa.int64(), "Items of which at least one n-gram is looked for.", nullable=False),
    column(
        "too_short", pa.int64(), "Items with fewer words than contamination.min_words: not looked for.", nullable=False
    ),
    column(
        "common",
        pa.int64(),
        "Items all of whose n-grams stand in more than contamination.max_items texts: not looked for.",
        nullable=False,
    ),
)
"""Of each evaluation set that documents were compared with, how much of it was looked for."""

CONTAMINATION = table(
    column("contaminated_by", pa.list_(pa.field("item", MATCH, False)), "Stretches that an item shares, by start."),
    column(
        "contamination_spans",
        SPANS,
        "The same stretches, joined, with contamination.window around them; kind: the benchmark. For `mixture.remove`.",
    ),
    column("n_contaminated_items", pa.int32(), "Items of evaluation sets that share an n-gram (GPT-3, C: 13 words)."),
    column("contamination_share", pa.float32(), "Share of the document's words in such n-grams; null without words."),
    column(
        "contaminated_item_share",
        pa.float32(),
        "Largest share of one item's words that stand here in shared n-grams (as PaLM, Llama 2 and Tülu 3 count).",
    ),
)
