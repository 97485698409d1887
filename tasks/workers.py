"""The worker processes under `tasks.executor`: how they start, what they do for one shard, and how they end with their
parent.

Pebble's pool outlives a dead worker, which `concurrent.futures` does not. Three of its edges are covered here: it reads
its pipe under a lock that all workers share (so a task is bytes, unpickled after the lock); it starts new workers from
a thread of its own (so the environment is set where a process is made); and it breaks when a worker dies while none
works (`alive` says so, and the owner makes a new pool).
"""

import contextlib
import ctypes
import multiprocessing
import multiprocessing.context
import os
import pickle
import resource
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from multiprocessing import popen_spawn_posix
from multiprocessing.process import BaseProcess
from typing import Any

import pebble

from tasks.isolation import CELL_FIELDS, PID, Watch, die_with_parent, pack_exception

WORKER_ENVIRONMENT = {
    # One thread a worker: there is a worker for every core already.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    # The order of a set of strings must not differ between workers, or equal inputs give different bytes.
    "PYTHONHASHSEED": "0",
}

in_worker = False
"""Whether this process is a worker: its work may not start a pool of its own."""
_cells: memoryview
"""In a worker: the pool's shared memory, `CELL_FIELDS` int64 numbers a slot."""
_environment_lock = threading.Lock()


class WorkerPool:
    """Running worker processes, and slots of shared memory in which they tell how far their shard is.

    Twice as many slots as workers: a worker that is done finds its next shard in the pipe already, and the pipe never
    fills.
    """

    def __init__(self, workers: int) -> None:
        methods = _WorkerContext()
        array = methods.RawArray(ctypes.c_int64, 2 * workers * CELL_FIELDS)
        self._cells = memoryview(array).cast("B").cast("q")
        self.free = list(range(2 * workers))
        """Slots that no shard holds."""
        self._pool = pebble.ProcessPool(
            workers, initializer=_start_worker, initargs=(os.getpid(), array), context=methods
        )
        self._failures: list[Exception] = []
        self._started, self._stopped = threading.Event(), threading.Event()
        # Linux kills a worker when the thread that started it ends. So none is started from the caller's thread, which
        # may end between two stages, but from one that lives as long as the pool.
        self._keeper = threading.Thread(target=self._keep, name="gristmill-workers", daemon=True)
        self._keeper.start()
        try:
            self._started.wait()
        except BaseException:
            self.stop()
            raise
        if self._failures:
            self.stop()
            raise self._failures[0]

    @property
    def alive(self) -> bool:
        """Whether the pool still takes and finishes work."""
        return bool(self._pool.active)

    def cells(self, slot: int) -> memoryview:
        """The shared numbers of a slot (int64, `CELL_FIELDS` of them)."""
        return self._cells[slot * CELL_FIELDS : (slot + 1) * CELL_FIELDS]

    def submit(
        self, slot: int, packed_work: bytes, shard: Any, cpu_seconds: float, careful: bool, from_key: int | None
    ) -> Future[bytes] | None:
        """Queues one attempt at a shard; None if the pool broke meanwhile.

        The future's bytes are the pickle of `(True, result, "")` or `(False, exception, traceback)`.
        """
        self.cells(slot)[:] = memoryview(bytes(8 * CELL_FIELDS)).cast("q")
        arguments = (slot, packed_work, pickle.dumps(shard), cpu_seconds, careful, from_key)
        try:
            return self._pool.schedule(attempt, arguments)
        except RuntimeError:
            if self.alive:
                raise
            return None

    def stop(self) -> None:
        """Ends all workers, whatever they do, and waits until they are gone."""
        self._pool.stop()
        self._pool.join()
        self._stopped.set()
        self._keeper.join()

    def _keep(self) -> None:
        try:
            if not self._pool.active:  # asking starts the workers
                self._failures.append(RuntimeError("The worker processes did not start."))
        except (OSError, RuntimeError) as error:
            self._failures.append(error)
        finally:
            self._started.set()
        self._stopped.wait()


def attempt(
    slot: int, packed_work: bytes, packed_shard: bytes, cpu_seconds: float, careful: bool, from_key: int | None
) -> bytes:
    """In a worker: does one shard. It pickles its answer itself: one that pebble can't pickle would end the worker."""
    cells = _cells[slot * CELL_FIELDS : (slot + 1) * CELL_FIELDS]
    cells[PID] = os.getpid()
    try:
        work, shard = pickle.loads(packed_work), pickle.loads(packed_shard)
        return pickle.dumps((True, work(shard, Watch(cells, cpu_seconds, careful, from_key)), ""))
    except BaseException as error:  # carried to the parent, which raises it
        return pickle.dumps((False, *pack_exception(error)))


def is_gone(pid: int) -> bool:
    """Whether no process has this id any more. (One that nobody has waited for yet counts as there.)"""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


class _WorkerProcess(multiprocessing.context.SpawnProcess):
    @staticmethod
    def _Popen(process_obj: BaseProcess) -> popen_spawn_posix.Popen:  # the hook that multiprocessing has for this
        with _as_a_worker_starts():
            return popen_spawn_posix.Popen(process_obj)


class _WorkerContext(multiprocessing.context.SpawnContext):
    Process = _WorkerProcess


@contextlib.contextmanager
def _as_a_worker_starts() -> Iterator[None]:
    """The environment, and SIGINT blocked, for the moment of a start: a process inherits both.

    A Ctrl-C in a terminal goes to all processes of its group. Blocked from its first instruction on, a worker leaves it
    to its parent even while it imports.
    """
    with _environment_lock:
        before = {name: os.environ.get(name) for name in WORKER_ENVIRONMENT}
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        os.environ.update(WORKER_ENVIRONMENT)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _start_worker(parent: int, array: Any) -> None:
    """A worker's first call: it shall end with its parent, use one thread, and die at once and without a core file."""
    global in_worker, _cells
    die_with_parent(parent)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # pebble's handler is Python, and waits for a call in C to return
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    in_worker = True
    _cells = memoryview(array).cast("B").cast("q")
    import pyarrow  # here: the parent may run without it

    pyarrow.set_cpu_count(1)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
