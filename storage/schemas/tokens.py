"""What a model reads: the tokenizer's facts, token shards with their index, and rows of packed spans."""

import pyarrow as pa

from storage.table import Table, column, table

TOKENIZER = table(
    column("tokenizer", pa.string(), "Hash of everything that determines ids, 32 hexadecimal characters."),
    column("vocabulary_size", pa.int32(), "Tokens, control tokens counted in; at most what was asked for."),
    column("end_of_text", pa.int32(), "Id of the control token that stands after every document."),
    column("documents", pa.int64(), "Documents it was trained on."),
    column("bytes", pa.int64(), "UTF-8 bytes of their text."),
    column("control_tokens", pa.list_(pa.string()), "Control tokens in the order of their ids, from 0."),
)

TOKEN_INDEX = table(
    column("doc_id", pa.string(), "The document, as in the corpus.", nullable=False),
    column("source", pa.string(), "Name of the source in the recipe.", nullable=False),
    column("component", pa.string(), "Its component of the mixture, as in the corpus.", nullable=False),
    column("language", pa.string(), "Its language, as in the corpus."),
    column("split", pa.string(), "train or validation.", nullable=False),
    column("copies", pa.int32(), "How many times it stands in an epoch.", nullable=False),
    column("phase_copies", pa.list_(pa.int32()), "Its copies in each phase of training.", nullable=False),
    column("shard", pa.int32(), "The file tokens-<shard>.arrow that holds its tokens.", nullable=False),
    column("start", pa.int64(), "Where its tokens start in that file.", nullable=False),
    column("length", pa.int64(), "Its tokens, the <|endoftext|> that ends them counted in.", nullable=False),
    column("bytes", pa.int64(), "UTF-8 bytes of its text as composed, before any normal form.", nullable=False),
)

PACKING = table(
    column("row", pa.int64(), "The row, from 0 in each split.", nullable=False),
    column("split", pa.string(), "train or validation: no row holds both.", nullable=False),
    column("phase", pa.int32(), "The phase of training, from 0; no row holds two. 0 in validation.", nullable=False),
    column("position", pa.int32(), "Where in the row the span stands.", nullable=False),
    column("doc_id", pa.string(), "The document whose tokens these are.", nullable=False),
    column("shard", pa.int32(), "The file tokens-<shard>.arrow.", nullable=False),
    column("start", pa.int64(), "Where the span starts in that file.", nullable=False),
    column("length", pa.int32(), "Tokens of the span.", nullable=False),
    group_rows=1 << 16,
)

TOKENS = "tokens"
"""Name of the table that holds the tokens themselves."""


def tokens_table(kind: pa.DataType) -> Table:
    """The table of token ids, one after the other: Arrow IPC, to be memory-mapped; `kind` is uint16 or uint32."""
    return table(column("token", kind, "Token id.", nullable=False), format="arrow", group_rows=1 << 20)
