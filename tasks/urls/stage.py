"""What block lists say of each document's URL. It reads no text: a document whose text is null has its row too."""

import pyarrow as pa
from pydantic import Field, field_validator

from storage.schemas.urls import URLS
from tasks.stage import StageConfig, stage
from tasks.urls.lists import BlockList, check_names


class UrlsConfig(StageConfig):
    """Which block lists are looked at; without one the stage does not run. What they drop: `decide.urls`."""

    block_lists: tuple[BlockList, ...] = Field(
        default=(), description="Lists of domains, URLs, words or substrings: a list, one section each."
    )

    @field_validator("block_lists")
    @classmethod
    def _names(cls, block_lists: tuple[BlockList, ...]) -> tuple[BlockList, ...]:
        check_names(block_lists)
        return block_lists

    @property
    def enabled(self) -> bool:
        """Whether there is a list to look at."""
        return bool(self.block_lists)


@stage("urls", version=1, reads=["url"], writes=URLS)
def look_up_urls(documents: pa.RecordBatch, config: UrlsConfig) -> pa.RecordBatch:
    """One row per document: its registered domain, and the lists that hold its URL. No decision: see `decide`.

    Returns: columns of URLS; all null where there is no URL.
    """
    from tasks.urls.index import load  # with its compiled loops

    urls = documents.column("url")
    found = load(config.block_lists).look_up(urls)
    rows = [found.matches.get(row) for row in range(len(urls))]
    soft_words = [match.soft_words if match else 0 for match in rows]
    columns = {
        "registered_domain": found.registered,
        "blocked_by": [match.lists[0] if match and match.lists else None for match in rows],
        "blocked_entry": [match.entry if match else None for match in rows],
        "blocked_lists": [match.lists if match and match.lists else None for match in rows],
        "n_soft_words": pa.array(soft_words, pa.int32(), mask=urls.is_null().to_numpy(zero_copy_only=False)),
    }
    return pa.RecordBatch.from_pydict(columns, schema=URLS.schema)
