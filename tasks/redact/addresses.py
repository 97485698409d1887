"""E-mail addresses and public IP addresses among the candidates."""

import ipaddress
import re
from collections.abc import Iterator

# What a file, a property or a method is called after a point; none of them is a top-level domain.
NO_DOMAINS = frozenset(
    {"png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js", "ts", "jsx", "tsx", "json", "xml", "html", "htm", "php"}
    | {"rb", "java", "class", "cpp", "hpp", "txt", "pdf", "gz", "tar", "exe", "dll", "log", "cfg", "ini", "yml", "yaml"}
    | {"toml", "conf", "lock", "value", "length", "self", "prototype", "target", "data"}
)
# RFC 2606 and RFC 6761: nobody's addresses, made for examples.
RESERVED = re.compile(r"(?:^|[.@])(?:example\.(?:com|org|net|edu)|example|test|invalid|localhost|local|localdomain)$")
EMAIL = re.compile(
    r"[a-z0-9](?:[a-z0-9._%+&-]*[a-z0-9_%+-])?@(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?:xn--[a-z0-9-]+|[a-z]{2,24})",
    re.IGNORECASE,
)
OBFUSCATED = re.compile(
    r"(?<![\w.@])([\w.+-]{2,40})\s*[\[({<]?\s*\bat\b\s*[\])}>]?\s*"
    r"((?:[\w-]{2,40}\s*(?:[\[({]\s*)?(?:\bdot\b|\.)(?:\s*[\])}])?\s*)+)([a-z]{2,10})\b",
    re.IGNORECASE,
)
AUTHORITY = re.compile(r"[a-z]://\S*$", re.IGNORECASE)
BRACKETED = re.compile(r"[\[({]\s*(?:at|dot)\s*[\])}]", re.IGNORECASE)
# A product's number, not a host's: the word before it.
VERSION = re.compile(
    r"(?:\bversions?|\bver\.?|\bv\.?|\breleases?|\brev(?:ision)?\.?|\bbuild|\bfirmware|\bkernel|\bsections?|\bchapter|"
    r"\boid|§|\bclause|\bpatch|\bupdate|\bdriver)[\s:#=(\"']*$",
    re.IGNORECASE,
)

# Four numbers below 100 are a section, a clause, a version far more often than a host: one has to be spoken of.
HOST = re.compile(
    r"\b(?:ip|ipv4|hosts?|servers?|address(?:es)?|adresse|addr|dns|resolvers?|gateway|ping|ssh|nameserver|blocked|banned)\b|"
    r"://$|@$",
    re.IGNORECASE,
)
HOST_REACH = 24
SERVED = re.compile(r":\d{2,5}\b|/\d\d?\b")  # a port, a network's size
NAMED = re.compile(r"[-._~+^]$|[\w.-]/$")  # lib-1.2.3.4, Browser/1.2.3.4
GOES_ON = re.compile(r"\.\d|[+~_]\w|-(?!\d{1,3}\.)\w|\.\w+\b(?!\s)")  # 1.2.3.4.5, 1.2.3.4-rc1, 1.2.3.4.tar.gz


def find_email(candidate: str, before: str, after: str, reserved: bool) -> tuple[int, int] | None:
    """The place of an address in a candidate around an @, or None.

    Args: `before`, `after` what stands around the candidate; `reserved` whether addresses in domains made for examples
    (RFC 2606) count.
    """
    found = EMAIL.search(candidate)
    if found is None:
        return None
    start, end = found.span()
    local, _, domain = found.group().partition("@")
    top = domain.rpartition(".")[2].lower()
    rest = candidate[end:] + after
    if top in NO_DOMAINS or ".." in domain or rest[:1] in ("(", "[", "@") or ".." in local:
        return None
    if AUTHORITY.search(before + candidate[:start]):  # user:password@host, and places on the web with an @ in them
        return None
    if local == "git" and rest.startswith(":"):  # the address of a repository
        return None
    if not reserved and RESERVED.search(domain.lower()):
        return None
    return start, end


def find_obfuscated(window: str) -> Iterator[tuple[int, int]]:
    """The places of addresses written with `at` and `dot`.

    Both words must be there, or one of them in brackets: "at" alone, and a point, is how sentences are written.
    """
    for found in OBFUSCATED.finditer(window):
        said = found.group()
        words = re.search(r"\bdot\b", said, re.IGNORECASE) and re.search(r"\bat\b", said, re.IGNORECASE)
        if BRACKETED.search(said) or words:
            yield found.span()


def is_address(candidate: str, before: str, after: str) -> bool:
    """Whether an IPv4 or IPv6 candidate is a public host's address.

    Private, loopback, link-local, documentation, multicast and reserved ranges are nobody's; four numbers after
    `version`, in a file's name or in a longer number are a product's.
    """
    try:
        address = ipaddress.ip_address(candidate)
    except ValueError:
        return False
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        return not candidate.endswith("::")  # a network, not a host
    if NAMED.search(before) or GOES_ON.match(after):
        return False
    if all(number < 100 for number in address.packed) and not HOST.search(before[-HOST_REACH:]):
        return SERVED.match(after) is not None
    return VERSION.search(before) is None
