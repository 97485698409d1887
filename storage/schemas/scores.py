"""What stages say of a document: annotation columns. No threshold stands here."""

import pyarrow as pa

from storage.table import column, table

LANGUAGE = table(
    column(
        "language", pa.string(), "Most probable language, the model's code (lid.176: ISO 639-1 where there is one)."
    ),
    column("language_probability", pa.float32(), "The model's probability of it, 0 to 1."),
    column("second_language", pa.string(), "The runner-up."),
    column("second_language_probability", pa.float32(), "The model's probability of the runner-up."),
)
