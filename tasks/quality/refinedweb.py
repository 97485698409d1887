"""RefinedWeb's line rules (Penedo et al. 2023, section G.2).

The paper names the rules and gives examples; the forms are those of DCLM's reproduction (Li et al. 2024; its
`baselines/mappers/modifiers.py`), one line after another, cut at line feeds:

1. more than half of the line's characters are capitals (`uppercase`);
2. all of them are digits (`numeric`);
3. the line is a counter, as `3 likes`, `1.2k views` (`counter`; the twelve nouns are DCLM's);
4. it is one word (`one_word`), or white space alone;
5. of a line of at most 10 words, phrases are cut out: `sign-in` at its start (`sign_in`), `read more...` at its end
   (`read_more`; in DCLM's regular expression the dots are any signs, here they are dots, or one ellipsis), `items in
   cart` anywhere (`items_in_cart`). A line of which nothing is left goes.

The page goes where more than 5 % of its words are in what is taken out: `refinedweb_removed_word_share`, of words as
everywhere here; DCLM counts fastText's tokens that begin with a letter or digit.
"""

import numpy as np
import pyarrow as pa

from tasks.quality import kernels as k
from tasks.quality.words import share


def refinedweb_columns(counts: np.ndarray, spans: pa.Array) -> dict[str, pa.Array]:
    """RefinedWeb's columns from the counts of each text and the spans of its line rules. Null without words."""
    return {
        "refinedweb_line_spans": spans,
        "refinedweb_removed_word_share": share(counts[:, k.REMOVED_WORDS], counts[:, k.WORDS]),
    }
