"""What a model was made from: the base, its tokens, its tokenizer, its corpus. Whoever uses a model asks here first."""

from typing import NamedTuple

from storage.artifact import Artifact
from tasks.stage import StageFailed

TOKENIZER_FILE = "tokenizer.json"


class Ancestry(NamedTuple):
    """The artifacts a model comes from. `fine_tuned`: whether it has learned from conversations since pretraining."""

    base: Artifact
    tokens: Artifact
    tokenizer: Artifact
    corpus: Artifact
    fine_tuned: bool


def ancestry(model: Artifact) -> Ancestry:
    """Follow a model to its beginnings.

    Raises: StageFailed if it is no model, or if its tokenizer is not the one that wrote the tokens it learned from.
    """
    if model.manifest.kind != "model":
        raise StageFailed(
            f"{model} is no model but of the kind {model.manifest.kind}. `gristmill artifacts` lists them."
        )
    base = model
    while parents := base.inputs("model"):
        (base,) = parents
    tokens, tokenizer = base.input("tokens"), base.input("tokenizer")
    wrote = tokens.input("tokenizer")
    if file_hash(model, TOKENIZER_FILE) != file_hash(wrote, TOKENIZER_FILE):
        raise StageFailed(
            f"{model} carries another tokenizer than {wrote}, which wrote the tokens it was trained on ({tokens}): "
            "what its ids mean is not known. Train it again with one tokenizer."
        )
    return Ancestry(base, tokens, tokenizer, tokens.input("corpus"), base != model)


def file_hash(artifact: Artifact, name: str) -> str:
    """SHA-256 of a part that is no table, from the manifest. Raises KeyError with the names there are."""
    artifact.file(name)
    return next(part.sha256 for part in artifact.manifest.parts if part.name == name)
