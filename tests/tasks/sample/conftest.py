"""The real sample, for the tests that are about it."""

from pathlib import Path

import pytest

from flows.sample import prepare_sample


@pytest.fixture(scope="session")
def sample() -> Path:
    """The folder of the sample: GRISTMILL_SAMPLE, or the cache's; fetched and built now if it is not there."""
    return prepare_sample()
