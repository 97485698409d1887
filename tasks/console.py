"""What a run says in the terminal: lines, and one moving line for long work (plain lines elsewhere)."""

import os
import sys
import time
from collections.abc import Callable
from typing import TextIO

PLAIN_SECONDS = 10.0
USUAL_WIDTH = 80
LIVE_SECONDS = 0.2
OBSERVE_SECONDS = 3.0
"""Between two calls of an observer, which may be a request to a server."""


class Console:
    """Writes to standard error, so that standard output holds results alone."""

    def __init__(self, stream: TextIO | None = None, quiet: bool = False) -> None:
        self.stream = stream or sys.stderr
        self.quiet = quiet
        self.live = not quiet and self.stream.isatty()

    def line(self, text: str) -> None:
        """One line that stays."""
        if not self.quiet:
            print(("\r\x1b[2K" if self.live else "") + text, file=self.stream, flush=True)

    def moving(self, *texts: str) -> None:
        """The line at the bottom, written over by the next (terminals only): the first of the texts that fits, else the
        start of the last. A line that wrapped would stay behind."""
        if self.live:
            room = self._width() - 1
            shown = next((text for text in texts if len(text) <= room), texts[-1][:room])
            print(f"\r\x1b[2K{shown}", end="", file=self.stream, flush=True)

    def _width(self) -> int:
        """Columns of the terminal now: a person may make it narrower during a run."""
        try:
            return os.get_terminal_size(self.stream.fileno()).columns or USUAL_WIDTH
        except (OSError, ValueError):
            return USUAL_WIDTH


class Progress:
    """How far long work is: `pieces` (shards, files) done, units a second, time left. Units called "bytes" are said as
    sizes. Calls `observe` now and then with the share done."""

    def __init__(
        self,
        console: Console,
        label: str,
        shards: int,
        size: int,
        unit: str,
        observe: Callable[[float], None] | None = None,
        pieces: str = "shards",
    ) -> None:
        self.console, self.label, self.shards, self.size, self.unit = console, label, shards, max(size, 1), unit
        self.pieces = pieces
        self.said = time.monotonic()
        self.observe = observe
        self.observed = self.said
        self.first: tuple[float, int, float] | None = None

    def update(self, units: int, shards_done: int, size_done: float) -> None:
        """Say how far it is: `units` counted so far, shards finished, and how much of the total size is behind."""
        now = time.monotonic()
        if self.first is None:  # what was done by then may be an earlier run's: the rate is of what comes after
            self.first = now, units, size_done
            self.said = self.observed = now
            return
        if now - self.said < (LIVE_SECONDS if self.console.live else PLAIN_SECONDS):
            return
        self.said = now
        began, units_before, size_before = self.first
        elapsed, size = now - began, size_done - size_before
        left = "time left unknown"
        if size > 0.01 * (self.size - size_before):
            left = f"{duration(elapsed * max(self.size - size_done, 0) / size)} left"
        rate = f"{self._said(units)}, {self._said((units - units_before) / elapsed)}/s"
        done = f"{self.label}: {shards_done:,}/{self.shards:,} {self.pieces}"
        if self.console.live:
            self.console.moving(f"{done}, {rate}, {left}", f"{done}, {left}", f"{self.label}: {left}")
        else:
            self.console.line(f"{done}, {rate}, {left}")
        if self.observe and now - self.observed >= OBSERVE_SECONDS:
            self.observed = now
            self.observe(min(size_done / self.size, 1.0))

    def _said(self, units: float) -> str:
        return size(units) if self.unit == "bytes" else f"{units:,.0f} {self.unit}"


def size(count: float) -> str:
    """Bytes as a person says them: "512 B", "3.4 kB", "12.0 MB", "1.2 TB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"


def duration(seconds: float) -> str:
    """Seconds as a person says them: "4 s", "3 min 20 s", "2 h 5 min"."""
    whole = max(int(seconds + 0.5), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
