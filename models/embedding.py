"""Embeddings of texts by a transformer from a folder that the user names: mean of the last hidden states.

`transformers` is the extra `embeddings`: it is imported only where a recipe names such a model.
"""

import functools
from typing import Any

import numpy as np

AT_ONCE = 16


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
