"""Groups of rules beside the papers' own: datatrove's way of counting, what line rules leave, and outliers.

Each is off until a recipe, or a preset that it names, turns it on. Columns and their ways of counting are told in
`storage.schemas.quality`.
"""

from typing import Annotated

from pydantic import AfterValidator, Field

from tasks.decide.rule_group import Count, DropWhen, Ratio, RuleGroup, Share

OF_LANGUAGE = 'coalesce("n_stop_words_by_language"["language"], 0)'


class DatatroveRules(RuleGroup):
    """Gopher's quality rules (Rae et al. 2021, A.1.1), counted and ordered as datatrove's `gopher_quality_filter`."""

    min_words: Annotated[Count | None, DropWhen("n_datatrove_words", "<")] = Field(
        default=50, description="Tokens that hold more than punctuation, at least."
    )
    max_words: Annotated[Count | None, DropWhen("n_datatrove_words", ">")] = Field(
        default=100_000, description="Tokens that hold more than punctuation, at most."
    )
    min_mean_word_length: Annotated[Ratio | None, DropWhen("mean_datatrove_word_length", "<")] = Field(
        default=3.0, description="Characters of the mean such token at least."
    )
    max_mean_word_length: Annotated[Ratio | None, DropWhen("mean_datatrove_word_length", ">")] = Field(
        default=10.0, description="Characters of the mean such token at most."
    )
    max_hash_to_word_ratio: Annotated[Ratio | None, DropWhen("hash_to_word_ratio", ">")] = Field(
        default=0.1, description="Signs # per token at most."
    )
    max_ellipsis_to_word_ratio: Annotated[Ratio | None, DropWhen("ellipsis_to_word_ratio", ">")] = Field(
        default=0.1, description="Ellipses (... or …) per token at most."
    )
    max_bullet_line_share: Annotated[Share | None, DropWhen("bullet_line_share_of_all", ">")] = Field(
        default=0.9, description="Share of all lines, empty ones too, that begin with a bullet, at most."
    )
    max_ellipsis_line_share: Annotated[Share | None, DropWhen("ellipsis_line_share_of_all", ">")] = Field(
        default=0.3, description="Share of all lines, empty ones too, that end with an ellipsis, at most."
    )
    min_alphabetic_token_share: Annotated[Share | None, DropWhen("alphabetic_token_share", "<")] = Field(
        default=0.8, description="Share of tokens, signs too, that hold a letter, at least."
    )
    min_stop_words: Annotated[Count | None, DropWhen("n_stop_words", "<")] = Field(
        default=2, description="Different words of quality.stop_words at least."
    )
    min_stop_words_of_language: Annotated[Count | None, DropWhen("n_stop_words_by_language", "<", OF_LANGUAGE)] = Field(
        default=None,
        description="Different words of the document's language in quality.stop_words_by_language at least.",
    )


class AfterC4Rules(RuleGroup):
    """C4's rules for pages (Raffel et al. 2020, 2.2), of the lines that its line rules leave, as in its code."""

    lorem_ipsum: Annotated[bool, DropWhen("after_c4_has_lorem_ipsum", "is")] = Field(
        default=True, description="Drop a page of which a line holds 'lorem ipsum', in any case."
    )
    curly_bracket: Annotated[bool, DropWhen("after_c4_has_curly_bracket", "is")] = Field(
        default=True, description="Drop a page of which a line holds {."
    )
    min_sentences: Annotated[Count | None, DropWhen("after_c4_n_sentences", "<")] = Field(
        default=5, description="Sentences left at least (Raffel et al. 2020: 5; their published code: 3)."
    )
    bad_word: Annotated[bool, DropWhen("has_c4_bad_word", "is")] = Field(
        default=False, description="Drop a page that holds a word of quality.bad_words, which must be given."
    )


