"""Instruction data: conversations as they were read, and what fine-tuning made of each of them."""

import pyarrow as pa

from storage.table import column, table

MESSAGES = pa.list_(
    pa.struct([pa.field("role", pa.string(), nullable=False), pa.field("content", pa.large_string(), nullable=False)])
)

CONVERSATIONS = table(
    column(
        "conversation_id",
        pa.string(),
        "128-bit hash of (source, SHA-256 of the file, space, offset), 32 hexadecimal characters.",
        nullable=False,
    ),
    column("source", pa.string(), "Name of the source in the recipe.", nullable=False),
    column("file", pa.string(), "The file the row stands in, below the source's root.", nullable=False),
    column("file_sha256", pa.string(), "SHA-256 of that file.", nullable=False),
    column("space", pa.string(), "What offset and length count: `file`, `stream` or `row`.", nullable=False),
    column("offset", pa.int64(), "Where the row starts.", nullable=False),
    column("length", pa.int64(), "How long the row is.", nullable=False),
    column("record_id", pa.string(), "The row's own id."),
    column("license", pa.string(), "Licence of the row, or of its source."),
    column("carrier", pa.string(), "The package (name==version) that carried the row, where it says so."),
    column(
        "content_hash",
        pa.string(),
        "128-bit hash of roles and contents, white space collapsed: equal for exact copies.",
        nullable=False,
    ),
    column(
        "split",
        pa.string(),
        "train or held-out, by the hash of what stands before the first answer: no question is in both.",
        nullable=False,
    ),
    column("turns", pa.int32(), "Answers of the assistant; null where the conversation was forgotten."),
    column("messages", MESSAGES, "Roles (system, user, assistant) and contents, in order; null where forgotten."),
    group_rows=4096,
)

FINETUNING = table(
    column("conversation_id", pa.string(), "The conversation, as in its conversations artifact.", nullable=False),
    column("source", pa.string(), "Name of the source in the recipe.", nullable=False),
    column("split", pa.string(), "train or held-out.", nullable=False),
    column("tokens", pa.int32(), "Tokens of the conversation with its template.", nullable=False),
    column(
        "answer_tokens", pa.int32(), "Those of them that the assistant says: the loss counts these.", nullable=False
    ),
    column(
        "outcome",
        pa.string(),
        "whole, cut (its end is beyond the context), left out (no answer within the context), copy (another one says "
        "the same), not needed (beyond the number of held-out conversations that are measured), or forgotten (it has "
        "no text any more).",
        nullable=False,
    ),
    column("kept_tokens", pa.int32(), "Tokens that stand in a row.", nullable=False),
    column("kept_answer_tokens", pa.int32(), "Answer tokens that stand in a row.", nullable=False),
    column("row", pa.int64(), "Row of its split that it stands in; null if it stands in none."),
    column("position", pa.int32(), "Where in the row it starts, in tokens."),
)

HELD_OUT = table(
    column("step", pa.int64(), "After how many steps; 0 is the model that fine-tuning began with.", nullable=False),
    column("loss", pa.float64(), "Mean over the answers' tokens of the held-out conversations, nats.", nullable=False),
    column("conversations", pa.int64(), "Held-out conversations that were measured.", nullable=False),
    column("answer_tokens", pa.int64(), "Their answers' tokens.", nullable=False),
)
