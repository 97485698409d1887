"""What is said of a document's language, script and share of source code."""

import pyarrow as pa

from storage.table import column, table

LANGUAGE = table(
    column(
        "language",
        pa.string(),
        "Most probable language: ISO 639-1 where there is one, else ISO 639-3 or the model's own code.",
    ),
    column("language_probability", pa.float32(), "The model's probability of it, 0 to 1."),
    column("language_script", pa.string(), "Script in the model's label, ISO 15924 (GlotLID); null: it names none."),
    column("second_language", pa.string(), "The runner-up."),
    column("second_language_probability", pa.float32(), "The model's probability of the runner-up."),
    column("script", pa.string(), "Most frequent script of the text's letters, ISO 15924; null: no letters."),
    column("script_share", pa.float32(), "Share of the letters that are of it, 0 to 1."),
    column(
        "code_share", pa.float32(), "Share of lines, blank ones aside, that look like source code (models/textforms)."
    ),
)
