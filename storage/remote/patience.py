"""How long to wait for a server that is busy, and when to give up."""

import email.utils
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

BUSY = {408, 425, 429, 500, 502, 503, 504}
"""Answers that another try may better."""


class Interrupted(Exception):
    """A transfer that ended before its time and may be taken up again, at best after `wait` seconds."""

    def __init__(self, said: str, wait: float | None = None) -> None:
        super().__init__(said)
        self.wait = wait


@dataclass(frozen=True)
class Patience:
    """Tries in a row without any progress, and seconds between them: doubled each time, up to the longest.

    A server's own Retry-After goes before, up to `longest_asked`: one that wants more is left alone.
    """

    tries: int = 6
    first: float = 1.0
    longest: float = 60.0
    longest_asked: float = 600.0
    sleep: Callable[[float], None] = time.sleep

    def wait(self, tried: int, error: Interrupted) -> bool:
        """Sleep before the next try; False if there is none."""
        if tried >= self.tries or (error.wait or 0) > self.longest_asked:
            return False
        self.sleep(max(min(self.first * 2 ** (tried - 1), self.longest), error.wait or 0))
        return True


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a Retry-After header asks for, given as a number or as a date; None without one that can be read."""
    value = headers.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        when = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max((aware - datetime.now(UTC)).total_seconds(), 0.0)
