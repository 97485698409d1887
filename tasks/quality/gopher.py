"""Quality metrics of MassiveText (Gopher; Rae et al. 2021, section A.1.1).

Where the paper leaves the way of counting open, it is datatrove's `gopher_quality_filter`: the ratios are per token
(see `words`), stop words are counted once each and as written, bullets are `•` and `-`. Dolma counts words at
white space and every occurrence of a stop word; NeMo Curator knows more bullets.

Some metrics are there twice, because datatrove's way is not the best one. Words that hold a letter are counted at white
space, as Dolma and NeMo Curator do: among tokens, the paper's limit of 0.8 drops most pages with links, tables or
section numbers. Lines are those with text: among all lines, a list with empty lines between its items is half of them.
Words are runs of letters and digits: datatrove takes `$`, `•` and an emoji for words too. The columns with datatrove's
way are called so.
"""

import numpy as np
import pyarrow as pa

from tasks.quality import kernels as k
from tasks.quality.words import share

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")


def gopher_columns(counts: np.ndarray, stop_words: np.ndarray) -> dict[str, pa.Array]:
    """Gopher's quality metrics from the counts of each text (n, columns) and its stop words (n,).

    Null without words or lines.
    """
    words, lines, all_lines = counts[:, k.WORDS], counts[:, k.TEXT_LINES], counts[:, k.ALL_LINES]
    tokens, lettered = counts[:, k.TOKENS], counts[:, k.LETTERED_TOKENS]
    return {
        "n_words": pa.array(words.astype(np.int32)),
        "n_words_and_signs": pa.array(tokens.astype(np.int32)),
        "mean_word_length": share(counts[:, k.WORD_CHARACTERS], words),
        "hash_to_word_ratio": share(counts[:, k.NUMBER_SIGNS], tokens),
        "ellipsis_to_word_ratio": share(counts[:, k.ELLIPSES], tokens),
        "bullet_line_share": share(counts[:, k.BULLET_LINES], lines),
        "ellipsis_line_share": share(counts[:, k.ELLIPSIS_LINES], lines),
        "alphabetic_word_share": share(counts[:, k.ALPHABETIC_WORDS], counts[:, k.SPACED_WORDS]),
        "n_stop_words": pa.array(stop_words.astype(np.int32)),
        "n_datatrove_words": pa.array(lettered.astype(np.int32)),
        "mean_datatrove_word_length": share(counts[:, k.LETTERED_CHARACTERS], lettered),
        "alphabetic_token_share": share(counts[:, k.ALPHABETIC_TOKENS], tokens),
        "bullet_line_share_of_all": share(counts[:, k.BULLET_LINES], all_lines),
        "ellipsis_line_share_of_all": share(counts[:, k.ELLIPSIS_LINES], all_lines),
    }


def stop_words_by_language(counts: np.ndarray, languages: tuple[str, ...]) -> pa.Array:
    """A map of each language to how many of its stop words a text has, from (n, languages); zeros are left out."""
    rows, columns = np.nonzero(counts)
    offsets = np.zeros(len(counts) + 1, np.int32)
    np.cumsum(np.bincount(rows, minlength=len(counts)), out=offsets[1:])
    keys = pa.array(languages, pa.string()).take(pa.array(columns)) if languages else pa.array([], pa.string())
    return pa.MapArray.from_arrays(pa.array(offsets), keys, pa.array(counts[rows, columns].astype(np.int32)))
