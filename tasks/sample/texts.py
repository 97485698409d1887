"""Books, and the source code of the Python on this machine, as rows of documents."""

import hashlib
import os
import platform
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from storage.table import column, table
from tasks.sample.carriers import Carrier
from tasks.sample.unpack import read_members
from tasks.sample.warcs import HOST, SHIPPED, url_of

TEXTS = table(
    column("id", pa.string(), "Path of the text in its package, with the number of the part.", nullable=False),
    column("title", pa.string(), "Title, and which part of how many."),
    column("url", pa.string(), "A made-up, stable address on a host that is reserved for examples.", nullable=False),
    column("license", pa.string(), "Licence that the package states for the text.", nullable=False),
    column("origin", pa.string(), "How the text came to be: as shipped.", nullable=False),
    column("carrier", pa.string(), "The package (name==version) that carries it.", nullable=False),
    column("text", pa.large_string(), "The text.", nullable=False),
    group_rows=256,
)

PART_CHARACTERS = 16_000
"""Books are cut at blank lines into parts of about this many characters, as long as a long web page."""
CODE_CHARACTERS = 3_000_000
"""So much of the standard library is taken, files in the order of their paths' hashes: a quarter of it."""
LONGEST_MODULE = 100_000
"""Characters. Longer ones are tables."""

_BOOK = re.compile(r"(?:shksprdata|miltondata)/texts/(?!metadata)(.+)\.txt$|shksprdata/ancillary/(britannica.+)\.txt$")
_FOLIO = "_gut_f.txt"
_FOLIO_KEPT = ("hamlet", "macbeth", "tempest", "twelfe-night")
_NOT_LIBRARY = {"test", "tests", "idle_test", "idlelib", "lib2to3", "ensurepip", "site-packages", "dist-packages"}


def book_rows(archive: Path, carrier: Carrier) -> Iterator[dict[str, Any]]:
    """The books of a package in parts, one row of TEXTS each.

    Plays in modern spelling, four of them also as the First Folio spells them, and poems and prose that the package
    holds twice under two names: exact duplicates.
    """

    def wanted(path: str) -> bool:
        name = path.rsplit("/", 1)[-1]
        return bool(_BOOK.match(path)) and (not name.endswith(_FOLIO) or name.startswith(_FOLIO_KEPT))

    for member in read_members(archive, wanted):
        text = member.data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
        name = member.path.rsplit("/", 1)[-1].removesuffix(".txt")
        title = (
            re.sub(r"_gut(_f)?$", lambda match: " (First Folio)" if match[1] else "", name).replace("_", " ").title()
        )
        parts = list(cut(text, PART_CHARACTERS))
        for number, part in enumerate(parts, 1):
            yield {
                "id": f"{member.path}#{number}",
                "title": f"{title}, part {number} of {len(parts)}" if len(parts) > 1 else title,
                "url": url_of(carrier, f"{name}/{number}"),
                "license": carrier.license,
                "origin": SHIPPED,
                "carrier": carrier.pin,
                "text": part,
            }


def cut(text: str, size: int) -> Iterator[str]:
    """The text in stretches that end at a blank line, once they have `size` characters, or at any line, once they have
    twice as many. Joined, they are the text again."""
    lines: list[str] = []
    length = 0
    for line in text.splitlines(keepends=True):
        lines.append(line)
        length += len(line)
        if length >= 2 * size or (length >= size and not line.strip()):
            yield "".join(lines)
            lines, length = [], 0
    if lines:
        yield "".join(lines)


def code_rows() -> Iterator[dict[str, Any]]:
    """Modules of this Python's standard library, one row of TEXTS each, in order of their paths.

    Left out: tests, what is not the library's own, modules that hold paths of the machine, files that are not UTF-8.
    """
    root = Path(sysconfig.get_paths()["stdlib"])
    paths = []
    for folder, below, files in os.walk(root):
        below[:] = [name for name in below if name not in _NOT_LIBRARY and not name.startswith("config-")]
        paths += [(Path(folder) / name).relative_to(root).as_posix() for name in files if name.endswith(".py")]
    taken: dict[str, str] = {}
    characters = 0
    for path in sorted(paths, key=lambda one: hashlib.sha256(one.encode()).digest()):
        if characters >= CODE_CHARACTERS:
            break
        if path.startswith("_sysconfigdata"):
            continue
        try:
            text = (root / path).read_bytes().decode("utf-8")
        except UnicodeDecodeError:  # a few declare another encoding
            continue
        if text.strip() and len(text) <= LONGEST_MODULE:
            taken[path] = text
            characters += len(text)
    version = platform.python_version()
    for path in sorted(taken):
        yield {
            "id": path,
            "title": path,
            "url": f"https://{HOST}/python/{version}/{path}",
            "license": "PSF-2.0",
            "origin": SHIPPED,
            "carrier": f"python=={version}",
            "text": taken[path],
        }
