"""What a training run says of itself, step by step. Times and rates are provenance, not rows."""

import pyarrow as pa

from storage.table import column, table

TRAINING = table(
    column("step", pa.int64(), "The optimizer step, from 1; rows are in this order.", nullable=False),
    column("tokens_seen", pa.int64(), "Tokens read up to and with this step, repetitions counted in.", nullable=False),
    column("loss", pa.float64(), "Mean over the step's targets before its update, nats a token.", nullable=False),
    column("learning_rate", pa.float64(), "Rate of the step, of the first group of parameters.", nullable=False),
    column("gradient_norm", pa.float64(), "Norm of all gradients together, before clipping.", nullable=False),
    column("validation_loss", pa.float64(), "Held-out loss after this step, nats a token, where it was measured."),
    column("validation_bits_per_byte", pa.float64(), "The same in bits per byte of the tokens' text."),
    group_rows=1 << 16,
)

TRAINING_ROWS = table(
    column("step", pa.int64(), "The optimizer step, from 1, as in the training table.", nullable=False),
    column("place", pa.int32(), "Which of the step's rows, from 0.", nullable=False),
    column("row", pa.int64(), "The row of the packing's train split that stood there.", nullable=False),
    group_rows=1 << 17,
)

EXPORT = table(
    column("file", pa.string(), "A file of the exported folder.", nullable=False),
    column("bytes", pa.int64(), "Its size.", nullable=False),
    column("holds", pa.string(), "What is in it, in a few words.", nullable=False),
)
