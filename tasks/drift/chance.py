"""How likely a count is by chance alone."""

import numpy as np
from scipy.special import gammaln, logsumexp


def tail(count: int, of: int, known_count: int, known_of: int) -> float:
    """Fisher's exact test, one-sided: P(X >= count) of `of` draws without replacement from both groups together.

    Exact at any size: the hypergeometric probabilities are added as logarithms. It holds for documents that are
    independent, which pages of one site are not: so a warning needs a least effect beside it.
    """
    whole, marked = of + known_of, count + known_count
    most = min(of, marked)
    if count <= max(0, of - (whole - marked)):
        return 1.0
    x = np.arange(count, most + 1, dtype=np.float64)

    def choose(n: float, k: np.ndarray | float) -> np.ndarray:
        return gammaln(n + 1) - gammaln(np.asarray(k) + 1) - gammaln(n - np.asarray(k) + 1)

    logs = choose(marked, x) + choose(whole - marked, of - x) - choose(whole, of)
    return float(min(1.0, np.exp(logsumexp(logs))))
