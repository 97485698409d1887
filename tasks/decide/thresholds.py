"""The published limits, in groups, and the column that each is compared with.

The columns that the built-in rules read:

| column | unit | source |
|---|---|---|
| `language` | code | the language model's label (lid.176) |
| `language_probability` | 0 to 1 | the language model |
| `n_words` | words | Gopher: Rae et al. 2021, section A.1.1 |
| `mean_word_length` | characters | Gopher, A.1.1 |
| `hash_to_word_ratio`, `ellipsis_to_word_ratio` | symbols per word | Gopher, A.1.1 |
| `bullet_line_share`, `ellipsis_line_share` | share of lines | Gopher, A.1.1 |
| `alphabetic_word_share` | share of words | Gopher, A.1.1 |
| `n_stop_words` | words | Gopher, A.1.1: the, be, to, of, and, that, have, with |
| `duplicate_line_share`, `duplicate_paragraph_share` | share of lines, of paragraphs | Gopher, table A1 |
| `duplicate_line_character_share`, `duplicate_paragraph_character_share` | share of characters | Gopher, table A1 |
| `top_2gram_character_share` … `top_4gram_character_share` | share of characters | Gopher, table A1 |
| `duplicate_5gram_character_share` … `duplicate_10gram_character_share` | share of characters | Gopher, table A1 |
| `n_sentences` | sentences | C4: Raffel et al. 2020, section 2.2 |
| `has_curly_bracket`, `has_lorem_ipsum` | true or false | C4, section 2.2 |
| `line_punctuation_share`, `short_line_share` | share of lines | FineWeb: Penedo et al. 2024, section 3.6 |
| `line_character_duplicate_share` | share of characters | FineWeb, section 3.6 |
| `newline_to_word_ratio` | line ends per word | FineWeb's published code only; not in the paper |
| `n_listed_words`, `listed_word_share` | words, share of words | C4, section 2.2, with any list |
| `n_contaminated_items` | items | GPT-3: Brown et al. 2020, appendix C |
| `contamination_share` | share of the document's words | none |
| `contaminated_item_share` | share of an item's words | PaLM, section 8; Tülu 3, section 3.2 |

What is chosen by address, rights and date is in `selection`; further groups, of other ways of counting and of what line
rules leave, are in `variants`; how a rule becomes SQL is in `rule_group`.
"""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from tasks.config import StageConfig
from tasks.decide.rule_group import Count, DropWhen, Ratio, RuleGroup, Share
from tasks.decide.selection import DateRules, RightsRules, UrlRules
from tasks.decide.variants import AfterC4Rules, AfterFineWebRules, DatatroveRules, OutlierRules, RefinedWebRules


