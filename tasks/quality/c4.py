"""C4's rules (Raffel et al. 2020, section 2.2), of the text as it is and of what its line rules leave.

The line rules are those of the published code (tensorflow_datasets' `c4_utils`) in datatrove's form
(`c4_filters.C4QualityFilter`). Lines are those of `str.splitlines`, white space at both ends left away. In this order:

1. a line with a word (cut at white space) of more than 1,000 characters goes (`long_word`; not in the paper);
2. citations `[12]`, `[edit]`, `[citation needed]` are cut out of the line (`citation`; not in the paper);
3. a line that does not end with `.`, `?`, `!` or a quote, or that ends with `...`, goes (`no_terminal_punctuation`). A
   single quote is datatrove's addition;
4. a line of fewer than 3 words goes (`few_words`). 3 is the paper's and datatrove's; the published code says 5, and
   counts after the citations are cut, datatrove before;
5. a line that is left and has `lorem ipsum` in any case drops the page;
6. a line with `javascript` in any case goes (`javascript`);
7. a line that is left and has `{` drops the page;
8. a line with one of six phrases on terms, privacy and cookies goes (`policy`; not in the paper);
9. a page with fewer than 5 sentences left is dropped: 5 is the paper's and datatrove's; the published code says 3.
   Sentences are counted by their terminal marks (see `words`), where the published code asks NLTK's Punkt.

FineWeb leaves out rule 3 (Penedo et al. 2024, 3.5) and measures its own rules on what the others leave. The page is cut
to what is left only where a recipe asks for it (`mixture.remove`).
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from tasks.quality import kernels as k
from tasks.quality.fineweb import fineweb_columns

AFTER_FINEWEB = (
    "line_punctuation_share",
    "line_end_mark_share",
    "short_line_share",
    "line_character_duplicate_share",
    "newline_to_word_ratio",
)


def c4_columns(counts: np.ndarray, spans: Sequence[pa.Array]) -> dict[str, pa.Array]:
    """C4's metrics from the counts of each text (n, texts, columns) and the spans of its line rules."""
    whole, after_c4, after_fineweb = counts[:, k.WHOLE], counts[:, k.AFTER_C4], counts[:, k.AFTER_FINEWEB]
    fineweb = fineweb_columns(after_fineweb)
    return {
        "n_sentences": pa.array(whole[:, k.ENDED_SENTENCES].astype(np.int32)),
        "has_curly_bracket": pa.array(whole[:, k.CURLY_BRACKETS] > 0),  # a closing one alone is none, as in the code
        "has_lorem_ipsum": pa.array(whole[:, k.LOREM_IPSUMS] > 0),
        "c4_line_spans": spans[0],
        "after_c4_n_words": pa.array(after_c4[:, k.WORDS].astype(np.int32)),
        **_page("after_c4", after_c4),
        "fineweb_line_spans": spans[1],
        **_page("after_fineweb", after_fineweb),
        **{f"after_fineweb_{name}": fineweb[name] for name in AFTER_FINEWEB},
    }


def _page(prefix: str, counts: np.ndarray) -> dict[str, pa.Array]:
    """C4's rules for whole pages, of what the line rules leave."""
    return {
        f"{prefix}_n_sentences": pa.array(counts[:, k.SENTENCES].astype(np.int32)),
        f"{prefix}_has_curly_bracket": pa.array(counts[:, k.CURLY_BRACKETS] > 0),
        f"{prefix}_has_lorem_ipsum": pa.array(counts[:, k.LOREM_IPSUMS] > 0),
    }
