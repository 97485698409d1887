"""What changes the text that extraction gives."""

from typing import Literal

from pydantic import Field

from tasks.config import StageConfig
from tasks.urls.lists import BlockList

Reader = Literal["wikipedia", "stackexchange", "gutenberg", "repository"]
RowField = Literal["text", "id", "url", "title", "author", "date", "license", "origin", "carrier"]
"""What is taken from a row of JSONL, CSV or Parquet."""


Extractor = Literal[
    "cascade-accurate",
    "cascade-balanced",
    "cascade-quick",
    "trafilatura",
    "trafilatura-fast",
    "trafilatura-precision",
    "trafilatura-recall",
    "resiliparse",
]
"""What gives the main text of an HTML page; docs/extraction.md says what each is for."""


class ExtractConfig(StageConfig):
    """The extractor of pages and the limits of extraction. All but the CPU time, which the executor guards, are the
    same on every machine.

    Pages beyond a limit are losses; those of Common Crawl are cut at 1 MiB when they are captured (5 MiB since March
    2025).
    """

    extractor: Extractor = Field(
        default="cascade-accurate",
        description="What gives the main text of an HTML page: a profile of our cascade, a mode of trafilatura, or "
        "resiliparse; docs/extraction.md has their accuracy and speed.",
    )
    output: Literal["text", "markdown"] = Field(
        default="text",
        description="How a page's text is written: plain, or Markdown with headings, lists, tables, code and emphasis "
        "(resiliparse gives plain text alone).",
    )
    max_bytes: int = Field(
        default=16 << 20, gt=0, description="Bytes of a body after decompression, and of a plain text or row."
    )
    max_nodes: int = Field(default=500_000, gt=0, description="Nodes of a page's tree: elements, texts, comments.")
    max_depth: int = Field(
        default=250, gt=0, le=254, description="Nesting of a page's elements. libxml2 cuts pages at 256."
    )
    max_replaced_share: float = Field(
        default=0.1, ge=0, le=1, description="Share of a body's characters that its charset could not decode."
    )
    include_tables: bool = Field(default=True, description="Keep the text of tables, a row a line, cells between bars.")
    max_file_bytes: int = Field(
        default=256 << 20, gt=0, description="Bytes of a PDF or EPUB file, pictures counted in; it is held in memory."
    )
    max_pages: int = Field(default=20_000, gt=0, description="Pages of a PDF.")
    max_zip_entries: int = Field(default=50_000, gt=0, description="Entries of a WACZ, an EPUB or a zipped dump.")
    max_zip_ratio: int = Field(
        default=200, gt=0, description="Times that an entry of one may be larger unpacked than packed."
    )
    max_unpacked_bytes: int = Field(
        default=4 << 30,
        gt=0,
        description="Bytes of a deflated archive of a WACZ after unpacking, for which there must be room on the disk "
        "(one that is stored, as the format asks for, is read where it lies).",
    )
    skip_blocked: bool = Field(
        default=False,
        description="Do not parse what a block list of `urls` holds: its text is null, its row stays. Turning it, or "
        "another list then, extracts anew.",
    )
    block_lists: tuple[BlockList, ...] = Field(
        default=(), description="The lists that skip_blocked goes by: a run puts those of `urls` here."
    )
    reader: Reader | None = Field(
        default=None, description="What reads the files of a source that is a dump; each source names its own."
    )
    fields: dict[RowField, str] = Field(
        default={},
        description="Columns of JSONL, CSV and Parquet rows, from our name to theirs, with dots into objects. "
        "Those not named are looked for by common names.",
    )
