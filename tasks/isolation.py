"""What stands between one bad record and the process that reads it: limits on CPU time and on the clock, and a fork to
die in.

A worker reads thousands of records with parsers written in C. A record that makes one of them crash or loop takes the
whole process with it, and no Python exception tells which record it was. So every dangerous call goes through
`Watch.guard`, which notes the record's key in memory that the parent shares, and arms two timers of the kernel. When
the worker dies, the parent knows the key. The shard is read again, carefully: from that key on every call runs in a
forked child, and a child that dies is one record's loss, whatever the number of such records.
"""

import ctypes
import os
import pickle
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

CELL_FIELDS = 4
"""int64 numbers of an attempt in shared memory: see the four names below."""
PID, STATE, KEY, DONE = range(CELL_FIELDS)
"""The worker's process id (0: not started), one of the states below, the key last guarded, the records done so far."""
NO_CALL, INSIDE, OUTSIDE = range(3)
"""No guarded call yet; inside one, in the worker itself; after one, or waiting for one in a forked child."""

CAREFUL_FACTOR = 4
"""A careful attempt allows four times the CPU time: the first shared the machine's caches and memory with others."""
WALL_FACTOR = 10
"""A call that waits for what never comes uses no CPU: it is ended after ten times its CPU limit on the clock."""
MEMORY_STATUS = 113
"""Exit status of a child whose call raised MemoryError: it may have no memory left to say so in words."""
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Death:
    """Why a guarded call did not return.

    `reason` is a word to count by, `detail` a few words for a person: "used more than 120 s of CPU", "killed by
    SIGSEGV", "exit code 3".
    """

    reason: Literal["timeout", "crash", "memory"]
    detail: str


class RecordDied(Exception):
    """A guarded call killed its process, or ran out of memory. Carries the `death` and the record's `key`."""

    def __init__(self, death: Death, key: int) -> None:
        super().__init__(death, key)
        self.death = death
        self.key = key

    def __str__(self) -> str:
        return f"record {self.key} died ({self.death.reason}): {self.death.detail}"


class Watch:
    """What a work function gets to guard its records and to tell how far it is. One for each attempt at a shard.

    Arguments:
        cells: `CELL_FIELDS` int64 numbers, in memory that the parent reads while this process works.
        cpu_seconds: CPU time, user and system, of all threads, that one guarded call may use. None: guard nothing.
        careful: run calls in forked children, from the first call for `from_key` on (None: from the first call).
    """

    def __init__(
        self, cells: memoryview, cpu_seconds: float | None, careful: bool = False, from_key: int | None = None
    ) -> None:
        self._cells = cells
        self._cpu_seconds = cpu_seconds
        self._forking = careful and from_key is None
        self._fork_from = from_key if careful else None

    def guard(
        self, key: int, function: Callable[..., Any], *arguments: Any, careful_factor: float = CAREFUL_FACTOR
    ) -> Any:
        """Returns `function(*arguments)`, called for the record `key` (int64) under the CPU limit, and ten times that
        on the clock. Do not nest calls.

        In a careful attempt the call runs in a forked child: what it changes in memory is lost, and its result must be
        picklable. Its CPU limit is then `careful_factor` times `cpu_seconds`: a small one is for calls that are made
        again in pieces if they die.

        Raises: RecordDied if the call ended its process (in a first attempt the worker is gone instead, and nothing is
            raised), or if it raised MemoryError (in any attempt, so that both see the same). Every other exception of
            the function passes through.
        """
        cells = self._cells
        cells[KEY] = key
        if self._cpu_seconds is None:
            cells[STATE] = OUTSIDE
            return function(*arguments)
        if self._forking or key == self._fork_from:
            cells[STATE] = OUTSIDE
            self._forking = True
            return call_in_child(key, careful_factor * self._cpu_seconds, function, arguments)
        cells[STATE] = INSIDE
        # Both signals keep their default action, death: the kernel carries it out even where C code holds the
        # interpreter. The second is for a call that blocks, and so uses no CPU.
        signal.setitimer(signal.ITIMER_PROF, self._cpu_seconds)
        signal.setitimer(signal.ITIMER_REAL, WALL_FACTOR * self._cpu_seconds)
        try:
            return function(*arguments)
        except MemoryError as error:
            raise RecordDied(_OUT_OF_MEMORY, key) from error
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0.0)
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            cells[STATE] = OUTSIDE

    def progress(self, done: int) -> None:
        """Tells how many records of this shard are done: a store to shared memory, cheap enough for every record."""
        self._cells[DONE] = done


