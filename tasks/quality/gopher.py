"""Quality metrics of MassiveText (Gopher; Rae et al. 2021, section A.1.1).

Where the paper leaves the way of counting open, it is datatrove's `gopher_quality_filter`: the ratios are per word or
sign (see `words`), stop words are counted once each and as written, bullets are `•` and `-`. Dolma counts words at
white space and every occurrence of a stop word; NeMo Curator knows more bullets.

One metric is not datatrove's: words that hold a letter are counted at white space, as Dolma and NeMo Curator do.
Counted among words and signs, the paper's limit of 0.8 would drop most pages with links, tables or section numbers.
"""

import numpy as np
import pyarrow as pa

from tasks.quality import kernels as k
from tasks.quality.words import share

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")


def gopher_columns(counts: np.ndarray) -> dict[str, pa.Array]:
    """Gopher's quality metrics from the counts of each text, (n, N_COUNTS) int64. Null without words or lines."""
    words, lines = counts[:, k.WORDS], counts[:, k.LINES]
    words_and_signs = words + counts[:, k.SYMBOLS]
    return {
        "n_words": pa.array(words.astype(np.int32)),
        "n_words_and_signs": pa.array(words_and_signs.astype(np.int32)),
        "mean_word_length": share(counts[:, k.WORD_CHARACTERS], words),
        "hash_to_word_ratio": share(counts[:, k.NUMBER_SIGNS], words_and_signs),
        "ellipsis_to_word_ratio": share(counts[:, k.ELLIPSES], words_and_signs),
        "bullet_line_share": share(counts[:, k.BULLET_LINES], lines),
        "ellipsis_line_share": share(counts[:, k.ELLIPSIS_LINES], lines),
        "alphabetic_word_share": share(counts[:, k.ALPHABETIC_WORDS], counts[:, k.SPACED_WORDS]),
        "n_stop_words": pa.array(counts[:, k.STOP_WORDS].astype(np.int32)),
    }
