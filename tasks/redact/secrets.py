"""Keys and tokens: what gives whoever reads it the right to act."""

import math
import re
from collections import Counter

# How the keys of well-known services begin and how long they are, as the services document them.
TOKENS = re.compile(
    r"(?:(?:AKIA|ASIA)[A-Z0-9]{16}"  # AWS access key id
    r"|AIza[0-9A-Za-z_-]{35}"  # Google API key
    r"|gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255}"  # GitHub
    r"|glpat-[A-Za-z0-9_-]{20,}"  # GitLab
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,}"  # Slack
    r"|[sr]k_(?:live|test)_[A-Za-z0-9]{16,}"  # Stripe
    r"|sk-(?:proj-|ant-|or-|live-)?[A-Za-z0-9_-]{20,}"  # OpenAI and others of its form
    r"|hf_[A-Za-z0-9]{30,}"  # Hugging Face
    r"|npm_[A-Za-z0-9]{36}"
    r"|pypi-[A-Za-z0-9_-]{50,}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,})$"  # JSON Web Token (RFC 7519)
)
PEM = re.compile(
    r"-----BEGIN ((?:RSA |EC |DSA |OPENSSH |ENCRYPTED |PGP )?PRIVATE KEY(?: BLOCK)?)-----.{0,16384}?-----END \1-----",
    re.DOTALL,
)
LEAST_BITS = 3.0  # of entropy a character: words have less, what a machine drew has more
PLACEHOLDER = re.compile(
    r"(?:x{4,}|\*{3,}|\.{3}|<.*>|\$\{?\w|%\(?\w|\{.*\}|your|example|sample|placeholder|changeme|insert|replace|dummy|"
    r"todo|redacted|123456|abcdef|secret|password|token|key)",
    re.IGNORECASE,
)


def is_token(candidate: str) -> bool:
    """Whether a candidate that begins as a known key is one: length and letters as documented, and no placeholder."""
    if not TOKENS.match(candidate):
        return False
    body = candidate[8:]
    if candidate.startswith("sk-") and not (re.search(r"\d", body) and re.search(r"[A-Z]", body)):
        return False  # a class of a style sheet
    return len(set(body)) > 5 and not re.search(r"x{6}|\.{3}|your|example", body, re.IGNORECASE)


def is_assigned_secret(value: str) -> bool:
    """Whether a quoted value that is given to a name like `api_key` looks drawn by a machine.

    At least 16 characters, letters and digits mixed, at least LEAST_BITS of entropy a character (Shannon, over its own
    characters), and no placeholder, path or address.
    """
    if len(value) < 16 or not re.fullmatch(r"[A-Za-z0-9+/=_.~-]+", value) or PLACEHOLDER.search(value):
        return False
    if not (re.search(r"\d", value) and re.search(r"[A-Za-z]", value)) or value.count("/") > 3 or value.startswith("/"):
        return False
    words = re.split(r"[-_.+/=]", value)
    if all(re.fullmatch(r"[A-Za-z]*\d{0,4}", word) for word in words):  # names and numbers: sha256-rsa-2048
        return False
    return entropy(value) >= LEAST_BITS


def entropy(value: str) -> float:
    """Bits a character of a text, over how often each of its own characters stands in it (Shannon 1948)."""
    return -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values())
