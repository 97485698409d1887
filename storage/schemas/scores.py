"""What stages say of a document: annotation columns and the decision. No threshold stands here."""

import pyarrow as pa

from storage.table import column, table

QUALITY = table(
    column(
        "n_words",
        pa.int32(),
        "Words: runs of letters, digits, marks and _; each letter where a script has no spaces (Gopher, A.1.1).",
    ),
    column("n_words_and_signs", pa.int32(), "Words, and signs standing between them: what the ratios are per."),
    column("mean_word_length", pa.float32(), "Characters per word (Gopher, A.1.1)."),
    column("hash_to_word_ratio", pa.float32(), "# per word or sign (Gopher, A.1.1; datatrove)."),
    column("ellipsis_to_word_ratio", pa.float32(), "... and … per word or sign (Gopher, A.1.1; datatrove)."),
    column(
        "bullet_line_share", pa.float32(), "Share of lines that begin with • or - (Gopher, A.1.1; datatrove's bullets)."
    ),
    column("ellipsis_line_share", pa.float32(), "Share of lines that end with ... or … (Gopher, A.1.1)."),
    column(
        "alphabetic_word_share",
        pa.float32(),
        "Share of words, cut at white space, that hold a letter (Gopher, A.1.1; Dolma; datatrove counts signs too).",
    ),
    column(
        "n_stop_words",
        pa.int32(),
        "How many of the stop words are there, each once, as written (Gopher, A.1.1; datatrove).",
    ),
    column(
        "duplicate_line_share",
        pa.float32(),
        "Share of lines that stood before (Gopher, table A1; datatrove: second and later occurrences).",
    ),
    column("duplicate_paragraph_share", pa.float32(), "The same of paragraphs, which blank lines part."),
    column("duplicate_line_character_share", pa.float32(), "Share of characters in such lines (Gopher, table A1)."),
    column("duplicate_paragraph_character_share", pa.float32(), "Share of characters in such paragraphs."),
    *(
        column(
            f"top_{n}gram_character_share",
            pa.float32(),
            f"Share of characters in the most frequent {n}-gram, spaces in it too (Gopher, table A1; datatrove).",
        )
        for n in (2, 3, 4)
    ),
    *(
        column(
            f"duplicate_{n}gram_character_share",
            pa.float32(),
            f"Share of characters in {n}-grams that stood before, each once (Gopher, table A1; datatrove).",
        )
        for n in (5, 6, 7, 8, 9, 10)
    ),
    column("n_sentences", pa.int32(), "Sentences that end in a terminal mark, of the text as it is (C4, 2.2)."),
    column("has_curly_bracket", pa.bool_(), "Whether { is there (C4, 2.2; the published code's form)."),
    column("has_lorem_ipsum", pa.bool_(), "Whether 'lorem ipsum' is there, in any case (C4, 2.2)."),
    column(
        "line_punctuation_share",
        pa.float32(),
        "Share of lines whose last character is punctuation that ends sentences, or a quote (FineWeb, 3.6).",
    ),
    column("short_line_share", pa.float32(), "Share of lines with 30 characters or fewer (FineWeb, 3.6)."),
    column(
        "line_character_duplicate_share",
        pa.float32(),
        "Characters of lines that stood before, per character that is no line feed (FineWeb, 3.6).",
    ),
    column("newline_to_word_ratio", pa.float32(), "Line feeds per word or sign (FineWeb's published code only)."),
)
