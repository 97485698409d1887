"""Questions with a known answer, and what an evaluation says of a model."""

import pyarrow as pa

from storage.table import column, table

QUESTIONS = table(
    column(
        "question_id",
        pa.string(),
        "128-bit hash of (source, SHA-256 of the file, space, offset), 32 hexadecimal characters.",
        nullable=False,
    ),
    column("task", pa.string(), "The set the question belongs to: scores are given per task.", nullable=False),
    column("source", pa.string(), "Name of the source in the recipe.", nullable=False),
    column("file", pa.string(), "The file the row stands in, below the source's root.", nullable=False),
    column("file_sha256", pa.string(), "SHA-256 of that file.", nullable=False),
    column("space", pa.string(), "What offset and length count: `file`, `stream` or `row`.", nullable=False),
    column("offset", pa.int64(), "Where the row starts.", nullable=False),
    column("length", pa.int64(), "How long the row is.", nullable=False),
    column("record_id", pa.string(), "The row's own id."),
    column("license", pa.string(), "Licence of the row, or of its source."),
    column("carrier", pa.string(), "The package (name==version) that carried the row, where it says so."),
    column("context", pa.large_string(), "What stands before each choice; may be empty; null where forgotten."),
    column("choices", pa.list_(pa.large_string()), "What may follow, two or more; null where forgotten."),
    column("gold", pa.int8(), "Which choice is right, from 0; null where forgotten."),
    group_rows=4096,
)

EVALUATIONS = table(
    column("task", pa.string(), "`validation`, or a set of questions.", nullable=False),
    column("source", pa.string(), "For `validation`: a source of the corpus, or `all`. Null for questions."),
    column(
        "metric",
        pa.string(),
        "For validation, in bits per byte: bits_per_byte (the model), unigram, byte_unigram, xz_each, xz_whole. "
        "For questions: accuracy, accuracy_per_byte.",
        nullable=False,
    ),
    column("value", pa.float64(), "Bits per byte of the original text, or share of right answers.", nullable=False),
    column(
        "standard_error",
        pa.float64(),
        "Over documents (ratio estimator) or questions (sqrt(p (1 - p) / (n - 1))); null where there is one item.",
    ),
    column("items", pa.int64(), "Documents or questions that were scored.", nullable=False),
    column("bytes", pa.int64(), "For validation: UTF-8 bytes of the text scored."),
    column("tokens", pa.int64(), "For the model's bits per byte: tokens scored."),
    column(
        "baseline",
        pa.float64(),
        "What costs nothing: chance for questions; the token unigram's bits per byte for validation.",
    ),
)

PREDICTIONS = table(
    column("task", pa.string(), "The set the question belongs to.", nullable=False),
    column("question_id", pa.string(), "The question, as in its questions artifact.", nullable=False),
    column("choice", pa.int8(), "Which choice, from 0.", nullable=False),
    column(
        "log_probability",
        pa.float64(),
        "Natural log of the probability that the model continues the context with this choice: a sum over tokens.",
        nullable=False,
    ),
    column("tokens", pa.int32(), "Tokens of the choice.", nullable=False),
    column("bytes", pa.int32(), "UTF-8 bytes of the choice, the space before it not counted.", nullable=False),
    column("cut_tokens", pa.int32(), "Tokens of the context that did not fit before the choice.", nullable=False),
    column("chosen", pa.bool_(), "Whether it has the highest log-probability of its question.", nullable=False),
    column("chosen_per_byte", pa.bool_(), "The same by log-probability per byte.", nullable=False),
    column("gold", pa.bool_(), "Whether it is the right one.", nullable=False),
)

DOCUMENT_SCORES = table(
    column("doc_id", pa.string(), "The validation document, as in the corpus.", nullable=False),
    column("source", pa.string(), "Its source.", nullable=False),
    column("bytes", pa.int64(), "UTF-8 bytes of the text scored (from its start).", nullable=False),
    column("tokens", pa.int64(), "Tokens scored.", nullable=False),
    column("bits", pa.float64(), "Bits the model needs for them.", nullable=False),
    column("unigram_bits", pa.float64(), "Bits a unigram model of the training tokens needs.", nullable=False),
    column(
        "byte_unigram_bits", pa.float64(), "Bits a unigram model of the training text's bytes needs.", nullable=False
    ),
    column("xz_bits", pa.int64(), "Bits of the output of `xz -9` for this document alone.", nullable=False),
)

SAMPLES = table(
    column("number", pa.int32(), "Which sample.", nullable=False),
    column("prompt", pa.large_string(), "What the model was given; our own words.", nullable=False),
    column("chat", pa.bool_(), "Whether it was given as a user's message.", nullable=False),
    column("temperature", pa.float32(), "0: always the most probable token.", nullable=False),
    column("text", pa.large_string(), "What the model went on with.", nullable=False),
    column("tokens", pa.int32(), "Tokens of it.", nullable=False),
    column("ended", pa.bool_(), "Whether the model ended by itself.", nullable=False),
)