class AfterFineWebRules(RuleGroup):
    """FineWeb's last two filters in a row, as datatrove applies them: C4's without terminal punctuation, its own.

    FineWeb's own rules see what C4's line rules leave. Comparisons and limits are the code's (Penedo et al. 2024, 3.6
    drops at the limits too, and says 0.1 where the code has 0.01).
    """

    lorem_ipsum: Annotated[bool, DropWhen("after_fineweb_has_lorem_ipsum", "is")] = Field(
        default=True, description="Drop a page of which a line holds 'lorem ipsum', in any case."
    )
    curly_bracket: Annotated[bool, DropWhen("after_fineweb_has_curly_bracket", "is")] = Field(
        default=True, description="Drop a page of which a line holds {."
    )
    min_sentences: Annotated[Count | None, DropWhen("after_fineweb_n_sentences", "<")] = Field(
        default=5, description="Sentences left at least."
    )
    min_line_punctuation_share: Annotated[Share | None, DropWhen("after_fineweb_line_punctuation_share", "<")] = Field(
        default=0.12, description="Share of lines that end in punctuation or a quote, at least (first published code)."
    )
    min_line_end_mark_share: Annotated[Share | None, DropWhen("after_fineweb_line_end_mark_share", "<")] = Field(
        default=None, description="Share of lines that end in a terminal mark, at least (present code: 0.12)."
    )
    max_short_line_share: Annotated[Share | None, DropWhen("after_fineweb_short_line_share", ">")] = Field(
        default=0.67, description="Share of short lines at most."
    )
    max_line_character_duplicate_share: Annotated[
        Share | None, DropWhen("after_fineweb_line_character_duplicate_share", ">")
    ] = Field(default=0.01, description="Share of characters in lines that stood before, at most (paper: 0.1).")
    max_newline_to_word_ratio: Annotated[Ratio | None, DropWhen("after_fineweb_newline_to_word_ratio", ">")] = Field(
        default=0.3, description="Line ends per token at most (published code alone)."
    )


class RefinedWebRules(RuleGroup):
    """RefinedWeb's rule on what its line rules take out (Penedo et al. 2023, G.2)."""

    max_removed_word_share: Annotated[Share | None, DropWhen("refinedweb_removed_word_share", ">")] = Field(
        default=0.05, description="Share of words in lines that are taken out, at most (Penedo et al. 2023, G.2)."
    )


def _ordered(percentiles: tuple[float, ...]) -> tuple[float, ...]:
    low, high = percentiles
    if low > high:
        raise ValueError(f"{low} is above {high}: write the lower percentile first, such as [0.01, 0.99].")
    return percentiles


Percentiles = Annotated[tuple[Share, ...], Field(min_length=2, max_length=2), AfterValidator(_ordered)]


class OutlierRules(RuleGroup):
    """The tails of a source and language: below the lower, or above the upper percentile of its own documents.

    Percentiles are exact (DuckDB's quantile_disc), among all documents of the source and language, kept or not, so that
    they are a function of the set. What lies at a percentile stays: of fewer than 100, 0.01 and 0.99 drop none.
    """

    n_characters: Annotated[Percentiles | None, DropWhen("n_characters", "outside")] = Field(
        default=(0.01, 0.99), description="Percentiles of the length in characters between which documents stay."
    )
    symbol_share: Annotated[Percentiles | None, DropWhen("symbol_share", "outside")] = Field(
        default=(0.0, 0.99), description="Percentiles of the share of symbols and punctuation."
    )
    digit_share: Annotated[Percentiles | None, DropWhen("digit_share", "outside")] = Field(
        default=(0.0, 0.99), description="Percentiles of the share of digits."
    )
    uppercase_share: Annotated[Percentiles | None, DropWhen("uppercase_share", "outside")] = Field(
        default=(0.0, 0.99), description="Percentiles of the share of capitals."
    )
    character_entropy: Annotated[Percentiles | None, DropWhen("character_entropy", "outside")] = Field(
        default=(0.01, 0.99), description="Percentiles of the entropy of the characters."
    )
