"""Prefect's `flow`, imported only after its settings are made: a flow called in plain Python must not reach the
profile, server or key that the user has for other work.
"""

import os
import sys

from flows.environment import prepare

PREPARED = "GRISTMILL_PREPARED"
"""In the environment of tests, which make Prefect's settings themselves."""

if "prefect" not in sys.modules and not os.environ.get(PREPARED):
    prepare()

from prefect import flow  # noqa: E402

__all__ = ["flow"]
