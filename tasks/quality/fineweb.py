"""FineWeb's own metrics (Penedo et al. 2024, section 3.6; datatrove's `fineweb_quality_filter`).

`line_punctuation_share`: a line ends with punctuation if its last character is one of the first published code (`.`,
`'`, `"`, `!`, `?`), a curly closing quote, or a terminal mark of another script. `line_end_mark_share` is the present
code's, which takes the terminal marks of all scripts and leaves the quotes out. Lines are as they are, white space at
their ends too; lines of white space alone do not count, as in the present code.
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
        "line_punctuation_share": share(counts[:, k.QUOTED_LINES], lines),
        "line_end_mark_share": share(counts[:, k.ENDED_LINES], lines),
        "short_line_share": share(counts[:, k.SHORT_LINES], lines),
        "line_character_duplicate_share": share(
            counts[:, k.DUPLICATE_TEXT_LINE_CHARACTERS], counts[:, k.CHARACTERS] - newlines
        ),
        "newline_to_word_ratio": share(newlines, counts[:, k.TOKENS]),
    }
