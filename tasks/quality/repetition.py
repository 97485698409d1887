"""Repetition metrics of MassiveText (Gopher; Rae et al. 2021, table A1).

The paper leaves open what a duplicate is; it is datatrove's here (`gopher_repetition_filter`): the second and later
occurrences. Dolma and RedPajama count the first one too, so their shares are up to twice as high. n-grams are of words
and signs (see `words`), as written; RedPajama takes words alone, in lower case. A share of characters is of all
characters of the text, white space too. After a duplicated n-gram the search goes on behind it, so that no character
counts twice; n-grams of 5 to 10 are the same where their joined letters are. Characters of the top n-gram are its
length, spaces between its words counted in, times its occurrences, cut at the whole text (occurrences overlap in
`ha ha ha`).
"""

import numpy as np
import pyarrow as pa

from tasks.quality import kernels as k
from tasks.quality.words import share


def repetition_columns(counts: np.ndarray) -> dict[str, pa.Array]:
    """Gopher's repetition metrics from the counts of each text. Null without lines, or with too few words."""
    characters, lines, paragraphs = counts[:, k.CHARACTERS], counts[:, k.PIECES], counts[:, k.PARAGRAPHS]
    columns = {
        "duplicate_line_share": share(counts[:, k.DUPLICATE_LINES], lines),
        "duplicate_paragraph_share": share(counts[:, k.DUPLICATE_PARAGRAPHS], paragraphs),
        "duplicate_line_character_share": share(counts[:, k.DUPLICATE_LINE_CHARACTERS], characters),
        "duplicate_paragraph_character_share": share(counts[:, k.DUPLICATE_PARAGRAPH_CHARACTERS], characters),
    }
    for order in range(k.TOP_FIRST, k.TOP_LAST + 1):
        top = np.minimum(counts[:, k.TOP_NGRAM + order - k.TOP_FIRST], characters)
        columns[f"top_{order}gram_character_share"] = share(top, characters)
    for order in range(k.DUPLICATE_FIRST, k.DUPLICATE_LAST + 1):
        found = counts[:, k.DUPLICATE_NGRAM + order - k.DUPLICATE_FIRST]
        columns[f"duplicate_{order}gram_character_share"] = share(found, characters)
    return columns
