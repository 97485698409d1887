"""Maps a function over shards in worker processes of this machine, and survives the records that kill them.

One pool of processes is kept warm across stages. Paths and small results travel, tables don't. A shard whose worker
dies is read again, once, when nothing else runs: then its calls run in forked children from the key on at which the
worker died (see `tasks.isolation`), so that any number of killing records costs one more reading. Workers end with
their parent, however that ends (see `tasks.workers`).
"""

import atexit
import os
import pickle
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from pebble import ProcessExpired

from tasks import workers as worker_processes
from tasks.isolation import CELL_FIELDS, DONE, INSIDE, KEY, NO_CALL, PID, STATE, Death, RecordDied, Watch, describe_exit
from tasks.workers import WorkerPool, is_gone

__all__ = ["Death", "RecordDied", "ShardExecutor", "ShardFailed", "Watch", "available_cores", "shared_executor"]

Work = Callable[[Any, Watch], Any]
"""`work(shard, watch)`: picklable, as are the shard and the result, which is small."""
Done = Callable[[Any, Any], None]
"""`done(shard, result)`."""
Progress = Callable[[int, int], None]
"""`on_progress(records_done, shards_done)`."""

TICK_SECONDS = 1.0
MESSAGE_CHARACTERS = 600
"""So much of an exception's message is quoted."""
POOL_BREAKS = 3
"""So many pools may break one after the other, with no shard finished in between, before a run gives up."""


class ShardFailed(RuntimeError):
    """A shard can't be finished: its work raised an exception (the cause), or its worker died twice.

    The message is a sentence without a traceback, which may quote what lies in a page; `trace` is that of the worker,
    "" if it died.
    """

    def __init__(self, sentence: str, trace: str = "") -> None:
        super().__init__(sentence)
        self.trace = trace


class ShardExecutor:
    """Worker processes that shards are mapped over. The first `run` starts them; they stay until `close`.

    Arguments:
        workers: how many processes; None: one for every core that this process may use; 0: none, everything runs here,
            without limits.
        cpu_seconds: CPU time that one guarded call may use at the first try (four times as much when it is tried again,
            alone).
    """

    def __init__(self, workers: int | None = None, cpu_seconds: float = 30.0) -> None:
        if workers is not None and workers < 0:
            raise ValueError(f"The number of workers is {workers}; it must be 0 (run in this process) or more.")
        if cpu_seconds <= 0:
            raise ValueError(f"The CPU limit is {cpu_seconds} s; it must be above 0.")
        self.workers = available_cores() if workers is None else workers
        self.cpu_seconds = cpu_seconds
        self._pool: WorkerPool | None = None

    def run(
        self, work: Work, shards: Sequence[Any], done: Done, *, label: str = "", on_progress: Progress | None = None
    ) -> None:
        """Calls `work(shard, watch)` for every shard, and `done(shard, result)` here, in this thread, as each finishes,
        in any order.

        `on_progress(records_done, shards_done)` is called about once a second while waiting, and at the end. `label`
        begins error messages. Returns when all are done. When this raises, be it for Ctrl-C, no worker is left: the
        next `run` starts new ones.

        Raises: ShardFailed for the first shard that can't be finished; RuntimeError if workers can't be started, or if
            this is a worker; whatever `done` and `on_progress` raise.
        """
        if worker_processes.in_worker:
            raise RuntimeError(
                f"{label or 'A stage'}: a shard's work asked for workers of its own. Pools are not nested."
            )
        if self.workers == 0:
            _run_here(work, shards, done, label, on_progress)
            return
        try:
            _Run(self, work, shards, done, label, on_progress).finish()
        except BaseException:  # also Ctrl-C
            self.close()  # the caller lets go of its lock on the artifact now: nobody may be left who writes
            raise

    def close(self) -> None:
        """Ends the workers, if there are any, and waits until they are gone."""
        if self._pool is not None:
            self._pool.stop()
            self._pool = None

    def pool(self) -> WorkerPool:
        """The running workers: those that there are, or new ones if there are none or their pool broke."""
        if self._pool is not None and not self._pool.alive:
            self.close()
        if self._pool is None:
            self._pool = WorkerPool(self.workers)
        return self._pool

    def __enter__(self) -> "ShardExecutor":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


_shared: tuple[int, ShardExecutor] | None = None


