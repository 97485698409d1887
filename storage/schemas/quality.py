"""What the quality stage says of a document. No threshold stands here.

Toolkits differ in how they count: the sentence of a column names whose way it is. For the lines a, a, b the share of
duplicates is 1/3 here and in datatrove (second and later occurrences), 2/3 in Dolma and RedPajama (all of them).
"""

import pyarrow as pa

from storage.schemas.spans import SPANS
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
        "Share of lines that stood before (Gopher, table A1; datatrove: second and later occurrences, as they are).",
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
    # C4 and RefinedWeb
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
    # Variants of datatrove 0.10, which FineWeb and FineWeb-2 are made with: everything per token, all lines counted.
    column("n_datatrove_words", pa.int32(), "Tokens (words and signs) that hold more than punctuation (datatrove)."),
    column("mean_datatrove_word_length", pa.float32(), "Characters per such token (datatrove)."),
    column("alphabetic_token_share", pa.float32(), "Share of tokens, signs too, that hold a letter (datatrove)."),
    column("bullet_line_share_of_all", pa.float32(), "As bullet_line_share, of all lines, empty ones too (datatrove)."),
    column("ellipsis_line_share_of_all", pa.float32(), "As ellipsis_line_share, of all lines (datatrove)."),
    column(
        "line_end_mark_share",
        pa.float32(),
        "Share of lines that end with a sentence's terminal mark of any script; quotes are none (datatrove since 0.3).",
    ),
    column(
        "n_stop_words_by_language",
        pa.map_(pa.string(), pa.int32()),
        "How many of each language's stop words are there (quality.stop_words_by_language; FineWeb-2); 0 left out.",
    ),
    # Line rules: what composition can take out (mixture.remove), and what is left then.
    column("c4_line_spans", SPANS, "Lines and citations that C4's line rules take out; kind: the rule (datatrove)."),
    column("after_c4_n_words", pa.int32(), "Words that begin in what C4's line rules leave."),
    column(
        "after_c4_n_sentences",
        pa.int32(),
        "Sentences left after C4's line rules, unfinished ones too (C4, 2.2; published code).",
    ),
    column("after_c4_has_curly_bracket", pa.bool_(), "Whether a line that the rules before it leave has { (C4, code)."),
    column("after_c4_has_lorem_ipsum", pa.bool_(), "Whether such a line has 'lorem ipsum' (C4, published code)."),
    column(
        "has_c4_bad_word", pa.bool_(), "Whether a word of quality.bad_words is there (C4, 2.2); null without a list."
    ),
    column("fineweb_line_spans", SPANS, "As c4_line_spans, without the rule of terminal punctuation (FineWeb, 3.5)."),
    column("after_fineweb_n_sentences", pa.int32(), "Sentences left after those rules, unfinished ones too."),
    column("after_fineweb_has_curly_bracket", pa.bool_(), "Whether a line that the rules before it leave has {."),
    column("after_fineweb_has_lorem_ipsum", pa.bool_(), "Whether such a line has 'lorem ipsum'."),
    column("after_fineweb_line_punctuation_share", pa.float32(), "line_punctuation_share of what those rules leave."),
    column("after_fineweb_line_end_mark_share", pa.float32(), "line_end_mark_share of what those rules leave."),
    column("after_fineweb_short_line_share", pa.float32(), "short_line_share of what those rules leave."),
    column(
        "after_fineweb_line_character_duplicate_share",
        pa.float32(),
        "line_character_duplicate_share of what those rules leave.",
    ),
    column("after_fineweb_newline_to_word_ratio", pa.float32(), "newline_to_word_ratio of what those rules leave."),
    column(
        "refinedweb_line_spans",
        SPANS,
        "Lines and phrases that RefinedWeb's line rules take out; kind: the rule (Penedo et al. 2023, G.2; DCLM).",
    ),
    column("refinedweb_removed_word_share", pa.float32(), "Share of words in those spans (Penedo et al. 2023, G.2)."),
    # Shape: what outliers are told by.
    column("n_characters", pa.int32(), "Characters (Unicode code points)."),
    column("character_entropy", pa.float32(), "Shannon entropy of the characters, bits."),
    column("symbol_share", pa.float32(), "Share of characters that are punctuation or symbols (Unicode P*, S*)."),
    column("digit_share", pa.float32(), "Share of characters that are decimal digits (Unicode Nd)."),
    column("uppercase_share", pa.float32(), "Share of characters that are capitals (Unicode Uppercase)."),
)
