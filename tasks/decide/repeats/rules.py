"""The thresholds of repeats: `decide.repeated_lines`, `repeated_paragraphs` and `repeated_substrings` of a recipe."""

from typing import Annotated, Literal

from pydantic import Field

from tasks.config import StageConfig

Keep = Annotated[
    Literal["first", "none"],
    Field(description="Who keeps it: the document that was first seen (capture date, then doc_id), or none."),
]


class RepeatedLines(StageConfig):
    """Which lines, or paragraphs, are taken out of the documents that stay.

    A line that stands in many documents of many sites is boilerplate, which nobody needs: `keep: none`. To leave one
    copy of whatever was written twice (as CCNet, Wenzek et al. 2020, section 3.1, within a shard):
    `{min_documents: 2, keep: first}`.
    """

    min_documents: Annotated[int, Field(ge=2, description="Documents that hold it, at least.")] = 10
    min_domains: Annotated[
        int,
        Field(
            ge=1,
            description="Their domains, at least: registered domains where `urls` ran, else hosts without www; the "
            "documents of a source that have no URL are one.",
        ),
    ] = 1
    min_characters: Annotated[int, Field(ge=1, description="Shorter ones stay, line feed counted.")] = 1
    keep: Keep = "none"


class RepeatedSubstrings(StageConfig):
    """Which runs of words are taken out of the documents that stay (Lee et al. 2022, section 4.1: 50 tokens).

    Tokens are words (see `tasks.words`): in NFC and lower case, signs between them left aside, each letter of a script
    without spaces. Every word goes that lies in a run of `min_tokens` words which another document has, too, and, with
    `keep: first`, one that was first seen before it.
    """

    min_tokens: Annotated[int, Field(ge=2, description="Words in a row, at least parts.substrings.")] = 50
    keep: Keep = "first"
