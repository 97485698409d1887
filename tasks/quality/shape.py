"""The shape of a text: its length, and how its characters are mixed. `decide.outliers` cuts the tails of these."""

import numpy as np
import pyarrow as pa

from tasks.quality import kernels as k
from tasks.quality.words import share


def shape_columns(counts: np.ndarray, entropy: np.ndarray) -> dict[str, pa.Array]:
    """Length, entropy (bits) and shares of characters from the counts of each text. Null for an empty text."""
    characters = counts[:, k.CHARACTERS]
    return {
        "n_characters": pa.array(characters.astype(np.int32)),
        "character_entropy": pa.array(entropy.astype(np.float32), mask=characters == 0),
        "symbol_share": share(counts[:, k.SYMBOL_CHARACTERS], characters),
        "digit_share": share(counts[:, k.DIGIT_CHARACTERS], characters),
        "uppercase_share": share(counts[:, k.UPPERCASE_CHARACTERS], characters),
    }