class LanguageRules(RuleGroup):
    """By the language model's first guess. FineWeb keeps English at 0.65 and above."""

    allowed: Annotated[tuple[str, ...] | None, DropWhen("language", "not in")] = Field(
        default=None, description="Languages that stay, by the model's codes ([en, de]); null: all."
    )
    min_probability: Annotated[Share | None, DropWhen("language_probability", "<")] = Field(
        default=0.65, description="Probability of the first guess at least (FineWeb, Penedo et al. 2024: 0.65)."
    )

    @field_validator("allowed")
    @classmethod
    def _some_language(cls, allowed: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if allowed == ():
            raise ValueError(
                "allowed has no language in it, which would drop everything: name one, or set it to null to allow all."
            )
        return allowed


class GopherRules(RuleGroup):
    """Quality rules of MassiveText (Rae et al. 2021, section A.1.1), with its limits."""

    min_words: Annotated[Count | None, DropWhen("n_words", "<")] = Field(
        default=50, description="Words at least (Rae et al. 2021, A.1.1)."
    )
    max_words: Annotated[Count | None, DropWhen("n_words", ">")] = Field(
        default=100_000, description="Words at most (Rae et al. 2021, A.1.1)."
    )
    min_mean_word_length: Annotated[Ratio | None, DropWhen("mean_word_length", "<")] = Field(
        default=3.0, description="Characters of the mean word at least (Rae et al. 2021, A.1.1)."
    )
    max_mean_word_length: Annotated[Ratio | None, DropWhen("mean_word_length", ">")] = Field(
        default=10.0, description="Characters of the mean word at most (Rae et al. 2021, A.1.1)."
    )
    max_hash_to_word_ratio: Annotated[Ratio | None, DropWhen("hash_to_word_ratio", ">")] = Field(
        default=0.1, description="Signs # per word at most (Rae et al. 2021, A.1.1)."
    )
    max_ellipsis_to_word_ratio: Annotated[Ratio | None, DropWhen("ellipsis_to_word_ratio", ">")] = Field(
        default=0.1, description="Ellipses (... or …) per word at most (Rae et al. 2021, A.1.1)."
    )
    max_bullet_line_share: Annotated[Share | None, DropWhen("bullet_line_share", ">")] = Field(
        default=0.9, description="Share of lines that begin with a bullet, at most (Rae et al. 2021, A.1.1)."
    )
    max_ellipsis_line_share: Annotated[Share | None, DropWhen("ellipsis_line_share", ">")] = Field(
        default=0.3, description="Share of lines that end with an ellipsis, at most (Rae et al. 2021, A.1.1)."
    )
    min_alphabetic_word_share: Annotated[Share | None, DropWhen("alphabetic_word_share", "<")] = Field(
        default=0.8, description="Share of words that hold a letter, at least (Rae et al. 2021, A.1.1)."
    )
    min_stop_words: Annotated[Count | None, DropWhen("n_stop_words", "<")] = Field(
        default=2, description="Different words of quality.stop_words at least (Rae et al. 2021, A.1.1)."
    )


class RepetitionRules(RuleGroup):
    """Repetition rules of MassiveText (Rae et al. 2021, table A1), with its limits."""

    max_duplicate_line_share: Annotated[Share | None, DropWhen("duplicate_line_share", ">")] = Field(
        default=0.30, description="Share of lines that stood before (Rae et al. 2021, table A1)."
    )
    max_duplicate_paragraph_share: Annotated[Share | None, DropWhen("duplicate_paragraph_share", ">")] = Field(
        default=0.30, description="Share of paragraphs that stood before (Rae et al. 2021, table A1)."
    )
    max_duplicate_line_character_share: Annotated[Share | None, DropWhen("duplicate_line_character_share", ">")] = (
        Field(default=0.20, description="Share of characters in lines that stood before (Rae et al. 2021, table A1).")
    )
    max_duplicate_paragraph_character_share: Annotated[
        Share | None, DropWhen("duplicate_paragraph_character_share", ">")
    ] = Field(
        default=0.20, description="Share of characters in paragraphs that stood before (Rae et al. 2021, table A1)."
    )
    max_top_2gram_character_share: Annotated[Share | None, DropWhen("top_2gram_character_share", ">")] = Field(
        default=0.20, description="Share of characters in the most frequent 2-gram (Rae et al. 2021, table A1)."
    )
    max_top_3gram_character_share: Annotated[Share | None, DropWhen("top_3gram_character_share", ">")] = Field(
        default=0.18, description="Share of characters in the most frequent 3-gram (Rae et al. 2021, table A1)."
    )
    max_top_4gram_character_share: Annotated[Share | None, DropWhen("top_4gram_character_share", ">")] = Field(
        default=0.16, description="Share of characters in the most frequent 4-gram (Rae et al. 2021, table A1)."
    )
    max_duplicate_5gram_character_share: Annotated[Share | None, DropWhen("duplicate_5gram_character_share", ">")] = (
        Field(default=0.15, description="Share of characters in 5-grams that stood before (Rae et al. 2021, table A1).")
    )
    max_duplicate_6gram_character_share: Annotated[Share | None, DropWhen("duplicate_6gram_character_share", ">")] = (
        Field(default=0.14, description="Share of characters in 6-grams that stood before (Rae et al. 2021, table A1).")
    )
    max_duplicate_7gram_character_share: Annotated[Share | None, DropWhen("duplicate_7gram_character_share", ">")] = (
        Field(default=0.13, description="Share of characters in 7-grams that stood before (Rae et al. 2021, table A1).")
    )
    max_duplicate_8gram_character_share: Annotated[Share | None, DropWhen("duplicate_8gram_character_share", ">")] = (
        Field(default=0.12, description="Share of characters in 8-grams that stood before (Rae et al. 2021, table A1).")
    )
    max_duplicate_9gram_character_share: Annotated[Share | None, DropWhen("duplicate_9gram_character_share", ">")] = (
        Field(default=0.11, description="Share of characters in 9-grams that stood before (Rae et al. 2021, table A1).")
    )
    max_duplicate_10gram_character_share: Annotated[Share | None, DropWhen("duplicate_10gram_character_share", ">")] = (
        Field(
            default=0.10, description="Share of characters in 10-grams that stood before (Rae et al. 2021, table A1)."
        )
    )


class C4Rules(RuleGroup):
    """Those rules of C4 that drop whole pages (Raffel et al. 2020, section 2.2); its line rules change text."""

    min_sentences: Annotated[Count | None, DropWhen("n_sentences", "<")] = Field(
        default=5, description="Sentences at least (Raffel et al. 2020, 2.2)."
    )
    curly_bracket: Annotated[bool, DropWhen("has_curly_bracket", "is")] = Field(
        default=True, description="Drop a page that holds { (Raffel et al. 2020, 2.2)."
    )
    lorem_ipsum: Annotated[bool, DropWhen("has_lorem_ipsum", "is")] = Field(
        default=True, description="Drop a page that holds 'lorem ipsum', in any case (Raffel et al. 2020, 2.2)."
    )


class FineWebRules(RuleGroup):
    """FineWeb's own rules (Penedo et al. 2024, section 3.6: at most 0.12, at least 0.67, at least 0.1).

    `max_newline_to_word_ratio` is in the published code (datatrove), not in the paper. That code drops duplicated line
    characters from 0.01 on, where the paper says 0.1: the paper's value is the default here.
    """

    min_line_punctuation_share: Annotated[Share | None, DropWhen("line_punctuation_share", "<=")] = Field(
        default=0.12,
        description="Share of lines that end in punctuation; dropped at it or below (Penedo et al. 2024, 3.6).",
    )
    min_line_end_mark_share: Annotated[Share | None, DropWhen("line_end_mark_share", "<")] = Field(
        default=None,
        description="Share of lines that end in a terminal mark, quotes left out, at least (FineWeb-2: by language).",
    )
    max_short_line_share: Annotated[Share | None, DropWhen("short_line_share", ">=")] = Field(
        default=0.67,
        description="Share of lines that `quality` counts as short; dropped from it on (Penedo et al. 2024, 3.6).",
    )
    max_line_character_duplicate_share: Annotated[Share | None, DropWhen("line_character_duplicate_share", ">=")] = (
        Field(
            default=0.1,
            description="Share of characters in lines that stood before; dropped from it on (Penedo et al. 2024, 3.6).",
        )
    )
    max_newline_to_word_ratio: Annotated[Ratio | None, DropWhen("newline_to_word_ratio", ">")] = Field(
        default=0.3, description="Line ends per word at most (Penedo et al. 2024: their published code alone)."
    )


class WordListRules(RuleGroup):
    """By the lists of `word_lists`. C4 drops a page that holds one word of its list (Raffel et al. 2020, 2.2)."""

    max_listed_words: Annotated[Count | None, DropWhen("n_listed_words", ">")] = Field(
        default=0, description="Listed words and phrases at most (Raffel et al. 2020, 2.2: none)."
    )
    max_listed_word_share: Annotated[Share | None, DropWhen("listed_word_share", ">")] = Field(
        default=None, description="Share of words that stand in a list, at most."
    )


class DecontaminationRules(RuleGroup):
    """By what a document shares with evaluation sets (see `contamination`). GPT-3 drops for one shared n-gram."""

    max_items: Annotated[Count | None, DropWhen("n_contaminated_items", ">")] = Field(
        default=0, description="Items of evaluation sets that share an n-gram, at most (Brown et al. 2020, C: none)."
    )
    max_share: Annotated[Share | None, DropWhen("contamination_share", ">")] = Field(
        default=None, description="Share of the document's words in shared n-grams, at most."
    )
    max_item_share: Annotated[Share | None, DropWhen("contaminated_item_share", ">")] = Field(
        default=None,
        description="Share of one item's words, at most (Tülu 3, Lambert et al. 2024, 3.2: 0.5; PaLM, 8: 0.7).",
    )


KINDS = ("exact", "url", "near", "simhash", "semantic")
"""The kinds of duplicates, in the order in which they are looked at; a rule `duplicates.<kind>` each."""


class DuplicateRules(StageConfig):
    """Which copies go. Clusters are formed among the documents that pass every other rule."""

    exact: Annotated[bool, Field(description="Drop all but one of the documents with one content hash.")] = True
    url: Annotated[
        bool, Field(description="Drop all but one of the documents with one canonical URL (docs/duplicates.md).")
    ] = False
    near: Annotated[bool, Field(description="Drop all but one of the documents connected through shared buckets.")] = (
        True
    )
    min_jaccard: Annotated[
        Share | None,
        Field(description="Two documents of a bucket are connected only from this estimated Jaccard on; null: always."),
    ] = None
    min_exact_jaccard: Annotated[
        Share | None,
        Field(
            description="The same by the exact Jaccard of their shingles, which sign keeps with sign.shingles: true; "
            "null: not looked at."
        ),
    ] = None
    simhash: Annotated[
        int | None,
        Field(
            ge=0,
            le=16,
            description="Drop all but one of the documents connected by simhashes that differ in at most so many of 64 "
            "bits (Manku et al. 2007: 3), which sign keeps with sign.simhash: true; null: not looked at.",
        ),
    ] = None
    semantic: Annotated[
        float | None,
        Field(
            gt=0,
            le=1,
            description="Drop all but one of the documents connected by embeddings of at least this cosine, which the "
            "stage embed makes; null: not looked at.",
        ),
    ] = None
    sizes_after: Annotated[
        tuple[str, ...] | None,
        Field(
            description="Say of each document also how large its cluster is before the rules: among all texts that "
            "these groups (language) and rules (gopher.min_words) do not drop; [] for all texts. mixture.rehydrate "
            "needs it. Null: not looked at.",
        ),
    ] = None
    keep: Annotated[
        Literal["first_seen", "newest", "longest", "best"],
        Field(
            description="Who stays: first_seen or newest by capture date (undated last), longest by text_bytes, or "
            "best by the column keep_by. Of equals the first seen, then the smallest doc_id."
        ),
    ] = "first_seen"
    keep_by: Annotated[
        str | None,
        Field(description="The column that keep: best goes by, highest first, nulls last, such as quality_score."),
    ] = None

    @model_validator(mode="after")
    def _check(self) -> "DuplicateRules":
        if self.keep == "best" and self.keep_by is None:
            raise ValueError("keep: best needs the column to go by: name one in keep_by, such as quality_score.")
        if self.keep != "best" and self.keep_by is not None:
            raise ValueError(f"keep_by ({self.keep_by}) is read only by keep: best, and keep is {self.keep}.")
        return self

    def kinds(self) -> tuple[str, ...]:
        """The kinds of duplicates that go."""
        return tuple(kind for kind in KINDS if getattr(self, kind) is not None and getattr(self, kind) is not False)

    def evidence(self) -> dict[str, str]:
        """The columns of lists and hashes that these rules need, which no stage writes unasked, each by the rule."""
        rules = {"shingles": "min_exact_jaccard", "simhash": "simhash", "embedding": "semantic"}
        return {column: rule for column, rule in rules.items() if getattr(self, rule) is not None}

    def columns(self) -> dict[str, str]:
        """The columns of single values that these rules read, each by the rule that does."""
        found = {"url": "url"} if self.url else {}
        if self.keep == "longest":
            found["text_bytes"] = "keep"
        if self.keep_by is not None:
            found[self.keep_by] = "keep_by"
        return found


GROUPS: dict[str, type[RuleGroup]] = {
    "urls": UrlRules,
    "rights": RightsRules,
    "dates": DateRules,
    "language": LanguageRules,
    "gopher": GopherRules,
    "repetition": RepetitionRules,
    "datatrove": DatatroveRules,
    "c4": C4Rules,
    "after_c4": AfterC4Rules,
    "fineweb": FineWebRules,
    "after_fineweb": AfterFineWebRules,
    "refinedweb": RefinedWebRules,
    "outliers": OutlierRules,
    "word_lists": WordListRules,
    "decontamination": DecontaminationRules,
}
"""All groups, in the order in which their rules are named as reasons where a recipe sets no `order`."""
