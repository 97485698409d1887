"""Ctrl-C in a terminal: it goes to every process of the group, and the run ends at once, says so and goes on later."""

import os
import pty
import re
import select
import signal
import time
from pathlib import Path

import psutil

from flows.environment import TEMPORARY_SERVER
from tests.acceptance.drive import COMMAND, ROOT, gristmill
from tests.acceptance.world import write_world
from tests.deployments.served import wait_for

TYPED_CTRL_C = b"\x03"


class Terminal:
    """A command in a terminal of its own."""

    def __init__(self, *words: str, lake: Path) -> None:
        around = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "GRISTMILL_"))}
        self.said = ""
        self.pid, self.screen = pty.fork()
        if self.pid == 0:
            # a shell starts what it puts into the background with SIGINT ignored, and with it the whole test run
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.chdir(ROOT)
            os.execve(COMMAND[0], [*COMMAND, *words, "--lake", str(lake)], around)

    def read_until(self, pattern: str, seconds: float) -> None:
        """Read the screen until it shows `pattern`, or ends."""
        end = time.monotonic() + seconds
        while not re.search(pattern, self.said):
            assert time.monotonic() < end, f"{pattern!r} was not said: {self.said}"
            if select.select([self.screen], [], [], 0.2)[0]:
                try:
                    self.said += os.read(self.screen, 1 << 16).decode(errors="replace")
                except OSError:  # the last process that wrote here has ended
                    return

    def end(self) -> int:
        """The exit code, once it has ended."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_ctrl_c_in_a_terminal_ends_a_run_at_once_and_the_next_goes_on(tmp_path):
    recipe, lake = str(write_world(tmp_path, warcs=1)), tmp_path / "lake"
    assert gristmill("refresh", recipe, lake=lake).returncode == 0
    # one thread: two are several times slower than one where the machine is busy
    settings = ("training.training.steps=2500", "training.training.threads=1", "training.checkpoint_every=20")
    dials = [word for setting in settings for word in ("--set", setting)]
    terminal = Terminal("pretrain", recipe, *dials, lake=lake)
    terminal.read_until(r"pretrain: 0/1 shards, \d", 120)
    wait_for(lambda: list(lake.glob("pretrain/.staging/*/scratch-*/checkpoint-*.json")), 60)
    started = psutil.Process(terminal.pid).children(recursive=True)
    assert any(TEMPORARY_SERVER in process.cmdline() for process in started)
    os.write(terminal.screen, TYPED_CTRL_C)
    # a client whose server is gone would look for it for several times as long
    terminal.read_until("Stopped. Run the same command again", 60)
    assert terminal.end() == 130
    assert "Stopped. Run the same command again" in terminal.said
    assert "Traceback" not in terminal.said
    # those that end with their parent do so a moment after it
    wait_for(lambda: not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in started), 20)
    done = gristmill("pretrain", recipe, *dials, lake=lake)
    assert done.returncode == 0, done.stderr
    assert re.search(r"pretrain +going on from step [\d,]+0 of 2,500: an earlier run's checkpoint", done.stderr)
