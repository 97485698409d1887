"""Lists of words that a user gives: stop words of languages, C4's bad words. None is part of Gristmill."""

import functools
import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from tasks.fineweb_2 import lid_176_codes


def resolve(path: str) -> Path:
    """The path with `~` and environment variables resolved."""
    return Path(os.path.expandvars(os.path.expanduser(path)))


def read_stop_words(value: Any) -> Any:
    """The mapping itself, or the one that the file or folder of this path holds.

    A folder holds FineWeb-2's configurations: `<language>.yml`, each with a key `stopwords`. Its languages have
    GlotLID's codes; where lid.176 knows one, its code has the same words.
    Raises: ValueError if there is no such file or folder, or it holds no such mapping.
    """
    if not isinstance(value, str):
        return value
    path = resolve(value)
    if path.is_dir():
        found: dict[str, Any] = {}
        for one in sorted(path.glob("*.yml")):
            words = _yaml(one).get("stopwords", [])
            found |= dict.fromkeys((one.stem, *lid_176_codes().get(one.stem, ())), words)
        if not found:
            raise ValueError(f"the folder {path} holds no file <language>.yml with stop words")
        return found
    if not path.is_file():
        raise ValueError(f"there is no file or folder {path} of stop words")
    return _yaml(path)


def _yaml(path: Path) -> Mapping[str, Any]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds no mapping")
    return content


StopWords = Annotated[dict[str, tuple[str, ...]], BeforeValidator(read_stop_words)]


class BadWords(BaseModel):
    """A list of words by the SHA-256 of its file, which is what counts; the path is no part of the identity."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    path: str = Field(exclude=True, description="Its file: UTF-8, one word or phrase a line, as in LDNOOBW's lists.")
    sha256: str = Field(default="", description="SHA-256 of the file; empty: of the file as it is found.")

    @model_validator(mode="before")
    @classmethod
    def _identify(cls, value: Any) -> Any:
        if not isinstance(value, dict) or not isinstance(value.get("path"), str):
            return value
        path = resolve(value["path"])
        if not path.is_file():
            raise ValueError(f"there is no file {path} of bad words")
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if value.get("sha256") not in (None, "", found):
            raise ValueError(f"{path} has the SHA-256 {found}, not {value['sha256']}")
        return {**value, "path": str(path), "sha256": found}


_WORD = re.compile(r"\w+")


@functools.lru_cache(maxsize=2)
def _patterns(path: str, sha256: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """The single words of a list, and its other entries. `sha256` is a key: a changed file is read anew."""
    lines = Path(path).read_text(encoding="utf-8").split("\n")
    entries = {line.strip().lower() for line in lines} - {""}
    words = {entry for entry in entries if _WORD.fullmatch(entry)}
    return frozenset(words), tuple(sorted(entries - words))


def find_bad_words(texts: pa.Array, words: BadWords | None) -> pa.Array:
    """Whether an entry of the list stands in each text in lower case, with no letter or digit beside it; null without.

    As C4's published code and datatrove do it for all languages written with spaces.
    """
    if words is None:
        return pa.nulls(len(texts), pa.bool_())
    single, phrases = _patterns(words.path, words.sha256)
    found = np.zeros(len(texts), bool)
    for index, text in enumerate(texts.to_pylist()):
        lowered = text.lower()
        found[index] = not single.isdisjoint(_WORD.findall(lowered)) or any(
            phrase in lowered and re.search(rf"(?:\W|^){re.escape(phrase)}(?:\W|$)", lowered) for phrase in phrases
        )
    return pa.array(found)