def shared_executor(workers: int | None = None) -> ShardExecutor:
    """The executor of this process, kept warm across stages and closed at exit. Another number of workers replaces it.

    A start costs about half a second, and each worker then imports once what its work needs.
    """
    global _shared
    wanted = available_cores() if workers is None else workers
    if _shared is not None and _shared[0] == os.getpid():  # a fork inherits the variable, but not the workers
        if _shared[1].workers == wanted:
            return _shared[1]
        _shared[1].close()
    executor = ShardExecutor(wanted)
    _shared = (os.getpid(), executor)
    return executor


@atexit.register  # registered after pebble's own, so called before it
def _close_shared() -> None:
    if _shared is not None and _shared[0] == os.getpid():
        _shared[1].close()


def available_cores() -> int:
    """How many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _WatchHere(Watch):
    """A watch in the calling process, which says itself how far it is, about once a second."""

    def __init__(self, cells: memoryview, before: int, shards: int, on_progress: Progress | None) -> None:
        super().__init__(cells, cpu_seconds=None)
        self._before, self._shards, self._on_progress = before, shards, on_progress
        self._said = time.monotonic()

    def progress(self, done: int) -> None:
        super().progress(done)
        if self._on_progress is not None and time.monotonic() - self._said >= TICK_SECONDS:
            self._said = time.monotonic()
            self._on_progress(self._before + done, self._shards)


def _run_here(work: Work, shards: Sequence[Any], done: Done, label: str, on_progress: Progress | None) -> None:
    """The same without processes: one shard after the other, nothing limited."""
    records = 0
    for finished, shard in enumerate(shards, start=1):
        cells = memoryview(bytearray(8 * CELL_FIELDS)).cast("q")
        try:
            result = work(shard, _WatchHere(cells, records, finished - 1, on_progress))
        except Exception as error:  # raised on, with the shard's name
            raise _failure(label, shard, cells, error, traceback.format_exc()) from error
        done(shard, result)
        records += cells[DONE]
        if on_progress is not None:
            on_progress(records, finished)


@dataclass
class _Attempt:
    """A shard that waits or is under way: its place in the list, its slot of memory, and what a first death taught."""

    index: int
    slot: int = -1
    careful: bool = False
    from_key: int | None = None
    first_death: str = ""
    missed: int = 0
    """How many ticks in a row its worker has been gone, without a word from pebble."""


class _Run:
    """One call of `ShardExecutor.run`: what is under way, what has to be tried again alone, and the counts."""

    def __init__(
        self,
        executor: ShardExecutor,
        work: Work,
        shards: Sequence[Any],
        done: Done,
        label: str,
        on_progress: Progress | None,
    ) -> None:
        self.executor, self.shards, self.done, self.label, self.on_progress = executor, shards, done, label, on_progress
        self.packed_work = pickle.dumps(work)
        self.suspects: list[_Attempt] = []
        self.under_way: dict[Future[bytes], _Attempt] = {}
        self.shards_done = self.records_done = self.breaks = 0
        self.next_tick = time.monotonic() + TICK_SECONDS

    def finish(self) -> None:
        """All shards side by side; then, one by one, those whose worker died."""
        self._drain(deque(_Attempt(index) for index in range(len(self.shards))))
        for suspect in sorted(self.suspects, key=lambda attempt: attempt.index):
            self._drain(deque([suspect]))
        if self.on_progress is not None:
            self.on_progress(self.records_done, self.shards_done)

    def _drain(self, waiting: deque[_Attempt]) -> None:
        pool = self.executor.pool()
        while waiting or self.under_way:
            if not pool.alive:
                self._start_over(pool, waiting)
                pool = self.executor.pool()
            while waiting and pool.free:
                attempt = waiting.popleft()
                attempt.slot = pool.free.pop()
                shard = self.shards[attempt.index]
                how = (self.executor.cpu_seconds, attempt.careful, attempt.from_key)
                future = pool.submit(attempt.slot, self.packed_work, shard, *how)
                if future is None:
                    waiting.appendleft(attempt)
                    break
                self.under_way[future] = attempt
            left = max(0.0, self.next_tick - time.monotonic())
            for future in wait(self.under_way, timeout=left, return_when=FIRST_COMPLETED).done:
                self._settle(pool, future)
            if time.monotonic() >= self.next_tick:
                self._tick(pool)

    def _settle(self, pool: WorkerPool, future: Future[bytes]) -> None:
        """Takes note of an attempt that has ended, well or not."""
        attempt = self.under_way[future]
        try:
            returned, value, text = pickle.loads(future.result())
        except ProcessExpired as expiry:
            self._died(pool, future, describe_exit(expiry.exitcode))
            return
        except BrokenProcessPool:
            return  # it stays under way: `_start_over` decides what happens to it
        cells = pool.cells(attempt.slot)
        shard = self.shards[attempt.index]
        if not returned:
            raise _failure(self.label, shard, cells, value, text) from value
        self.records_done += cells[DONE]
        self._forget(pool, future)
        self.done(shard, value)
        self.shards_done += 1
        self.breaks = 0

    def _died(self, pool: WorkerPool, future: Future[bytes], how: str) -> None:
        """The attempt's worker is dead: the shard is tried again later, alone. If it was, that is the end of it."""
        attempt = self.under_way[future]
        cells = pool.cells(attempt.slot)
        inside, key = cells[STATE] == INSIDE, cells[KEY]
        if attempt.careful:
            where = f"at record {key}, which it had passed the first time" if inside else "outside of any guarded call"
            name = _name(self.label, self.shards[attempt.index])
            raise ShardFailed(
                f"{name} was tried twice, and each time its worker died: first {attempt.first_death}, then, alone and "
                f"with guarded records in processes of their own, {where}: {how}."
            )
        place = f"at record {key}" if inside else "outside of any guarded call"
        from_key = key if inside else None
        self.suspects.append(_Attempt(attempt.index, careful=True, from_key=from_key, first_death=f"{place} ({how})"))
        self._forget(pool, future)

    def _forget(self, pool: WorkerPool, future: Future[bytes]) -> None:
        pool.free.append(self.under_way.pop(future).slot)

    def _tick(self, pool: WorkerPool) -> None:
        """About once a second: tells the progress, and looks for workers that are gone without pebble's having said so.

        It says nothing of one that left with exit code 0, or so soon that it had not been seen to take its task.
        """
        self.next_tick = time.monotonic() + TICK_SECONDS
        for future, attempt in list(self.under_way.items()):
            pid = pool.cells(attempt.slot)[PID]
            attempt.missed = attempt.missed + 1 if pid and not future.done() and is_gone(pid) else 0
            if attempt.missed == 2:
                future.cancel()
                self._died(pool, future, describe_exit(None))
        if self.on_progress is not None:
            records = sum(pool.cells(attempt.slot)[DONE] for attempt in self.under_way.values())
            self.on_progress(self.records_done + records, self.shards_done)

    def _start_over(self, pool: WorkerPool, waiting: deque[_Attempt]) -> None:
        """The pool broke: what was under way waits again, but for shards whose own worker is gone. Ends the pool."""
        self.breaks += 1
        for future, attempt in list(self.under_way.items()):
            pid = pool.cells(attempt.slot)[PID]
            if future.done() and future.exception() is None:
                self._settle(pool, future)
            elif pid and is_gone(pid):
                self._died(pool, future, describe_exit(None))
            else:
                self._forget(pool, future)
                waiting.appendleft(attempt)
        self.executor.close()
        if self.breaks > POOL_BREAKS:
            raise RuntimeError(
                f"{self.label or 'A stage'}: the workers ended {self.breaks} times before a shard was finished. Their "
                "own messages are above. If this is a script, it must start its work under "
                '`if __name__ == "__main__":`, since every worker imports it.'
            )


def _name(label: str, shard: Any) -> str:
    name = repr(shard)
    return f"{label}{': ' if label else ''}shard {name if len(name) <= 200 else name[:197] + '...'}"


def _failure(label: str, shard: Any, cells: memoryview, error: BaseException, text: str) -> ShardFailed:
    place = "" if cells[STATE] == NO_CALL else f" (last guarded record: {cells[KEY]})"
    said = " ".join(str(error).split())
    said = said if len(said) <= MESSAGE_CHARACTERS else said[: MESSAGE_CHARACTERS - 3] + "..."
    said = f": {said}" if said else ""
    return ShardFailed(f"{_name(label, shard)} failed{place} with {type(error).__name__}{said}", text)
