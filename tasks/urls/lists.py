"""Block lists by name and hash: inputs of a recipe, from a path of the user's, never a part of the repository."""

import gzip
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Literal

from pydantic import Field

from tasks.config import StageConfig

Kind = Literal["domains", "urls", "words", "soft_words", "substrings"]
UT1_FILES: dict[str, Kind] = {"domains": "domains", "urls": "urls"}
"""Files in a category's folder of the UT1 lists, and what they hold. (`expressions` are patterns: not read.)"""
CHUNK_BYTES = 8 << 20


class BlockListMissing(FileNotFoundError):
    """A block list's file is not on this machine, or is another than the recipe means."""


class BlockList(StageConfig):
    """A list of entries, one a line; `#` begins a comment. Its identity is the SHA-256; `path` only finds it."""

    name: str = Field(min_length=1, description="What the column blocked_by calls it.")
    path: str = Field(
        exclude=True,
        description="Its file (.gz too), or a folder with files `domains` and `urls`, as UT1's categories.",
    )
    kind: Kind | None = Field(
        default=None,
        description="What a line is: a domain (with all below it), a whole URL, a word of the URL, a soft word (only "
        "counted), or a substring. Null: what the file is called, or all that the folder holds.",
    )
    sha256: str | None = Field(
        default=None, description="SHA-256 of its file or files; null: of what lies at the path when the run starts."
    )


def files_of(block_list: BlockList) -> list[tuple[Kind, Path]]:
    """The files of a list with what each holds. Raises BlockListMissing."""
    path = Path(block_list.path)
    if path.is_dir():
        found: list[tuple[Kind, Path]] = []
        for name, kind in UT1_FILES.items():
            one = next((path / file for file in (name, f"{name}.gz") if (path / file).is_file()), None)
            if one is not None and block_list.kind in (None, kind):
                found.append((kind, one))
        if not found:
            raise BlockListMissing(
                f"The block list {block_list.name}: {path} holds no file `domains` or `urls` to read. Name its file."
            )
        return found
    if not path.is_file():
        raise BlockListMissing(
            f"The block list {block_list.name} is not here: there is no {path} (seen from {os.getcwd()})."
        )
    named = UT1_FILES.get(path.name.removesuffix(".gz").removesuffix(".txt"))
    kind = block_list.kind or named
    if kind is None:
        raise BlockListMissing(
            f"The block list {block_list.name}: the name of {path} does not say what a line is. "
            "Set `kind` to domains, urls, words, soft_words or substrings."
        )
    return [(kind, path)]


def fingerprint(block_list: BlockList) -> str:
    """SHA-256 of a list's file; of a folder's, of each kind and its file's SHA-256. Raises BlockListMissing."""
    files = files_of(block_list)
    if not Path(block_list.path).is_dir():
        return _sha256(files[0][1])
    return hashlib.sha256("".join(f"{kind} {_sha256(path)}\n" for kind, path in files).encode()).hexdigest()


def pin(block_list: BlockList) -> BlockList:
    """The list with the SHA-256 and the kind of what lies at its path. Raises BlockListMissing, also if it is another
    than the recipe says.
    """
    files, found = files_of(block_list), fingerprint(block_list)
    if block_list.sha256 not in (None, found):
        raise BlockListMissing(
            f"The block list {block_list.name} at {block_list.path} has the SHA-256 {found[:12]}…, not "
            f"{block_list.sha256[:12]}… as the recipe says. Mend one of them."  # type: ignore[index]
        )
    kind = files[0][0] if len(files) == 1 else block_list.kind
    return block_list.model_copy(update={"sha256": found, "kind": kind})


def pieces(path: Path) -> Iterator[bytes]:
    """The file's bytes in pieces of whole lines, unpacked if it is gzip. A line longer than a piece stays whole."""
    with _open(path) as file:
        rest = b""
        while chunk := file.read(CHUNK_BYTES):
            chunk = rest + chunk
            cut = chunk.rfind(b"\n") + 1
            rest = chunk[cut:]
            if cut:
                yield chunk[:cut]
        if rest:
            yield rest


def check_names(block_lists: Sequence[BlockList]) -> None:
    """Raises: ValueError where two lists have one name."""
    names = [one.name for one in block_lists]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two block lists are called {twice[0]!r}: the column blocked_by could not tell them apart")


def _open(path: Path) -> BinaryIO:
    file = path.open("rb")
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    return gzip.GzipFile(fileobj=file) if packed else file  # type: ignore[return-value]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
