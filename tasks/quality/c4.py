"""Page metrics of C4 (Raffel et al. 2020, section 2.2), of the text as it is.

C4's line rules change text and are applied at composition; the published code looks for sentences, brackets and lorem
ipsum only in lines that its line rules keep. Sentences are counted by their terminal marks (see `words`), where the
published code asks NLTK's Punkt.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.quality import kernels as k

CURLY_BRACKET = "{"  # as in the published code: a closing one alone is none
LOREM_IPSUM = "lorem ipsum"


def c4_columns(texts: pa.Array, counts: np.ndarray) -> dict[str, pa.Array]:
    """C4's page metrics from the texts and their counts."""
    return {
        "n_sentences": pa.array(counts[:, k.SENTENCES].astype(np.int32)),
        "has_curly_bracket": pc.match_substring(texts, CURLY_BRACKET),  # type: ignore[attr-defined]
        "has_lorem_ipsum": pc.match_substring(texts, LOREM_IPSUM, ignore_case=True),  # type: ignore[attr-defined]
    }
