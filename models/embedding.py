"""Embeddings of texts by a transformer from a folder that the user names: mean of the last hidden states.

`transformers` is the extra `embeddings`: it is imported only where a recipe names such a model.
"""

import functools
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

AT_ONCE = 16


def folder_hash(folder: str | Path) -> str:
    """SHA-256 over the names and hashes of a folder's files: the identity of the model in it.

    Raises: FileNotFoundError if there is no such folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"There is no folder {root} with an embedding model.")
    total = sha256()
    for path in sorted(one for one in root.rglob("*") if one.is_file() and not one.name.startswith(".")):
        total.update(f"{path.relative_to(root).as_posix()}\0{sha256(path.read_bytes()).hexdigest()}\0".encode())
    return total.hexdigest()


def embed(folder: str, texts: list[str], tokens: int) -> np.ndarray:
    """Mean-pooled last hidden states of each text's first `tokens` tokens, (n, dimension) float32.

    Raises: ModuleNotFoundError, with what to install, where transformers is missing.
    """
    import torch

    tokenizer, model = _load(folder)
    rows = []
    with torch.inference_mode():
        for start in range(0, len(texts), AT_ONCE):
            given = tokenizer(
                texts[start : start + AT_ONCE], padding=True, truncation=True, max_length=tokens, return_tensors="pt"
            )
            states = model(**given).last_hidden_state
            mask = given["attention_mask"].unsqueeze(-1).to(states.dtype)
            rows.append(((states * mask).sum(1) / mask.sum(1).clamp(min=1)).float().numpy())
    return np.concatenate(rows)


@functools.lru_cache(maxsize=2)
def _load(folder: str) -> tuple[Any, Any]:
    try:
        from transformers import AutoModel, AutoTokenizer
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "An embedding model needs transformers: pip install gristmill[embeddings]."
        ) from error
    return AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
