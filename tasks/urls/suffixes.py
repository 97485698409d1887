"""Registered domains, by the public suffix list that tldextract carries; nothing is fetched."""

import functools

import numpy as np

from tasks.urls.kernels import EXCEPTIONS, RULES, WILDCARDS
from tasks.urls.scan import hash_table

_KINDS = {"!": EXCEPTIONS, "*": WILDCARDS}


@functools.lru_cache(maxsize=4096)
def registered(host: str) -> str | None:
    """The registered domain of a host; None for an address and for a public suffix. `scan.scan_urls` does the same."""
    rules = suffixes()
    if host.replace(".", "").isdigit() or host.startswith("["):
        return None
    at = 0
    while at >= 0:  # from the longest rule to the shortest: the public suffix begins at `at`
        suffix, above = host[at:], host.find(".", at) + 1
        exception = f"!{suffix}" in rules
        if exception or suffix in rules or (above and f"*.{host[above:]}" in rules):
            return suffix if exception else _below(host, at)
        at = above if above else -1
    return None


def _below(host: str, suffix: int) -> str | None:
    """The suffix that begins at `suffix` with the one label below it; None if there is none."""
    return host[host.rfind(".", 0, suffix - 1) + 1 :] if suffix > 1 else None


@functools.cache
def suffixes() -> frozenset[str]:
    """The rules of the public suffix list, in both forms of names in other scripts."""
    import tldextract

    rules = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=()).tlds
    ascii_rules = (rule.encode("idna").decode("ascii") for rule in rules if not rule.isascii())
    return frozenset(rules).union(ascii_rules)


@functools.cache
def suffix_table() -> np.ndarray:
    """The same as hashes in a table, for the compiled pass."""
    rules = sorted(suffixes())
    return hash_table([rule.lstrip("!*.") for rule in rules], [_KINDS.get(rule[0], RULES) for rule in rules])
