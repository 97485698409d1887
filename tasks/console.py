"""What a run says in the terminal: lines, and one moving line for long work (plain lines elsewhere)."""

import sys
import time
from collections.abc import Callable
from typing import TextIO

PLAIN_SECONDS = 10.0
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

    def moving(self, text: str) -> None:
        """The line at the bottom, written over by the next (terminals only)."""
        if self.live:
            print(f"\r\x1b[2K{text[:118]}", end="", file=self.stream, flush=True)


class Progress:
    """How far a stage is: shards done, units a second, time left. Calls `observe` now and then with the share done."""

    def __init__(
        self,
        console: Console,
        label: str,
        shards: int,
        size: int,
        unit: str,
        observe: Callable[[float], None] | None = None,
    ) -> None:
        self.console, self.label, self.shards, self.size, self.unit = console, label, shards, max(size, 1), unit
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
        rate = f"{units:,} {self.unit}, {(units - units_before) / elapsed:,.0f} {self.unit}/s"
        text = f"{self.label}: {shards_done}/{self.shards} shards, {rate}, {left}"
        if self.console.live:
            self.console.moving(text)
        else:
            self.console.line(text)
        if self.observe and now - self.observed >= OBSERVE_SECONDS:
            self.observed = now
            self.observe(min(size_done / self.size, 1.0))


def duration(seconds: float) -> str:
    """Seconds as a person says them: "4 s", "3 min 20 s", "2 h 5 min"."""
    whole = max(int(seconds + 0.5), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
