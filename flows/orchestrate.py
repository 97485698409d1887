"""Prefect's `flow`, imported only after its settings are made: a flow called in plain Python must not reach the
profile, server or key that the user has for other work.
"""

import os
import signal
import socket
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


def give_server_a_port_of_its_own() -> None:
    """Let the temporary server of a run listen on a port that the kernel gives, and that this process holds for it.

    Prefect draws one of a thousand ports and lets it go again until the server has started, seconds later. A second run
    that draws the same finds the first one's server healthy, and would work with another lake's database.
    """
    from prefect.server.api.server import SubprocessASGIServer

    held: list[socket.socket] = []  # until this process ends

    def hold_port(self: SubprocessASGIServer) -> int:
        place = socket.socket()
        # the server asks for the same, and so may listen where this is bound; nobody else is given the port
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind(("127.0.0.1", 0))
        held.append(place)
        return place.getsockname()[1]

    SubprocessASGIServer.find_available_port = hold_port


if not os.environ.get("PREFECT_API_URL"):
    keep_server_through_ctrl_c()
    give_server_a_port_of_its_own()

__all__ = ["flow"]
