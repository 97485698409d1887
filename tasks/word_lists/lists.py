"""Lists of words and phrases in files of the user's, known by their SHA-256. None is part of Gristmill."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator


class ListFile(BaseModel):
    """One file of a list: for documents of which language (null: of all), and its SHA-256, which is what counts."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    language: str | None = Field(description="Language of the documents that it is for; null: all.")
    sha256: str = Field(description="SHA-256 of the file, 64 hexadecimal characters.")
    path: str = Field(default="", exclude=True, description="Where it was found.")


class WordList(BaseModel):
    """A list: one file, or a folder with a file for each language that is named by its code (en.txt, or just en)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = Field(pattern=r"^\w+$", description="What its columns are called by: n_listed_words_<name>.")
    path: str = Field(
        exclude=True,
        description="A file of UTF-8 with one word or phrase a line (lines that begin with # are none), or a folder "
        "of such files named by language, as LDNOOBW's lists are.",
    )
    language: str | None = Field(
        default=None, description="Only for documents of this language; null: of all, or as the files are named."
    )
    files: tuple[ListFile, ...] = Field(
        default=(), description="The files found, by SHA-256; may be given to pin them: another file is then refused."
    )

    @model_validator(mode="before")
    @classmethod
    def _find(cls, given: Any) -> Any:
        if not isinstance(given, dict) or not isinstance(given.get("path"), str):
            return given
        root = Path(os.path.expandvars(os.path.expanduser(given["path"])))
        if root.is_dir():
            paths = [(path.stem, path) for path in sorted(root.iterdir()) if path.is_file() and _is_list(path)]
            chosen = given.get("language")
            paths = [(language, path) for language, path in paths if chosen in (None, language)]
        elif root.is_file():
            paths = [(given.get("language"), root)]
        else:
            raise ValueError(f"there is no file or folder {root} of words (seen from {os.getcwd()})")
        if not paths:
            raise ValueError(f"the folder {root} holds no list <language>.txt")
        found = [
            {"language": language, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "path": str(path)}
            for language, path in paths
        ]
        pinned = given.get("files")
        if pinned:
            expected = {_field(one, "language"): _field(one, "sha256") for one in pinned}
            if expected != {one["language"]: one["sha256"] for one in found}:
                raise ValueError(f"{root} does not hold the files that are pinned under `files`")
        return {**given, "path": str(root), "files": found}


def _field(one: Any, name: str) -> Any:
    return one[name] if isinstance(one, dict) else getattr(one, name)


def _is_list(path: Path) -> bool:
    return path.suffix in ("", ".txt") and not path.name.startswith((".", "README", "LICENSE", "USERS"))


def read_entries(file: ListFile) -> Iterator[str]:
    """The words and phrases of a file, as they are written. Raises: ValueError where it has changed."""
    content = Path(file.path).read_bytes()
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise ValueError(f"{file.path} has changed since the recipe was read: run again.")
    for line in content.decode("utf-8-sig").split("\n"):
        if line.strip() and not line.startswith("#"):
            yield line.strip()
