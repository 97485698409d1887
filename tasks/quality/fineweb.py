"""FineWeb's own metrics (Penedo et al. 2024, section 3.6; datatrove's `fineweb_quality_filter`).

A line ends with punctuation if its last character is one of the first published code (`.`, `'`, `"`, `!`, `?`), a curly
closing quote, or a terminal mark of another script as in the present code, which leaves the quotes out. Lines without
text do not count, as in the present code.
"""

import numpy as np
import pyarrow as pa

from tasks.quality import kernels as k
from tasks.quality.words import share

SHORT_LINE_CHARACTERS = 30


def fineweb_columns(counts: np.ndarray) -> dict[str, pa.Array]:
    """FineWeb's metrics from the counts of each text. Null without lines, or without words."""
    lines, newlines = counts[:, k.LINES], counts[:, k.NEWLINES]
    return {
        "line_punctuation_share": share(counts[:, k.PUNCTUATED_LINES], lines),
        "short_line_share": share(counts[:, k.SHORT_LINES], lines),
        "line_character_duplicate_share": share(
            counts[:, k.DUPLICATE_LINE_CHARACTERS], counts[:, k.CHARACTERS] - newlines
        ),
        "newline_to_word_ratio": share(newlines, counts[:, k.WORDS] + counts[:, k.SYMBOLS]),
    }
