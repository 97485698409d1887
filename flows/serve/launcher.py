"""Starts a command in a session of its own, with ordinary signals, that ends when the process that started it ends.

Server, worker and every run of the worker go through here: `python -m flows.serve.launcher COMMAND …`. Three traps:
a command that a script started with `&` hands SIGINT ignored to its children, and a Prefect worker that ignores SIGINT
ignores SIGTERM too; a killed worker leaves its runs alive; and a Ctrl-C goes to all processes of a terminal's group.
"""

import os
import signal
import sys

from tasks.isolation import die_with_parent

PARENT = "GRISTMILL_PARENT"
"""In the environment: the id of the process that must be the parent, so that one which died meanwhile is noticed."""


def launch(command: list[str]) -> None:
    """Become `command`. Returns never; raises FileNotFoundError if there is no such program."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    if os.getpgrp() != os.getpid():
        os.setsid()
    # The kernel keeps this through exec: the command ends when its parent does, however that ends.
    die_with_parent(int(os.environ.get(PARENT, os.getppid())))
    os.execvpe(command[0], command, os.environ | {PARENT: str(os.getpid())})


if __name__ == "__main__":
    launch(sys.argv[1:])
