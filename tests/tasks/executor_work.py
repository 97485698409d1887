"""Work functions for the tests of the executor. They stand in a module of their own, since workers import them by name.

A shard is a list of records. Record n is the number n; what happens to it is in the dictionary `what`, by its number.
"""

import ctypes
import os
import pickle
import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.executor import RecordDied, ShardExecutor, Watch


def loop_in_python() -> None:
    """Never ends."""
    while True:
        pass


def loop_in_c() -> None:
    """Never ends, and holds the interpreter meanwhile: a pattern that backtracks over all partitions of its input."""
    re.match(r"(a+)+b", "a" * 60)


class TwoWords(ValueError):
    """An exception that pickles but does not come back: it is made from two arguments and keeps one."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} {second}")


def raise_two_words() -> None:
    """Raises an exception that does not survive pickling."""
    raise TwoWords("not", "picklable")


def run_out_of_memory() -> None:
    """Asks for more memory than any machine has."""
    bytearray(1 << 60)


def raise_value_error() -> None:
    """Raises ValueError."""
    raise ValueError("a bad number")


def large_result() -> bytes:
    """Sixteen megabytes: far more than a pipe holds."""
    return bytes(16 << 20)


def kill_itself() -> None:
    """Dies as the kernel's out-of-memory killer makes processes die."""
    os.kill(os.getpid(), signal.SIGKILL)


ACTS: dict[str, Callable[[], Any]] = {
    "segfault": lambda: ctypes.string_at(0),
    "exit 3": lambda: os._exit(3),
    "exit 0": lambda: os._exit(0),
    "python loop": loop_in_python,
    "c loop": loop_in_c,
    "kill": kill_itself,
    "block": lambda: time.sleep(3600),
    "memory": run_out_of_memory,
    "value error": raise_value_error,
    "two words": raise_two_words,
    "large": large_result,
    "local": lambda: lambda: None,
    "half a second": lambda: time.sleep(0.5),
}


def handle(record: int, act: str | None) -> Any:
    """The square of the record, unless it acts up."""
    if act is None:
        return record * record
    value = ACTS[act]()
    return len(value) if isinstance(value, bytes) else value


@dataclass(frozen=True)
class Squares:
    """Squares the records of a shard, or does what `what` says for a record. Errors and deaths are in the result."""

    what: dict[int, str] = field(default_factory=dict)

    def __call__(self, shard: list[int], watch: Watch) -> dict[str, Any]:
        """The results, deaths and errors by record, and the worker's process id."""
        squares, deaths, errors = [], [], []
        for position, record in enumerate(shard):
            try:
                squares.append((record, watch.guard(record, handle, record, self.what.get(record))))
            except RecordDied as died:
                deaths.append((died.key, died.death.reason, died.death.detail))
            except (ValueError, RuntimeError, AttributeError, pickle.PicklingError) as error:
                errors.append((record, type(error).__name__, str(error)))
            watch.progress(position + 1)
        return {"squares": squares, "deaths": deaths, "errors": errors, "pid": os.getpid()}


def die_outside(shard: int, watch: Watch) -> int:
    """Ends the worker of shard 3 where nothing guards it."""
    if shard == 3:
        os._exit(7)
    return shard


def die_once(shard: tuple[int, str], watch: Watch) -> int:
    """Ends the worker of the shard 3 with a kill, but only the first time: a file remembers."""
    number, folder = shard
    mark = Path(folder) / "died"
    if number == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def raise_in_shard(shard: int, watch: Watch) -> int:
    """Raises in shard 2."""
    if shard == 2:
        watch.guard(41, abs, -1)
        raise KeyError("no such column")
    time.sleep(0.05)
    return shard


def sleep(shard: float, watch: Watch) -> int:
    """Sleeps that many seconds, and returns the worker's process id."""
    time.sleep(shard)
    return os.getpid()


def environment(shard: str, watch: Watch) -> str | None:
    """A variable of the worker's environment."""
    return os.environ.get(shard)


def set_order(shard: int, watch: Watch) -> list[str]:
    """The order in which this process walks through a set of strings."""
    return list({f"word {number}" for number in range(50)})


def nest(shard: int, watch: Watch) -> None:
    """Starts an executor inside of a worker, which is refused."""
    ShardExecutor(2).run(sleep, [0.0], lambda shard, result: None)


def call_many(shard: int, watch: Watch) -> tuple[float, float]:
    """Seconds for one guarded call and for one bare call of an empty function, each averaged over `shard` calls."""
    empty = int
    start = time.perf_counter()
    for key in range(shard):
        watch.guard(key, empty)
    middle = time.perf_counter()
    for _ in range(shard):
        empty()
    return (middle - start) / shard, (time.perf_counter() - middle) / shard
