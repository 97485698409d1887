"""Prefect's `flow`, imported only after its settings are made: a flow called in plain Python must not reach the
profile, server or key that the user has for other work.
"""

import os
import signal
import subprocess
import sys
from typing import Any

from flows.environment import prepare

PREPARED = "GRISTMILL_PREPARED"
"""In the environment of tests, which make Prefect's settings themselves."""

if "prefect" not in sys.modules and not os.environ.get(PREPARED):
    prepare()

from prefect import flow  # noqa: E402


def keep_server_through_ctrl_c() -> None:
    """Let the temporary server of a run, which Prefect starts, be deaf to SIGINT.

    A Ctrl-C in a terminal goes to all processes of its group: the server would end before the run could tell it that it
    was stopped, and Prefect's client looks for a lost server for minutes. It ends with the run, by SIGTERM.
    """
    from prefect.server.api.server import SubprocessASGIServer

    start = SubprocessASGIServer._run_uvicorn_command

    def start_deaf(self: SubprocessASGIServer) -> subprocess.Popen[Any]:
        # a process inherits what is blocked; uvicorn's own handler would replace a mere SIG_IGN
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return start(self)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    SubprocessASGIServer._run_uvicorn_command = start_deaf


if not os.environ.get("PREFECT_API_URL"):
    keep_server_through_ctrl_c()

__all__ = ["flow"]
