"""What block lists say of each document's URL. It reads no text: a document whose text is null has its row too."""

import functools

import pyarrow as pa
from pydantic import Field, field_validator

from storage.schemas.urls import URLS
from tasks.stage import StageConfig, stage
from tasks.urls.index import load, split_url
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
    urls = documents.column("url").to_pylist()
    rows = []
    for url, match in zip(urls, load(config.block_lists).find(urls), strict=True):
        if match is None:
            rows.append(dict.fromkeys(URLS.schema.names))
            continue
        rows.append(
            {
                "registered_domain": registered_domain(url),
                "blocked_by": match.lists[0] if match.lists else None,
                "blocked_entry": match.entry,
                "blocked_lists": match.lists or None,
                "n_soft_words": match.soft_words,
            }
        )
    return pa.RecordBatch.from_pylist(rows, schema=URLS.schema)


def registered_domain(url: str) -> str | None:
    """The registered domain of a URL, by the public suffix list that tldextract carries; nothing is fetched."""
    address = split_url(url)
    return _registered(address.host) if address else None


@functools.lru_cache(maxsize=65_536)
def _registered(host: str) -> str | None:
    return _suffixes().extract_str(host).top_domain_under_public_suffix or None


@functools.cache
def _suffixes():
    import tldextract

    return tldextract.TLDExtract(cache_dir=None, suffix_list_urls=(), include_psl_private_domains=False)