_OUT_OF_MEMORY = Death("memory", "raised MemoryError")


def call_in_child(key: int, cpu_seconds: float, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Returns `function(*arguments)`, called in a forked child that may die of it.

    Raises: RecordDied if the child died; otherwise what the function raised (with the child's traceback as a note).
    """
    reader, writer = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _answer(parent, writer, cpu_seconds, function, arguments)
    os.close(writer)
    answer = _read_all(reader, WALL_FACTOR * cpu_seconds)
    os.close(reader)
    if answer is None:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        limit = f"did not end within {WALL_FACTOR * cpu_seconds:g} s, without using its CPU time"
        raise RecordDied(Death("timeout", limit), key)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status != 0 or not answer:
        raise RecordDied(death_of(status, cpu_seconds), key)
    returned, value, text = pickle.loads(answer)
    if returned:
        return value
    value.add_note(f"In the child process:\n{text}")
    raise value


def death_of(status: int, cpu_seconds: float) -> Death:
    """The death that an exit status (negative: the signal's number) of a guarded process stands for."""
    if status == -signal.SIGPROF:
        return Death("timeout", f"used more than {cpu_seconds:g} s of CPU")
    if status == -signal.SIGKILL:
        return Death("memory", "killed (out of memory?)")
    if status == MEMORY_STATUS:
        return _OUT_OF_MEMORY
    return Death("crash", describe_exit(status))


def describe_exit(status: int | None) -> str:
    """A few words on how a process ended: "killed by SIGSEGV", "exit code 3"."""
    if status is None:
        return "ended without a word"
    if status >= 0:
        return f"exit code {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:  # a real-time signal has no name
        return f"killed by signal {-status}"


def pack_exception(error: BaseException) -> tuple[BaseException, str]:
    """An exception that survives pickling (another becomes a RuntimeError that quotes it), and its traceback."""
    text = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))
    except (pickle.PickleError, TypeError, AttributeError, ValueError, ImportError, LookupError, RuntimeError):
        return RuntimeError(f"{type(error).__name__}: {error}"), text
    return error, text


def die_with_parent(parent: int) -> None:
    """Asks the kernel to kill this process when the thread that started it ends (on Linux; elsewhere does nothing)."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL))
    if os.getppid() != parent:  # it died before the kernel was asked
        os._exit(1)


def _answer(
    parent: int, writer: int, cpu_seconds: float, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> NoReturn:
    """The child's life: call, write the answer, leave by `os._exit`, so that nothing is flushed twice."""
    status = 1
    try:
        die_with_parent(parent)
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
        try:
            packed = pickle.dumps((True, function(*arguments), ""), protocol=5)
        except MemoryError:
            os._exit(MEMORY_STATUS)
        except BaseException as error:  # carried to the worker, which raises it
            packed = pickle.dumps((False, *pack_exception(error)))
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        left = memoryview(packed)
        while left:
            left = left[os.write(writer, left) :]
        status = 0
    finally:
        os._exit(status)


def _read_all(reader: int, seconds: float) -> bytes | None:
    """All that comes from a pipe until its other end closes; None if that takes more than `seconds` on the clock."""
    deadline = time.monotonic() + seconds
    poll = select.poll()
    poll.register(reader, select.POLLIN | select.POLLHUP | select.POLLERR)
    chunks: list[bytes] = []
    while (left := deadline - time.monotonic()) > 0:
        if poll.poll(min(left, 60.0) * 1000):
            chunk = os.read(reader, 1 << 20)
            if not chunk:
                return b"".join(chunks)
            chunks.append(chunk)
    return None
