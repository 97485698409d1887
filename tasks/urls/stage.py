"""What block lists say of each document's URL. It reads no text: a document whose text is null has its row too."""

import functools

import pyarrow as pa
from pydantic import Field, field_validator

from storage.schemas.urls import URLS
from tasks.stage import StageConfig, stage
from tasks.urls.index import Match, load, split_url
from tasks.urls.lists import BlockList, check_names

_NOTHING = Match([], None, 0, None)


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
    matches = load(config.block_lists).find(urls)
    known = [match or _NOTHING for match in matches]
    columns = {
        "registered_domain": [None if match.host is None else _registered(match.host) for match in known],
        "blocked_by": [match.lists[0] if match.lists else None for match in known],
        "blocked_entry": [match.entry for match in known],
        "blocked_lists": [match.lists or None for match in known],
        "n_soft_words": [None if match is None else match.soft_words for match in matches],
    }
    return pa.RecordBatch.from_pydict(columns, schema=URLS.schema)


def registered_domain(url: str) -> str | None:
    """The registered domain of a URL, by the public suffix list that tldextract carries; nothing is fetched."""
    address = split_url(url)
    return _registered(address.host) if address else None


@functools.lru_cache(maxsize=65_536)
def _registered(host: str) -> str | None:
    suffixes = _suffixes()
    if host.replace(".", "").isdigit() or host.startswith("["):
        return None
    at = 0
    while at >= 0:  # from the longest rule to the shortest: the public suffix begins at `at`
        suffix, above = host[at:], host.find(".", at) + 1
        exception = f"!{suffix}" in suffixes
        if exception or suffix in suffixes or (above and f"*.{host[above:]}" in suffixes):
            return suffix if exception else _below(host, at)
        at = above if above else -1
    return None


def _below(host: str, suffix: int) -> str | None:
    """The suffix that begins at `suffix` with the one label below it; None if there is none."""
    return host[host.rfind(".", 0, suffix - 1) + 1 :] if suffix > 1 else None


@functools.cache
def _suffixes() -> frozenset[str]:
    """The rules of the public suffix list, in both forms of names in other scripts."""
    import tldextract

    rules = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=()).tlds
    ascii_rules = (rule.encode("idna").decode("ascii") for rule in rules if not rule.isascii())
    return frozenset(rules).union(ascii_rules)
