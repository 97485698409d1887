"""Trains a fastText classifier with the library, so that the same lines give the same bytes.

One thread: several race for the weights. And memory that is zero: with one thread the library (0.9.3) sets the first
tenth of the input matrix to random numbers and leaves the rest as it got it from the allocator. That is zero where the
allocator maps fresh pages, and whatever stood there before where it hands out used memory: other bytes each time, or
"Encountered NaN". While it trains, glibc is told to zero what it hands out. So n-grams begin at zero and words (which
are first, and fewer than a tenth of the buckets) at random.
"""

import contextlib
import ctypes
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FEWEST_BUCKETS = 200_000
_M_PERTURB = -6
_ZERO_WHEN_HANDED_OUT = 0xFF  # handed-out bytes are set to the complement of this, freed ones to this


@contextlib.contextmanager
def zeroed_memory() -> Iterator[None]:
    """Let glibc zero all memory that it hands out meanwhile, to any thread. Under another C library nothing happens."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        yield
        return
    mallopt(_M_PERTURB, _ZERO_WHEN_HANDED_OUT)
    try:
        yield
    finally:
        mallopt(_M_PERTURB, 0)


def train_classifier(lines: str | Path, options: Mapping[str, Any]) -> Any:
    """A classifier of the library, trained with one thread on a file of lines that begin with `__label__…`.

    Args: `options` as `fasttext.train_supervised` takes them.
    Raises: ValueError for fewer than FEWEST_BUCKETS buckets; RuntimeError where the loss ran away (a lower rate helps).
    """
    import fasttext

    if options.get("bucket", 0) < FEWEST_BUCKETS:
        raise ValueError(f"bucket must be {FEWEST_BUCKETS} or more: of fewer too many would not begin at zero.")
    setattr(fasttext.FastText, "eprint", lambda *ignored: None)  # noqa: B010 (it warns at every load)
    with zeroed_memory():
        return fasttext.train_supervised(str(lines), thread=1, verbose=0, **options)
