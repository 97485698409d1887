"""Trains a fastText classifier with the library, so that the same lines give the same bytes.

One thread: several race for the weights. And memory that is zero: with one thread the library (0.9.3) sets the first
tenth of the input matrix to random numbers and leaves the rest as it got it from the allocator. That is zero where the
allocator maps fresh pages, and whatever stood there before where it hands out used memory: other bytes each time, or
"Encountered NaN". glibc maps what is larger than a threshold, which it moves by itself, up to 32 MiB, while a program
runs; set by hand it stays, and a matrix above it is zero. So n-grams begin at zero and words (which are first, and
fewer than a tenth of the buckets) at random.
"""

import ctypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FEWEST_BUCKETS = 200_000
MAPPED_FROM = 128 << 10  # bytes; glibc's first threshold
_M_MMAP_THRESHOLD = -3


def map_large_memory() -> None:
    """Let glibc map every large piece of memory afresh, for as long as this process lives. Elsewhere nothing happens:
    other allocators map large pieces anyway."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, MAPPED_FROM)


def train_classifier(lines: str | Path, options: Mapping[str, Any]) -> Any:
    """A classifier of the library, trained with one thread on a file of lines that begin with `__label__…`.

    Args: `options` as `fasttext.train_supervised` takes them.
    Raises: ValueError for fewer than FEWEST_BUCKETS buckets; RuntimeError where the loss ran away (a lower rate helps).
    """
    import fasttext

    if options.get("bucket", 0) < FEWEST_BUCKETS:
        raise ValueError(f"bucket must be {FEWEST_BUCKETS} or more: with fewer fastText 0.9.3 trains on unset memory.")
    map_large_memory()
    setattr(fasttext.FastText, "eprint", lambda *ignored: None)  # noqa: B010 (it warns at every load)
    return fasttext.train_supervised(str(lines), thread=1, verbose=0, **options)
